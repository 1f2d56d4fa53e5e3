//! Directories of a sandbox's own that are filled once, before anything runs in it.
//!
//! From then on they belong to the inside, which may put a symbolic link wherever it likes: so nothing outside changes
//! anything in them again.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, chown, fchown, lchown, symlink};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// A directory that is being filled; paths are relative to it.
#[derive(Debug)]
pub(super) struct Filling {
    path: PathBuf,
    owner: Option<u32>,
}

/// Makes the directory `path` and what `fill` puts into it, all of that owner (the caller's if there is none), unless
/// it is there already.
pub(super) fn make(
    path: &Path,
    mode: u32,
    owner: Option<u32>,
    fill: impl FnOnce(&Filling) -> io::Result<()>,
) -> Result<()> {
    if fs::symlink_metadata(path).is_ok() {
        return Ok(());
    }
    // Under another name first: one that has its own name is complete.
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let filling = Filling { path: path.with_file_name(format!("{name}.new")), owner };
    let outcome = filling.begin(mode).and_then(|()| fill(&filling)).and_then(|()| fs::rename(&filling.path, path));
    outcome.map_err(|error| {
        // Nothing half-made stays behind.
        let _left = fs::remove_dir_all(&filling.path);
        Error::io(format!("preparing {}", path.display()), error)
    })
}

impl Filling {
    fn begin(&self, mode: u32) -> io::Result<()> {
        match self.dir("", mode) {
            // Left by a creation that was interrupted: nothing has run in it yet.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                fs::remove_dir_all(&self.path)?;
                self.dir("", mode)
            }
            begun => begun,
        }
    }

    /// A directory, in one that is there.
    pub(super) fn dir(&self, name: impl AsRef<Path>, mode: u32) -> io::Result<()> {
        let path = self.path.join(name);
        DirBuilder::new().mode(0o700).create(&path)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(mode))?;
        self.owner.map_or(Ok(()), |owner| chown(&path, Some(owner), Some(owner)))
    }

    /// A directory of its own, which is filled in turn.
    pub(super) fn inside(&self, name: &str) -> io::Result<Filling> {
        self.dir(name, 0o755)?;
        Ok(Self { path: self.path.join(name), owner: self.owner })
    }

    /// Writes all of it to the disk.
    pub(super) fn sync(&self) -> io::Result<()> {
        Ok(rustix::fs::syncfs(File::open(&self.path)?)?)
    }

    /// The directory that `name` is to lie in, and those above it, where they are missing.
    pub(super) fn parents(&self, name: &Path, mode: u32) -> io::Result<()> {
        let Some(parent) = name.parent().filter(|parent| *parent != Path::new("")) else { return Ok(()) };
        if self.path.join(parent).is_dir() {
            return Ok(());
        }
        self.parents(parent, mode)?;
        self.dir(parent, mode)
    }

    /// A file, in a directory that is there.
    pub(super) fn file(&self, name: impl AsRef<Path>, content: &[u8], mode: u32) -> io::Result<()> {
        let mut file = File::options().write(true).create_new(true).mode(0o600).open(self.path.join(name))?;
        file.write_all(content)?;
        file.set_permissions(fs::Permissions::from_mode(mode))?;
        self.owner.map_or(Ok(()), |owner| fchown(&file, Some(owner), Some(owner)))
    }

    /// A symbolic link, in a directory that is there.
    pub(super) fn link(&self, name: impl AsRef<Path>, to: &Path) -> io::Result<()> {
        let path = self.path.join(name);
        symlink(to, &path)?;
        self.owner.map_or(Ok(()), |owner| lchown(&path, Some(owner), Some(owner)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_is_left_alone_and_what_is_half_made_is_made_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("var");
        fs::create_dir(dir.path().join("var.new")).unwrap();
        fs::write(dir.path().join("var.new/left"), "").unwrap();
        make(&path, 0o755, None, |var| var.file("file", b"first", 0o640)).unwrap();
        make(&path, 0o700, None, |var| var.file("file", b"second", 0o600)).unwrap();
        assert_eq!(fs::read(path.join("file")).unwrap(), b"first");
        assert!(!path.join("left").exists());
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
        assert_eq!((mode(&path), mode(&path.join("file"))), (0o755, 0o640));
    }
}
