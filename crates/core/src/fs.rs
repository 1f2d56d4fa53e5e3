//! Files that survive crashes: atomic replacement, locks, trees that are renamed away before they are removed.

use std::ffi::{OsStr, OsString};
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::{AtFlags, Dir, Mode, OFlags, openat, renameat, unlinkat};
use rustix::io::Errno;

use crate::error::{Error, Result};

/// Whether a change must survive a power failure, or only the death of processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Durability {
    /// Synced to the disk before it counts.
    PowerFailure,
    /// In the kernel's cache: enough for what a reboot makes meaningless anyway.
    ProcessDeath,
}

/// Replaces `dir/name` in one step, readable by its owner only.
pub(crate) fn write_atomic(dir: &Path, name: &str, bytes: &[u8], durability: Durability) -> Result<()> {
    let temporary = dir.join(format!(".{name}.{}", random_hex(6)?));
    let written = write_new(&temporary, bytes, durability).and_then(|()| fs::rename(&temporary, dir.join(name)));
    if let Err(error) = written {
        let _absent = fs::remove_file(&temporary);
        return Err(Error::io(format!("writing {}", dir.join(name).display()), error));
    }
    if durability == Durability::PowerFailure { sync_dir(dir) } else { Ok(()) }
}

/// Whether a file of that name is one that [`write_atomic`] had not finished.
pub(crate) fn is_unfinished(name: &OsStr) -> bool {
    // Names of ours end with `.json` and begin with a letter.
    name.as_encoded_bytes().starts_with(b".") && name.to_string_lossy().contains(".json.")
}

fn write_new(path: &Path, bytes: &[u8], durability: Durability) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    if durability == Durability::PowerFailure { file.sync_all() } else { Ok(()) }
}

pub(crate) fn sync_dir(dir: &Path) -> Result<()> {
    File::open(dir)
        .and_then(|dir| dir.sync_all())
        .map_err(|error| Error::io(format!("syncing {}", dir.display()), error))
}

/// Reads a file, at most `limit` bytes; `None` if there is none. Where something hostile made a FIFO, nobody is waited for.
pub(crate) fn read_limited(path: &Path, limit: u64) -> Result<Option<Vec<u8>>> {
    let never_wait = (OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed();
    let file = match File::options().read(true).custom_flags(never_wait).open(path) {
        Ok(file) => file,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(error) => return Err(Error::io(format!("opening {}", path.display()), error)),
    };
    let mut bytes = Vec::new();
    file.take(limit)
        .read_to_end(&mut bytes)
        .map_err(|error| Error::io(format!("reading {}", path.display()), error))?;
    Ok(Some(bytes))
}

/// Makes a directory for its owner only, with everything above it; an existing one is fine.
pub(crate) fn make_private_dir(path: &Path) -> Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|error| Error::io(format!("making directory {}", path.display()), error))
}

/// An exclusive lock on a file, held until dropped. Locks of this kind are released by the kernel when their holder dies.
#[derive(Debug)]
pub(crate) struct Lock(File);

impl Lock {
    /// Waits until nobody else holds it.
    pub(crate) fn acquire(path: &Path) -> Result<Self> {
        let file = Self::open(path)?;
        file.lock().map_err(|error| Error::io(format!("locking {}", path.display()), error))?;
        Ok(Self(file))
    }

    /// Waits until nobody else holds it, but not for ever.
    pub(crate) fn acquire_within(path: &Path, at_most: Duration) -> Result<Self> {
        let deadline = Instant::now() + at_most;
        loop {
            if let Some(lock) = Self::try_acquire(path)? {
                return Ok(lock);
            }
            if Instant::now() > deadline {
                let late = io::Error::from(io::ErrorKind::TimedOut);
                return Err(Error::io(format!("waiting for whoever holds {}", path.display()), late));
            }
            // Locks of this kind can be waited for only without a limit.
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Takes the lock if nobody holds it.
    pub(crate) fn try_acquire(path: &Path) -> Result<Option<Self>> {
        let file = Self::open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(Error::io(format!("locking {}", path.display()), error)),
        }
    }

    /// Whether the file is still the one at `path`: a lock on a file that was removed meanwhile excludes nobody.
    pub(crate) fn is_at(&self, path: &Path) -> Result<bool> {
        use std::os::unix::fs::MetadataExt;
        let failed = |error| Error::io(format!("looking at the lock {}", path.display()), error);
        let held = self.0.metadata().map_err(failed)?;
        match fs::metadata(path) {
            Ok(there) => Ok((there.dev(), there.ino()) == (held.dev(), held.ino())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(failed(error)),
        }
    }

    /// The open file that holds the lock: whoever inherits it holds the lock as well.
    pub(crate) fn into_file(self) -> File {
        self.0
    }

    fn open(path: &Path) -> Result<File> {
        OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)
            .map_err(|error| Error::io(format!("opening {}", path.display()), error))
    }
}

/// How deep a tree is followed before a directory is lifted to the top, so that a hostile depth exhausts nothing.
const MAX_DEPTH: usize = 64;
/// How many names are held at a time.
const MAX_NAMES: usize = 4096;

/// How often what somebody else writes to meanwhile is removed again.
const RETRIES: usize = 100;

/// Removes everything below `trash` (and not `trash` itself). What is there was made by something hostile: unreadable
/// directories, any depth, any names; and what was moved out of a workspace may still be open inside. So each name is
/// taken by itself, from a directory that is held, and symbolic links are not followed.
pub(crate) fn empty_trash(trash: &Path) -> Result<()> {
    let failed = |doing: &str, error: io::Error| Error::io(format!("{doing} {}", trash.display()), error);
    let top = match File::open(trash) {
        Ok(top) => OwnedFd::from(top),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed("reading", error)),
    };
    loop {
        let (mut lifted, mut first) = (false, Ok(()));
        for name in names(&top, usize::MAX).map_err(|error| failed("reading", error))? {
            // What cannot be removed keeps nothing else from being removed.
            let mut remove = || remove_any(&top, &name, &top, 0, &mut lifted);
            let mut removed = remove();
            // Whoever scans for a last time may still write down there what it found.
            for _ in 0..RETRIES {
                match &removed {
                    Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => removed = remove(),
                    _ => break,
                }
            }
            if let Err(error) = removed {
                first = first.and(Err(failed(&format!("removing {} in", name.display()), error)));
            }
        }
        if !lifted || first.is_err() {
            return first;
        }
    }
}

/// Removes what has that name in a directory; that somebody else removed it is fine.
fn remove_any(at: &OwnedFd, name: &OsStr, trash: &OwnedFd, depth: usize, lifted: &mut bool) -> io::Result<()> {
    match unlinkat(at, name, AtFlags::empty()) {
        Err(Errno::ISDIR) => {}
        Ok(()) | Err(Errno::NOENT) => return Ok(()),
        Err(errno) => return Err(errno.into()),
    }
    if depth == MAX_DEPTH {
        *lifted = true;
        let suffix = random_hex(8).map_err(io::Error::other)?;
        let lift = || renameat(at, name, trash, format!("deep-{suffix}"));
        // One that its owner may not write cannot leave its parent.
        return absent_is_fine(match lift() {
            Err(Errno::ACCESS) => open_up(at, name).and_then(|()| lift()),
            lifted => lifted,
        });
    }
    let directory = match open_directory(at, name, OFlags::RDONLY) {
        Err(Errno::ACCESS) => open_up(at, name).and_then(|()| open_directory(at, name, OFlags::RDONLY)),
        opened => opened,
    };
    let directory = match directory {
        Err(Errno::NOENT) => return Ok(()),
        opened => opened?,
    };
    let mut forced = false;
    loop {
        let some = names(&directory, MAX_NAMES)?;
        if some.is_empty() {
            return absent_is_fine(unlinkat(at, name, AtFlags::REMOVEDIR));
        }
        for entry in some {
            match remove_any(&directory, &entry, trash, depth + 1, lifted) {
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied && !forced => {
                    forced = true;
                    open_up(at, name)?;
                    remove_any(&directory, &entry, trash, depth + 1, lifted)?;
                }
                removed => removed?,
            }
        }
    }
}

fn absent_is_fine(result: Result<(), Errno>) -> io::Result<()> {
    match result {
        Err(Errno::NOENT) => Ok(()),
        result => Ok(result?),
    }
}

fn open_directory(at: &OwnedFd, name: &OsStr, flags: OFlags) -> Result<OwnedFd, Errno> {
    openat(at, name, flags | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())
}

/// Lets the owner of a directory list and change it.
fn open_up(at: &OwnedFd, name: &OsStr) -> Result<(), Errno> {
    let directory = open_directory(at, name, OFlags::PATH)?;
    // The mode of what was opened so can be changed by this name only.
    rustix::fs::chmod(format!("/proc/self/fd/{}", directory.as_raw_fd()), Mode::RWXU)
}

/// Names in a directory, not more than that many.
fn names(directory: &OwnedFd, at_most: usize) -> io::Result<Vec<OsString>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        let name = OsStr::from_bytes(entry.file_name().to_bytes());
        if name != "." && name != ".." {
            names.push(name.to_owned());
        }
        if names.len() >= at_most {
            break;
        }
    }
    Ok(names)
}

/// That many random bytes in hexadecimal.
pub(crate) fn random_hex(bytes: usize) -> Result<String> {
    let mut buffer = vec![0_u8; bytes];
    getrandom::fill(&mut buffer)
        .map_err(|error| Error::io("asking for random bytes", io::Error::other(error.to_string())))?;
    Ok(to_hex(&buffer))
}

pub(crate) fn to_hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _infallible = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_for_its_owner_only() {
        let dir = tempfile::tempdir().unwrap();
        write_atomic(dir.path(), "record.json", b"one", Durability::PowerFailure).unwrap();
        write_atomic(dir.path(), "record.json", b"two", Durability::ProcessDeath).unwrap();
        let path = dir.path().join("record.json");
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "no temporary file stays");
    }

    #[test]
    fn a_lock_excludes_until_dropped() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let held = Lock::acquire(&path).unwrap();
        assert!(Lock::try_acquire(&path).unwrap().is_none());
        drop(held);
        assert!(Lock::try_acquire(&path).unwrap().is_some());
    }

    #[test]
    fn hostile_trees_are_removed() {
        let dir = tempfile::tempdir().unwrap();
        let trash = dir.path().join("trash");
        let outside = dir.path().join("outside");
        fs::create_dir_all(&outside).unwrap();
        fs::write(outside.join("kept"), "").unwrap();
        let mut deep = trash.join("tree");
        for _ in 0..300 {
            deep.push("d");
        }
        fs::create_dir_all(&deep).unwrap();
        std::os::unix::fs::symlink(&outside, trash.join("tree/link")).unwrap();
        let closed = trash.join("tree/closed");
        fs::create_dir_all(closed.join("below")).unwrap();
        fs::set_permissions(&closed, Permissions::from_mode(0o000)).unwrap();
        // Deeper than a path can tell.
        let long = "n".repeat(255);
        fs::create_dir(trash.join("long")).unwrap();
        let mut at = OwnedFd::from(File::open(trash.join("long")).unwrap());
        for _ in 0..70 {
            rustix::fs::mkdirat(&at, &long, Mode::RWXU).unwrap();
            at = open_directory(&at, long.as_ref(), OFlags::RDONLY).unwrap();
        }
        empty_trash(&trash).unwrap();
        assert_eq!(fs::read_dir(&trash).unwrap().count(), 0);
        assert!(outside.join("kept").exists());
    }

    #[test]
    fn two_that_empty_the_trash_leave_nothing_between_them() {
        let dir = tempfile::tempdir().unwrap();
        for round in 0..20 {
            let trash = dir.path().join(round.to_string());
            for leaf in 0..100 {
                let parent = trash.join(format!("tree/{}/{}", leaf % 5, leaf % 7));
                fs::create_dir_all(&parent).unwrap();
                fs::write(parent.join(leaf.to_string()), "").unwrap();
            }
            std::thread::scope(|scope| {
                let both = [(); 2].map(|()| scope.spawn(|| empty_trash(&trash)));
                for one in both {
                    one.join().unwrap().unwrap();
                }
            });
            assert_eq!(fs::read_dir(&trash).unwrap().count(), 0);
        }
    }
}
