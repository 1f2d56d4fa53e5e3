//! The two processes of an exec on the host's side of the wall and just inside it.
//!
//! The warden has the proxy, and is what everything inside falls to when its parent dies. It lives outside of the domain,
//! so that nothing inside can signal it where Landlock has scopes; it ends, and ends everything, when the guest does or
//! when the other end of its leash is closed, by its caller or by its caller's death.

use std::fs::File;
use std::net::TcpListener;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use loopbox_egress::{CompiledPolicy, FileLog, Proxy, ProxyConfig, SystemResolver};
use loopbox_init::guest::{CloneKey, StreamSetup, TreeControl, Users, serve_stream};
use loopbox_init::sandbox::{CallFilter, close_inherited, filter_system_calls, restrict};
use rustix::io::fcntl_dupfd_cloexec;
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitOptions, kill_process, pidfd_open, set_child_subreaper, setsid, wait,
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::rules::{Network, Plan};
use crate::error::{Error, Result};
use crate::processes;
use crate::watch::readable;

/// Plays the warden of one exec. Must be called on the main thread before there is any other.
pub fn warden(plan: &str) -> i32 {
    close_inherited();
    let guarded = Plan::parse(plan).and_then(guard);
    end_everything();
    i32::from(guarded.is_err())
}

/// Confines this process, and then serves the one command. Must be called on the main thread before there is any other.
pub fn confined(plan: &str) -> i32 {
    close_inherited();
    match Plan::parse(plan).and_then(|plan| confine(&plan)) {
        Ok(setup) => i32::from(serve_stream(setup).is_err()),
        Err(_) => 1,
    }
}

fn guard(mut plan: Plan) -> Result<()> {
    let failed = |doing: &'static str| move |error: std::io::Error| Error::io(doing, error);
    let leash = std::io::stderr().as_fd().try_clone_to_owned().map_err(failed("keeping the leash"))?;
    // A session of its own: what happens to the caller's terminal and process group is not for this process.
    setsid().map_err(|errno| Error::io("leaving the caller's session", errno))?;
    set_child_subreaper(Some(rustix::process::getpid())).map_err(|errno| Error::io("becoming a reaper", errno))?;
    let listener = match plan.network {
        Network::Proxy(_) => Some(TcpListener::bind(("127.0.0.1", 0)).map_err(failed("listening for the proxy"))?),
        Network::None => None,
    };
    plan.port = listener.as_ref().and_then(|listener| listener.local_addr().ok()).map(|address| address.port());
    let guest = Command::new("/proc/self/exe")
        .args(["internal", "confined", &plan.to_argument()?])
        .env_clear()
        .envs(plan.proxy_variables())
        .current_dir("/")
        .stderr(Stdio::null())
        .spawn()
        .map_err(failed("starting the confined guest"))?;
    let guest = i32::try_from(guest.id()).ok().and_then(Pid::from_raw).unwrap_or(Pid::INIT);
    let guest =
        pidfd_open(guest, PidfdFlags::empty()).map_err(|errno| Error::io("opening the guest's pidfd", errno))?;
    // The guest's pipes are the guest's alone: their ends must be seen.
    close_stdio().map_err(failed("closing the guest's pipes"))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build()
        .map_err(failed("starting a runtime"))?;
    runtime.block_on(watch_over(plan, listener, guest, leash)).map_err(failed("watching over the guest"))
}

async fn watch_over(plan: Plan, listener: Option<TcpListener>, guest: OwnedFd, leash: OwnedFd) -> std::io::Result<()> {
    // The proxy takes the policy through a channel, on which nothing more is sent.
    let mut _policy = None;
    if let (Some(listener), Network::Proxy(policy)) = (listener, &plan.network) {
        let (sender, policies) = watch::channel(Arc::new(CompiledPolicy::new(policy)));
        _policy = Some(sender);
        let proxy = Proxy::new(ProxyConfig {
            sandbox: plan.name.clone(),
            policy: policies,
            resolver: Arc::new(SystemResolver),
            log: Arc::new(FileLog::new(open_log(&plan.egress_log)?)?),
        });
        listener.set_nonblocking(true)?;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        tokio::spawn(Arc::new(proxy).serve(listener, CancellationToken::new()));
    }
    let (guest, leash) = (readable(guest)?, readable(leash)?);
    tokio::select! {
        ended = guest.readable() => ended.map(|_| ()),
        let_go = leash.readable() => let_go.map(|_| ()),
    }
}

/// Ends every descendant. Whatever loses its parent becomes a child of this process, so there are none left when it has
/// no children.
fn end_everything() {
    let own = std::process::id();
    loop {
        for child in processes::tree(own).iter().filter(|process| process.parent == own) {
            // The number is the child's until this process has waited for it.
            let pid = i32::try_from(child.pid).ok().and_then(Pid::from_raw);
            let _gone = pid.map(|pid| kill_process(pid, Signal::KILL));
        }
        if wait(WaitOptions::empty()).is_err() {
            return;
        }
    }
}

fn confine(plan: &Plan) -> Result<StreamSetup> {
    let failed = |doing: &'static str| move |errno: rustix::io::Errno| Error::io(doing, errno);
    let input = fcntl_dupfd_cloexec(std::io::stdin(), 3).map_err(failed("taking the input"))?;
    let output = fcntl_dupfd_cloexec(std::io::stdout(), 3).map_err(failed("taking the output"))?;
    rustix::thread::set_no_new_privs(true).map_err(failed("giving up new privileges"))?;
    let state = restrict(&plan.landlock()).map_err(failed("setting up Landlock"))?;
    if state.abi == 0 || (plan.network == Network::None && !state.tcp) {
        return Err(Error::unsupported("this kernel has lost what the plan was made for"));
    }
    let key = CloneKey::new().map_err(|error| Error::io("making a key", error))?;
    let filter = CallFilter { streams_only: true, ..CallFilter::default() };
    filter_system_calls(filter, Some(&key)).map_err(failed("filtering system calls"))?;
    let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    Ok(StreamSetup {
        input,
        output,
        tree: TreeControl::SubReaper,
        confine: Some(Users::Single { uid, gid }),
        inherit_env: true,
        key: Some(key),
    })
}

fn open_log(path: &Path) -> std::io::Result<File> {
    File::options().read(true).append(true).create(true).mode(0o600).open(path)
}

/// Puts /dev/null in the places of standard input and output.
fn close_stdio() -> std::io::Result<()> {
    let null = OwnedFd::from(File::options().read(true).write(true).open("/dev/null")?);
    rustix::stdio::dup2_stdin(&null)?;
    rustix::stdio::dup2_stdout(&null)?;
    Ok(())
}
