//! The guest agent: runs commands for clients that speak [`crate::protocol`].
//!
//! ```text
//!              serve: Unix socket, PID 1            serve_stream: any byte stream
//!   clients ──▶ native (a connection each)    client ──▶ stream (a channel each)
//!                        │                                   │
//!                        └──────────▶ engine ◀───────────────┘
//!                                       │  starts, times, ends, reaps
//!                        ┌──────────────┼───────────────┐
//!                   tree::cgroup2  tree::freezer  tree::subreaper
//! ```
//!
//! One thread, one epoll loop. Nothing a client sends makes the guest panic, and nothing a client leaves out makes it
//! wait: every descriptor it reads or writes is non-blocking.

mod child;
mod command;
mod engine;
mod identity;
mod native;
mod privileges;
mod reactor;
mod shared;
mod signals;
mod spawn;
mod stream;
mod terminal;
mod tree;

pub use identity::ROOT_CAPABILITIES;
pub use spawn::CloneKey;

use std::convert::Infallible;
use std::io;
use std::os::fd::OwnedFd;

/// What PID 1 of a native sandbox needs, all of it made before the sandbox was entered.
#[derive(Debug)]
pub struct GuestSetup {
    /// The listening Unix stream socket.
    pub listener: OwnedFd,
    /// What a client must present.
    pub token: [u8; 32],
    /// A pidfd of the supervisor: the guest ends when it becomes readable.
    pub supervisor: Option<OwnedFd>,
    /// How the processes of an exec are found and ended.
    pub tree: TreeControl,
    /// Whom commands may run as.
    pub users: Users,
    /// What opens clone3 to the guest, where its system calls are filtered.
    pub key: Option<CloneKey>,
}

/// What the guest agent needs behind a byte stream.
#[derive(Debug)]
pub struct StreamSetup {
    /// Where the client's frames come from.
    pub input: OwnedFd,
    /// Where frames to the client go.
    pub output: OwnedFd,
    /// How the processes of an exec are found and ended.
    pub tree: TreeControl,
    /// Whom commands may run as, with the confinement of a native guest: no capabilities, no new privileges, no core
    /// dumps. `None` runs them as the guest itself runs, and takes nothing away.
    pub confine: Option<Users>,
    /// Whether commands get the guest's own environment, below that of their start.
    pub inherit_env: bool,
    /// What opens clone3 to the guest, where its system calls are filtered.
    pub key: Option<CloneKey>,
}

/// How the processes of an exec are found and ended.
#[derive(Debug)]
pub enum TreeControl {
    /// A directory of the unified cgroup hierarchy in which the guest may make others.
    CgroupV2 {
        /// The open directory.
        dir: OwnedFd,
    },
    /// The same in the freezer hierarchy of cgroups v1.
    FreezerV1 {
        /// The open directory.
        dir: OwnedFd,
    },
    /// No cgroups: a process over each command to which its orphans fall.
    SubReaper,
}

/// Whom commands may run as, by the ids inside the sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Users {
    /// Only one id is mapped: everything, the guest too, is the agent.
    Single {
        /// The agent's user.
        uid: u32,
        /// The agent's group.
        gid: u32,
    },
    /// The ids from 0 are mapped, there is a root inside, and the guest may become any of them.
    Range {
        /// The agent's user.
        uid: u32,
        /// The agent's group.
        gid: u32,
        /// How many ids are mapped.
        count: u32,
    },
}

/// Why a guest ended or never began.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GuestError {
    /// The supervisor ended, and with it the sandbox.
    #[error("the supervisor is gone")]
    SupervisorGone,
    /// The client of a stream does not keep to the protocol.
    #[error("the client does not keep to the protocol")]
    Garbled,
    /// The kernel refused something that the guest cannot do without.
    #[error("failed to {action}")]
    System {
        /// What was tried.
        action: &'static str,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
}

impl GuestError {
    fn system(action: &'static str) -> impl FnOnce(rustix::io::Errno) -> GuestError {
        move |errno| GuestError::System { action, source: errno.into() }
    }
}

/// Serves as PID 1 of a native sandbox; returns only when there is nothing left to serve.
///
/// The process must have one thread. It becomes non-dumpable and gets no new privileges; the caller takes away
/// whatever else it should not have (all capabilities but SETUID, SETGID, KILL, and [`ROOT_CAPABILITIES`] if there is
/// a root inside).
pub fn serve(setup: GuestSetup) -> Result<Infallible, GuestError> {
    native::serve(setup)
}

/// Serves behind a byte stream until it ends, then kills every command that has not ended.
///
/// The process must have one thread and no children. It becomes the reaper of its descendants.
pub fn serve_stream(setup: StreamSetup) -> Result<(), GuestError> {
    stream::serve(setup)
}
