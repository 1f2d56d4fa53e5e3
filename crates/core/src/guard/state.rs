//! What is noted of a sandbox's guards, in its directory.
//!
//! ```text
//! guard.json   the guarded paths that are known, and what stands before them inside
//! guard.mark   empty; tells in one look whether anything at the top of the workspace changed since the last check
//! guard.lock   held while the former is changed
//! guard/N      private copies of guarded paths
//! ```

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use rustix::fs::{AtFlags, CWD, Stat, Timespec, Timestamps};
use serde::{Deserialize, Serialize};

use super::beneath::Identity;
use crate::error::Result;
use crate::fs::{Durability, read_limited, write_atomic};
use crate::registry::SandboxDir;

/// Ours, with at most a few hundred entries.
const MAX_STATE: u64 = 4 * 1024 * 1024;

/// What is known of the guarded paths of one workspace.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct State {
    /// Those that exist and are the host's own, with what is there.
    pub(super) known: BTreeMap<PathBuf, Identity>,
    /// Those that something stands before.
    pub(super) shadows: Vec<Shadow>,
    /// What the repository's configuration names as the directory of hooks.
    pub(super) hooks: Option<PathBuf>,
    /// The executable that can put guards in place while the sandbox runs.
    pub(super) helper: PathBuf,
}

/// What stands before a guarded path inside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Shadow {
    /// The path, relative to the workspace.
    pub(super) path: PathBuf,
    /// The name of its private copy below `guard/`; none where the host's own is shown read-only.
    pub(super) copy: Option<String>,
    /// What the mount lies on: it comes off when the host puts something else there.
    pub(super) on: Option<Identity>,
    /// What was on the host, and in the copy, when the copy was made.
    pub(super) host: String,
    pub(super) inside: String,
}

impl State {
    pub(super) fn load(dir: &SandboxDir) -> Result<Self> {
        let Some(bytes) = read_limited(&dir.join("guard.json"), MAX_STATE)? else { return Ok(Self::default()) };
        serde_json::from_slice(&bytes).map_err(|error| crate::Error::io("reading guard.json", io::Error::other(error)))
    }

    pub(super) fn save(&self, dir: &SandboxDir) -> Result<()> {
        let bytes = serde_json::to_vec(self)
            .map_err(|error| crate::Error::io("writing guard.json", io::Error::other(error)))?;
        write_atomic(dir.path(), "guard.json", &bytes, Durability::ProcessDeath)
    }

    pub(super) fn shadow(&self, path: &std::path::Path) -> Option<&Shadow> {
        self.shadows.iter().find(|shadow| shadow.path == path)
    }
}

/// The last change of a directory's names, which nobody can set.
pub(super) type Stamp = (i64, i64);

/// File systems keep times in ticks: a change within the tick of the last one leaves no trace in them. A stamp counts
/// only once it is older than the longest tick.
const TICK: Duration = Duration::from_secs(1);

/// What the mark tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    /// The workspace's stamp when its guarded paths were last looked at; nothing if that stamp was too young to count.
    pub(super) checked: Stamp,
    /// Whether nothing but init lived inside at the end of the last command, and none began since: what turned up after
    /// that is the host's own work.
    pub(super) quiet: bool,
    /// Whether anything stands before a guarded path.
    pub(super) shadowed: bool,
}

const QUIET: i64 = 1;
const BUSY: i64 = 0;

impl Mark {
    pub(super) fn read(dir: &SandboxDir) -> Option<Self> {
        let metadata = std::fs::metadata(dir.join("guard.mark")).ok()?;
        Some(Self {
            checked: (metadata.mtime(), metadata.mtime_nsec()),
            quiet: metadata.atime() == QUIET,
            shadowed: metadata.len() > 0,
        })
    }

    /// Makes the mark as it is to be from here on.
    pub(super) fn create(self, dir: &SandboxDir) -> io::Result<()> {
        let content: &[u8] = if self.shadowed { b"shadowed" } else { b"" };
        let mut file =
            File::options().create(true).write(true).truncate(true).mode(0o600).open(dir.join("guard.mark"))?;
        file.write_all(content)?;
        self.write(dir)
    }

    /// Changes its times.
    pub(super) fn write(self, dir: &SandboxDir) -> io::Result<()> {
        let times = Timestamps {
            last_access: Timespec { tv_sec: if self.quiet { QUIET } else { BUSY }, tv_nsec: 0 },
            last_modification: Timespec { tv_sec: self.checked.0, tv_nsec: self.checked.1 },
        };
        Ok(rustix::fs::utimensat(CWD, dir.join("guard.mark"), &times, AtFlags::empty())?)
    }
}

pub(super) fn stamp(stat: &Stat) -> Stamp {
    (stat.st_ctime, i64::try_from(stat.st_ctime_nsec).unwrap_or(0))
}

/// The stamp if it is old enough to tell of every later change.
pub(super) fn settled(stamp: Stamp) -> Option<Stamp> {
    let seconds = u64::try_from(stamp.0).ok()?;
    let time = SystemTime::UNIX_EPOCH + Duration::new(seconds, u32::try_from(stamp.1).ok()?);
    (time + TICK < SystemTime::now()).then_some(stamp)
}
