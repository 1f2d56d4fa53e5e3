//! The root file system: an allow-list put together in memory, then made the root.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{Mode, OFlags, ResolveFlags, mkdirat, openat2, symlinkat};
use rustix::io::Errno;
use rustix::mount::{MountAttrFlags, UnmountFlags};

use super::error::{Context, LaunchError};
use super::mount;
use super::proc;
use super::source::Sources;
use super::spec::Entry;

/// Where the new root is put together: any directory that exists everywhere will do, it is seen by this process only.
const BUILD_AT: &str = "/tmp";
/// Where layers wait, inside the new root, until an overlay holds them.
const STAGE: &str = "/.stage";

/// How many terminals one sandbox may have: all of a machine's together have 3,072.
const TERMINALS: &[u8] = b"256";

/// Where all of /proc is, if there is nesting: the kernel lets nobody mount more of it anew than can be seen already.
const WHOLE_PROC: &str = "/.proc";

/// Puts the file system together and makes it the root of this mount namespace. Whether no user namespaces can be made
/// below this one by the kernel's count, which is asked for unless there is `nesting`.
pub(super) fn enter(entries: &[Entry], mut sources: Sources, nesting: bool) -> Result<bool, LaunchError> {
    mount::make_private().step("making mounts private")?;
    let base = mount::new_filesystem("tmpfs", &[("mode", Some(b"0755"))], MountAttrFlags::MOUNT_ATTR_NODEV)
        .step("making the root file system")?;
    let at = open_path(BUILD_AT).step("opening /tmp")?;
    mount::attach(base.as_fd(), at.as_fd()).step("attaching the root file system")?;
    let root = Root { fd: base };
    for entry in entries {
        root.add(entry, &mut sources)?;
    }
    root.drop_stage()?;
    if nesting {
        root.proc(WHOLE_PROC)?;
    }
    proc::share_watches(root.fd.as_fd());
    let no_user_namespaces = !nesting && proc::forbid_user_namespaces(root.fd.as_fd());
    proc::protect(root.fd.as_fd())?;
    pivot(&root)?;
    let root = open_path("/").step("opening the new root")?;
    mount::make_read_only(root.as_fd()).step("making the root file system read-only")?;
    Ok(no_user_namespaces)
}

struct Root {
    fd: OwnedFd,
}

impl Root {
    fn add(&self, entry: &Entry, sources: &mut Sources) -> Result<(), LaunchError> {
        match entry {
            Entry::Dir { target, mode } => self.dir(target, *mode).on("making directory", target).map(|_| ()),
            Entry::File { target, content, mode } => self.file(target, content, *mode),
            Entry::Symlink { target, to } => self.symlink(target, to),
            Entry::Bind { source, target, .. } => self.mount(sources.take(source)?.as_fd(), target),
            Entry::Part { top, path, target, .. } => self.mount(sources.take(&top.join(path))?.as_fd(), target),
            Entry::Overlay { lower, layer, target } => self.overlay(lower, layer, target, sources),
            Entry::Tmpfs { target, mode, size } => {
                let (mode, size) = (format!("{mode:o}"), size.map(|size| size.to_string()));
                let mut options = vec![("mode", Some(mode.as_bytes()))];
                options.extend(size.as_ref().map(|size| ("size", Some(size.as_bytes()))));
                let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV;
                let tree = mount::new_filesystem("tmpfs", &options, attributes).on("making tmpfs", target)?;
                self.mount(tree.as_fd(), target)
            }
            Entry::Cgroup { target, controller } => {
                let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID
                    | MountAttrFlags::MOUNT_ATTR_NODEV
                    | MountAttrFlags::MOUNT_ATTR_NOEXEC
                    | MountAttrFlags::MOUNT_ATTR_RDONLY;
                let tree = match controller {
                    // Controllers that share a hierarchy are named together: `cpu,cpuacct`.
                    Some(controllers) => {
                        let options: Vec<_> = controllers.split(',').map(|controller| (controller, None)).collect();
                        mount::new_filesystem("cgroup", &options, attributes)
                    }
                    None => mount::new_filesystem("cgroup2", &[], attributes),
                };
                self.mount(tree.on("making the cgroup at", target)?.as_fd(), target)
            }
            Entry::Proc => self.proc("/proc"),
            Entry::Devpts => {
                let options = [
                    ("newinstance", None),
                    ("ptmxmode", Some(&b"0666"[..])),
                    ("mode", Some(&b"0620"[..])),
                    ("max", Some(TERMINALS)),
                ];
                let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NOEXEC;
                let tree = mount::new_filesystem("devpts", &options, attributes).step("making /dev/pts")?;
                self.mount(tree.as_fd(), Path::new("/dev/pts"))
            }
        }
    }

    fn proc(&self, target: &str) -> Result<(), LaunchError> {
        let attributes =
            MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV | MountAttrFlags::MOUNT_ATTR_NOEXEC;
        let tree = mount::new_filesystem("proc", &[], attributes).step("making /proc")?;
        self.mount(tree.as_fd(), Path::new(target))
    }

    /// The layers are first attached below the new root: an overlay takes paths, and started by root the paths of the
    /// host's state directory are closed to the ids that this process has by now.
    fn overlay(&self, lower: &Path, layer: &Path, target: &Path, sources: &mut Sources) -> Result<(), LaunchError> {
        let stage = PathBuf::from(STAGE).join(sources.taken().to_string());
        let (lower_at, layer_at) = (stage.join("lower"), stage.join("layer"));
        self.mount(sources.take(lower)?.as_fd(), &lower_at)?;
        self.mount(sources.take(layer)?.as_fd(), &layer_at)?;
        let seen = |path: &Path| Path::new(BUILD_AT).join(path.strip_prefix("/").unwrap_or(path));
        let (upper, work) = (seen(&layer_at).join("upper"), seen(&layer_at).join("work"));
        let tree = mount::overlay(&seen(&lower_at), &upper, &work).on("making the overlay of", lower)?;
        self.mount(tree.as_fd(), target)
    }

    fn mount(&self, tree: BorrowedFd<'_>, target: &Path) -> Result<(), LaunchError> {
        let point = if mount::is_directory(tree).on("looking at what goes to", target)? {
            self.dir(target, 0o755)
        } else {
            self.mount_point_file(target)
        };
        let point = point.on("making the mount point", target)?;
        mount::attach(tree, point.as_fd()).on("mounting", target)
    }

    /// Opens a directory below the root, making what is missing on the way. No symbolic link is followed: what was
    /// mounted before may hold hostile ones.
    fn dir(&self, target: &Path, mode: u32) -> Result<OwnedFd, Errno> {
        let mut fd = self.open(Path::new("."), OFlags::PATH | OFlags::DIRECTORY)?;
        let mut components = normal(target).peekable();
        while let Some(name) = components.next() {
            let mode = if components.peek().is_none() { mode } else { 0o755 };
            match mkdirat(&fd, name, Mode::from_raw_mode(mode)) {
                // A read-only or foreign directory may hold it already.
                Ok(()) | Err(Errno::EXIST | Errno::ROFS | Errno::ACCESS | Errno::PERM) => {}
                Err(errno) => return Err(errno),
            }
            fd = openat2(
                &fd,
                name,
                OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC,
                Mode::empty(),
                ResolveFlags::NO_SYMLINKS,
            )?;
        }
        Ok(fd)
    }

    fn parent(&self, target: &Path) -> Result<(OwnedFd, PathBuf), Errno> {
        let name = target.file_name().ok_or(Errno::INVAL)?;
        let parent = target.parent().unwrap_or(Path::new("/"));
        Ok((self.dir(parent, 0o755)?, PathBuf::from(name)))
    }

    fn mount_point_file(&self, target: &Path) -> Result<OwnedFd, Errno> {
        let (parent, name) = self.parent(target)?;
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
        match rustix::fs::openat(&parent, &name, flags, Mode::from_raw_mode(0o644)) {
            Ok(_) | Err(Errno::EXIST | Errno::ROFS | Errno::ACCESS) => {}
            Err(errno) => return Err(errno),
        }
        openat2(
            &parent,
            &name,
            OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC,
            Mode::empty(),
            ResolveFlags::NO_SYMLINKS,
        )
    }

    fn file(&self, target: &Path, content: &str, mode: u32) -> Result<(), LaunchError> {
        let (parent, name) = self.parent(target).on("making the directory of", target)?;
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = match rustix::fs::openat(&parent, &name, flags, Mode::from_raw_mode(mode)) {
            Ok(file) => file,
            // Kept from before a stop: what is there by now belongs to the sandbox.
            Err(Errno::EXIST) => return Ok(()),
            Err(errno) => return Err(LaunchError::new(format!("making {}", target.display()), errno)),
        };
        std::io::Write::write_all(&mut std::fs::File::from(file), content.as_bytes()).on("writing", target)
    }

    fn symlink(&self, target: &Path, to: &Path) -> Result<(), LaunchError> {
        let (parent, name) = self.parent(target).on("making the directory of", target)?;
        match symlinkat(to, &parent, &name) {
            Ok(()) | Err(Errno::EXIST) => Ok(()),
            Err(errno) => Err(LaunchError::new(format!("making link {}", target.display()), errno)),
        }
    }

    fn open(&self, path: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
        rustix::fs::openat(&self.fd, path, flags | OFlags::CLOEXEC, Mode::empty())
    }

    fn drop_stage(&self) -> Result<(), LaunchError> {
        let Ok(stage) = self.open(Path::new(".stage"), OFlags::RDONLY | OFlags::DIRECTORY) else { return Ok(()) };
        let at = Path::new(BUILD_AT).join(".stage");
        let layers = rustix::fs::Dir::read_from(&stage).step("reading the stage")?;
        for layer in layers.flatten() {
            let name = Path::new(std::ffi::OsStr::from_bytes(layer.file_name().to_bytes())).to_owned();
            if normal(&name).next().is_none() {
                continue;
            }
            for part in ["lower", "layer"] {
                let path = at.join(&name).join(part);
                rustix::mount::unmount(&path, UnmountFlags::DETACH).on("leaving the stage", &path)?;
            }
        }
        std::fs::remove_dir_all(&at).step("removing the stage")
    }
}

/// Makes the new root the root, and lets go of the host's.
fn pivot(root: &Root) -> Result<(), LaunchError> {
    rustix::process::fchdir(&root.fd).step("entering the new root")?;
    // The old root ends up mounted over the new one, from where it is detached.
    rustix::process::pivot_root(".", ".").step("changing the root")?;
    rustix::mount::unmount(".", UnmountFlags::DETACH).step("detaching the host's root")?;
    rustix::process::chdir("/").step("entering the new root")
}

fn normal(path: &Path) -> impl Iterator<Item = &std::ffi::OsStr> {
    path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(name),
        _ => None,
    })
}

fn open_path(path: &str) -> Result<OwnedFd, Errno> {
    rustix::fs::open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())
}
