//! What was the same on both sides when they were last compared, `git/state.json` in the sandbox's directory.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::files::Seen;
use crate::error::{Error, Result};
use crate::fs::{Durability, write_atomic};
use crate::info::Finding;

const FILE: &str = "state.json";
/// It is read before each command, so in one go.
const USUAL_STATE: usize = 16 << 10;
const MAX_STATE: u64 = 16 << 20;

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct State {
    /// Device and inode of the git directories that are mounted, by area.
    pub(super) mounted: BTreeMap<String, (u64, u64)>,
    /// Whether objects are named by SHA-256.
    pub(super) sha256: bool,
    /// `.git/config` goes both ways since the last start.
    pub(super) config_allowed: bool,
    /// `.git/hooks` is the host's own since the last start.
    pub(super) hooks_allowed: bool,
    /// The `.git` file, when it named the right directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) link: Option<Seen>,
    /// What was found while nobody was there to be told.
    pub(super) pending: Vec<Finding>,
    /// The git directories themselves, the host's and the sandbox's, when all in them was compared; by area. Git makes or
    /// renames a file for whatever it changes, which changes the directory.
    pub(super) tops: BTreeMap<String, (Seen, Seen)>,
    /// Files that go both ways, by area and name.
    pub(super) files: BTreeMap<String, Synced>,
    /// Directories of which files go in, by area and path.
    pub(super) folders: BTreeMap<String, Folder>,
    /// Directories that both sides write, as they were when nothing in them led elsewhere; by area and path.
    pub(super) trees: BTreeMap<String, Seen>,
}

/// A directory of which files go in.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Folder {
    /// The host's when it was last read; absent if a change since might not show.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) seen: Option<Seen>,
    pub(super) files: BTreeMap<String, Synced>,
}

/// A file when both sides had the same.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Synced {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) host: Option<Seen>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) private: Option<Seen>,
    /// What both held; absent if neither had the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) content: Option<String>,
    /// Whether a change since would show in `host` and `private`.
    pub(super) settled: bool,
}

impl State {
    /// What was written last; nothing if that was damaged, which costs comparing all.
    pub(super) fn read(dir: &Path) -> Result<Self> {
        let failed = |error| Error::io("reading what git has in common", error);
        let mut bytes = Vec::with_capacity(USUAL_STATE);
        match File::open(dir.join(FILE)) {
            Ok(file) => drop(file.take(MAX_STATE).read_to_end(&mut bytes).map_err(failed)?),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error)),
        }
        Ok(serde_json::from_slice(&bytes).unwrap_or_default())
    }

    /// There is nothing to compare.
    pub(super) fn forget(dir: &Path) -> Result<()> {
        match std::fs::remove_file(dir.join(FILE)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(Error::io("forgetting what git has in common", error))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn write(&self, dir: &Path) -> Result<()> {
        let bytes = serde_json::to_vec(self)
            .map_err(|error| Error::io("writing what git has in common", std::io::Error::other(error)))?;
        write_atomic(dir, FILE, &bytes, Durability::ProcessDeath)
    }
}
