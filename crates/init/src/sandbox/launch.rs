//! Starting init: namespaces, id maps, file system, network, and then the guest agent as PID 1.
//!
//! ```text
//! supervisor (main thread, no runtime yet)          init (PID 1 of the new namespaces)
//!   opens mounts that need the host's privileges
//!   clone3 ───────────────────────────────────────▶ waits
//!     (by way of a process that is not root any more)
//!   writes its id maps
//!   go ───────────────────────────────────────────▶ file system, /proc, host name, loopback, listeners,
//!                                                   drops what it does not need
//!   ready, listeners ◀───────────────────────────── serves the guest protocol until the supervisor dies
//! ```

use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, WaitOptions};

use super::clone::{Side, exit_now, fork};
use super::enter::Namespaces;
use super::error::{Context, LaunchError};
use super::ids::write_maps;
use super::landlock::LandlockState;
use super::seccomp::{CallFilter, filter_system_calls};
use super::source::Sources;
use super::spec::{AGENT_ID, Cgroup, CgroupVersion, Enforced, IdMap, SandboxSpec};
use super::{channel, keyring, landlock, limits, net, privileges, root};
use crate::guest::{self, CloneKey, GuestSetup, TreeControl, Users};

/// A started init.
#[derive(Debug)]
pub struct Launched {
    /// Its process id on the host.
    pub pid: Pid,
    /// Becomes readable when it and everything in its process namespace is dead.
    pub pidfd: OwnedFd,
    /// The listeners, in the order of [`SandboxSpec::listeners`].
    pub listeners: Vec<OwnedFd>,
    /// What it enforces.
    pub enforced: Enforced,
    /// Where further mounts can be put.
    pub namespaces: Namespaces,
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
    let supervisor = rustix::process::pidfd_open(rustix::process::getpid(), PidfdFlags::empty())
        .step("opening the supervisor's pidfd")?;
    let sources = match spec.ids {
        IdMap::Range { .. } => Some(Sources::open(&spec.entries, spec.ids)?),
        IdMap::Single { .. } => None,
    };
    failpoint!(spec, "supervisor.sources-opened");
    let (ours, theirs) = channel::pair().step("making the channel to init")?;
    let cgroup = spec.cgroup.as_ref().map(open_cgroup).transpose()?;
    let Some(pid) = fork_init(spec, cgroup.as_ref())? else {
        drop(ours);
        let error = match init(spec, sources, access, cgroup, &theirs, supervisor) {
            Ok(never) => match never {},
            Err(error) => error,
        };
        channel::send_failed(&theirs, &error);
        exit_now(1)
    };
    drop((theirs, sources, access, cgroup));
    let pidfd = rustix::process::pidfd_open(pid, PidfdFlags::empty()).step("opening init's pidfd")?;
    let started = start(spec, pid, &ours);
    if started.is_err() {
        let _gone = rustix::process::pidfd_send_signal(pidfd.as_fd(), Signal::KILL);
        let _reaped = rustix::process::waitpid(Some(pid), WaitOptions::empty());
    }
    started.map(|(namespaces, (enforced, listeners))| Launched { pid, pidfd, listeners, enforced, namespaces })
}

/// Makes init, as a child of this process: `None` in it.
fn fork_init(spec: &SandboxSpec, cgroup: Option<&OwnedFd>) -> Result<Option<Pid>, LaunchError> {
    let namespaces = libc::CLONE_NEWUSER
        | libc::CLONE_NEWPID
        | libc::CLONE_NEWNS
        | libc::CLONE_NEWNET
        | libc::CLONE_NEWIPC
        | libc::CLONE_NEWUTS;
    let step = "making user namespaces";
    let version_2 = spec.cgroup.as_ref().is_some_and(|cgroup| cgroup.version == CgroupVersion::V2);
    let cgroup = cgroup.filter(|_| version_2).map(AsFd::as_fd);
    let IdMap::Range { base, .. } = spec.ids else {
        return Ok(match fork(namespaces, cgroup).step(step)? {
            Side::Child => None,
            Side::Parent(pid) => Some(pid),
        });
    };
    // A process in between enters the cgroup while it is root, and is not root any more when it makes the user
    // namespace: so that belongs to no privileged id, and no process inside ever had one.
    let (told, tell) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).step(step)?;
    match fork(0, cgroup).step("entering the cgroup")? {
        Side::Child => {
            let made = limit_processes(spec)
                .and_then(|()| super::ids::become_ids(base, base))
                .and_then(|()| fork(namespaces | libc::CLONE_PARENT, None));
            let answer = match made {
                Ok(Side::Child) => return Ok(None),
                Ok(Side::Parent(pid)) => {
                    failpoint!(spec, "between.init-cloned");
                    pid.as_raw_nonzero().get()
                }
                Err(errno) => -errno.raw_os_error(),
            };
            let _gone = rustix::io::write(&tell, &answer.to_ne_bytes());
            exit_now(0)
        }
        Side::Parent(between) => {
            drop(tell);
            let mut answer = [0_u8; 4];
            let length = rustix::io::read(&told, &mut answer).step(step)?;
            rustix::process::waitpid(Some(between), WaitOptions::empty()).step(step)?;
            match i32::from_ne_bytes(answer) {
                pid if pid > 0 && length == answer.len() => Ok(Pid::from_raw(pid)),
                errno => Err(LaunchError::from_raw(step, -errno)),
            }
        }
    }
}

fn open_cgroup(cgroup: &Cgroup) -> Result<OwnedFd, LaunchError> {
    rustix::fs::open(&cgroup.dir, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        .on("opening the cgroup", &cgroup.dir)
}

/// The supervisor's side, once init exists.
fn start(spec: &SandboxSpec, init: Pid, channel: &OwnedFd) -> Result<(Namespaces, Ready), LaunchError> {
    failpoint!(spec, "supervisor.init-cloned");
    if let Some(cgroup) = spec.cgroup.as_ref().filter(|cgroup| cgroup.version == CgroupVersion::FreezerV1) {
        let procs = cgroup.dir.join("cgroup.procs");
        std::fs::write(&procs, init.as_raw_nonzero().to_string()).on("moving init to", &procs)?;
    }
    for dir in &spec.join {
        let procs = dir.join("cgroup.procs");
        std::fs::write(&procs, init.as_raw_nonzero().to_string()).on("moving init to", &procs)?;
    }
    write_maps(init, spec.ids)?;
    failpoint!(spec, "supervisor.maps-written");
    // Once it has begun, nobody may look at it any more.
    let namespaces = Namespaces::of(init)?;
    channel::send_go(channel).step("starting init")?;
    Ok((namespaces, channel::wait_ready(channel)?))
}

/// What init answers when it is ready: what it enforces, and its listeners.
type Ready = (Enforced, Vec<OwnedFd>);

/// Init's side: from its first instruction to serving.
fn init(
    spec: &SandboxSpec,
    sources: Option<Sources>,
    access: GuestAccess,
    cgroup: Option<OwnedFd>,
    channel: &OwnedFd,
    supervisor: OwnedFd,
) -> Result<std::convert::Infallible, LaunchError> {
    // Until its id maps are written this process must stay dumpable: /proc/PID/uid_map belongs to root otherwise.
    channel::wait_go(channel)?;
    failpoint!(spec, "init.started");
    privileges::assume_inner_ids(spec.ids).step("taking the ids of init")?;
    // Credentials were changed for the last time: only from here on is the signal kept.
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL)).step("asking to die with the supervisor")?;
    // From here on the sandbox's own cgroup looks like the root of the hierarchy.
    privileges::own_cgroup_namespace().step("making the cgroup namespace")?;
    failpoint!(spec, "init.placed");
    let tree = match (cgroup, spec.cgroup.as_ref().map(|cgroup| cgroup.version)) {
        (Some(dir), Some(CgroupVersion::V2)) => TreeControl::CgroupV2 { dir },
        (Some(dir), Some(CgroupVersion::FreezerV1)) => TreeControl::FreezerV1 { dir },
        _ => TreeControl::SubReaper,
    };
    let sources = match sources {
        Some(sources) => sources,
        None => Sources::open(&spec.entries, spec.ids)?,
    };
    let nesting = spec.confinement.nesting;
    let no_user_namespaces = root::enter(&spec.entries, sources, nesting)?;
    failpoint!(spec, "init.root-entered");
    rustix::system::sethostname(spec.hostname.as_bytes()).step("setting the host name")?;
    net::loopback_up().step("switching the loopback interface on")?;
    let mut listeners = Vec::with_capacity(spec.listeners.len());
    for address in &spec.listeners {
        listeners.push(net::listen(*address).step(&format!("listening on {address}"))?);
    }
    if matches!(spec.ids, IdMap::Single { .. }) {
        limit_processes(spec).step("limiting the number of processes")?;
    }
    limits::renounce_priorities().step("giving up priorities")?;
    if !spec.confinement.cpus.is_empty() {
        limits::keep_to_cpus(&spec.confinement.cpus).step("keeping to the sandbox's CPUs")?;
    }
    keyring::leave_session();
    privileges::drop_excess(spec.ids).step("dropping capabilities")?;
    let landlock = if nesting {
        // Under Landlock nobody can mount.
        LandlockState::default()
    } else {
        let dir = match &tree {
            TreeControl::CgroupV2 { dir } | TreeControl::FreezerV1 { dir } => Some(dir.as_fd()),
            TreeControl::SubReaper => None,
        };
        landlock::restrict_with(&landlock::rules(&spec.entries), dir).step("setting up Landlock")?
    };
    let key = CloneKey::new().step("making a key")?;
    filter_system_calls(CallFilter::from(&spec.confinement), Some(&key)).step("filtering system calls")?;
    let enforced = Enforced {
        seccomp: true,
        landlock_abi: landlock.abi,
        landlock_scopes: landlock.scopes,
        no_user_namespaces,
        processes: spec.confinement.processes.is_some() && limits::processes_are_counted(),
    };
    failpoint!(spec, "init.confined");
    let mut keep: Vec<i32> = access.keep.iter().map(AsRawFd::as_raw_fd).collect();
    keep.extend([access.listener.as_raw_fd(), supervisor.as_raw_fd(), channel.as_raw_fd()]);
    if let TreeControl::CgroupV2 { dir } | TreeControl::FreezerV1 { dir } = &tree {
        keep.push(dir.as_raw_fd());
    }
    channel::send_ready(channel, &enforced, &listeners).step("telling the supervisor")?;
    drop(listeners);
    privileges::close_all_but(keep);
    failpoint!(spec, "init.ready");
    let setup = GuestSetup {
        listener: access.listener,
        token: access.token,
        supervisor: Some(supervisor),
        tree,
        users: users(spec.ids),
        key: Some(key),
    };
    guest::serve(setup).map_err(|error| LaunchError::other("serving", error))
}

/// In a range of ids the limit is set outside, before there is a user namespace, and holds for all ids inside. Where the
/// caller is the only id, its other processes would count there: so it is set inside, for that id.
fn limit_processes(spec: &SandboxSpec) -> Result<(), Errno> {
    match spec.confinement.processes {
        Some(count) if limits::processes_are_counted() => limits::limit_processes(count),
        _ => Ok(()),
    }
}

fn users(ids: IdMap) -> Users {
    match ids {
        IdMap::Single { .. } => Users::Single { uid: AGENT_ID, gid: AGENT_ID },
        IdMap::Range { count, .. } => Users::Range { uid: AGENT_ID, gid: AGENT_ID, count },
    }
}
