//! The life of a sandbox.
//!
//! ```text
//!                create                     stop, death of the supervisor, reboot
//!   (nothing) ──────────▶ creating ──▶ running ────────────────────────────▶ stopped
//!       ▲                     │           │  ▲                                  │  │
//!       │        crash, found │           │  └───────── create, exec, run ──────┘  │
//!       │      by a later call│           │ destroy, rm, prune, expiry             │
//!       └──── removing ◀──────┴───────────┴────────────────────────────────────────┘
//! ```
//!
//! - *create → creating*: under the sandbox's lock the record is written with phase `creating` before anything is made,
//!   then again with everything the backend is about to make.
//! - *creating → running*: the backend has started it and told the supervisor that it is wanted, then the record says
//!   `ready`. A supervisor that is never told ends what it made; one whose caller dies right after telling it is found by
//!   its record, which still says `creating`.
//! - *creating, found by a later call*: its maker is dead, since the lock is free; it is removed, and made again by create.
//! - *running → stopped*: `stop`, or nothing runs any more for whatever reason; seen by the lock that supervisor and
//!   init hold, which the kernel releases when they die. Home, layer, policy and record are kept.
//! - *stopped → running*: the next create, exec or run starts it from its record.
//! - *→ removing → nothing*: the record says `removing`, every process is ended, the directory is renamed to the trash
//!   in one step, then what was claimed elsewhere is given back. A crash in between is finished by the next `destroy`,
//!   `create`, `ls` or `prune`.

mod create;
mod inspect;
mod remove;

pub use remove::sweep;

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::agent::{self, AgentProfile, Tools};
use crate::backend::native::find_helper;
use crate::backend::{Backend, BackendId, Host, Native, Reduced, StartContext};
use crate::config::Config;
use crate::error::{Error, ErrorCode, Result};
use crate::events::{self, EventKind};
use crate::exec::{DetachedExec, Exec, ExecRequest};
use crate::fs::{Durability, random_hex};
use crate::guard::{self, Quarantine, scan};
use crate::in_use::{self, InUse};
use crate::info::{Created, Finding, PruneReport, SandboxInfo};
use crate::logs::{self, LogEntry, LogFollower};
use crate::name::{AgentName, LoopId, SandboxName};
use crate::options::{CreateOptions, CreateRequest, NetworkOptions};
use crate::processes::{self, ProcessInfo};
use crate::record::{Phase, Record};
use crate::registry::{Registry, SandboxDir};
use crate::supervisor::control;
use crate::{DoctorReport, Events, NetworkPolicy, workspace};

/// The sandboxes of one state directory. Cheap to clone; every clone, and every other process with the same state
/// directory, sees the same sandboxes.
#[derive(Debug, Clone)]
pub struct Loopbox(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    config: Config,
    registry: Registry,
    native: Native,
    reduced: Reduced,
    host: Host,
}

impl Loopbox {
    /// A handle on the sandboxes below [`Config::state_dir`]. Nothing is made yet.
    pub fn new(config: Config) -> Result<Self> {
        if !config.state_dir.is_absolute() {
            return Err(Error::invalid("stateDir", config.state_dir.display(), "must be an absolute path"));
        }
        let registry = Registry::new(config.state_dir.clone());
        let native = Native::new(config.state_dir.clone());
        let reduced = Reduced::new(config.clone());
        let host = Host::new(config.clone());
        Ok(Self(Arc::new(Inner { config, registry, native, reduced, host })))
    }

    /// The configuration it was made with.
    pub fn config(&self) -> &Config {
        &self.0.config
    }

    /// Makes a sandbox, finds the one that exists, or starts one that is stopped. Retried and racing calls end with the
    /// same sandbox.
    pub async fn create(&self, request: CreateRequest) -> Result<Created> {
        let outcome = self.blocking(move |inner| inner.create(&request)).await?;
        if let Some((dir, record)) = &outcome.live {
            self.tell_settings(dir, record).await?;
        }
        Ok(outcome.created)
    }

    /// A running sandbox takes its policy and lifetime at once.
    async fn tell_settings(&self, dir: &SandboxDir, record: &Record) -> Result<()> {
        let backend = self.0.backend(record.backend);
        if !backend.capabilities().live_policy {
            return Ok(());
        }
        let told = match backend.set_network(dir, &record.settings.network).await {
            Ok(()) => control::set_ttl(&dir.run(), record.settings.ttl_ms).await,
            failed => failed,
        };
        match told {
            // It ended since: whoever starts it again reads them from the record.
            Err(error) if error.code() == ErrorCode::SandboxDied => Ok(()),
            told => told,
        }
    }

    /// Starts a command. A stopped sandbox is started first.
    pub async fn exec(&self, name: &SandboxName, request: ExecRequest) -> Result<Exec> {
        if self.0.config.backend == Some(BackendId::Host) {
            return self.exec_on_host(name, request).await;
        }
        let (dir, record, in_use) = self.ready(name).await?;
        let backend = self.0.backend(record.backend);
        let retry = request.clone();
        match backend.exec(&dir, &record, request).await {
            Err(error) if error.code() == ErrorCode::SandboxDied => {
                // It was running when we looked, or its remains said so: put it right and try once more.
                let (dir, record, in_use) = self.ensure_running(name).await?;
                let exec = self.0.backend(record.backend).exec(&dir, &record, retry).await?;
                Ok(self.attended(exec.keeping(in_use), dir, &record))
            }
            result => Ok(self.attended(result?.keeping(in_use), dir, &record)),
        }
    }

    /// The command, after whose end the workspace is scanned if that was not done lately.
    fn attended(&self, exec: Exec, dir: SandboxDir, record: &Record) -> Exec {
        if record.backend != BackendId::Native {
            return exec;
        }
        let inner = Arc::clone(&self.0);
        exec.ending_with(move || {
            if scan::is_due(&dir) {
                inner.start_scan(&dir);
            }
        })
    }

    /// Scans the whole workspace of a sandbox now: everything there is to say about it afterwards.
    pub async fn scan(&self, name: &SandboxName) -> Result<Vec<Finding>> {
        let name = name.clone();
        self.blocking(move |inner| {
            let (dir, record) = inner.existing(&name)?;
            workspace::verify(&record.workspace)?;
            scan::run(&dir, &record)?;
            Ok(guard::noted(&dir, &record))
        })
        .await
    }

    /// Where files are kept that were moved out of the workspaces of sandboxes of that name, also of removed ones.
    pub async fn quarantines(&self, name: &SandboxName) -> Result<Vec<PathBuf>> {
        let name = name.clone();
        self.blocking(move |inner| Ok(Quarantine::named(inner.registry.root(), &name))).await
    }

    /// Starts a command that belongs to the sandbox: it outlives its caller, and its output goes to a log.
    pub async fn exec_detached(&self, name: &SandboxName, request: ExecRequest) -> Result<DetachedExec> {
        let (dir, record, in_use) = self.ensure_running(name).await?;
        let id = random_hex(4)?;
        loopbox_init::failpoint!(self.0.config, "detach.ready");
        self.0.backend(record.backend).exec_detached(&dir, &record, request, &id, in_use).await?;
        loopbox_init::failpoint!(self.0.config, "detach.asked");
        Ok(DetachedExec { id })
    }

    /// Whether there is a sandbox of that name, running or stopped.
    pub async fn exists(&self, name: &SandboxName) -> Result<bool> {
        let name = name.clone();
        self.blocking(move |inner| Ok(inner.find(&name)?.is_some())).await
    }

    /// Everything about one sandbox.
    pub async fn inspect(&self, name: &SandboxName) -> Result<SandboxInfo> {
        let name = name.clone();
        self.blocking(move |inner| inner.inspect(&name)).await
    }

    /// Every sandbox, by name.
    pub async fn list(&self) -> Result<Vec<SandboxInfo>> {
        self.blocking(Inner::list).await
    }

    /// The processes inside a sandbox, its init first; none if it is stopped.
    pub async fn processes(&self, name: &SandboxName) -> Result<Vec<ProcessInfo>> {
        let name = name.clone();
        self.blocking(move |inner| {
            let (dir, _) = inner.existing(&name)?;
            let init = if dir.is_alive()? { dir.runtime()?.map(|runtime| runtime.init.pid) } else { None };
            Ok(init.map(processes::tree).unwrap_or_default())
        })
        .await
    }

    /// Starts a stopped sandbox; a running one is left as it is.
    pub async fn start(&self, name: &SandboxName) -> Result<()> {
        self.ensure_running(name).await.map(|_| ())
    }

    /// Ends every process of a sandbox and keeps its files; a stopped one is left as it is.
    pub async fn stop(&self, name: &SandboxName) -> Result<()> {
        let name = name.clone();
        self.blocking(move |inner| inner.stop(&name)).await
    }

    /// Removes a sandbox, running or not; `false` if there was none. The workspace is left alone.
    pub async fn remove(&self, name: &SandboxName) -> Result<bool> {
        let name = name.clone();
        self.blocking(move |inner| inner.remove(&name, EventKind::Removed)).await
    }

    /// Removes every sandbox of a loop; the names of those there were.
    pub async fn destroy_loop(&self, loop_id: &LoopId) -> Result<Vec<SandboxName>> {
        let loop_id = loop_id.clone();
        self.blocking(move |inner| inner.destroy_loop(&loop_id)).await
    }

    /// Removes what has expired, and what crashes left behind.
    pub async fn prune(&self) -> Result<PruneReport> {
        self.blocking(Inner::prune).await
    }

    /// Removes every sandbox.
    pub async fn reset(&self) -> Result<Vec<SandboxName>> {
        self.blocking(Inner::reset).await
    }

    /// Changes the egress policy of a sandbox, at once if it runs; what the options leave out stays.
    pub async fn set_network(&self, name: &SandboxName, options: NetworkOptions) -> Result<NetworkPolicy> {
        let sandbox = name.clone();
        let (dir, record, running) = self
            .blocking(move |inner| {
                let _lock = inner.registry.lock(&sandbox)?;
                let (dir, mut record) = inner.existing(&sandbox)?;
                let backend = inner.backend(record.backend);
                if !backend.capabilities().egress {
                    let what = format!("network: the {} backend does not change policies", record.backend);
                    return Err(Error::unsupported(what));
                }
                record.settings.network = options.apply(&record.settings.network);
                dir.write_record(&record, Durability::PowerFailure)?;
                loopbox_init::failpoint!(inner.config, "network.recorded");
                let running = backend.is_running(&dir)?;
                Ok((dir, record, running))
            })
            .await?;
        if running {
            self.tell_settings(&dir, &record).await?;
        }
        Ok(record.settings.network)
    }

    /// What this machine supports; tries to start a sandbox.
    pub async fn doctor(&self) -> DoctorReport {
        match self.blocking(|inner| Ok(inner.doctor())).await {
            Ok(report) => report,
            Err(error) => DoctorReport {
                backend: None,
                checks: vec![crate::Check::new("doctor", crate::CheckStatus::Fail, error.describe())],
                sandbox: None,
            },
        }
    }

    /// What happened to sandboxes, and with `follow` what will.
    pub fn events(&self, follow: bool) -> Result<Events> {
        self.0.registry.prepare()?;
        Events::open(&self.0.registry.events(), follow)
    }

    /// The detached commands of a sandbox, oldest first.
    pub async fn logs(&self, name: &SandboxName) -> Result<Vec<LogEntry>> {
        let name = name.clone();
        self.blocking(move |inner| logs::list(&inner.existing(&name)?.0.logs())).await
    }

    /// What a detached command wrote, and with `follow` what it will write.
    pub async fn log_follower(&self, name: &SandboxName, id: &str, follow: bool) -> Result<LogFollower> {
        let name = name.clone();
        let (dir, _) = self.blocking(move |inner| inner.existing(&name)).await?;
        LogFollower::open(&dir.logs(), id, follow)
    }

    /// The command line that starts an agent unattended, unless `args` say how it is to be started.
    pub fn agent_launch(&self, agent: &AgentName, args: &[std::ffi::OsString]) -> Vec<std::ffi::OsString> {
        AgentProfile::find(agent.as_str()).map(|profile| profile.launch(args)).unwrap_or_default()
    }

    /// Runs a command on the bare host: in the sandbox's workspace if there is one of that name, else in the request's
    /// own directory.
    async fn exec_on_host(&self, name: &SandboxName, request: ExecRequest) -> Result<Exec> {
        let record = self.0.registry.sandbox(name).find_record()?;
        match (&record, &request.work_dir) {
            (Some(record), _) => {
                workspace::verify(&record.workspace)?;
                self.0.host.exec(&self.0.registry.sandbox(name), record, request).await
            }
            (None, Some(work_dir)) => {
                let work_dir = work_dir.clone();
                self.0.host.run(name, work_dir, request)
            }
            (None, None) => Err(self.0.registry.sandbox(name).not_found()),
        }
    }

    /// The sandbox as it is, if it looks as if it ran; otherwise what [`Self::ensure_running`] makes of it.
    async fn ready(&self, name: &SandboxName) -> Result<(SandboxDir, Record, InUse)> {
        let dir = self.0.registry.sandbox(name);
        let record = dir.record()?;
        if record.phase != Phase::Ready || Inner::is_expired(&dir, &record) {
            return self.ensure_running(name).await;
        }
        workspace::verify(&record.workspace)?;
        let in_use = Inner::touch(&dir);
        Ok((dir, record, in_use))
    }

    async fn ensure_running(&self, name: &SandboxName) -> Result<(SandboxDir, Record, InUse)> {
        let name = name.clone();
        self.blocking(move |inner| inner.ensure_running(&name)).await
    }

    /// Runs what may block (locks, syncs, waiting for processes) where it blocks nobody.
    async fn blocking<T: Send + 'static>(&self, work: impl FnOnce(&Inner) -> Result<T> + Send + 'static) -> Result<T> {
        let inner = Arc::clone(&self.0);
        match tokio::task::spawn_blocking(move || work(&inner)).await {
            Ok(result) => result,
            Err(error) => Err(Error::io("running a call", std::io::Error::other(error))),
        }
    }
}

impl Inner {
    fn backend(&self, id: BackendId) -> &dyn Backend {
        match id {
            BackendId::Native => &self.native,
            BackendId::Reduced => &self.reduced,
            BackendId::Host => &self.host,
        }
    }

    /// The record of a sandbox that exists and is not on its way out.
    fn find(&self, name: &SandboxName) -> Result<Option<(SandboxDir, Record)>> {
        let dir = self.registry.sandbox(name);
        let record =
            dir.find_record()?.filter(|record| record.phase == Phase::Ready && !Self::is_expired(&dir, record));
        Ok(record.map(|record| (dir, record)))
    }

    fn existing(&self, name: &SandboxName) -> Result<(SandboxDir, Record)> {
        self.find(name)?.ok_or_else(|| self.registry.sandbox(name).not_found())
    }

    fn ensure_running(&self, name: &SandboxName) -> Result<(SandboxDir, Record, InUse)> {
        // A sandbox that does not exist leaves no lock file behind for having been asked for.
        if !self.registry.sandbox(name).path().exists() {
            return Err(self.registry.sandbox(name).not_found());
        }
        let _lock = self.registry.lock(name)?;
        let (dir, mut record) = self.existing(name)?;
        workspace::verify(&record.workspace)?;
        let in_use = Self::touch(&dir);
        let backend = self.backend(record.backend);
        if !backend.is_running(&dir)? {
            self.restart(&dir, &mut record)?;
        }
        Ok((dir, record, in_use))
    }

    /// Starts what does not run any more. The lock is held.
    fn restart(&self, dir: &SandboxDir, record: &mut Record) -> Result<()> {
        if !record.tools.exist() {
            // The host updated or moved its agent while the sandbox was stopped.
            self.find_tools(record)?;
            dir.write_record(record, Durability::ProcessDeath)?;
        }
        self.backend(record.backend).stop(dir, record)?;
        dir.remove_unfinished();
        loopbox_init::failpoint!(self.config, "start.stopped");
        if self.backend(record.backend).renew(record)? {
            dir.write_record(record, Durability::ProcessDeath)?;
        }
        self.start(dir, record)?;
        self.tell(&record.name, EventKind::Started, "");
        loopbox_init::failpoint!(self.config, "start.committed");
        Ok(())
    }

    fn start(&self, dir: &SandboxDir, record: &Record) -> Result<()> {
        let events = self.registry.events();
        let context = StartContext { dir, record, config: &self.config, events: &events };
        self.backend(record.backend).start(&context)
    }

    fn stop(&self, name: &SandboxName) -> Result<()> {
        self.existing(name)?;
        let _lock = self.registry.lock(name)?;
        let (dir, record) = self.existing(name)?;
        let backend = self.backend(record.backend);
        if !backend.capabilities().stop_start {
            return Err(Error::unsupported(format!(
                "stop: a sandbox on the {} backend has nothing that runs",
                record.backend
            )));
        }
        loopbox_init::failpoint!(self.config, "stop.locked");
        let was_running = backend.is_running(&dir)?;
        backend.stop(&dir, &record)?;
        guard::settle(&dir, &record);
        loopbox_init::failpoint!(self.config, "stop.stopped");
        if was_running {
            self.tell(name, EventKind::Stopped, "");
        }
        Ok(())
    }

    /// Looks up what the record's agent needs of the host's tools.
    fn find_tools(&self, record: &mut Record) -> Result<()> {
        let profile = AgentProfile::find(record.agent.as_str());
        if let (Some(profile), BackendId::Native | BackendId::Reduced) = (profile, record.backend) {
            let (tools, path) = Tools::find(profile, &self.config.host_path, self.config.host_home.as_deref())?;
            record.agent_version = path.as_deref().and_then(agent::version);
            record.agent_path = path;
            record.tools = tools;
        }
        Ok(())
    }

    /// Scans the workspace in a process that nobody waits for.
    fn start_scan(&self, dir: &SandboxDir) {
        if let Ok(helper) = find_helper(&self.config) {
            scan::start(&helper, dir);
        }
    }

    /// Notes that the sandbox is used from now until the answer is dropped.
    fn touch(dir: &SandboxDir) -> InUse {
        InUse::begin(&dir.join("used"))
    }

    fn last_used(dir: &SandboxDir, record: &Record) -> SystemTime {
        let modified = std::fs::metadata(dir.join("used")).and_then(|metadata| metadata.modified());
        modified.unwrap_or_else(|_| record.created.into())
    }

    fn expires(dir: &SandboxDir, record: &Record) -> Option<SystemTime> {
        let ttl = Duration::from_millis(record.settings.ttl_ms);
        (!ttl.is_zero()).then(|| Self::last_used(dir, record) + ttl)
    }

    fn is_expired(dir: &SandboxDir, record: &Record) -> bool {
        let due = Self::expires(dir, record).is_some_and(|expires| expires <= SystemTime::now());
        // A sandbox in use does not expire, however long the use lasts.
        let ttl = Duration::from_millis(record.settings.ttl_ms);
        due && File::open(dir.join("used")).map_or(true, |used| in_use::time_left(&used, ttl).is_none())
    }

    fn tell(&self, name: &SandboxName, kind: EventKind, detail: &str) {
        // Events are for people to read: a full disk must not fail the call that they tell of.
        if let Ok(file) = events::open(&self.registry.events()) {
            let _lost = events::append(&file, name, kind, detail);
        }
    }
}

/// Refuses options that are documented and not built yet: what is accepted has its effect.
fn refuse_unbuilt(options: &CreateOptions) -> Result<()> {
    use crate::options::{AgentConfig, CredentialsMode};
    let refuse =
        |what: &str, hint: &str| Err(Error::unsupported(format!("{what}: not built yet")).with_hint(hint.to_owned()));
    if options.template.is_some() {
        return refuse("template", "leave it out: a sandbox sees the host's system directories");
    }
    if options.credentials.is_some_and(|mode| mode != CredentialsMode::None) {
        return refuse("credentials", "pass the agent's token in the env of each exec");
    }
    if options.leases.as_ref().is_some_and(|leases| !leases.is_empty()) {
        return refuse("leases", "pass the value in the env of each exec");
    }
    if options.agent_config.is_some_and(|config| config != AgentConfig::None) {
        return refuse("agentConfig", "put instructions into the workspace");
    }
    Ok(())
}
