//! The private disk of a sandbox with a limit on it: a file system in a sparse file of the sandbox's directory.
//!
//! ```text
//! disk/       what the disk begins with (home, layers), made as for a sandbox without a limit; the disk is mounted over
//!             it, where only the supervisor and the sandbox see it
//! disk.img    the file system, of which the host stores what is used
//! ```

use std::fs::{self, File};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use loopbox_init::sandbox::Disk;

use crate::error::{Error, ErrorCode, Result};
use crate::record::Record;
use crate::registry::SandboxDir;

/// Where distributions put it; the PATH of a caller is for agents.
const MKFS: [&str; 5] = [
    "/usr/sbin/mkfs.ext4",
    "/sbin/mkfs.ext4",
    "/usr/bin/mkfs.ext4",
    "/usr/local/sbin/mkfs.ext4",
    "/run/current-system/sw/bin/mkfs.ext4",
];

/// Where the kernel gives out block devices over files.
const LOOP_CONTROL: &str = "/dev/loop-control";

/// The directory that holds the private home and layers: on the disk if there is one, else the sandbox's own.
pub(super) fn private(dir: &SandboxDir, record: &Record) -> SandboxDir {
    match record.settings.limits.disk_bytes {
        Some(_) => SandboxDir::at(dir.join("disk")),
        None => dir.clone(),
    }
}

/// The disk that the supervisor is to mount.
pub(super) fn of(dir: &SandboxDir, record: &Record) -> Option<Disk> {
    record.settings.limits.disk_bytes.map(|_| Disk { image: dir.join("disk.img"), at: dir.join("disk") })
}

/// Why this machine cannot have disks of a limited size, if it cannot.
pub(super) fn missing() -> Option<Error> {
    if mkfs().is_none() {
        let what = "limits.diskBytes: there is no mkfs.ext4, which makes the file system that has that size";
        return Some(Error::unsupported(what).with_hint("install e2fsprogs, or leave the limit out"));
    }
    if !Path::new(LOOP_CONTROL).exists() {
        let what = format!("limits.diskBytes: there is no {LOOP_CONTROL}, so a file cannot be mounted");
        return Some(Error::unsupported(what).with_hint("load the kernel's module `loop`, or leave the limit out"));
    }
    None
}

/// Makes the disk of `bytes` with what was prepared in its directory, unless there is one.
pub(super) fn make(disk: &Disk, bytes: u64) -> Result<()> {
    if disk.image.exists() {
        return Ok(());
    }
    // Made under another name first: a disk that exists is whole.
    let making = disk.image.with_extension("new");
    let failed = |error| Error::io(format!("making {}", making.display()), error);
    let file = File::options().write(true).create(true).truncate(true).mode(0o600).open(&making).map_err(failed)?;
    file.set_len(bytes).map_err(failed)?;
    let mkfs = mkfs().ok_or_else(|| missing().unwrap_or_else(|| Error::unsupported("limits.diskBytes")))?;
    let output = Command::new(&mkfs)
        // Nothing is kept back for root, packages of many small files find inodes, and no zeros are written.
        .args(["-q", "-F", "-m", "0", "-i", "8192", "-E", "lazy_itable_init=1,lazy_journal_init=1,nodiscard", "-d"])
        .args([&disk.at, &making])
        .env_clear()
        .stdin(Stdio::null())
        .output()
        .map_err(|error| Error::io(format!("running {}", mkfs.display()), error))?;
    if !output.status.success() {
        let words = String::from_utf8_lossy(&output.stderr);
        let what = format!("making a disk of {bytes} bytes: {}", words.trim());
        return Err(Error::new(ErrorCode::Io, what).with_hint("give a larger limit, or look at the space that is left"));
    }
    fs::rename(&making, &disk.image).map_err(failed)
}

fn mkfs() -> Option<PathBuf> {
    MKFS.iter().map(PathBuf::from).find(|path| path.is_file())
}
