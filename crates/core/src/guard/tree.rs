//! Small trees: what distinguishes one from its later self, and bounded copies of one.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Dir, FileType, Gid, Mode, OFlags, Timespec, Timestamps, Uid, openat, statat};
use sha2::{Digest, Sha256};

use super::beneath;
use super::state::stamp;

/// The most that is copied of one guarded path: settings are small, and what is larger is not settings.
pub(super) const MAX_FILES: usize = 2000;
pub(super) const MAX_BYTES: u64 = 32 * 1024 * 1024;
const MAX_DEPTH: usize = 32;

/// A tree is larger than what is copied.
fn too_large() -> io::Error {
    io::Error::from(io::ErrorKind::FileTooLarge)
}

/// Names, kinds, sizes and times of everything in a tree, as a digest: it changes whenever anything is written there.
pub(super) fn signature(at: impl AsFd, path: &Path, left_out: &[PathBuf]) -> io::Result<String> {
    let mut walk = Signature { hash: Sha256::new(), files: 0, left_out };
    let parent = beneath::directory(at, path.parent().unwrap_or(Path::new("")))?;
    walk.add(parent.as_fd(), path.file_name().unwrap_or_default(), Path::new(""), 0)?;
    Ok(crate::fs::to_hex(&walk.hash.finalize()[..16]))
}

struct Signature<'a> {
    hash: Sha256,
    files: usize,
    left_out: &'a [PathBuf],
}

impl Signature<'_> {
    fn add(&mut self, at: rustix::fd::BorrowedFd<'_>, name: &OsStr, path: &Path, depth: usize) -> io::Result<()> {
        let stat = statat(at, name, AtFlags::SYMLINK_NOFOLLOW)?;
        self.files += 1;
        if self.files > MAX_FILES || depth > MAX_DEPTH {
            return Err(too_large());
        }
        self.hash.update((path.as_os_str().len() as u64).to_le_bytes());
        self.hash.update(path.as_os_str().as_bytes());
        let is_directory = beneath::kind(&stat) == FileType::Directory;
        // A directory's own times tell of names that came and went; those are told by the names themselves.
        self.hash.update(stat.st_mode.to_le_bytes());
        if !is_directory {
            let (size, written, changed) = (stat.st_size, (stat.st_mtime, stat.st_mtime_nsec), stamp(&stat));
            self.hash.update(format!("{size} {written:?} {changed:?}"));
        }
        if is_directory && !self.left_out.iter().any(|left_out| left_out == path) {
            let directory = beneath::directory(at, name)?;
            for name in names(&directory)? {
                self.add(directory.as_fd(), &name, &path.join(&name), depth + 1)?;
            }
        }
        Ok(())
    }
}

/// The names in a directory, sorted; an error if there are more than a small tree has.
fn names(directory: &OwnedFd) -> io::Result<BTreeSet<std::ffi::OsString>> {
    let mut found = BTreeSet::new();
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        let name = OsStr::from_bytes(entry.file_name().to_bytes());
        if name != "." && name != ".." {
            found.insert(name.to_owned());
        }
        if found.len() > MAX_FILES {
            return Err(too_large());
        }
    }
    Ok(found)
}

/// Copies `path` below `from` to `name` in `to`, where nothing of that name may be, for `owner`; fails if it is large.
pub(crate) fn copy_tree(
    from: impl AsFd,
    path: &Path,
    to: impl AsFd,
    name: &OsStr,
    owner: Option<(u32, u32)>,
) -> io::Result<()> {
    Copier::new(owner, &[]).copy(from, path, to, name)
}

/// Copies a file, a link or a small tree: regular files, directories and links as links, nothing else.
#[derive(Debug)]
pub(super) struct Copier<'a> {
    /// Who owns the copy, if not this process.
    pub(super) owner: Option<(u32, u32)>,
    /// Keep each thing's own owner.
    pub(super) keep_owner: bool,
    /// Directories, relative to what is copied, that become empty ones.
    pub(super) left_out: &'a [PathBuf],
    pub(super) files: usize,
    pub(super) bytes: u64,
}

impl<'a> Copier<'a> {
    pub(super) fn new(owner: Option<(u32, u32)>, left_out: &'a [PathBuf]) -> Self {
        Self { owner, keep_owner: false, left_out, files: 0, bytes: 0 }
    }

    /// Copies `path` below `from` to `name` in `to`, where nothing of that name may be.
    pub(super) fn copy(&mut self, from: impl AsFd, path: &Path, to: impl AsFd, name: &OsStr) -> io::Result<()> {
        let parent = beneath::directory(from, path.parent().unwrap_or(Path::new("")))?;
        let source = path.file_name().unwrap_or_default();
        self.any(parent.as_fd(), source, to.as_fd(), name, Path::new(""), 0)
    }

    /// Copies what is in one directory into another.
    pub(super) fn copy_contents(&mut self, from: &OwnedFd, to: &OwnedFd) -> io::Result<()> {
        self.contents(from, to, Path::new(""), 0)
    }

    fn contents(&mut self, from: &OwnedFd, to: &OwnedFd, path: &Path, depth: usize) -> io::Result<()> {
        for name in names(from)? {
            self.any(from.as_fd(), &name, to.as_fd(), &name, &path.join(&name), depth + 1)?;
        }
        Ok(())
    }

    fn any(
        &mut self,
        from: rustix::fd::BorrowedFd<'_>,
        source: &OsStr,
        to: rustix::fd::BorrowedFd<'_>,
        name: &OsStr,
        path: &Path,
        depth: usize,
    ) -> io::Result<()> {
        self.files += 1;
        if self.files > MAX_FILES || depth > MAX_DEPTH {
            return Err(too_large());
        }
        let stat = statat(from, source, AtFlags::SYMLINK_NOFOLLOW)?;
        let owner = if self.keep_owner { Some((stat.st_uid, stat.st_gid)) } else { self.owner };
        match beneath::kind(&stat) {
            FileType::Directory => {
                let directory = beneath::directory(from, source)?;
                rustix::fs::mkdirat(to, name, Mode::from_raw_mode(0o700))?;
                let copy = beneath::directory(to, name)?;
                if !self.left_out.iter().any(|left_out| left_out == path) {
                    self.contents(&directory, &copy, path, depth)?;
                }
                give(&copy, owner)?;
                Ok(rustix::fs::fchmod(&copy, Mode::from_raw_mode(stat.st_mode & 0o777 | 0o700))?)
            }
            FileType::RegularFile => {
                let file = beneath::file(from, source)?;
                let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let copy = File::from(openat(to, name, flags, Mode::from_raw_mode(0o600))?);
                self.pour(file, &copy)?;
                let copy = OwnedFd::from(copy);
                give(&copy, owner)?;
                rustix::fs::fchmod(&copy, Mode::from_raw_mode(stat.st_mode & 0o777 | 0o600))?;
                let time = Timespec { tv_sec: stat.st_mtime, tv_nsec: i64::try_from(stat.st_mtime_nsec).unwrap_or(0) };
                Ok(rustix::fs::futimens(&copy, &Timestamps { last_access: time, last_modification: time })?)
            }
            FileType::Symlink => {
                let target = rustix::fs::readlinkat(from, source, Vec::new())?;
                rustix::fs::symlinkat(target.as_c_str(), to, name)?;
                if let Some((uid, gid)) = owner {
                    let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
                    rustix::fs::chownat(to, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)?;
                }
                Ok(())
            }
            // Devices, FIFOs and sockets hold no settings.
            _ => Ok(()),
        }
    }

    /// Copies bytes, at most as many as may still be copied.
    pub(super) fn pour(&mut self, from: File, mut to: &File) -> io::Result<()> {
        let mut from = from.take(MAX_BYTES - self.bytes.min(MAX_BYTES) + 1);
        let mut buffer = vec![0_u8; 64 * 1024];
        loop {
            let length = from.read(&mut buffer)?;
            if length == 0 {
                return Ok(());
            }
            self.bytes += length as u64;
            if self.bytes > MAX_BYTES {
                return Err(too_large());
            }
            to.write_all(buffer.get(..length).unwrap_or_default())?;
        }
    }
}

fn give(fd: &OwnedFd, owner: Option<(u32, u32)>) -> io::Result<()> {
    match owner {
        Some((uid, gid)) => Ok(rustix::fs::fchown(fd, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))?),
        None => Ok(()),
    }
}

/// Removes a small tree by descriptors.
pub(crate) fn remove(at: impl AsFd, name: &OsStr) -> io::Result<()> {
    remove_below(at.as_fd(), name, 0)
}

/// Removes what is in a directory of a small tree.
pub(super) fn clear(directory: &OwnedFd) -> io::Result<()> {
    names(directory)?.iter().try_for_each(|name| remove_below(directory.as_fd(), name, 1))
}

fn remove_below(at: rustix::fd::BorrowedFd<'_>, name: &OsStr, depth: usize) -> io::Result<()> {
    if depth > MAX_DEPTH {
        return Err(too_large());
    }
    match rustix::fs::unlinkat(at, name, AtFlags::empty()) {
        Err(rustix::io::Errno::ISDIR) => {
            let directory = beneath::directory(at, name)?;
            for name in names(&directory)? {
                remove_below(directory.as_fd(), &name, depth + 1)?;
            }
            Ok(rustix::fs::unlinkat(at, name, AtFlags::REMOVEDIR)?)
        }
        Err(rustix::io::Errno::NOENT) => Ok(()),
        result => Ok(result?),
    }
}
