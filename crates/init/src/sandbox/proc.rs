//! What of `/proc` is not for a sandbox: made read-only, hidden, or set for good.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Mode, OFlags, mkdirat, openat, unlinkat};
use rustix::io::Errno;
use rustix::mount::MountAttrFlags;

use super::error::{Context, LaunchError};
use super::mount;
use super::spec::Access;

/// What is made read-only, and why.
const READ_ONLY: [(&str, &str); 5] = [
    ("sys", "writes reach the host's kernel settings"),
    ("sysrq-trigger", "reboots the host"),
    ("irq", "steers the host's interrupts"),
    ("bus", "configures the host's devices"),
    ("fs", "configures the host's file systems"),
];

/// What looks empty, and why; directories end with a slash. What programs ask about the machine stays: cpuinfo, meminfo, stat, loadavg, uptime,
/// version, filesystems, mounts, net, sysvipc, pressure.
const HIDDEN: [(&str, &str); 29] = [
    ("acpi/", "configures the host's power"),
    ("asound/", "the host's sound devices"),
    ("cmdline", "how the host was booted: its disks, sometimes passwords"),
    ("config.gz", "what the kernel was built with, for choosing an attack"),
    ("diskstats", "what the host's disks do, and how many there are"),
    ("driver/", "the host's devices"),
    ("dynamic_debug/", "switches the kernel's messages"),
    ("interrupts", "tells when keys are pressed and packets come"),
    ("iomem", "where the host's hardware lies in memory"),
    ("ioports", "where the host's hardware lies"),
    ("kallsyms", "where the kernel's functions lie"),
    ("kcore", "the host's memory"),
    ("key-users", "who has keys on the host"),
    ("keys", "the host's keys"),
    ("kmsg", "the kernel's messages"),
    ("kpagecgroup", "which of the host's memory belongs to whom"),
    ("kpagecount", "how the host's memory is used"),
    ("kpageflags", "how the host's memory is used"),
    ("latency_stats", "where the host's processes wait"),
    ("modules", "which parts of the kernel can be attacked"),
    ("partitions", "the host's disks"),
    ("sched_debug", "the host's processes"),
    ("schedstat", "how busy the host's processors are, to the nanosecond"),
    ("scsi/", "configures the host's disks"),
    ("slabinfo", "how the kernel's memory lies, for building an attack"),
    ("softirqs", "tells when keys are pressed and packets come"),
    ("swaps", "the host's disks"),
    ("timer_list", "the host's processes"),
    ("vmallocinfo", "how the kernel's memory lies"),
];

/// Where an empty file and an empty directory are, while they are mounted over what is hidden.
const EMPTY: &str = ".empty";

/// Protects the `/proc` below `root`, a directory that can still be written to.
pub(super) fn protect(root: BorrowedFd<'_>) -> Result<(), LaunchError> {
    for (name, _reason) in READ_ONLY {
        let path = PathBuf::from("proc").join(name);
        let Ok(point) = open_path(root, &path) else { continue };
        let tree = clone_of(point.as_fd()).on("protecting", &path)?;
        mount::restrict(tree.as_fd(), Access::ReadOnly, None).on("protecting", &path)?;
        mount::attach(tree.as_fd(), point.as_fd()).on("protecting", &path)?;
    }
    let step = "making what hides parts of /proc";
    let (file, directory) = empty(root).step(step)?;
    let mut over = [None, None];
    for (name, _reason) in HIDDEN {
        let path = PathBuf::from("proc").join(name);
        let is_directory = name.ends_with('/');
        let spare = &mut over[usize::from(is_directory)];
        // A clone of a read-only mount is one, too. It is kept where there is nothing to hide.
        let tree = match spare.take() {
            Some(tree) => tree,
            None => clone_of(if is_directory { &directory } else { &file }.as_fd()).on("hiding", &path)?,
        };
        match mount::attach_at(tree.as_fd(), root, &path) {
            Ok(()) => {}
            Err(Errno::NOENT) => *spare = Some(tree),
            Err(errno) => return Err(LaunchError::new(format!("hiding {}", path.display()), errno)),
        }
    }
    drop((file, directory));
    rustix::mount::unmount(
        path_of(open_path(root, Path::new(EMPTY)).step(step)?.as_fd()),
        rustix::mount::UnmountFlags::DETACH,
    )
    .step(step)?;
    unlinkat(root, EMPTY, AtFlags::REMOVEDIR).step(step)
}

/// Forbids user namespaces below this one by the kernel's own count; whether it let us.
///
/// `proc` must be writable still, and seen from inside the namespace: each has a limit of its own.
pub(super) fn forbid_user_namespaces(root: BorrowedFd<'_>) -> bool {
    let limit = openat(
        root,
        "proc/sys/user/max_user_namespaces",
        OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC,
        Mode::empty(),
    );
    limit.and_then(|limit| rustix::io::write(&limit, b"0")).is_ok()
}

/// What the kernel counts for a user, in all of the user's namespaces together: half of it stays for the host.
const SHARED: [(&str, &str); 2] = [
    ("proc/sys/fs/inotify/max_user_instances", "proc/sys/user/max_inotify_instances"),
    ("proc/sys/fs/inotify/max_user_watches", "proc/sys/user/max_inotify_watches"),
];

/// Leaves half of what can be watched to the user's programs outside, where the kernel lets us.
///
/// `proc` must be writable still, as for [`forbid_user_namespaces`].
pub(super) fn share_watches(root: BorrowedFd<'_>) {
    for (all, ours) in SHARED {
        let mut text = [0; 32];
        let open = |path, access| openat(root, path, access | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty());
        let length = open(all, OFlags::RDONLY).and_then(|file| rustix::io::read(&file, &mut text)).unwrap_or(0);
        let all = std::str::from_utf8(&text[..length]).ok().and_then(|text| text.trim().parse::<u64>().ok());
        if let (Some(all), Ok(file)) = (all, open(ours, OFlags::WRONLY)) {
            // Older kernels do not count them for each namespace.
            let _as_it_is = rustix::io::write(&file, (all / 2).to_string().as_bytes());
        }
    }
}

/// An empty file and an empty directory in a read-only file system of their own, mounted for as long as it takes.
fn empty(root: BorrowedFd<'_>) -> Result<(OwnedFd, OwnedFd), Errno> {
    let attributes =
        MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    let tree = mount::new_filesystem("tmpfs", &[("mode", Some(b"0555")), ("nr_inodes", Some(b"3"))], attributes)?;
    mkdirat(&tree, "directory", Mode::from_raw_mode(0o555))?;
    openat(&tree, "file", OFlags::CREATE | OFlags::WRONLY | OFlags::CLOEXEC, Mode::from_raw_mode(0o444))?;
    mount::make_read_only(tree.as_fd())?;
    mkdirat(root, EMPTY, Mode::RWXU)?;
    mount::attach(tree.as_fd(), open_path(root, Path::new(EMPTY))?.as_fd())?;
    let at = open_path(root, Path::new(EMPTY))?;
    Ok((open_path(at.as_fd(), Path::new("file"))?, open_path(at.as_fd(), Path::new("directory"))?))
}

fn open_path(at: BorrowedFd<'_>, path: &Path) -> Result<OwnedFd, Errno> {
    openat(at, path, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())
}

fn clone_of(fd: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
    mount::clone_tree(&path_of(fd))
}

/// A path through /proc/self/fd names the very object that was opened.
fn path_of(fd: BorrowedFd<'_>) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", fd.as_raw_fd()))
}
