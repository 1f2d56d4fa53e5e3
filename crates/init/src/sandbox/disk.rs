//! The disk of a sandbox whose private files are limited: a file system in a file, mounted where nobody else sees it.
//!
//! Everything that holds it ends with the sandbox's processes: the mount with their mount namespaces, the block device
//! with the mount, the lock on the file with the block device. So a crash leaves nothing, and a file system is never
//! mounted twice: a start waits for the lock until the kernel has written what an earlier run left to it.

use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, Mode, OFlags, flock};
use rustix::io::Errno;
use rustix::mount::{MountFlags, MountPropagationFlags, UnmountFlags};
use serde::{Deserialize, Serialize};

use super::error::{Context, LaunchError};

/// How long the kernel may take to finish with the disk of an earlier run.
const FREE_WITHIN: Duration = Duration::from_secs(30);

/// From `linux/loop.h`.
const LOOP_CTL_GET_FREE: libc::Ioctl = 0x4C82;
const LOOP_CONFIGURE: libc::Ioctl = 0x4C0A;
const LO_FLAGS_AUTOCLEAR: u32 = 4;

/// Deleted files give their space back to the host; what is zero anyway is not written.
const OPTIONS: &std::ffi::CStr = c"discard,noinit_itable";

/// A file system in a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disk {
    /// The file.
    pub image: PathBuf,
    /// The directory that it is mounted on.
    pub at: PathBuf,
}

/// Mounts the disk in a mount namespace that this process makes for itself. The caller must be single-threaded.
pub fn mount_disk(disk: &Disk) -> Result<(), LaunchError> {
    // SAFETY: the process has one thread, and no file descriptors are unshared.
    unsafe { rustix::thread::unshare_unsafe(rustix::thread::UnshareFlags::NEWNS) }
        .step("making a mount namespace for the disk")?;
    // What the host unmounts goes here as well; what is mounted here is not seen there.
    rustix::mount::mount_change("/", MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC)
        .step("making mounts private")?;
    let image = claim(&disk.image).on("claiming the disk", &disk.image)?;
    // The device is held until the mount holds it: when nobody does, the kernel takes it back.
    let (device, _held) = attach(&image).on("making a block device of", &disk.image)?;
    let flags = MountFlags::NOSUID | MountFlags::NODEV;
    rustix::mount::mount(&device, &disk.at, "ext4", flags, OPTIONS).on("mounting the disk at", &disk.at)
}

/// Leaves the disk to the sandbox, which has its own mounts of it by now.
pub fn leave_disk(disk: &Disk) -> Result<(), LaunchError> {
    rustix::mount::unmount(&disk.at, UnmountFlags::DETACH).on("leaving the disk at", &disk.at)
}

/// Opens and locks the file. The lock is the open file's, so it lasts until the kernel's block device lets go of it.
fn claim(image: &Path) -> Result<OwnedFd, Errno> {
    let file = rustix::fs::open(image, OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
    let deadline = Instant::now() + FREE_WITHIN;
    loop {
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::WOULDBLOCK) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(2)),
            locked => return locked.map(|()| file),
        }
    }
}

/// Makes a block device of a file, which the kernel takes back when nobody uses it any more.
fn attach(image: &OwnedFd) -> Result<(PathBuf, File), Errno> {
    let open = |path: &Path| {
        File::options()
            .read(true)
            .write(true)
            .open(path)
            .map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))
    };
    let control = open(Path::new("/dev/loop-control"))?;
    loop {
        // SAFETY: it takes no argument and returns a number.
        let number = unsafe { libc::ioctl(control.as_raw_fd(), LOOP_CTL_GET_FREE) };
        if number < 0 {
            return Err(last_errno());
        }
        let path = PathBuf::from(format!("/dev/loop{number}"));
        let device = open(&path)?;
        let config = LoopConfig::new(image);
        // SAFETY: `config` is the structure that the call reads, and outlives it.
        if unsafe { libc::ioctl(device.as_raw_fd(), LOOP_CONFIGURE, &raw const config) } == 0 {
            return Ok((path, device));
        }
        match last_errno() {
            // Somebody else was faster.
            Errno::BUSY => {}
            errno => return Err(errno),
        }
    }
}

fn last_errno() -> Errno {
    Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::INVAL)
}

/// `struct loop_config` of `linux/loop.h`.
#[repr(C)]
struct LoopConfig {
    fd: u32,
    block_size: u32,
    info: LoopInfo,
    reserved: [u64; 8],
}

/// `struct loop_info64`.
#[repr(C)]
struct LoopInfo {
    device: u64,
    inode: u64,
    rdevice: u64,
    offset: u64,
    size_limit: u64,
    number: u32,
    encrypt_type: u32,
    encrypt_key_size: u32,
    flags: u32,
    file_name: [u8; 64],
    crypt_name: [u8; 64],
    encrypt_key: [u8; 32],
    init: [u64; 2],
}

impl LoopConfig {
    fn new(image: &OwnedFd) -> Self {
        // SAFETY: all-zero is a valid loop_config: the whole file, blocks of the default size.
        let mut config: Self = unsafe { std::mem::zeroed() };
        config.fd = image.as_raw_fd().cast_unsigned();
        config.info.flags = LO_FLAGS_AUTOCLEAR;
        config
    }
}
