//! The /etc and /var that sandboxes with a root of their own begin with: the same for all of a machine, so they are made
//! once in the state directory, and each sandbox has a private copy-on-write layer over them.
//!
//! A change of the host's files makes another one. Older ones stay for the sandboxes that run on them.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::once::{self, Filling};
use super::{etc, packages};
use crate::error::{Error, Result};
use crate::fs::{Lock, make_private_dir, to_hex};

/// A file of the host's that is larger is not what it should be.
const MAX_FILE: u64 = 1 << 20;

/// A directory of the host's with more files is not what it should be.
const MAX_FILES: usize = 4096;

/// To be changed with what is made from the same files of the host's.
const FORM: u8 = 1;

/// What a sandbox begins with.
#[derive(Debug)]
pub(super) struct Ground(PathBuf);

impl Ground {
    /// The one of this machine as it is now.
    pub(super) fn of(state: &Path) -> Result<Self> {
        let dir = state.join("ground");
        let path = dir.join(key().map_err(|error| Error::io("looking at the host's /etc", error))?);
        if !path.exists() {
            make_private_dir(&dir)?;
            let _one_at_a_time = Lock::acquire(&dir.join("lock"))?;
            once::make(&path, 0o755, None, |ground| {
                etc::fill(&ground.inside("etc")?)?;
                packages::fill_var(&ground.inside("var")?)?;
                // It is used again after a crash of the machine.
                ground.sync()
            })?;
        }
        Ok(Self(path))
    }

    /// Its /etc.
    pub(super) fn etc(&self) -> PathBuf {
        self.0.join("etc")
    }

    /// Its /var.
    pub(super) fn var(&self) -> PathBuf {
        self.0.join("var")
    }
}

/// A name for all that is taken from the host: changes with every file of it.
fn key() -> io::Result<String> {
    let mut digest = Sha256::new_with_prefix([FORM]);
    digest.update(env!("CARGO_PKG_VERSION"));
    for path in etc::taken().chain(packages::taken()) {
        note(&path, &mut digest, &mut 0)?;
    }
    Ok(to_hex(&digest.finalize()[..8]))
}

fn note(path: &Path, digest: &mut Sha256, seen: &mut usize) -> io::Result<()> {
    let Ok(metadata) = fs::symlink_metadata(path) else { return Ok(()) };
    digest.update(path.as_os_str().as_encoded_bytes());
    for number in [metadata.ino(), metadata.size(), u64::from(metadata.mode())] {
        digest.update(number.to_ne_bytes());
    }
    for number in [metadata.ctime(), metadata.ctime_nsec()] {
        digest.update(number.to_ne_bytes());
    }
    if metadata.is_dir() {
        for entry in fs::read_dir(path)?.flatten() {
            *seen += 1;
            // A link cannot change but by being replaced, which changes its directory.
            if *seen < MAX_FILES && entry.file_type().is_ok_and(|kind| !kind.is_symlink()) {
                note(&entry.path(), digest, seen)?;
            }
        }
    }
    Ok(())
}

/// Copies a file or a directory of the host's, as far as everybody on the host may read it and `fit` finds the contents
/// fit. Links stay links.
pub(super) fn copy(from: &Path, to: &Filling, name: &Path, fit: &dyn Fn(&[u8]) -> bool) -> io::Result<()> {
    copy_some(from, to, name, fit, &mut 0)
}

fn copy_some(from: &Path, to: &Filling, name: &Path, fit: &dyn Fn(&[u8]) -> bool, seen: &mut usize) -> io::Result<()> {
    let Ok(metadata) = fs::symlink_metadata(from) else { return Ok(()) };
    let mode = metadata.mode() & 0o755;
    *seen += 1;
    if *seen >= MAX_FILES {
        return Ok(());
    }
    if metadata.is_symlink() {
        to.parents(name, 0o755)?;
        to.link(name, &fs::read_link(from)?)
    } else if metadata.mode() & 0o004 == 0 {
        Ok(())
    } else if metadata.is_dir() {
        to.parents(&name.join(OsStr::new("entry")), 0o755)?;
        for entry in fs::read_dir(from)?.flatten() {
            copy_some(&entry.path(), to, &name.join(entry.file_name()), fit, seen)?;
        }
        Ok(())
    } else if metadata.is_file() && metadata.len() <= MAX_FILE {
        let content = fs::read(from)?;
        if !fit(&content) {
            return Ok(());
        }
        to.parents(name, 0o755)?;
        to.file(name, &content, mode)
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn only_what_everybody_may_read_is_copied() {
        let host = tempfile::tempdir().unwrap();
        for (name, mode) in [("public", 0o644), ("secret", 0o600), ("dir/deep", 0o644), ("hidden/file", 0o644)] {
            let path = host.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, name).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        }
        fs::set_permissions(host.path().join("hidden"), fs::Permissions::from_mode(0o700)).unwrap();
        std::os::unix::fs::symlink("/etc/shadow", host.path().join("link")).unwrap();
        let copied = tempfile::tempdir().unwrap();
        let to = copied.path().join("etc");
        once::make(&to, 0o755, None, |etc| copy(host.path(), etc, Path::new("x"), &|_| true)).unwrap();
        assert_eq!(fs::read(to.join("x/dir/deep")).unwrap(), b"dir/deep");
        assert!(to.join("x/public").exists() && fs::symlink_metadata(to.join("x/link")).unwrap().is_symlink());
        assert!(!to.join("x/secret").exists() && !to.join("x/hidden").exists());
    }

    #[test]
    fn a_changed_file_makes_another_ground() {
        let dir = tempfile::tempdir().unwrap();
        let noted = || {
            let mut digest = Sha256::new();
            note(dir.path(), &mut digest, &mut 0).unwrap();
            digest.finalize()
        };
        fs::write(dir.path().join("file"), "one").unwrap();
        let before = noted();
        assert_eq!(before, noted());
        fs::write(dir.path().join("file"), "other").unwrap();
        assert_ne!(before, noted());
    }
}
