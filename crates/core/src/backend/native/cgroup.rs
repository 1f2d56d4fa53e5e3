//! Cgroups on the host's side: where they can be made, and how one is made for a sandbox, handed over to its ids, and
//! removed when it is empty.
//!
//! Root makes them at the top of each hierarchy. An ordinary user makes them where systemd has delegated a part of the
//! unified hierarchy to him. Without one, commands are ended by a sub-reaper, and memory cannot be limited; `doctor` and
//! `inspect` say which it is.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use loopbox_init::sandbox::{Cgroup, CgroupVersion};
use rustix::fs::{Access, access};

use crate::error::{Error, Result};

/// The directory in each hierarchy below which sandboxes have theirs.
const OURS: &str = "loopbox";

/// Files of a cgroup that whoever manages it must be able to write.
const DELEGATED: [&str; 4] = ["cgroup.procs", "cgroup.threads", "cgroup.subtree_control", "freezer.state"];

/// What of this machine's cgroups this process may use.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Hierarchies {
    /// The cgroup below which every sandbox gets one that holds its processes.
    pub(super) tree: Option<Cgroup>,
    /// Controllers of the unified hierarchy that can be had in [`Self::tree`].
    pub(super) unified: Controllers,
    /// The memory controller of version 1.
    pub(super) memory: Option<Hierarchy>,
    /// The CPU controller of version 1.
    pub(super) cpu: Option<Hierarchy>,
}

/// Controllers of the unified hierarchy.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Controllers {
    pub(super) memory: bool,
    pub(super) cpu: bool,
    pub(super) pids: bool,
}

/// A hierarchy of version 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hierarchy {
    /// The directory below which sandboxes have theirs.
    pub(super) dir: PathBuf,
    /// Its controllers, as they are named when it is mounted: `cpu,cpuacct`.
    pub(super) controllers: String,
}

impl Hierarchies {
    /// Looks at what there is.
    pub(super) fn find() -> Self {
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        Self::among(&mounts, &own, rustix::process::geteuid().as_raw())
    }

    /// Looks at what there is among `mounts` (as mountinfo shows them) for `user`, who is in the cgroups `own`.
    fn among(mounts: &str, own: &str, user: u32) -> Self {
        let mounts: Vec<Mount<'_>> = mounts.lines().filter_map(Mount::parse).collect();
        let unified = mounts.iter().find(|mount| mount.kind == "cgroup2");
        let version_1 = |controller: &str| mounts.iter().find(|mount| mount.has(controller)).filter(|_| user == 0);
        let mut found = Self::default();
        if let Some(top) =
            unified.and_then(|mount| if user == 0 { Some(mount.dir.into()) } else { mount.delegated(own, user) })
            && let Some(dir) = usable(&top)
        {
            found.unified = Controllers::of(&top);
            found.tree = Some(Cgroup { dir, version: CgroupVersion::V2 });
        } else if let Some(dir) = version_1("freezer").and_then(|mount| usable(Path::new(mount.dir))) {
            found.tree = Some(Cgroup { dir, version: CgroupVersion::FreezerV1 });
        }
        found.memory = version_1("memory").map(Mount::hierarchy);
        found.cpu = version_1("cpu").map(Mount::hierarchy);
        found
    }
}

impl Controllers {
    fn of(dir: &Path) -> Self {
        let names = fs::read_to_string(dir.join("cgroup.controllers")).unwrap_or_default();
        let has = |controller| names.split_whitespace().any(|name| name == controller);
        Self { memory: has("memory"), cpu: has("cpu"), pids: has("pids") }
    }

    fn names(self) -> impl Iterator<Item = &'static str> {
        [("memory", self.memory), ("cpu", self.cpu), ("pids", self.pids)]
            .into_iter()
            .filter_map(|(name, is)| is.then_some(name))
    }
}

/// A line of mountinfo (proc(5)).
#[derive(Debug)]
struct Mount<'a> {
    /// What of its file system is mounted.
    root: &'a str,
    dir: &'a str,
    kind: &'a str,
    options: &'a str,
}

impl<'a> Mount<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let (before, after) = line.split_once(" - ")?;
        let (mut before, mut after) = (before.split(' ').skip(3), after.split(' '));
        let (root, dir) = (before.next()?, before.next()?);
        Some(Self { root, dir, kind: after.next()?, options: after.nth(1)? })
    }

    fn has(&self, controller: &str) -> bool {
        self.kind == "cgroup" && self.options.split(',').any(|option| option == controller)
    }

    fn hierarchy(&self) -> Hierarchy {
        // Beside controllers, the options say whether it is writable, and flags that are written `name=value`.
        let is_controller = |option: &&str| !matches!(*option, "rw" | "ro" | "xattr" | "noprefix" | "cpuset_v2_mode");
        let controllers: Vec<_> =
            self.options.split(',').filter(is_controller).filter(|option| !option.contains('=')).collect();
        Hierarchy { dir: Path::new(self.dir).join(OURS), controllers: controllers.join(",") }
    }

    /// The topmost cgroup above this process in which `user` may make others and move processes between them.
    fn delegated(&self, own: &str, user: u32) -> Option<PathBuf> {
        let own = own.lines().find_map(|line| line.strip_prefix("0::"))?;
        let below = Path::new(own).strip_prefix(self.root).ok()?;
        let is_delegated = |dir: &Path| {
            ["", "cgroup.procs", "cgroup.subtree_control"].iter().all(|part| {
                let path = dir.join(part);
                fs::metadata(&path).is_ok_and(|metadata| metadata.uid() == user)
                    && access(&path, Access::WRITE_OK).is_ok()
            })
        };
        let own = Path::new(self.dir).join(below);
        own.ancestors().take_while(|dir| dir.starts_with(self.dir) && is_delegated(dir)).last().map(PathBuf::from)
    }
}

/// The directory for sandboxes in the cgroup `top`, if it can be had. Made once and kept: whether it can be made is the
/// question.
fn usable(top: &Path) -> Option<PathBuf> {
    let dir = top.join(OURS);
    (fs::create_dir_all(&dir).is_ok() && access(&dir, Access::WRITE_OK).is_ok()).then_some(dir)
}

/// Makes the cgroup and hands it over to `uid`.
pub(super) fn make(cgroup: &Cgroup, uid: u32) -> Result<()> {
    let failed = |error| Error::io(format!("making cgroup {}", cgroup.dir.display()), error);
    fs::create_dir_all(&cgroup.dir).map_err(failed)?;
    chown(&cgroup.dir, Some(uid), None).map_err(failed)?;
    for file in DELEGATED {
        match chown(cgroup.dir.join(file), Some(uid), None) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
    }
    Ok(())
}

/// Gives the cgroup `dir` of the unified hierarchy these controllers, which the two above it hand down.
pub(super) fn enable(dir: &Path, wanted: Controllers) -> Result<()> {
    let above: Vec<&Path> = dir.ancestors().skip(1).take(2).collect();
    for parent in above.into_iter().rev() {
        let file = parent.join("cgroup.subtree_control");
        let enabled = fs::read_to_string(&file).unwrap_or_default();
        let missing: Vec<String> = wanted
            .names()
            .filter(|name| !enabled.split_whitespace().any(|enabled| enabled == *name))
            .map(|name| format!("+{name}"))
            .collect();
        if !missing.is_empty() {
            fs::write(&file, missing.join(" ")).map_err(|error| {
                let busy = error.kind() == io::ErrorKind::ResourceBusy;
                let error = Error::unsupported(format!("limits: {} cannot be set", file.display())).with_source(error);
                // "No internal processes" (cgroups(7)): a group with processes of its own hands nothing down.
                error.with_hint(if busy {
                    super::limits::DELEGATE
                } else {
                    "`loopbox doctor` tells what can be limited"
                })
            })?;
        }
    }
    Ok(())
}

/// Removes the cgroup with what is below it. Its processes are dead or about to be: one that dies is in its cgroup for a
/// moment longer than in any other respect.
pub(super) fn remove(dir: &Path, within: Duration) -> Result<()> {
    let deadline = Instant::now() + within;
    loop {
        match remove_tree(dir) {
            Err(error) if error.kind() == io::ErrorKind::ResourceBusy && Instant::now() < deadline => {
                std::thread::sleep(Duration::from_millis(1));
            }
            removed => {
                return removed.map_err(|error| Error::io(format!("removing cgroup {}", dir.display()), error));
            }
        }
    }
}

fn remove_tree(dir: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    for entry in entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
        remove_tree(&entry.path())?;
    }
    match fs::remove_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A directory that looks like a cgroup of version 2.
    fn group(dir: &Path, controllers: &str) {
        fs::create_dir_all(dir).unwrap();
        fs::write(dir.join("cgroup.controllers"), controllers).unwrap();
        for file in ["cgroup.procs", "cgroup.subtree_control"] {
            fs::write(dir.join(file), "").unwrap();
        }
    }

    fn unified(dir: &Path) -> String {
        format!("30 24 0:27 / {} rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n", dir.display())
    }

    #[test]
    fn root_uses_the_top_of_the_unified_hierarchy_and_what_it_has() {
        let top = tempfile::tempdir().unwrap();
        group(top.path(), "cpuset cpu io memory pids\n");
        let found = Hierarchies::among(&unified(top.path()), "0::/user.slice\n", 0);
        let dir = top.path().join("loopbox");
        assert_eq!(found.tree, Some(Cgroup { dir, version: CgroupVersion::V2 }));
        assert_eq!(found.unified, Controllers { memory: true, cpu: true, pids: true });
        assert_eq!((found.memory, found.cpu), (None, None));
    }

    #[test]
    fn a_hybrid_machine_has_its_controllers_in_version_1() {
        let top = tempfile::tempdir().unwrap();
        let dir = |name: &str| top.path().join(name);
        group(&dir("unified"), "");
        let line = |name: &str, controllers: &str| {
            format!("31 24 0:28 / {} rw shared:9 - cgroup cgroup rw,xattr,{controllers}\n", dir(name).display())
        };
        let mounts = line("systemd", "name=systemd")
            + &line("cpu", "cpu,cpuacct")
            + &line("memory", "memory")
            + &unified(&dir("unified"));
        let found = Hierarchies::among(&mounts, "4:memory:/\n0::/\n", 0);
        assert_eq!(found.unified, Controllers::default());
        let hierarchy = |name: &str, controllers: &str| {
            Some(Hierarchy { dir: dir(name).join("loopbox"), controllers: controllers.into() })
        };
        assert_eq!(found.memory, hierarchy("memory", "memory"));
        assert_eq!(found.cpu, hierarchy("cpu", "cpu,cpuacct"));
    }

    #[test]
    fn an_ordinary_user_uses_the_topmost_cgroup_that_is_his() {
        let top = tempfile::tempdir().unwrap();
        let service = top.path().join("user.slice/user@1000.service");
        for dir in ["", "app.slice", "app.slice/run-1.scope"] {
            group(&service.join(dir), "memory pids");
        }
        let mounts = unified(top.path());
        let mount = Mount::parse(mounts.trim_end()).unwrap();
        let me = rustix::process::geteuid().as_raw();
        let own = "1:name=systemd:/elsewhere\n0::/user.slice/user@1000.service/app.slice/run-1.scope\n";
        assert_eq!(mount.delegated(own, me), Some(service.clone()));
        assert_eq!(mount.delegated(own, me + 1), None);
        assert_eq!(mount.delegated("0::/user.slice\n", me), None);
        assert_eq!(Controllers::of(&service), Controllers { memory: true, cpu: false, pids: true });
    }

    #[test]
    fn controllers_are_handed_down_to_the_sandbox_and_no_further() {
        let top = tempfile::tempdir().unwrap();
        let (ours, sandbox) = (top.path().join("loopbox"), top.path().join("loopbox/1-2"));
        for dir in [top.path(), &ours, &sandbox] {
            group(dir, "cpu memory");
        }
        fs::write(top.path().join("cgroup.subtree_control"), "memory\n").unwrap();
        enable(&sandbox, Controllers { memory: true, cpu: true, pids: false }).unwrap();
        let control = |dir: &Path| fs::read_to_string(dir.join("cgroup.subtree_control")).unwrap();
        assert_eq!(control(top.path()), "+cpu");
        assert_eq!(control(&ours), "+memory +cpu");
        assert_eq!(control(&sandbox), "");
    }
}
