//! The reduced backend: a wall without namespaces, for machines that allow none. Only on explicit request.
//!
//! ```text
//!   caller ── leash (a pipe) ─▶ warden ── starts, outlives and clears up after ─▶ confined guest ─▶ the command
//!      │                          └─ egress proxy on 127.0.0.1                        ▲
//!      └───────────── frames of the guest protocol over pipes ────────────────────────┘
//! ```
//!
//! A command runs as the caller, behind Landlock (which files and TCP ports) and a filter of system calls (no Unix sockets
//! to be connected, no datagrams, nothing that the native filter forbids). Each exec has a domain and a warden of its
//! own; nothing runs between execs. What is missing is told by [`lacks`], and with every create.

mod rules;
mod warden;

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Stdio;

use async_trait::async_trait;
use loopbox_egress::NetworkPolicy;
use loopbox_init::sandbox::landlock_abi;
use rustix::pipe::{PipeFlags, pipe_with};

use super::host::translate;
use super::native::find_helper;
use super::{Backend, StartContext};
use crate::capabilities::{Capabilities, Isolation, LimitCapabilities, TreeKill};
use crate::config::Config;
use crate::error::{Error, ErrorCode, Result};
use crate::exec::{Exec, ExecRequest, User, check};
use crate::explain::explain;
use crate::fs::make_private_dir;
use crate::guest::StreamGuest;
use crate::in_use::InUse;
use crate::limits::Limits;
use crate::record::Record;
use crate::registry::SandboxDir;

pub use warden::{confined, warden};

use rules::{Network, Plan};

/// Before this version of Landlock no file can be renamed from one directory to another, which git and npm do.
const OLDEST_ABI: u32 = 2;
/// From here on Landlock judges TCP ports.
const TCP_ABI: u32 = 4;
/// From here on it keeps signals and abstract sockets inside.
const SCOPES_ABI: u32 = 6;

/// Landlock and seccomp alone.
#[derive(Debug)]
pub(crate) struct Reduced {
    config: Config,
}

impl Reduced {
    pub(crate) fn new(config: Config) -> Self {
        Self { config }
    }
}

/// Whether this machine has what the backend is made of.
pub(crate) fn is_possible() -> bool {
    landlock_abi() >= OLDEST_ABI
}

/// What a sandbox of this backend does not have, a sentence each.
pub(crate) fn lacks() -> Vec<String> {
    let abi = landlock_abi();
    let mut lacks: Vec<String> = [
        "no process namespace: the host's processes are visible in /proc, with their command lines",
        "no mount namespace: whether a file of yours exists can be seen, and the mode, times and attributes of your files \
         can be changed, anywhere",
        "no guard of the workspace: .git/hooks, .git/config and editor files can be written, and what is in them may run \
         on the host later",
        "no IPC namespace: System V memory, semaphores and queues are those of your user",
        "no own user: commands run with your ids and groups, and no limits can be set",
    ]
    .map(str::to_owned)
    .into();
    lacks.push(if abi >= TCP_ABI {
        "no network namespace: commands reach any host at the one TCP port that their proxy has on this machine; rules of \
         the policy hold for what goes through the proxy only"
            .to_owned()
    } else {
        "no network namespace: TCP is open to everywhere, since this kernel's Landlock does not judge it (Linux 6.7)"
            .to_owned()
    });
    if abi < SCOPES_ABI {
        lacks.push(
            "no signal scope: commands can signal all processes of your user (this kernel's Landlock cannot keep that \
             inside; Linux 6.12 can)"
                .to_owned(),
        );
    }
    lacks
}

#[async_trait]
impl Backend for Reduced {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            isolation: Isolation::Reduced,
            tree_kill: TreeKill::SubReaper,
            egress: false,
            stop_start: false,
            tty: false,
            root_user: false,
            detach: false,
            limits: LimitCapabilities::default(),
            live_policy: false,
        }
    }

    fn plan(&self, record: &mut Record) -> Result<()> {
        if rustix::process::geteuid().is_root() {
            return Err(Error::unsupported(
                "backend: the reduced backend does not run as root: its commands would be root",
            )
            .with_hint("run loopbox as an ordinary user"));
        }
        if !is_possible() {
            let what =
                "the reduced backend needs Landlock of ABI 2 or newer (Linux 5.19), which this machine does not have";
            return Err(Error::new(ErrorCode::BackendUnavailable, what).with_hint("`loopbox doctor` says more"));
        }
        self.check_limits(record, &record.settings.limits, false)?;
        network(&record.settings.network).map(|_| ())
    }

    fn check_limits(&self, _record: &Record, limits: &Limits, _running: bool) -> Result<()> {
        if limits.is_empty() {
            return Ok(());
        }
        Err(Error::unsupported("limits: the reduced backend sets no limits")
            .with_hint("leave the limits out, or use the native backend"))
    }

    fn apply_limits(&self, _record: &Record) -> Result<()> {
        Ok(())
    }

    fn start(&self, context: &StartContext<'_>) -> Result<()> {
        let StartContext { dir, record, .. } = context;
        for part in ["tmp", "tools", "logs"] {
            make_private_dir(&dir.join(part))?;
        }
        let home = dir.join("home");
        if !home.exists() {
            let making = dir.join("home.new");
            make_private_dir(&making)?;
            rules::fill_home(&making, record)?;
            fs::rename(&making, &home).map_err(|error| Error::io("making the private home", error))?;
        }
        link_tools(&dir.join("tools"), record)
    }

    fn is_running(&self, _dir: &SandboxDir) -> Result<bool> {
        // Nothing runs between commands, so there is nothing that could have stopped.
        Ok(true)
    }

    fn stop(&self, _dir: &SandboxDir, _record: &Record) -> Result<()> {
        // Every command ends with its caller, so nothing is left to be ended.
        Ok(())
    }

    fn release(&self, _record: &Record) {}

    fn pids(&self, _dir: &SandboxDir) -> Result<Vec<u32>> {
        Ok(Vec::new())
    }

    async fn exec(&self, dir: &SandboxDir, record: &Record, mut request: ExecRequest) -> Result<Exec> {
        check(&request)?;
        if request.user != User::Agent {
            return Err(Error::unsupported("user: on the reduced backend commands run as the caller"));
        }
        if request.tty.is_some() {
            return Err(Error::unsupported("tty: the reduced backend has no terminals of its own")
                .with_hint("run the command without one, or use the native backend"));
        }
        let plan = Plan::of(dir, record, network(&record.settings.network)?);
        let work_dir = request.work_dir.take().unwrap_or_else(|| record.workspace.given.clone());
        request.env = rules::environment(dir, record, std::mem::take(&mut request.env));

        let (leash, held) = pipe_with(PipeFlags::CLOEXEC).map_err(|errno| Error::io("making a pipe", errno))?;
        let mut warden = tokio::process::Command::new(find_helper(&self.config)?)
            .args(["internal", "reduced", &plan.to_argument()?])
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // Where a command has its errors the warden has its leash: it clears up when the other end is closed.
            .stderr(Stdio::from(leash))
            .spawn()
            .map_err(|error| {
                Error::new(ErrorCode::BackendUnavailable, "the helper executable cannot be run").with_source(error)
            })?;
        let (Some(to), Some(from)) = (warden.stdin.take(), warden.stdout.take()) else {
            return Err(Error::new(ErrorCode::Io, "the helper executable has no pipes"));
        };
        let stream = StreamGuest::attach(from, to);
        let input = request.stdin.clone();
        let limit = request.max_output_bytes;
        let exec = stream.exec(translate(work_dir, request)).map_err(|error| explain(error, &record.name))?;
        Ok(Exec::new(exec, input, limit, record.name.clone()).keeping((stream, warden, held)))
    }

    async fn set_network(&self, _dir: &SandboxDir, _policy: &NetworkPolicy) -> Result<()> {
        Err(Error::unsupported("network: the reduced backend cannot change the policy of commands that run"))
    }

    async fn exec_detached(
        &self,
        _dir: &SandboxDir,
        _record: &Record,
        _request: ExecRequest,
        _id: &str,
        _in_use: InUse,
    ) -> Result<()> {
        Err(Error::unsupported("detach: on the reduced backend every command ends with its caller"))
    }
}

/// What the policy comes to here. Landlock judges ports, not hosts, so only two things can be promised: no network, and
/// what the proxy lets through or somebody offers at its port.
fn network(policy: &NetworkPolicy) -> Result<Network> {
    use crate::DefaultVerdict;
    if policy.policy == DefaultVerdict::Allow {
        return Ok(Network::Proxy(policy.clone()));
    }
    let exceptions = policy.preset.is_some() || !policy.allow_hosts.is_empty() || !policy.allow_cidrs.is_empty();
    if exceptions {
        return Err(Error::unsupported("network: the reduced backend cannot deny all hosts but some")
            .with_hint("use `--policy deny` without rules, which is no network at all, or `--policy allow`"));
    }
    if landlock_abi() < TCP_ABI {
        return Err(Error::unsupported("network: this kernel's Landlock cannot deny TCP (ABI 4 can, of Linux 6.7)")
            .with_hint("use `--policy allow`, or a newer kernel"));
    }
    Ok(Network::None)
}

/// A directory of links to the host's tools, for the PATH.
fn link_tools(dir: &Path, record: &Record) -> Result<()> {
    for tool in &record.tools.commands {
        let link = dir.join(&tool.name);
        let _absent = fs::remove_file(&link);
        symlink(&tool.path, &link).map_err(|error| Error::io(format!("linking {}", tool.name), error))?;
    }
    Ok(())
}

/// As a variable's name or value.
fn text(value: &str) -> OsString {
    OsString::from(value)
}
