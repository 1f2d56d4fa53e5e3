//! Files of two directories, one of the host's and one that belongs to something hostile, reached by descriptors.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags, Stat, openat2, statat};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

/// What tells one state of a file from another without reading it: inode, size, times of change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Seen(u64, u64, i64, i64);

/// Two changes within this time may leave the same times behind.
const CLOCK_TICK_NS: i64 = 20_000_000;

impl Seen {
    pub(super) fn of(stat: &Stat) -> Self {
        let size = u64::try_from(stat.st_size).unwrap_or_default();
        let mtime = nanoseconds(stat.st_mtime, stat.st_mtime_nsec);
        Self(stat.st_ino, size, mtime, nanoseconds(stat.st_ctime, stat.st_ctime_nsec))
    }

    /// Whether a later change could not go unnoticed, seen from `now`.
    pub(super) fn is_settled(self, now: i64) -> bool {
        self.3 < now - CLOCK_TICK_NS
    }

    /// What nothing looks like.
    pub(super) const NEVER: Self = Self(0, 0, 0, 0);

    /// When its content changed.
    pub(super) fn modified(self) -> i64 {
        self.2
    }
}

fn nanoseconds(seconds: i64, rest: impl TryInto<i64>) -> i64 {
    seconds.saturating_mul(1_000_000_000).saturating_add(rest.try_into().unwrap_or_default())
}

/// Nanoseconds since the epoch, as file systems count them.
pub(super) fn now() -> i64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Realtime);
    nanoseconds(now.tv_sec, now.tv_nsec)
}

/// A directory by its path, no part of which is a link.
pub(super) fn open_top(path: &Path) -> io::Result<OwnedFd> {
    open(rustix::fs::CWD, path, OFlags::RDONLY | OFlags::DIRECTORY, ResolveFlags::NO_SYMLINKS)
}

/// A directory below `at`, if there is one and not something else.
pub(super) fn open_below(at: impl AsFd, path: impl AsRef<Path>) -> io::Result<Option<OwnedFd>> {
    let path = if path.as_ref().as_os_str().is_empty() { Path::new(".") } else { path.as_ref() };
    match open(at, path, OFlags::RDONLY | OFlags::DIRECTORY, BENEATH) {
        Ok(fd) => Ok(Some(fd)),
        Err(error) if is_other_kind(&error) || error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

const BENEATH: ResolveFlags = ResolveFlags::BENEATH.union(ResolveFlags::NO_SYMLINKS);

fn open(at: impl AsFd, path: &Path, flags: OFlags, resolve: ResolveFlags) -> io::Result<OwnedFd> {
    let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    retry(|| openat2(at.as_fd(), path, flags, Mode::empty(), resolve))
}

/// The kernel gives up beneath a directory when something is renamed meanwhile.
fn retry(open: impl Fn() -> Result<OwnedFd, Errno>) -> io::Result<OwnedFd> {
    for _ in 0..64 {
        match open() {
            Err(Errno::AGAIN | Errno::INTR) => {}
            opened => return Ok(opened?),
        }
    }
    Err(Errno::AGAIN.into())
}

/// Lets the owner of a directory, who is this process's user, list and change it, whatever the inside took from him.
pub(super) fn open_up(at: impl AsFd, path: impl AsRef<Path>) -> io::Result<()> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let directory = retry(|| openat2(at.as_fd(), path.as_ref(), flags, Mode::empty(), BENEATH))?;
    let mode = rustix::fs::fstat(&directory)?.st_mode & 0o777 | 0o700;
    // The mode of what was opened so can be changed by this name only.
    let name = format!("/proc/self/fd/{}", directory.as_raw_fd());
    std::fs::set_permissions(name, std::os::unix::fs::PermissionsExt::from_mode(mode))
}

/// Does so if a directory is there and was closed; for root none is.
pub(super) fn open_up_if_closed(at: impl AsFd, path: impl AsRef<Path>) -> io::Result<()> {
    let found = look(&at, &path)?.map(|stat| (FileType::from_raw_mode(stat.st_mode), stat.st_mode & 0o700));
    match found {
        Some((FileType::Directory, mode)) if mode != 0o700 && !rustix::process::geteuid().is_root() => {
            open_up(at, path)
        }
        _ => Ok(()),
    }
}

/// Whether something is there, but not what was asked for.
pub(super) fn is_other_kind(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(Errno::LOOP | Errno::NOTDIR | Errno::ISDIR | Errno::NXIO | Errno::NODEV | Errno::INVAL)
    )
}

/// What is at that name of a directory, itself not followed.
pub(super) fn look(at: impl AsFd, name: impl AsRef<Path>) -> io::Result<Option<Stat>> {
    match statat(at, name.as_ref(), AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(stat)),
        Err(Errno::NOENT) => Ok(None),
        Err(errno) => Err(errno.into()),
    }
}

/// What reading a file found.
pub(super) enum Content {
    Absent,
    /// Something that is not a regular file, or a larger one.
    Unfit,
    File(Vec<u8>, Stat),
}

/// Reads a regular file of a directory, at most `limit` bytes.
pub(super) fn read(at: impl AsFd, name: &str, limit: u64) -> io::Result<Content> {
    let file = match open(at, Path::new(name), OFlags::RDONLY, BENEATH) {
        Ok(fd) => File::from(fd),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Content::Absent),
        Err(error) if is_other_kind(&error) => return Ok(Content::Unfit),
        // Its owner inside can make it so; as root one reads it all the same.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Ok(Content::Unfit),
        Err(error) => return Err(error),
    };
    let stat = rustix::fs::fstat(&file)?;
    let size = u64::try_from(stat.st_size).unwrap_or(u64::MAX);
    // Root reads also what its owner cannot, who has no use for it then.
    let readable = stat.st_mode & 0o400 != 0;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile || size > limit || !readable {
        return Ok(Content::Unfit);
    }
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or_default());
    file.take(limit + 1).read_to_end(&mut bytes)?;
    Ok(if bytes.len() as u64 > limit { Content::Unfit } else { Content::File(bytes, stat) })
}

/// The names in a directory, with what they are; at most `limit`.
pub(super) fn names(at: impl AsFd, limit: usize) -> io::Result<Vec<(String, FileType)>> {
    let mut found = Vec::new();
    for entry in rustix::fs::Dir::read_from(at.as_fd())? {
        let entry = entry?;
        let Ok(name) = entry.file_name().to_str().map(str::to_owned) else { continue };
        if matches!(name.as_str(), "." | "..") {
            continue;
        }
        let kind = match entry.file_type() {
            FileType::Unknown => {
                look(&at, &name)?.map_or(FileType::Unknown, |stat| FileType::from_raw_mode(stat.st_mode))
            }
            kind => kind,
        };
        found.push((name, kind));
        if found.len() >= limit {
            break;
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn only_regular_files_of_a_bearable_size_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let at = open_top(&fs::canonicalize(dir.path()).unwrap()).unwrap();
        fs::write(dir.path().join("file"), "text").unwrap();
        symlink("/etc/passwd", dir.path().join("link")).unwrap();
        fs::create_dir(dir.path().join("directory")).unwrap();
        let mode = Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(&at, "fifo", FileType::Fifo, mode, 0).unwrap();
        assert!(matches!(read(&at, "file", 4), Ok(Content::File(bytes, _)) if bytes == b"text"));
        assert!(matches!(read(&at, "file", 3), Ok(Content::Unfit)));
        for name in ["link", "directory", "fifo"] {
            assert!(matches!(read(&at, name, 4), Ok(Content::Unfit)), "{name}");
        }
        assert!(matches!(read(&at, "nothing", 4), Ok(Content::Absent)));
        assert!(open_below(&at, "link").unwrap().is_none());
        assert_eq!(names(&at, 3).unwrap().len(), 3);
    }
}
