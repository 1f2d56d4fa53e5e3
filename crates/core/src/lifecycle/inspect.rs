//! What is told about sandboxes and about the machine.

use jiff::Timestamp;
use loopbox_init::sandbox::IdMap;

use super::Inner;
use crate::backend::{Backend, BackendId, reduced};
use crate::capabilities::{Isolation, TreeKill};
use crate::doctor::{self, Check, CheckStatus, DoctorReport, Ids, Machine, Tried};
use crate::error::Result;
use crate::guard;
use crate::info::{AgentInfo, Finding, FindingCode, SandboxInfo, SandboxState};
use crate::name::{AgentName, SandboxName};
use crate::options::{CreateRequest, NetworkOptions};
use crate::record::{Phase, Record};
use crate::registry::SandboxDir;

impl Inner {
    pub(super) fn inspect(&self, name: &SandboxName) -> Result<SandboxInfo> {
        let (dir, record) = self.existing(name)?;
        let mut info = self.describe(&dir, &record, true)?;
        info.findings.extend(guard::noted(&dir, &record));
        Ok(info)
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
            limited_by: backend.limited_by(record),
            network: record.settings.network.clone(),
            credentials: record.settings.credentials,
            env: record.settings.env.keys().cloned().collect(),
            findings: findings(backend, record, state),
            enforced: dir.runtime()?.filter(|_| state == SandboxState::Running).map(|runtime| runtime.enforced),
            capabilities,
            log: dir.path().to_owned(),
        })
    }

    pub(super) fn doctor(&self) -> DoctorReport {
        let machine = self.machine();
        let mut checks = doctor::kernel(&machine);
        let state = self.registry.prepare();
        checks.push(doctor::state_directory(&machine, self.registry.root(), &state));
        let tried = state.and_then(|()| self.try_native());
        if tried.is_ok() {
            // What only might be in the way is not, as the trial shows.
            checks.iter_mut().for_each(Check::settle);
        }
        let (check, sandbox) = match tried {
            Ok(tried) => {
                (Check::new("native sandbox", CheckStatus::Ok, "one was made, and removed again"), Some(tried))
            }
            Err(error) => {
                let check = Check::new("native sandbox", CheckStatus::Fail, error.describe());
                (check.with_remedy(error.hint().unwrap_or("what is said above about what is not ok")), None)
            }
        };
        checks.push(check);
        let possible =
            if reduced::is_possible() { "possible, on request (`--backend reduced`)" } else { "not possible" };
        checks.push(Check::new("reduced wall", CheckStatus::Ok, possible));
        checks.extend(sandbox.iter().flat_map(|tried| doctor::enforcement(&machine, tried)));
        let agents = crate::AgentProfile::all().iter().filter(|profile| profile.executable.is_some());
        checks.extend(agents.map(|profile| doctor::agent(profile, &self.config)));
        DoctorReport { backend: sandbox.as_ref().map(|_| BackendId::Native), checks, sandbox }
    }

    /// This machine, as the doctor reads it.
    pub(super) fn machine(&self) -> Machine {
        Machine::here(crate::backend::find_helper(&self.config).ok())
    }

    /// Makes a sandbox and removes it: nothing else proves that it can be done.
    fn try_native(&self) -> Result<Tried> {
        let id = crate::fs::random_hex(4)?;
        let name = SandboxName::parse(format!("doctor-{id}"))?;
        let workspace = std::path::Path::new("/tmp").join(format!("loopbox-doctor-{id}"));
        crate::fs::make_private_dir(&workspace)?;
        let mut request = CreateRequest::new(name.clone(), AgentName::parse("shell")?, &workspace);
        request.options.backend = Some(BackendId::Native);
        request.options.network = Some(NetworkOptions::default());
        let made = self.create(&request).and_then(|_| self.tried(&name));
        let removed = self.remove(&name, crate::EventKind::Removed);
        let _left = std::fs::remove_dir(&workspace);
        let tried = made?;
        removed.map(|_| tried)
    }

    /// What that sandbox consists of.
    fn tried(&self, name: &SandboxName) -> Result<Tried> {
        let (dir, record) = self.existing(name)?;
        let ids = match record.native.as_ref().map(|native| native.ids) {
            Some(IdMap::Range { .. }) => Ids::Range,
            _ => Ids::Single,
        };
        let capabilities = self.backend(record.backend).capabilities();
        let enforced = dir.runtime()?.map(|runtime| runtime.enforced).unwrap_or_default();
        Ok(Tried { ids, capabilities, enforced })
    }
}

/// What an operator should know about what is not enforced.
fn findings(backend: &dyn Backend, record: &Record, state: SandboxState) -> Vec<Finding> {
    let capabilities = backend.capabilities();
    let mut findings = Vec::new();
    if capabilities.isolation == Isolation::None {
        let message = "nothing is isolated: commands run on the host as the caller";
        findings.push(Finding::new(FindingCode::NotIsolated, message));
    }
    if capabilities.isolation == Isolation::Reduced {
        findings.extend(reduced::lacks().into_iter().map(|lack| Finding::new(FindingCode::NotEnforced, lack)));
        return findings;
    }
    if capabilities.tree_kill == TreeKill::SubReaper {
        let message = "no cgroup: process trees are ended by a sub-reaper, and memory cannot be limited";
        findings.push(Finding::new(FindingCode::NotEnforced, message));
    }
    if state == SandboxState::Running && backend.swaps(record) {
        let message = "the kernel does not count swap: beyond its limit on memory the sandbox can be swapped out";
        findings.push(Finding::new(FindingCode::NotEnforced, message));
    }
    findings
}
