//! Terminals for commands.

use crate::protocol::TtySize;
use rustix::fs::{Mode, OFlags, open};
use rustix::io::Errno;
use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use std::ffi::CStr;
use std::os::fd::{AsFd, OwnedFd};

/// The two ends of a terminal.
#[derive(Debug)]
pub(super) struct Terminal {
    /// The end of whoever looks at it.
    pub(super) master: OwnedFd,
    /// The end of the command.
    pub(super) peer: OwnedFd,
}

impl Terminal {
    /// Opens a terminal that belongs to `owner`.
    pub(super) fn open(ptmx: &CStr, owner: Option<(u32, u32)>, size: TtySize) -> Result<Terminal, Errno> {
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let master = match owner {
            Some((uid, gid)) => as_owner(uid, gid, || open(ptmx, flags, Mode::empty()))?,
            None => open(ptmx, flags, Mode::empty())?,
        };
        unlockpt(&master)?;
        let peer = ioctl_tiocgptpeer(&master, OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
        resize(&master, size)?;
        Ok(Terminal { master, peer })
    }
}

/// Sets the size of a terminal; its foreground processes learn of it by `SIGWINCH`.
pub(super) fn resize(terminal: impl AsFd, size: TtySize) -> Result<(), Errno> {
    tcsetwinsize(terminal, Winsize { ws_row: size.rows, ws_col: size.cols, ws_xpixel: 0, ws_ypixel: 0 })
}

/// A terminal belongs to the file system ids of the process that opens it. Changing its owner afterwards would take a
/// capability that PID 1 does not have.
fn as_owner<T>(uid: u32, gid: u32, make: impl FnOnce() -> T) -> T {
    // SAFETY: these take integers only. They cannot fail in a way that matters: the id before is what they return.
    let (gid_before, uid_before) =
        unsafe { (libc::syscall(libc::SYS_setfsgid, gid), libc::syscall(libc::SYS_setfsuid, uid)) };
    let result = make();
    // SAFETY: as above.
    unsafe {
        libc::syscall(libc::SYS_setfsuid, uid_before);
        libc::syscall(libc::SYS_setfsgid, gid_before);
    }
    result
}
