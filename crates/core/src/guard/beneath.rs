//! Reaching into a workspace by descriptors. Hostile processes may still run in it: nothing below its top is reached
//! through a symbolic link, and nothing is opened that could make the opener wait.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
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
    let top = directory_at(rustix::fs::CWD, &workspace.canonical, ResolveFlags::NO_SYMLINKS)?;
    let stat = rustix::fs::fstat(&top)?;
    if (stat.st_dev, stat.st_ino) == (workspace.device, workspace.inode) {
        Ok(top)
    } else {
        Err(io::Error::other("the workspace was replaced"))
    }
}

/// A directory below `at`.
pub(super) fn directory(at: impl AsFd, path: impl AsRef<Path>) -> io::Result<OwnedFd> {
    directory_at(at, path.as_ref(), RESOLVE)
}

fn directory_at(at: impl AsFd, path: &Path, resolve: ResolveFlags) -> io::Result<OwnedFd> {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    Ok(retry(|| openat2(at.as_fd(), path, flags, Mode::empty(), resolve))?)
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
