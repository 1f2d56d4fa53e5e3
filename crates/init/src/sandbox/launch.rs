//! Starting init: namespaces, id maps, file system, network, and then the guest agent as PID 1.
//!
//! ```text
//! supervisor (main thread, no runtime yet)          init (PID 1 of the new namespaces)
//!   opens mounts that need the host's privileges
//!   takes an unprivileged id if it is root
//!   clone3 ───────────────────────────────────────▶ waits
//!   moves it to its cgroup, writes its id maps
//!   go ───────────────────────────────────────────▶ file system, /proc, host name, loopback, listeners,
//!                                                   drops what it does not need
//!   ready, listeners ◀───────────────────────────── serves the guest protocol until the supervisor dies
//! ```

use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::process::{Pid, Signal};

use super::clone::{Side, exit_now, fork_into};
use super::error::{Context, LaunchError};
use super::ids::write_maps;
use super::source::Sources;
use super::spec::{AGENT_ID, CgroupVersion, IdMap, SandboxSpec};
use super::{channel, net, privileges, root};
use crate::guest::{self, GuestSetup, TreeControl, Users};

/// A started init.
#[derive(Debug)]
pub struct Launched {
    /// Its process id on the host.
    pub pid: Pid,
    /// Becomes readable when it and everything in its process namespace is dead.
    pub pidfd: OwnedFd,
    /// The listeners, in the order of [`SandboxSpec::listeners`].
    pub listeners: Vec<OwnedFd>,
}

/// What init needs besides the file system.
#[derive(Debug)]
pub struct GuestAccess {
    /// The listening socket that clients connect to.
    pub listener: OwnedFd,
    /// What a client must know.
    pub token: [u8; 32],
    /// Descriptors that init holds for as long as it lives (a lock that tells others that it does).
    pub keep: Vec<OwnedFd>,
}

/// Starts init. Must be called from the main thread of a process that has no other.
pub fn launch(spec: &SandboxSpec, access: GuestAccess) -> Result<Launched, LaunchError> {
    let supervisor = rustix::process::pidfd_open(rustix::process::getpid(), rustix::process::PidfdFlags::empty())
        .step("opening the supervisor's pidfd")?;
    let sources = match spec.ids {
        IdMap::Range { .. } => Some(Sources::open(&spec.entries, spec.ids)?),
        IdMap::Single { .. } => None,
    };
    failpoint!(spec, "supervisor.sources-opened");
    let (ours, theirs) = channel::pair().step("making the channel to init")?;
    let namespaces = libc::CLONE_NEWUSER
        | libc::CLONE_NEWPID
        | libc::CLONE_NEWNS
        | libc::CLONE_NEWNET
        | libc::CLONE_NEWIPC
        | libc::CLONE_NEWUTS;
    let unprivileged = privileges::lend(spec.ids).step("taking an unprivileged id")?;
    let side = fork_into(namespaces);
    match side.map_err(namespace_error)? {
        Side::Child => {
            drop(ours);
            let error = match init(spec, sources, access, &theirs, supervisor) {
                Ok(never) => match never {},
                Err(error) => error,
            };
            channel::send_failed(&theirs, &error);
            exit_now(1)
        }
        Side::Parent(pid, pidfd) => {
            drop((theirs, sources, access));
            privileges::take_back(unprivileged).step("taking the supervisor's id back")?;
            let started = start(spec, pid, &ours);
            if started.is_err() {
                let _gone = rustix::process::pidfd_send_signal(pidfd.as_fd(), Signal::KILL);
                let _reaped = rustix::process::waitpid(Some(pid), rustix::process::WaitOptions::empty());
            }
            started.map(|listeners| Launched { pid, pidfd, listeners })
        }
    }
}

/// The supervisor's side, once init exists.
fn start(spec: &SandboxSpec, init: Pid, channel: &OwnedFd) -> Result<Vec<OwnedFd>, LaunchError> {
    failpoint!(spec, "supervisor.init-cloned");
    if let Some(cgroup) = &spec.cgroup {
        let procs = cgroup.dir.join("cgroup.procs");
        std::fs::write(&procs, init.as_raw_nonzero().to_string()).on("moving init to", &procs)?;
    }
    write_maps(init, spec.ids)?;
    failpoint!(spec, "supervisor.maps-written");
    channel::send_go(channel).step("starting init")?;
    channel::wait_ready(channel)
}

/// Init's side: from its first instruction to serving.
fn init(
    spec: &SandboxSpec,
    sources: Option<Sources>,
    access: GuestAccess,
    channel: &OwnedFd,
    supervisor: OwnedFd,
) -> Result<std::convert::Infallible, LaunchError> {
    // Until its id maps are written this process must stay dumpable: /proc/PID/uid_map belongs to root otherwise.
    channel::wait_go(channel)?;
    failpoint!(spec, "init.started");
    privileges::assume_inner_ids(spec.ids).step("taking the ids of init")?;
    // Credentials were changed for the last time: only from here on is the signal kept.
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL)).step("asking to die with the supervisor")?;
    let tree = match &spec.cgroup {
        Some(cgroup) => {
            let dir = rustix::fs::open(&cgroup.dir, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
                .on("opening the cgroup", &cgroup.dir)?;
            privileges::own_cgroup_namespace().step("making the cgroup namespace")?;
            privileges::move_to_leaf(&dir).step("moving to init's own cgroup")?;
            match cgroup.version {
                CgroupVersion::V2 => TreeControl::CgroupV2 { dir },
                CgroupVersion::FreezerV1 => TreeControl::FreezerV1 { dir },
            }
        }
        None => {
            privileges::own_cgroup_namespace().step("making the cgroup namespace")?;
            TreeControl::SubReaper
        }
    };
    let sources = match sources {
        Some(sources) => sources,
        None => Sources::open(&spec.entries, spec.ids)?,
    };
    root::enter(&spec.entries, sources)?;
    failpoint!(spec, "init.root-entered");
    rustix::system::sethostname(spec.hostname.as_bytes()).step("setting the host name")?;
    net::loopback_up().step("switching the loopback interface on")?;
    let mut listeners = Vec::with_capacity(spec.listeners.len());
    for address in &spec.listeners {
        listeners.push(net::listen(*address).step(&format!("listening on {address}"))?);
    }
    privileges::drop_excess(spec.ids).step("dropping capabilities")?;
    failpoint!(spec, "init.confined");
    let mut keep: Vec<i32> = access.keep.iter().map(AsRawFd::as_raw_fd).collect();
    keep.extend([access.listener.as_raw_fd(), supervisor.as_raw_fd(), channel.as_raw_fd()]);
    if let TreeControl::CgroupV2 { dir } | TreeControl::FreezerV1 { dir } = &tree {
        keep.push(dir.as_raw_fd());
    }
    channel::send_ready(channel, &listeners).step("telling the supervisor")?;
    drop(listeners);
    privileges::close_all_but(keep);
    let setup = GuestSetup {
        listener: access.listener,
        token: access.token,
        supervisor: Some(supervisor),
        tree,
        users: users(spec.ids),
    };
    guest::serve(setup).map_err(|error| LaunchError::other("serving", error))
}

fn users(ids: IdMap) -> Users {
    match ids {
        IdMap::Single { .. } => Users::Single { uid: AGENT_ID, gid: AGENT_ID },
        IdMap::Range { count, .. } => Users::Range { uid: AGENT_ID, gid: AGENT_ID, count },
    }
}

fn namespace_error(errno: Errno) -> LaunchError {
    LaunchError::new("making user namespaces", errno)
}
