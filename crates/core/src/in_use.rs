//! Use of a sandbox: its time of last use, and whether it is in use right now.
//!
//! Both are told by one file, `used`. Its time of change is the last use. Whoever runs a command holds a shared lock on
//! it, which the kernel releases with its last holder; what has expired is in no use only if an exclusive lock is free.

use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// A use of a sandbox, from its making to its dropping.
#[derive(Debug)]
pub(crate) struct InUse(Option<File>);

impl InUse {
    /// Notes that the sandbox is used from now on.
    pub(crate) fn begin(file: &Path) -> Self {
        let opened = OpenOptions::new().create(true).append(true).mode(0o600).open(file);
        // If any of this fails the sandbox expires early, which the next create puts right.
        Self(opened.ok().filter(|file| file.lock_shared().is_ok() && file.set_modified(SystemTime::now()).is_ok()))
    }

    /// The file that holds the lock, for somebody else to hold.
    pub(crate) fn into_file(mut self) -> Option<File> {
        self.0.take()
    }
}

impl Drop for InUse {
    fn drop(&mut self) {
        if let Some(file) = &self.0 {
            let _expires_early = file.set_modified(SystemTime::now());
        }
    }
}

/// The time that is left until a sandbox expires, by the file's own account; `None` if it has expired. A sandbox in use
/// has its whole lifetime left.
pub(crate) fn time_left(used: &File, ttl: Duration) -> Option<Duration> {
    let modified = used.metadata().and_then(|metadata: Metadata| metadata.modified());
    let over = modified.unwrap_or_else(|_| SystemTime::now()) + ttl;
    match over.duration_since(SystemTime::now()) {
        Ok(left) if !left.is_zero() => Some(left),
        _ => is_in_use(used).unwrap_or(false).then_some(ttl),
    }
}

fn is_in_use(used: &File) -> io::Result<bool> {
    match used.try_lock() {
        Ok(()) => used.unlock().map(|()| false),
        Err(std::fs::TryLockError::WouldBlock) => Ok(true),
        Err(std::fs::TryLockError::Error(error)) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sandbox_expires_after_its_last_use_and_never_during_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("used");
        let ttl = Duration::from_hours(1);
        let in_use = InUse::begin(&path);
        let look = File::open(&path).unwrap();
        let long_ago = SystemTime::now() - Duration::from_hours(2);
        File::options().append(true).open(&path).unwrap().set_modified(long_ago).unwrap();
        assert_eq!(time_left(&look, ttl), Some(ttl), "in use for two hours");
        drop(in_use);
        assert!(time_left(&look, ttl).unwrap() <= ttl, "used until now");
        File::options().append(true).open(&path).unwrap().set_modified(long_ago).unwrap();
        assert_eq!(time_left(&look, ttl), None);
    }

    #[test]
    fn a_use_can_be_handed_on() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("used");
        let held = InUse::begin(&path).into_file().unwrap();
        let look = File::open(&path).unwrap();
        assert!(is_in_use(&look).unwrap());
        drop(held);
        assert!(!is_in_use(&look).unwrap());
    }
}
