//! Whether a command failed because the sandbox's memory was used up.

use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorCode};
use crate::fs::read_limited;
use crate::name::SandboxName;

/// A file of a cgroup is small; a larger one is none.
const MAX_FILE: u64 = 64 * 1024;

/// The processes that the kernel has killed in a sandbox for want of memory, counted from a command's start.
#[derive(Debug)]
pub(crate) struct OutOfMemory {
    events: PathBuf,
    before: u64,
}

impl OutOfMemory {
    /// Counts from now; `events` is the file of a cgroup that tells the number.
    pub(crate) fn since_now(events: PathBuf) -> Self {
        Self { before: killed(&events), events }
    }

    /// The error of a command that ended like this, if one of its processes may have been killed. One that brought its
    /// work to a good end did so with the processes that it had left, and one that its caller ended needs no reason.
    pub(super) fn of_end(&self, exit_code: i32, timed_out: bool, sandbox: &SandboxName) -> Option<Error> {
        let failed = exit_code != 0 && !timed_out;
        (failed && killed(&self.events) > self.before).then(|| {
            let what =
                format!("the memory of the sandbox '{sandbox}' was used up, and the kernel killed processes in it");
            explained(what)
        })
    }

    /// The error of a sandbox that died while the command ran.
    pub(super) fn of_death(&self, sandbox: &SandboxName) -> Option<Error> {
        (killed(&self.events) > self.before).then(|| {
            explained(format!("the sandbox '{sandbox}' died: its memory was used up, and the kernel killed its init"))
        })
    }
}

fn explained(what: String) -> Error {
    Error::new(ErrorCode::OutOfMemory, what)
        .with_hint("raise limits.memoryBytes (`-m`), or use less; files in /tmp, /run and /dev/shm are kept in memory")
}

/// The number of processes killed for want of memory: `oom_kill N` in `memory.events` of version 2 and in
/// `memory.oom_control` of version 1.
pub(crate) fn killed(events: &Path) -> u64 {
    let text = read_limited(events, MAX_FILE).ok().flatten().unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_command_is_told_that_memory_was_used_up() {
        let dir = tempfile::tempdir().unwrap();
        let name = SandboxName::parse("box").unwrap();
        let versions = [
            ("memory.events", "low 0\nhigh 0\nmax 9\noom 2\noom_kill 1\noom_group_kill 0\n"),
            ("memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n"),
        ];
        for (file, text) in versions {
            let events = dir.path().join(file);
            std::fs::write(&events, text).unwrap();
            let watch = OutOfMemory::since_now(events.clone());
            assert!(watch.of_end(137, false, &name).is_none(), "{file}: killed by somebody else");
            std::fs::write(&events, text.replace("oom_kill 1", "oom_kill 2")).unwrap();
            assert_eq!(watch.of_end(137, false, &name).unwrap().code(), ErrorCode::OutOfMemory, "{file}");
            assert_eq!(watch.of_death(&name).unwrap().code(), ErrorCode::OutOfMemory, "{file}");
            assert!(watch.of_end(0, false, &name).is_none(), "{file}: it did its work all the same");
            assert!(watch.of_end(124, true, &name).is_none(), "{file}: its time was up");
        }
    }

    #[test]
    fn a_cgroup_that_is_gone_tells_of_nothing() {
        assert_eq!(killed(Path::new("/nonexistent")), 0);
    }
}
