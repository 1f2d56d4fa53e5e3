//! The scan of a whole workspace: in a process of its own that nobody waits for (`loopbox internal scan`), in
//! [`Loopbox::scan`](crate::Loopbox::scan), and once more before the remains of a removed sandbox are deleted.
//!
//! ```text
//! scan.lock       held by whoever scans
//! baseline.json   what a look at the names alone cannot tell: what was there before the sandbox was made
//! findings.json   what the last scan found
//! ```

mod git;
mod links;
mod walk;

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::quarantine::Quarantine;
use crate::error::{Error, Result};
use crate::fs::{Durability, Lock, read_limited, write_atomic};
use crate::info::Finding;
use crate::record::Record;
use crate::registry::SandboxDir;

/// After a command, a scan that is younger than this is recent enough.
const FRESH_FOR: Duration = Duration::from_secs(30);

/// Ours, and bounded when written.
const MAX_FILE: u64 = 16 * 1024 * 1024;

/// What a scan found.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Report {
    /// When it ended.
    pub(crate) at: Timestamp,
    /// How many names it looked at.
    pub(crate) looked_at: u64,
    /// What it found and left where it was.
    pub(crate) findings: Vec<Finding>,
}

impl Report {
    /// That of the last scan, if there was one.
    pub(crate) fn load(dir: &SandboxDir) -> Option<Self> {
        serde_json::from_slice(&read_limited(&dir.join("findings.json"), MAX_FILE).ok()??).ok()
    }
}

/// What was there before the sandbox was made, as far as it matters: it is never moved away.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Baseline {
    paths: BTreeSet<String>,
}

/// How many paths a baseline remembers; what is beyond is told from what is new by times alone.
const MAX_BASELINE: usize = 20_000;

impl Baseline {
    pub(super) fn holds(&self, path: &Path) -> bool {
        self.paths.contains(&Self::key(path))
    }

    pub(super) fn add(&mut self, path: &Path) {
        if self.paths.len() < MAX_BASELINE {
            self.paths.insert(Self::key(path));
        }
    }

    /// The path; one that is not Unicode in a form that no other has.
    fn key(path: &Path) -> String {
        path.to_str().map_or_else(|| format!("\0{}", path.as_os_str().as_bytes().escape_ascii()), str::to_owned)
    }
}

/// Scans the workspace of a sandbox now, once nobody else does.
pub(crate) fn run(dir: &SandboxDir, record: &Record) -> Result<Report> {
    let _lock = Lock::acquire(&dir.join("scan.lock"))?;
    run_locked(dir, record, None)
}

/// Scans; `until` is the time after which nothing of the sandbox ran any more.
fn run_locked(dir: &SandboxDir, record: &Record, until: Option<SystemTime>) -> Result<Report> {
    let bytes = read_limited(&dir.join("baseline.json"), MAX_FILE)?;
    // Without a baseline, what is old is taken into it now.
    let mut baseline: Baseline = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
    let state = dir.path().parent().and_then(Path::parent).unwrap_or(Path::new("/"));
    let quarantine = Quarantine::of(state, record);
    let failed = |error: io::Error| Error::io("scanning the workspace", error);
    let report = walk::scan(record, &mut baseline, &quarantine, until).map_err(failed)?;
    if dir.find_record()?.is_none_or(|now| now.id != record.id) {
        // It was removed meanwhile, and another may have its name.
        return Ok(report);
    }
    let json = |value: serde_json::Result<Vec<u8>>| value.map_err(|error| failed(io::Error::other(error)));
    write_atomic(dir.path(), "baseline.json", &json(serde_json::to_vec(&baseline))?, Durability::ProcessDeath)?;
    write_atomic(dir.path(), "findings.json", &json(serde_json::to_vec(&report))?, Durability::ProcessDeath)?;
    Ok(report)
}

/// Starts a scan in a process that nobody waits for.
pub(crate) fn start(helper: &Path, dir: &SandboxDir) {
    let spawned = Command::new(helper)
        .args(["internal".as_ref(), "scan".as_ref(), dir.path().as_os_str()])
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    // It detaches at once. A scan that cannot be started now is due again after the next command.
    if let Ok(mut child) = spawned {
        std::thread::spawn(move || child.wait());
    }
}

/// Whether the last scan is so old that another is due.
pub(crate) fn is_due(dir: &SandboxDir) -> bool {
    let last = fs::metadata(dir.join("findings.json")).and_then(|metadata| metadata.modified());
    last.map_or(true, |last| last.elapsed().is_ok_and(|age| age > FRESH_FOR))
}

/// Scans for the sandbox in that directory, in a process that nobody waits for. Called by the helper executable's
/// `internal scan`, on the main thread before there is any other; returns the process's exit code.
pub fn scan(dir: &Path) -> i32 {
    loopbox_init::sandbox::close_inherited();
    if loopbox_init::sandbox::detach().is_err() {
        return 1;
    }
    // Everything else on the machine goes first.
    let _as_it_is = rustix::process::nice(19);
    let dir = SandboxDir::at(dir.to_owned());
    let scanned = (|| {
        let Some(record) = dir.find_record()? else { return Ok(()) };
        match Lock::try_acquire(&dir.join("scan.lock"))? {
            Some(_lock) => run_locked(&dir, &record, None).map(|_| ()),
            // Somebody is at it.
            None => Ok(()),
        }
    })();
    i32::from(scanned.is_err())
}

/// Scans for the sandboxes in a trash directory, whose remains are about to be deleted.
pub(crate) fn last(trash: &Path) {
    for entry in fs::read_dir(trash).into_iter().flatten().flatten() {
        let dir = SandboxDir::at(entry.path());
        let Ok(Some(record)) = dir.find_record() else { continue };
        // Written when the removal began.
        let until = fs::metadata(dir.join("record.json")).and_then(|metadata| metadata.modified());
        if let Ok(Some(_lock)) = Lock::try_acquire(&dir.join("scan.lock")) {
            // What cannot be scanned is deleted all the same.
            let _unscanned = run_locked(&dir, &record, until.ok());
        }
    }
}
