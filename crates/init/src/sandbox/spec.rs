//! What a sandbox looks like inside, as data: planned by the native backend, executed by [`super::launch`].

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// The user id of `agent` inside every sandbox.
pub const AGENT_ID: u32 = 1000;

/// Everything that is needed to make the namespaces of a sandbox and fill them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SandboxSpec {
    /// The host name inside.
    pub hostname: String,
    /// Which ids of the host stand behind the ids inside.
    pub ids: IdMap,
    /// What the file system consists of, in the order in which it is put together.
    pub entries: Vec<Entry>,
    /// Addresses inside, on which listeners are made and handed out.
    pub listeners: Vec<SocketAddr>,
    /// The sandbox's delegated cgroup.
    pub cgroup: Option<Cgroup>,
    /// Cgroups of version 1 that hold limits: init joins them before it starts.
    #[serde(default)]
    pub join: Vec<PathBuf>,
    /// What the kernel refuses to commands, and what of it they may use up.
    #[serde(default)]
    pub confinement: Confinement,
    /// The step at which to die, for fault tests.
    #[cfg(feature = "failpoints")]
    #[serde(default)]
    pub failpoint: Option<String>,
}

/// What the kernel refuses to commands, and what of it they may use up.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confinement {
    /// Commands may make namespaces of their own, for agents that nest their own sandbox: a larger part of the kernel is
    /// then in their reach, and Landlock, which would forbid every mount, is off.
    pub nesting: bool,
    /// The number of processes and threads in the whole sandbox (`RLIMIT_NPROC`); no limit if absent.
    pub processes: Option<u64>,
    /// The CPUs that commands may run on, which they cannot widen; all if empty.
    pub cpus: Vec<u32>,
}

/// What a running sandbox enforces, as init found it possible.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[expect(clippy::struct_excessive_bools, reason = "what is there or not, each for itself")]
pub struct Enforced {
    /// Whether system calls are filtered.
    pub seccomp: bool,
    /// The version of Landlock's ABI in force; 0 is none.
    pub landlock_abi: u32,
    /// Whether Landlock also keeps signals and abstract sockets inside.
    pub landlock_scopes: bool,
    /// Whether user namespaces are forbidden by the kernel's count, beside the filter.
    pub no_user_namespaces: bool,
    /// Whether the number of processes is limited.
    pub processes: bool,
}

/// Which ids of the host stand behind the ids inside. Host id 0 is never among them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IdMap {
    /// Only `agent`, who is the caller: what an ordinary user may map without help.
    Single {
        /// The caller's user id.
        uid: u32,
        /// The caller's group id.
        gid: u32,
    },
    /// A range of the sandbox's own: `0..count` inside is `base..base + count` outside.
    Range {
        /// The host id behind id 0.
        base: u32,
        /// How many ids are mapped.
        count: u32,
    },
}

impl IdMap {
    /// The host's ids of `agent`: user, group.
    pub fn agent(self) -> (u32, u32) {
        match self {
            Self::Single { uid, gid } => (uid, gid),
            Self::Range { base, .. } => (base + AGENT_ID, base + AGENT_ID),
        }
    }
}

/// One thing in the file system of a sandbox. Paths are absolute: `target` inside, `source` outside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Entry {
    /// A directory of the root file system.
    Dir {
        /// Where.
        target: PathBuf,
        /// Permissions.
        mode: u32,
    },
    /// A file with these contents.
    File {
        /// Where.
        target: PathBuf,
        /// What it holds.
        content: String,
        /// Permissions.
        mode: u32,
    },
    /// A symbolic link.
    Symlink {
        /// Where.
        target: PathBuf,
        /// What it points to.
        to: PathBuf,
    },
    /// A directory, file or device of the host.
    Bind {
        /// The host's path.
        source: PathBuf,
        /// Where.
        target: PathBuf,
        /// What may be done with it.
        access: Access,
    },
    /// A part of a directory of the host that others may be changing: no symbolic link on the way to it is followed.
    Part {
        /// The directory, by its canonical path.
        top: PathBuf,
        /// The part of it, relative.
        path: PathBuf,
        /// Where.
        target: PathBuf,
        /// What may be done with it.
        access: Access,
    },
    /// A directory of the host with a private copy-on-write layer over it.
    Overlay {
        /// The host's directory.
        lower: PathBuf,
        /// A directory of the sandbox's own that holds `upper` and `work`.
        layer: PathBuf,
        /// Where.
        target: PathBuf,
    },
    /// An empty file system in memory.
    Tmpfs {
        /// Where.
        target: PathBuf,
        /// Permissions of its root.
        mode: u32,
        /// Its size limit in bytes; the kernel's default, half of the memory, if absent.
        size: Option<u64>,
    },
    /// The sandbox's own cgroup, read-only: the unified hierarchy, or one controller of version 1.
    Cgroup {
        /// Where.
        target: PathBuf,
        /// The controller of version 1.
        controller: Option<String>,
    },
    /// The processes of the sandbox, at `/proc`.
    Proc,
    /// The terminals of the sandbox, at `/dev/pts`.
    Devpts,
}

/// What may be done with a bind mount. All are nosuid; all but devices are nodev.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    /// Reading and executing.
    ReadOnly,
    /// Everything.
    ReadWrite,
    /// Everything, with one owner of the host standing for `agent` (an idmapped mount).
    OwnedBy {
        /// The owner's user id.
        uid: u32,
        /// The owner's group id.
        gid: u32,
        /// Without writing.
        read_only: bool,
    },
    /// A device node.
    Device,
}

/// The cgroup that was made for a sandbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cgroup {
    /// Its directory on the host.
    pub dir: PathBuf,
    /// Its kind.
    pub version: CgroupVersion,
}

/// The kind of a cgroup hierarchy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CgroupVersion {
    /// The unified hierarchy.
    V2,
    /// The freezer controller of version 1.
    FreezerV1,
}
