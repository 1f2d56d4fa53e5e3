//! What is told about sandboxes and about the machine.

use jiff::Timestamp;

use super::Inner;
use crate::backend::{Backend, BackendId};
use crate::capabilities::{Isolation, TreeKill};
use crate::doctor::{self, Check, CheckStatus, DoctorReport};
use crate::error::Result;
use crate::info::{AgentInfo, Finding, FindingCode, SandboxInfo, SandboxState};
use crate::name::{AgentName, SandboxName};
use crate::options::{CreateRequest, NetworkOptions};
use crate::record::{Phase, Record};
use crate::registry::SandboxDir;

impl Inner {
    pub(super) fn inspect(&self, name: &SandboxName) -> Result<SandboxInfo> {
        let (dir, record) = self.existing(name)?;
        self.describe(&dir, &record, true)
    }

    pub(super) fn list(&self) -> Result<Vec<SandboxInfo>> {
        self.sweep_if_due();
        let mut infos = Vec::new();
        for name in self.registry.names()? {
            let dir = self.registry.sandbox(&name);
            // One damaged or newer record must not hide the others.
            if let Ok(Some(record)) = dir.find_record()
                && !Self::is_expired(&dir, &record)
            {
                infos.push(self.describe(&dir, &record, false)?);
            }
        }
        Ok(infos)
    }

    fn describe(&self, dir: &SandboxDir, record: &Record, with_pids: bool) -> Result<SandboxInfo> {
        let backend = self.backend(record.backend);
        let capabilities = backend.capabilities();
        let state = match record.phase {
            Phase::Creating => SandboxState::Creating,
            Phase::Removing => SandboxState::Removing,
            Phase::Ready if backend.is_running(dir)? => SandboxState::Running,
            Phase::Ready => SandboxState::Stopped,
        };
        let time = |time: std::time::SystemTime| Timestamp::try_from(time).unwrap_or(Timestamp::UNIX_EPOCH);
        Ok(SandboxInfo {
            name: record.name.clone(),
            loop_id: record.loop_id.clone(),
            agent: AgentInfo {
                name: record.agent.clone(),
                version: record.agent_version.clone(),
                path: record.agent_path.clone(),
            },
            workspace: record.workspace.canonical.clone(),
            backend: record.backend,
            state,
            created: record.created,
            last_used: time(Self::last_used(dir, record)),
            expires: Self::expires(dir, record).map(time),
            pids: if with_pids { backend.pids(dir)? } else { Vec::new() },
            limits: record.settings.limits.clone(),
            network: record.settings.network.clone(),
            credentials: record.settings.credentials,
            env: record.settings.env.keys().cloned().collect(),
            findings: findings(backend),
            enforced: dir.runtime()?.filter(|_| state == SandboxState::Running).map(|runtime| runtime.enforced),
            capabilities,
            log: dir.path().to_owned(),
        })
    }

    pub(super) fn doctor(&self) -> DoctorReport {
        let mut checks = doctor::kernel();
        let state = self.registry.prepare();
        checks.push(match &state {
            Ok(()) => Check::new("state directory", CheckStatus::Ok, self.registry.root().display().to_string()),
            Err(error) => Check::new("state directory", CheckStatus::Fail, error.describe())
                .with_remedy("set LOOPBOX_STATE_DIR to a directory that you can write"),
        });
        let tried = state.and_then(|()| self.try_native());
        let works = tried.is_ok();
        if works {
            // What only might be in the way is not, as the trial shows.
            checks.iter_mut().for_each(Check::settle);
        }
        checks.push(match tried {
            Ok(()) => Check::new("native sandbox", CheckStatus::Ok, "one was made, and removed again"),
            Err(error) => {
                let check = Check::new("native sandbox", CheckStatus::Fail, error.describe());
                match error.hint() {
                    Some(hint) => check.with_remedy(hint),
                    None => check,
                }
            }
        });
        for profile in crate::AgentProfile::all().iter().filter(|profile| profile.executable.is_some()) {
            let found = crate::agent::Tools::find(profile, &self.config.host_path, self.config.host_home.as_deref());
            checks.push(match found {
                Ok((_, path)) => Check::new(
                    profile.name,
                    CheckStatus::Ok,
                    path.map(|path| path.display().to_string()).unwrap_or_default(),
                ),
                Err(error) => {
                    let check = Check::new(profile.name, CheckStatus::Warn, error.describe());
                    check.with_remedy(error.hint().unwrap_or(profile.install))
                }
            });
        }
        DoctorReport { backend: works.then_some(BackendId::Native), checks }
    }

    /// Makes a sandbox and removes it: nothing else proves that it can be done.
    fn try_native(&self) -> Result<()> {
        let id = crate::fs::random_hex(4)?;
        let name = SandboxName::parse(format!("doctor-{id}"))?;
        let workspace = std::path::Path::new("/tmp").join(format!("loopbox-doctor-{id}"));
        crate::fs::make_private_dir(&workspace)?;
        let mut request = CreateRequest::new(name.clone(), AgentName::parse("shell")?, &workspace);
        request.options.backend = Some(BackendId::Native);
        request.options.network = Some(NetworkOptions::default());
        let made = self.create(&request).map(|_| ());
        let removed = self.remove(&name, crate::EventKind::Removed).map(|_| ());
        let _left = std::fs::remove_dir(&workspace);
        made.and(removed)
    }
}

/// What an operator should know about what is not enforced.
fn findings(backend: &dyn Backend) -> Vec<Finding> {
    let capabilities = backend.capabilities();
    let mut findings = Vec::new();
    if capabilities.isolation == Isolation::None {
        let message = "nothing is isolated: commands run on the host as the caller";
        findings.push(Finding::new(FindingCode::NotIsolated, message));
    }
    if capabilities.tree_kill == TreeKill::SubReaper {
        let message = "no cgroup: process trees are ended by a sub-reaper, and memory cannot be limited";
        findings.push(Finding::new(FindingCode::NotEnforced, message));
    }
    findings
}
