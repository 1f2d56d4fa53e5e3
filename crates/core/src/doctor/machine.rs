//! Facts about the machine, read from files below a root that tests can choose.

use std::fs;
use std::path::{Path, PathBuf};

/// Where facts about a machine are read, and who asks.
#[derive(Debug, Clone)]
pub(crate) struct Machine {
    root: PathBuf,
    /// Whether the caller is root, here or in the container around.
    pub(super) privileged: bool,
    /// The executable that makes sandboxes, if there is one.
    pub(super) helper: Option<PathBuf>,
}

/// A mount, as `/proc/self/mountinfo` tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mount {
    /// What of its file system is seen.
    pub(super) root: PathBuf,
    pub(super) point: PathBuf,
    pub(super) options: Vec<String>,
    pub(super) kind: String,
}

/// What a container around us was made by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Container {
    Docker,
    Podman,
    Kubernetes,
    Other,
}

impl Machine {
    /// This very machine.
    pub(crate) fn here(helper: Option<PathBuf>) -> Self {
        Self { root: PathBuf::from("/"), privileged: rustix::process::geteuid().is_root(), helper }
    }

    /// One whose files lie below `root`, seen by an ordinary user with a helper at a usual place.
    #[cfg(test)]
    pub(super) fn below(root: &Path) -> Self {
        Self { root: root.to_owned(), privileged: false, helper: Some("/usr/local/bin/loopbox".into()) }
    }

    /// A file's text without white space around it; `path` has no leading slash.
    pub(super) fn read(&self, path: &str) -> Option<String> {
        fs::read_to_string(self.root.join(path)).ok().map(|text| text.trim().to_owned())
    }

    pub(super) fn has(&self, path: &str) -> bool {
        self.root.join(path).exists()
    }

    /// Whether this process may write the file at `path`, which has no leading slash.
    pub(super) fn may_write(&self, path: &Path) -> bool {
        rustix::fs::access(self.root.join(path), rustix::fs::Access::WRITE_OK).is_ok()
    }

    /// The kernel's version as two numbers.
    pub(super) fn version(&self) -> Option<(u32, u32)> {
        let release = self.release()?;
        let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse);
        Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
    }

    pub(super) fn release(&self) -> Option<String> {
        self.read("proc/sys/kernel/osrelease")
    }

    /// One line of this process's status.
    pub(super) fn status(&self, field: &str) -> Option<String> {
        let status = self.read("proc/self/status")?;
        let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))?;
        Some(line.trim().to_owned())
    }

    /// Whether a seccomp filter of somebody else's is on this process already.
    pub(super) fn is_filtered(&self) -> bool {
        self.status("Seccomp").as_deref() == Some("2")
    }

    /// Whether this process may do that, by the number of a capability.
    pub(super) fn is_capable(&self, capability: u32) -> bool {
        let set = self.status("CapEff").and_then(|set| u64::from_str_radix(&set, 16).ok());
        set.is_none_or(|set| set >> capability & 1 == 1)
    }

    /// The AppArmor profile that this process runs under, if one restricts it.
    pub(super) fn apparmor_profile(&self) -> Option<String> {
        let label = self.read("proc/self/attr/apparmor/current").or_else(|| self.read("proc/self/attr/current"))?;
        let name = label.strip_suffix(" (enforce)")?;
        Some(name.to_owned())
    }

    /// Whether SELinux labels this process.
    pub(super) fn is_labelled(&self) -> bool {
        self.has("sys/fs/selinux/enforce") && self.read("sys/fs/selinux/enforce").as_deref() == Some("1")
    }

    pub(super) fn container(&self) -> Option<Container> {
        if self.has("var/run/secrets/kubernetes.io") || self.has("run/secrets/kubernetes.io") {
            Some(Container::Kubernetes)
        } else if self.has("run/.containerenv") {
            Some(Container::Podman)
        } else if self.has(".dockerenv") {
            Some(Container::Docker)
        } else if self.has("run/systemd/container") {
            Some(Container::Other)
        } else {
            None
        }
    }

    /// How many ids this user namespace has from `first` on.
    pub(super) fn has_id(&self, id: u32) -> bool {
        let Some(map) = self.read("proc/self/uid_map") else { return true };
        map.lines().any(|line| {
            let mut fields = line.split_whitespace().map(str::parse::<u32>);
            match (fields.next(), fields.nth(1)) {
                (Some(Ok(start)), Some(Ok(count))) => id.checked_sub(start).is_some_and(|offset| offset < count),
                _ => false,
            }
        })
    }

    pub(super) fn mounts(&self) -> Vec<Mount> {
        let text = self.read("proc/self/mountinfo").unwrap_or_default();
        text.lines().filter_map(Mount::parse).collect()
    }

    /// Whether the kernel lets a user namespace mount a fresh `/proc`: it does where one can be seen of which nothing is
    /// covered. A cover of a directory that is always empty counts for nothing.
    pub(super) fn shows_whole_proc(&self) -> bool {
        let mounts = self.mounts();
        let covered = |proc: &Mount| {
            mounts.iter().any(|mount| {
                mount.point.starts_with(&proc.point)
                    && mount.point != proc.point
                    && !mount.point.starts_with(proc.point.join("sys/fs/binfmt_misc"))
            })
        };
        let mut whole = mounts.iter().filter(|mount| mount.kind == "proc" && mount.root == Path::new("/")).peekable();
        whole.peek().is_none() || whole.any(|proc| !covered(proc))
    }

    /// The mount that `path` lies on.
    pub(super) fn mount_of(&self, path: &Path) -> Option<Mount> {
        // Of several on one point the last is seen; of several points the deepest.
        self.mounts()
            .into_iter()
            .filter(|mount| path.starts_with(&mount.point))
            .max_by_key(|mount| mount.point.components().count())
    }
}

impl Mount {
    fn parse(line: &str) -> Option<Self> {
        let (before, after) = line.split_once(" - ")?;
        let mut before = before.split(' ').skip(3);
        let root = PathBuf::from(before.next()?);
        let point = PathBuf::from(before.next()?.replace("\\040", " "));
        let options = before.next()?.split(',').map(str::to_owned).collect();
        Some(Self { root, point, options, kind: after.split(' ').next()?.to_owned() })
    }

    /// Stands for one that the kernel does not tell of.
    pub(super) fn unknown() -> Self {
        Self { root: "/".into(), point: "/".into(), options: Vec::new(), kind: "unknown".to_owned() }
    }

    pub(super) fn has(&self, option: &str) -> bool {
        self.options.iter().any(|found| found == option)
    }
}
