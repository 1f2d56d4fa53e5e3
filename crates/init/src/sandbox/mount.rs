//! Mounts as descriptors: cloned, given attributes, then put in place.

use std::ffi::CString;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{AtFlags, CWD};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, OpenTreeFlags, fsconfig_create, fsconfig_set_flag,
    fsconfig_set_string, fsmount, fsopen, move_mount, open_tree,
};

use super::spec::Access;

/// A detached copy of the mount at `source`, with everything mounted below it.
pub(super) fn clone_tree(source: &Path) -> Result<OwnedFd, Errno> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_RECURSIVE;
    open_tree(CWD, source, flags)
}

/// Restricts a detached mount to what `access` allows; `users` is the user namespace of an idmapped one.
pub(super) fn restrict(tree: BorrowedFd<'_>, access: Access, users: Option<BorrowedFd<'_>>) -> Result<(), Errno> {
    let mut attr = libc::mount_attr {
        attr_set: libc::MOUNT_ATTR_NOSUID,
        attr_clr: 0,
        propagation: libc::MS_PRIVATE,
        userns_fd: 0,
    };
    match access {
        Access::ReadOnly | Access::OwnedBy { read_only: true, .. } => {
            attr.attr_set |= libc::MOUNT_ATTR_RDONLY | libc::MOUNT_ATTR_NODEV;
        }
        Access::ReadWrite | Access::OwnedBy { .. } => attr.attr_set |= libc::MOUNT_ATTR_NODEV,
        Access::Device => attr.attr_set |= libc::MOUNT_ATTR_NOEXEC,
    }
    if let Some(users) = users {
        attr.attr_set |= libc::MOUNT_ATTR_IDMAP;
        attr.userns_fd = u64::from(users.as_raw_fd().cast_unsigned());
    }
    set_attributes(tree, true, &mut attr)
}

/// Makes a mount read-only, without what is mounted below it.
pub(super) fn make_read_only(tree: BorrowedFd<'_>) -> Result<(), Errno> {
    let mut attr = libc::mount_attr { attr_set: libc::MOUNT_ATTR_RDONLY, attr_clr: 0, propagation: 0, userns_fd: 0 };
    set_attributes(tree, false, &mut attr)
}

fn set_attributes(tree: BorrowedFd<'_>, recursive: bool, attr: &mut libc::mount_attr) -> Result<(), Errno> {
    let recursive = if recursive { libc::AT_RECURSIVE } else { 0 };
    // SAFETY: the path is an empty C string, `attr` outlives the call and its size is given.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            tree.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH | recursive,
            std::ptr::from_mut(attr),
            size_of::<libc::mount_attr>(),
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::INVAL))
    }
}

/// Puts a detached mount on top of the directory or file `target`.
pub(super) fn attach(tree: BorrowedFd<'_>, target: BorrowedFd<'_>) -> Result<(), Errno> {
    move_mount(
        tree,
        c"",
        target,
        c"",
        MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH,
    )
}

/// Puts a detached mount on top of the directory or file at `path` below `at`. No symbolic link at its end is followed.
pub(super) fn attach_at(tree: BorrowedFd<'_>, at: BorrowedFd<'_>, path: &Path) -> Result<(), Errno> {
    move_mount(tree, c"", at, path, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)
}

/// A new file system of that type, with `key=value` options (`None` is a flag).
pub(super) fn new_filesystem(
    kind: &str,
    options: &[(&str, Option<&[u8]>)],
    attributes: MountAttrFlags,
) -> Result<OwnedFd, Errno> {
    let context = fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)?;
    for (key, value) in options {
        match value {
            Some(value) => {
                let value = CString::new(*value).map_err(|_| Errno::INVAL)?;
                fsconfig_set_string(context.as_fd(), *key, value)?;
            }
            None => fsconfig_set_flag(context.as_fd(), *key)?,
        }
    }
    fsconfig_create(context.as_fd())?;
    fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, attributes)
}

/// An overlay of `upper` on `lower`, with `userxattr` since it is mounted in a user namespace.
pub(super) fn overlay(lower: &Path, upper: &Path, work: &Path) -> Result<OwnedFd, Errno> {
    // The kernel splits lowerdir at ':' and unescapes '\'; upperdir and workdir are taken as they are.
    let lower = escape_lower(lower.as_os_str().as_bytes());
    new_filesystem(
        "overlay",
        &[
            ("lowerdir", Some(&lower)),
            ("upperdir", Some(upper.as_os_str().as_bytes())),
            ("workdir", Some(work.as_os_str().as_bytes())),
            ("userxattr", None),
        ],
        MountAttrFlags::MOUNT_ATTR_NODEV,
    )
}

fn escape_lower(path: &[u8]) -> Vec<u8> {
    let mut escaped = Vec::with_capacity(path.len());
    for &byte in path {
        if matches!(byte, b':' | b'\\' | b',') {
            escaped.push(b'\\');
        }
        escaped.push(byte);
    }
    escaped
}

/// Gives this mount namespace no more events from the host's, and none to it.
pub(super) fn make_private() -> Result<(), Errno> {
    let mut attr = libc::mount_attr { attr_set: 0, attr_clr: 0, propagation: libc::MS_PRIVATE, userns_fd: 0 };
    let root =
        rustix::fs::open("/", rustix::fs::OFlags::PATH | rustix::fs::OFlags::CLOEXEC, rustix::fs::Mode::empty())?;
    set_attributes(root.as_fd(), true, &mut attr)
}

/// Whether `path` is an existing directory, for choosing the kind of mount point to make.
pub(super) fn is_directory(tree: BorrowedFd<'_>) -> Result<bool, Errno> {
    let stat = rustix::fs::statat(tree, c"", AtFlags::EMPTY_PATH)?;
    Ok(rustix::fs::FileType::from_raw_mode(stat.st_mode) == rustix::fs::FileType::Directory)
}
