//! The host backend: commands run as the caller, with the caller's environment and home. It isolates nothing, and says
//! so. What it shares with the others is the guest agent, so that exit codes, timeouts and the ending of whole process
//! trees are the same.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::process::Stdio;

use async_trait::async_trait;
use loopbox_egress::NetworkPolicy;
use loopbox_init::protocol;

use super::native::find_helper;
use super::{Backend, StartContext};
use crate::capabilities::{Capabilities, Isolation, LimitCapabilities, TreeKill};
use crate::config::Config;
use crate::error::{Error, ErrorCode, Result};
use crate::exec::{Exec, ExecInput, ExecRequest, User, check};
use crate::explain::explain;
use crate::guest::StreamGuest;
use crate::in_use::InUse;
use crate::limits::Limits;
use crate::name::SandboxName;
use crate::options::millis;
use crate::record::Record;
use crate::registry::SandboxDir;

/// How long processes that ignore SIGTERM live on after a timeout or a cancellation.
const GRACE_MS: u32 = 500;

/// The bare host.
#[derive(Debug)]
pub(crate) struct Host {
    config: Config,
}

impl Host {
    pub(crate) fn new(config: Config) -> Self {
        Self { config }
    }

    /// Runs a command in `work_dir`, whether or not there is a record for it.
    pub(crate) fn run(&self, name: &SandboxName, work_dir: PathBuf, request: ExecRequest) -> Result<Exec> {
        check(&request)?;
        if request.user != User::Agent {
            return Err(Error::unsupported("user: on the bare host commands run as the caller"));
        }
        let mut helper = tokio::process::Command::new(find_helper(&self.config)?)
            .args(["internal", "guest"])
            .env_clear()
            .envs(self.config.host_env.iter().map(|(name, value)| (name, value)))
            // The command goes to its directory by itself, and tells when it cannot.
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| {
                Error::new(ErrorCode::BackendUnavailable, "the helper executable cannot be run").with_source(error)
            })?;
        let (Some(to), Some(from)) = (helper.stdin.take(), helper.stdout.take()) else {
            return Err(Error::new(ErrorCode::Io, "the helper executable has no pipes"));
        };
        let stream = StreamGuest::attach(from, to);
        let input = request.stdin.clone();
        let limit = request.max_output_bytes;
        let exec = stream.exec(translate(work_dir, request)).map_err(|error| explain(error, name))?;
        Ok(Exec::new(exec, input, limit, name.clone()).keeping((stream, helper)))
    }
}

pub(super) fn translate(work_dir: PathBuf, request: ExecRequest) -> protocol::Start {
    let bytes = |text: OsString| text.into_vec().into();
    protocol::Start {
        argv: request.argv.into_iter().map(bytes).collect(),
        env: request.env.into_iter().map(|(name, value)| (bytes(name), bytes(value))).collect(),
        work_dir: bytes(work_dir.into_os_string()),
        user: protocol::User::Agent,
        timeout_ms: millis(request.timeout),
        grace_ms: GRACE_MS,
        tty: request.tty.map(|size| protocol::TtySize { rows: size.rows, cols: size.cols }),
        stdin: !matches!(request.stdin, ExecInput::Empty),
    }
}

#[async_trait]
impl Backend for Host {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            isolation: Isolation::None,
            tree_kill: TreeKill::SubReaper,
            egress: false,
            stop_start: false,
            tty: true,
            root_user: false,
            detach: false,
            limits: LimitCapabilities::default(),
            live_policy: false,
        }
    }

    fn plan(&self, record: &mut Record) -> Result<()> {
        let settings = &record.settings;
        self.check_limits(record, &settings.limits, false)?;
        if settings.network != NetworkPolicy::default() {
            return Err(Error::unsupported("network: the bare host enforces no egress policy")
                .with_hint("leave the network options out, or use a backend that isolates"));
        }
        Ok(())
    }

    fn check_limits(&self, _record: &Record, limits: &Limits, _running: bool) -> Result<()> {
        if limits.is_empty() {
            return Ok(());
        }
        Err(Error::unsupported("limits: the bare host sets no limits")
            .with_hint("leave the limits out, or use a backend that isolates"))
    }

    fn apply_limits(&self, _record: &Record) -> Result<()> {
        Ok(())
    }

    fn start(&self, _context: &StartContext<'_>) -> Result<()> {
        Ok(())
    }

    fn is_running(&self, _dir: &SandboxDir) -> Result<bool> {
        // There is nothing that could stop: commands can always be run.
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

    async fn exec(&self, _dir: &SandboxDir, record: &Record, mut request: ExecRequest) -> Result<Exec> {
        let work_dir = request.work_dir.take().unwrap_or_else(|| record.workspace.given.clone());
        let mut env: std::collections::BTreeMap<OsString, OsString> =
            record.settings.env.iter().map(|(name, value)| (name.into(), value.into())).collect();
        env.append(&mut request.env);
        request.env = env;
        self.run(&record.name, work_dir, request)
    }

    async fn set_network(&self, _dir: &SandboxDir, _policy: &NetworkPolicy) -> Result<()> {
        Err(Error::unsupported("network: the bare host enforces no egress policy"))
    }

    async fn exec_detached(
        &self,
        _dir: &SandboxDir,
        _record: &Record,
        _request: ExecRequest,
        _id: &str,
        _in_use: InUse,
    ) -> Result<()> {
        Err(Error::unsupported("detach: on the bare host every command ends with its caller"))
    }
}
