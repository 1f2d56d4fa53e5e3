//! Reaching into a workspace by descriptors. Hostile processes may still run in it: nothing below its top is reached
//! through a symbolic link, and nothing is opened that could make the opener wait.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags, Stat, StatxFlags, openat2, statat, statx};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use crate::record::WorkspaceRecord;

/// How a path below a top is resolved.
pub(super) const RESOLVE: ResolveFlags =
    ResolveFlags::BENEATH.union(ResolveFlags::NO_SYMLINKS).union(ResolveFlags::NO_MAGICLINKS);

/// The workspace, if it is still the directory that the sandbox was made for.
pub(super) fn top(workspace: &WorkspaceRecord) -> io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let resolve = ResolveFlags::NO_SYMLINKS;
    let top = retry(|| openat2(rustix::fs::CWD, &workspace.canonical, flags, Mode::empty(), resolve))?;
    let stat = rustix::fs::fstat(&top)?;
    if (stat.st_dev, stat.st_ino) != (workspace.device, workspace.inode) {
        return Err(io::Error::other("the workspace was replaced"));
    }
    if stat.st_mode & 0o700 != 0o700 && is_own(&stat) {
        // Closed to its owner it would not be looked at, and what is in it would count as his when he opens it.
        change_mode(&top, stat.st_mode | 0o700)?;
    }
    directory_at(top, Path::new("."), RESOLVE)
}

/// Whether this process depends on permissions, and may change those of what was looked at.
fn is_own(stat: &Stat) -> bool {
    let me = rustix::process::geteuid();
    !me.is_root() && stat.st_uid == me.as_raw()
}

fn change_mode(of: impl AsFd, mode: u32) -> Result<(), Errno> {
    // What was opened without any permission can be named in this way only.
    rustix::fs::chmod(format!("/proc/self/fd/{}", of.as_fd().as_raw_fd()), Mode::from_raw_mode(mode & 0o7777))
}

/// Does something with the owner's permissions on a directory, whatever the inside left of them; they are left so.
pub(super) fn with_mode<T>(
    directory: impl AsFd,
    mode: u32,
    act: impl FnOnce() -> Result<T, Errno>,
) -> Result<T, Errno> {
    let stat = rustix::fs::fstat(&directory)?;
    if !is_own(&stat) {
        return Err(Errno::ACCESS);
    }
    change_mode(&directory, stat.st_mode | mode)?;
    let done = act();
    change_mode(&directory, stat.st_mode)?;
    done
}

/// A directory below `at`.
pub(super) fn directory(at: impl AsFd, path: impl AsRef<Path>) -> io::Result<OwnedFd> {
    directory_at(at, path.as_ref(), RESOLVE)
}

fn directory_at(at: impl AsFd, path: &Path, resolve: ResolveFlags) -> io::Result<OwnedFd> {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let open = |flags| retry(|| openat2(at.as_fd(), path, flags, Mode::empty(), resolve));
    match open(flags) {
        // One that cannot be listed can be passed through: what is in it can be used by its name.
        Err(Errno::ACCESS) => {
            let closed = open(OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC)?;
            with_mode(&closed, 0o400, || open(flags)).map_err(io::Error::from)
        }
        opened => Ok(opened?),
    }
}

/// A regular file below `at`, for reading.
pub(super) fn file(at: impl AsFd, path: impl AsRef<Path>) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let fd = retry(|| openat2(at.as_fd(), path.as_ref(), flags, Mode::empty(), RESOLVE))?;
    if kind(&rustix::fs::fstat(&fd)?) == FileType::RegularFile {
        Ok(File::from(fd))
    } else {
        Err(io::Error::other("not a regular file"))
    }
}

/// The first bytes of a regular file below `at`.
pub(super) fn read(at: impl AsFd, path: impl AsRef<Path>, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    io::Read::read_to_end(&mut io::Read::take(file(at, path)?, limit), &mut bytes)?;
    Ok(bytes)
}

/// What is at a path below `at`, itself not followed; `None` if there is nothing, or no way to it.
pub(super) fn look(at: impl AsFd, path: &Path) -> Option<Stat> {
    let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) else {
        return statat(at, path, AtFlags::SYMLINK_NOFOLLOW).ok();
    };
    let parent = directory(at, parent).ok()?;
    statat(parent, path.file_name()?, AtFlags::SYMLINK_NOFOLLOW).ok()
}

/// What distinguishes what is at a path from what was or will be there. Numbers of inodes are used again at once, so
/// the time of birth belongs to it where the file system knows one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Identity {
    device: u64,
    inode: u64,
    born: (i64, u32),
}

/// The identity of what is at a path below `at`, itself not followed.
pub(super) fn identity(at: impl AsFd, path: &Path) -> Option<Identity> {
    let wanted = StatxFlags::INO | StatxFlags::BTIME;
    let of = |at: BorrowedFd<'_>, name: &Path| {
        let found = statx(at, name, AtFlags::SYMLINK_NOFOLLOW, wanted).ok()?;
        let device = u64::from(found.stx_dev_major) << 32 | u64::from(found.stx_dev_minor);
        Some(Identity { device, inode: found.stx_ino, born: (found.stx_btime.tv_sec, found.stx_btime.tv_nsec) })
    };
    match path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        Some(parent) => of(directory(at, parent).ok()?.as_fd(), Path::new(path.file_name()?)),
        None => of(at.as_fd(), path),
    }
}

pub(super) fn kind(stat: &Stat) -> FileType {
    FileType::from_raw_mode(stat.st_mode)
}

/// The kernel gives up a resolution beneath a directory when something is renamed meanwhile; so does this, but later.
fn retry<T>(mut call: impl FnMut() -> Result<T, Errno>) -> Result<T, Errno> {
    for _ in 0..64 {
        match call() {
            Err(Errno::AGAIN | Errno::INTR) => {}
            result => return result,
        }
    }
    call()
}
