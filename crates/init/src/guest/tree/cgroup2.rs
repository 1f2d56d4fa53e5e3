//! The unified cgroup hierarchy.

use super::group::write;
use std::os::fd::BorrowedFd;

/// Reads `cgroup.events`.
pub(super) fn is_populated(events: &[u8]) -> bool {
    !events.split(|&byte| byte == b'\n').any(|line| line == b"populated 0")
}

/// Kills all that is in the group and below; before Linux 5.14 by `kill_each` while it is frozen.
pub(super) fn kill(directory: BorrowedFd<'_>, kill_each: impl Fn()) {
    if write(directory, "cgroup.kill", b"1").is_err() {
        let _ = write(directory, "cgroup.freeze", b"1");
        kill_each();
        let _ = write(directory, "cgroup.freeze", b"0");
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_group_is_populated_unless_it_says_not() {
        assert!(!super::is_populated(b"populated 0\nfrozen 0\n"));
        assert!(super::is_populated(b"populated 1\nfrozen 0\n"));
        assert!(super::is_populated(b""));
    }
}
