//! What a backend can do, told to programs.

use serde::Serialize;

/// What a backend enforces and offers on this machine. What it does not declare it answers with `Unsupported`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
#[expect(clippy::struct_excessive_bools, reason = "each is a capability of its own, documented as a field of the JSON")]
pub struct Capabilities {
    /// What stands between a command and the host.
    pub isolation: Isolation,
    /// How the whole tree of an exec's processes is ended.
    pub tree_kill: TreeKill,
    /// Whether the egress policy is enforced.
    pub egress: bool,
    /// Whether a stopped sandbox can be started again.
    pub stop_start: bool,
    /// Whether terminals can be allocated.
    pub tty: bool,
    /// Whether commands can run as root of the sandbox.
    pub root_user: bool,
    /// Whether commands can run detached.
    pub detach: bool,
    /// Which limits can be set.
    pub limits: LimitCapabilities,
    /// Whether the network policy of a running sandbox can be changed.
    pub live_policy: bool,
}

/// Which limits can be set; what cannot is answered with `Unsupported`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
#[expect(clippy::struct_excessive_bools, reason = "each is a capability of its own, documented as a field of the JSON")]
pub struct LimitCapabilities {
    /// Memory.
    pub memory: bool,
    /// Whole CPUs.
    pub cpus: bool,
    /// Fractions of CPUs.
    pub cpu_fractions: bool,
    /// Processes and threads.
    pub pids: bool,
    /// Private disk space.
    pub disk: bool,
}

/// What stands between a command and the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Isolation {
    /// Nothing: commands run as the caller.
    None,
    /// Landlock and a filter of system calls, without namespaces; `inspect` tells what it lacks.
    Reduced,
    /// Linux namespaces of the sandbox's own.
    Namespaces,
}

/// How the whole tree of an exec's processes is ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum TreeKill {
    /// A cgroup of version 2 per exec.
    CgroupV2,
    /// A cgroup of the version 1 freezer per exec.
    FreezerV1,
    /// A process per exec to which orphans are re-parented.
    SubReaper,
}
