//! What a native sandbox looks like inside: an allow-list of the host's files, and what is generated or private.

use std::fs;
use std::path::{Path, PathBuf};

use loopbox_init::sandbox::{Access, Entry, IdMap};
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, fstat, openat2};

use super::ground::Ground;
use super::{etc, packages, stubs};
use crate::agent::Tools;
use crate::record::{Record, WorkspaceRecord};
use crate::registry::SandboxDir;

/// The private home of every sandbox.
pub(super) const HOME: &str = "/home/agent";
/// The home of the sandbox's root.
pub(super) const ROOT_HOME: &str = "/root";
/// What loopbox puts inside for itself; made at each start, and read-only for everybody.
pub(super) const OWN: &str = "/opt/loopbox";
/// Where the host's agents get their links; on the PATH.
pub(super) const TOOLS: &str = "/opt/loopbox/bin";

/// System directories that get a private copy-on-write layer; those that are links on the host are links inside.
const SYSTEM: [&str; 7] = ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"];

/// Device nodes, and why a program needs them.
const DEVICES: [(&str, &str); 6] = [
    ("null", "discards output"),
    ("zero", "gives zeros"),
    ("full", "tests for full disks"),
    ("random", "random numbers"),
    ("urandom", "random numbers"),
    ("tty", "the controlling terminal of the process that opens it"),
];

/// Links in /dev to a process's own descriptors.
const DEV_LINKS: [(&str, &str); 5] = [
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("ptmx", "pts/ptmx"),
];

/// Parts of /sys that programs read to learn how many processors there are.
const SYS: [&str; 1] = ["/sys/devices/system/cpu"];

/// The whole file system of a sandbox, in the order in which it is put together.
pub(super) fn entries(dir: &SandboxDir, record: &Record, ids: IdMap, ground: Option<&Ground>) -> Vec<Entry> {
    let mut entries = system(dir);
    entries.extend(devices());
    entries.push(Entry::Proc);
    entries.extend(SYS.iter().filter(|path| Path::new(path).exists()).map(|path| read_only(Path::new(path))));
    entries.extend(private(dir, ground));
    entries.extend(etc::entries(dir, record, ground));
    entries.extend(tools_entries(&record.tools, ids));
    entries.extend(stubs::entries(ids));
    entries.extend(workspace(record, ids));
    entries
}

/// Whether there is a root inside, who can change the system.
pub(super) fn has_root(ids: IdMap) -> bool {
    matches!(ids, IdMap::Range { .. })
}

/// The directories that have a private copy-on-write layer inside.
pub(super) fn layered(ids: IdMap) -> Vec<PathBuf> {
    let mut dirs: Vec<PathBuf> = system_dirs().map(Path::to_owned).collect();
    if has_root(ids) {
        dirs.extend([PathBuf::from("/etc"), PathBuf::from("/var")].into_iter().chain(packages::layers()));
    }
    dirs
}

/// Where the private layer over that directory of the host's is kept.
pub(super) fn layer(dir: &SandboxDir, of: &Path) -> PathBuf {
    dir.join("layer").join(of.to_string_lossy().trim_start_matches('/').replace('/', "-"))
}

/// A directory of the host's with its private layer.
pub(super) fn overlay(dir: &SandboxDir, path: &Path) -> Entry {
    Entry::Overlay { lower: path.to_owned(), layer: layer(dir, path), target: path.to_owned() }
}

fn system_dirs() -> impl Iterator<Item = &'static Path> {
    SYSTEM.iter().map(Path::new).filter(|dir| fs::symlink_metadata(dir).is_ok_and(|metadata| metadata.is_dir()))
}

fn system(dir: &SandboxDir) -> Vec<Entry> {
    let mut entries = Vec::new();
    for path in SYSTEM.iter().map(Path::new) {
        if let Ok(to) = fs::read_link(path) {
            entries.push(Entry::Symlink { target: path.to_owned(), to });
        }
    }
    for path in system_dirs() {
        entries.push(overlay(dir, path));
        entries.extend(mounts_below(path).iter().map(|below| read_only(below)));
    }
    entries
}

/// An overlay does not reach what is mounted below its lower directory.
fn mounts_below(dir: &Path) -> Vec<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let points = mounts.lines().filter_map(|line| line.split(' ').nth(4)).map(PathBuf::from);
    points.filter(|point| point.starts_with(dir) && point != dir && point.is_dir()).collect()
}

fn devices() -> Vec<Entry> {
    let mut entries = vec![Entry::Tmpfs { target: "/dev".into(), mode: 0o755, size: Some(64 * 1024) }];
    entries.extend(DEVICES.iter().map(|(name, _reason)| {
        let path = Path::new("/dev").join(name);
        Entry::Bind { source: path.clone(), target: path, access: Access::Device }
    }));
    entries.push(Entry::Devpts);
    entries.push(Entry::Tmpfs { target: "/dev/shm".into(), mode: 0o1777, size: None });
    entries.extend(
        DEV_LINKS.iter().map(|(name, to)| Entry::Symlink { target: Path::new("/dev").join(name), to: to.into() }),
    );
    entries
}

fn private(dir: &SandboxDir, ground: Option<&Ground>) -> Vec<Entry> {
    let own = |source: PathBuf, target: &str| Entry::Bind { source, target: target.into(), access: Access::ReadWrite };
    let layer = dir.join("layer");
    let mut entries = vec![
        own(dir.join("home"), HOME),
        Entry::Tmpfs { target: "/tmp".into(), mode: 0o1777, size: None },
        Entry::Tmpfs { target: "/run".into(), mode: 0o755, size: None },
        Entry::Dir { target: "/run/lock".into(), mode: 0o1777 },
        Entry::Dir { target: "/srv".into(), mode: 0o755 },
        Entry::Dir { target: "/mnt".into(), mode: 0o755 },
    ];
    if let Some(ground) = ground {
        entries.push(Entry::Overlay { lower: ground.var(), layer: layer.join("var"), target: "/var".into() });
        entries.extend(packages::entries(dir));
        entries.push(own(layer.join("root"), ROOT_HOME));
        // Packages of other makers unpack there; what is loopbox's stays apart.
        entries.push(own(layer.join("opt"), "/opt"));
        entries.push(Entry::Tmpfs { target: OWN.into(), mode: 0o755, size: None });
    } else {
        entries.push(own(layer.join("var"), "/var"));
        entries.push(Entry::Dir { target: ROOT_HOME.into(), mode: 0o755 });
    }
    entries
}

fn tools_entries(tools: &Tools, ids: IdMap) -> Vec<Entry> {
    let bind = |path: &PathBuf| Entry::Bind {
        source: path.clone(),
        target: path.clone(),
        // Installed by root for root alone, it is readable inside all the same.
        access: owned(&fs::canonicalize(path).unwrap_or_else(|_| path.clone()), ids, true),
    };
    let mut entries: Vec<Entry> = tools.visible.iter().map(bind).collect();
    entries.push(Entry::Dir { target: TOOLS.into(), mode: 0o755 });
    entries.extend(
        tools
            .commands
            .iter()
            .map(|tool| Entry::Symlink { target: Path::new(TOOLS).join(&tool.name), to: tool.path.clone() }),
    );
    entries
}

fn workspace(record: &Record, ids: IdMap) -> Vec<Entry> {
    let WorkspaceRecord { canonical, given, .. } = &record.workspace;
    let mut targets = vec![canonical];
    if given != canonical {
        targets.push(given);
    }
    targets.into_iter().filter_map(|target| part(canonical, target, ids, false)).collect()
}

/// What is at a path of the host's, no part of which is a link: another sandbox may have a workspace around it, and put
/// a link in its place at any moment.
pub(super) fn part(path: &Path, target: &Path, ids: IdMap, read_only: bool) -> Option<Entry> {
    let (top, name) = (path.parent()?, path.file_name()?);
    let access = owned(path, ids, read_only);
    Some(Entry::Part { top: top.to_owned(), path: name.into(), target: target.to_owned(), access })
}

/// How a directory of the host's is shown: as it is to its own user, idmapped where the sandbox has ids of its own.
pub(super) fn owned(path: &Path, ids: IdMap, read_only: bool) -> Access {
    match (ids, owner(path)) {
        (IdMap::Range { .. }, Some((uid, gid))) => Access::OwnedBy { uid, gid, read_only },
        _ if read_only => Access::ReadOnly,
        _ => Access::ReadWrite,
    }
}

/// Whose a path is that has no link in it.
fn owner(path: &Path) -> Option<(u32, u32)> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let found = openat2(CWD, path, flags, Mode::empty(), ResolveFlags::NO_SYMLINKS).and_then(|found| fstat(&found));
    found.ok().map(|stat| (stat.st_uid, stat.st_gid))
}

fn read_only(path: &Path) -> Entry {
    Entry::Bind { source: path.to_owned(), target: path.to_owned(), access: Access::ReadOnly }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_that_somebody_puts_in_the_way_is_nobodys_and_is_not_mounted_through() {
        let dir = tempfile::tempdir().unwrap();
        let dir = fs::canonicalize(dir.path()).unwrap();
        fs::create_dir_all(dir.join("real/sub")).unwrap();
        std::os::unix::fs::symlink("real", dir.join("link")).unwrap();
        assert!(owner(&dir.join("real/sub")).is_some());
        let ids = IdMap::Range { base: 1 << 20, count: 1 << 16 };
        let path = dir.join("link/sub");
        assert_eq!(owner(&path), None);
        // Not a `Bind`, whose source is found through links.
        let Some(Entry::Part { top, path: name, access, .. }) = part(&path, &path, ids, false) else {
            panic!("it is found through links");
        };
        assert_eq!((top.join(name), access), (path, Access::ReadWrite), "idmapped for nobody");
    }
}
