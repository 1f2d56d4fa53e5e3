//! The sandbox's cgroup on the host's side: made for it and handed over to its ids, removed when it is empty.
//!
//! Only root can make one without asking systemd. Without one, commands are ended by a sub-reaper, and no limits can be
//! set; `doctor` and `inspect` say which it is.

use std::fs;
use std::io;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use loopbox_init::sandbox::{Cgroup, CgroupVersion};

use crate::error::{Error, Result};

/// Files of a cgroup that whoever manages it must be able to write.
const DELEGATED: [&str; 4] = ["cgroup.procs", "cgroup.threads", "cgroup.subtree_control", "freezer.state"];

/// The hierarchy to use on this machine, if this process may.
pub(super) fn available() -> Option<Cgroup> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    let of = |kind: &str, option: &str| {
        mounts.lines().find_map(|line| {
            let (before, after) = line.split_once(" - ")?;
            let mut after = after.split(' ');
            let (found, options) = (after.next()?, after.nth(1)?);
            let matches = found == kind && (option.is_empty() || options.split(',').any(|o| o == option));
            matches.then(|| before.split(' ').nth(4).map(PathBuf::from))?
        })
    };
    let cgroup = |dir: PathBuf, version| {
        let dir = dir.join("loopbox");
        // Made once and kept: whether it can be made is the question.
        let usable = fs::create_dir_all(&dir).is_ok() && rustix::fs::access(&dir, rustix::fs::Access::WRITE_OK).is_ok();
        usable.then_some(Cgroup { dir, version })
    };
    of("cgroup2", "")
        .and_then(|dir| cgroup(dir, CgroupVersion::V2))
        .or_else(|| of("cgroup", "freezer").and_then(|dir| cgroup(dir, CgroupVersion::FreezerV1)))
}

/// Makes the cgroup and hands it over to `uid`.
pub(super) fn make(cgroup: &Cgroup, uid: u32) -> Result<()> {
    let failed = |error| Error::io(format!("making cgroup {}", cgroup.dir.display()), error);
    fs::create_dir_all(&cgroup.dir).map_err(failed)?;
    chown(&cgroup.dir, Some(uid), None).map_err(failed)?;
    for file in DELEGATED {
        match chown(cgroup.dir.join(file), Some(uid), None) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
    }
    Ok(())
}

/// Removes the cgroup with what is below it. Its processes are dead or about to be: one that dies is in its cgroup for a
/// moment longer than in any other respect.
pub(super) fn remove(cgroup: &Cgroup, within: Duration) -> Result<()> {
    let deadline = Instant::now() + within;
    loop {
        match remove_tree(&cgroup.dir) {
            Err(error) if error.kind() == io::ErrorKind::ResourceBusy && Instant::now() < deadline => {
                std::thread::sleep(Duration::from_millis(1));
            }
            removed => {
                return removed.map_err(|error| Error::io(format!("removing cgroup {}", cgroup.dir.display()), error));
            }
        }
    }
}

fn remove_tree(dir: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    for entry in entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
        remove_tree(&entry.path())?;
    }
    match fs::remove_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
