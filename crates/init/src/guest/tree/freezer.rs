//! The freezer hierarchy of cgroups v1: frozen processes do not fork, so they can be killed one by one.

use super::group::write;
use std::os::fd::BorrowedFd;

/// Kills all that is in the group by `kill_each`, while it is frozen. A killed process ends when it is thawed.
pub(super) fn kill(directory: BorrowedFd<'_>, kill_each: impl Fn()) {
    let _ = write(directory, "freezer.state", b"FROZEN");
    kill_each();
    let _ = write(directory, "freezer.state", b"THAWED");
}
