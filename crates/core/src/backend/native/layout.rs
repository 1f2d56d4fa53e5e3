//! What a native sandbox looks like inside: an allow-list of the host's files, and what is generated or private.

use std::fs;
use std::path::{Path, PathBuf};

use loopbox_init::sandbox::{Access, Entry, IdMap};

use super::ground::Ground;
use super::{etc, packages, stubs};
use crate::agent::Tools;
use crate::record::Record;
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
        access: owned(path, ids, true),
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
    let workspace = &record.workspace;
    let mut entries = Vec::new();
    let access = owned(&workspace.canonical, ids, false);
    entries.push(Entry::Bind { source: workspace.canonical.clone(), target: workspace.canonical.clone(), access });
    if workspace.given != workspace.canonical {
        entries.push(Entry::Bind { source: workspace.canonical.clone(), target: workspace.given.clone(), access });
    }
    entries
}

/// How a directory of the host's is shown: as it is to its own user, idmapped where the sandbox has ids of its own.
pub(super) fn owned(path: &Path, ids: IdMap, read_only: bool) -> Access {
    use std::os::unix::fs::MetadataExt;
    match (ids, fs::metadata(path)) {
        (IdMap::Range { .. }, Ok(metadata)) => Access::OwnedBy { uid: metadata.uid(), gid: metadata.gid(), read_only },
        _ if read_only => Access::ReadOnly,
        _ => Access::ReadWrite,
    }
}

fn read_only(path: &Path) -> Entry {
    Entry::Bind { source: path.to_owned(), target: path.to_owned(), access: Access::ReadOnly }
}
