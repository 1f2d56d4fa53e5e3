//! create: idempotent, race-safe, and safe to be killed anywhere.

use jiff::Timestamp;
use serde_json::Map;

use super::{Inner, refuse_unbuilt};
use crate::agent::Tools;
use crate::backend::BackendId;
use crate::capabilities::Isolation;
use crate::doctor::Restriction;
use crate::error::{Error, ErrorCode, Result};
use crate::events::EventKind;
use crate::fs::{Durability, make_private_dir, random_hex};
use crate::info::Created;
use crate::name::SandboxName;
use crate::options::{CreateRequest, Settings};
use crate::record::{Phase, Record, SCHEMA, WorkspaceRecord};
use crate::registry::SandboxDir;
use crate::workspace;

/// What a create did.
pub(super) struct Outcome {
    pub(super) created: Created,
    /// A sandbox that runs and must be told its settings.
    pub(super) live: Option<(SandboxDir, Record)>,
}

impl Inner {
    pub(super) fn create(&self, request: &CreateRequest) -> Result<Outcome> {
        refuse_unbuilt(&request.options)?;
        let workspace = workspace::resolve(&request.workspace, &self.config)?;
        self.registry.prepare()?;
        self.sweep_if_due();
        let lock = self.registry.lock(&request.name)?;
        loopbox_init::failpoint!(self.config, "create.locked");
        let dir = self.registry.sandbox(&request.name);
        if let Some((dir, record)) = self.find(&request.name)? {
            return self.reuse(&dir, record, request, &workspace);
        }
        // Half-made, half-removed or expired: whoever was at it is dead, since the lock is ours.
        self.clear(&dir)?;
        let made = self.make(&dir, request, workspace);
        if made.is_err() {
            self.registry.forget(&request.name, lock);
            self.sweep_trash();
        }
        made
    }

    fn reuse(
        &self,
        dir: &SandboxDir,
        record: Record,
        request: &CreateRequest,
        workspace: &WorkspaceRecord,
    ) -> Result<Outcome> {
        same_identity(&record, request, workspace)?;
        workspace::verify(&record.workspace)?;
        let settings = record.settings.updated(&request.options)?;
        self.refuse_what_takes_a_restart(dir, &record, &settings)?;
        let backend = self.backend(record.backend);
        let running = backend.is_running(dir)?;
        if settings.limits != record.settings.limits {
            backend.check_limits(&record, &settings.limits, running)?;
        }
        let before = record.clone();
        let changed = settings != record.settings;
        let mut record = Record { settings, ..record };
        // Also if they did not change: whoever changed them last may have died before he wrote that down.
        let limits_told = running && request.options.limits.is_some();
        let written = (|| {
            if limits_told {
                backend.apply_limits(&record)?;
            }
            if changed {
                dir.write_record(&record, Durability::PowerFailure)?;
                loopbox_init::failpoint!(self.config, "create.settings-written");
            }
            Ok(())
        })();
        if let Err(error) = written {
            if limits_told {
                // What the record says holds. If even that fails, the next start puts it right.
                let _later = backend.apply_limits(&before);
            }
            return Err(error);
        }
        drop(Self::touch(dir));
        if !running {
            self.restart(dir, &mut record)?;
        }
        let created =
            Created { name: record.name.clone(), new: false, backend: record.backend, notices: self.notices(&record) };
        // Also if nothing changed: whoever changed them last may have died before telling.
        Ok(Outcome { created, live: running.then(|| (dir.clone(), record)) })
    }

    /// What is fixed when a sandbox starts cannot be changed while it runs.
    fn refuse_what_takes_a_restart(&self, dir: &SandboxDir, record: &Record, wanted: &Settings) -> Result<()> {
        let has = &record.settings;
        let fields = [
            ("guard.allow", format!("{:?}", has.guard_allow), format!("{:?}", wanted.guard_allow)),
            ("nesting", has.nesting.to_string(), wanted.nesting.to_string()),
        ];
        for (field, has, wanted) in fields {
            if has != wanted && self.backend(record.backend).is_running(dir)? {
                let hint =
                    format!("stop it first (`loopbox stop {}`): it starts with what is asked for then", record.name);
                return Err(exists(&record.name, field, &has, &wanted).with_hint(hint));
            }
        }
        Ok(())
    }

    fn make(&self, dir: &SandboxDir, request: &CreateRequest, workspace: WorkspaceRecord) -> Result<Outcome> {
        let mut record = Record {
            schema: SCHEMA,
            name: request.name.clone(),
            id: random_hex(8)?,
            loop_id: request.loop_id.clone(),
            agent: request.agent.clone(),
            agent_path: None,
            agent_version: None,
            tools: Tools::default(),
            workspace,
            backend: self.choose_backend(request)?,
            template: None,
            phase: Phase::Creating,
            created: Timestamp::now(),
            settings: Settings::new(&request.options, self.config.git_identity.clone())?,
            native: None,
            unknown: Map::new(),
        };
        self.find_tools(&mut record)?;
        let made = self.make_from(dir, &mut record);
        if let Err(error) = made {
            // Nothing half-made stays behind; if even that fails, the record says what the next call has to clear.
            let _later = self.clear(dir);
            return Err(error);
        }
        self.note_expiry(dir, &record);
        if record.backend == BackendId::Native {
            // What is there now was not made inside.
            self.start_scan(dir);
        }
        self.tell(&record.name, EventKind::Created, record.agent.as_str());
        let created =
            Created { name: record.name.clone(), new: true, backend: record.backend, notices: self.notices(&record) };
        Ok(Outcome { created, live: None })
    }

    fn make_from(&self, dir: &SandboxDir, record: &mut Record) -> Result<()> {
        make_private_dir(dir.path())?;
        refuse_network_file_system(dir)?;
        loopbox_init::failpoint!(self.config, "create.directory-made");
        // The record names what is about to be made, before it is made. Nothing of it outlives a power failure, except
        // files below this very directory, so only the last one is synced.
        dir.write_record(record, Durability::ProcessDeath)?;
        loopbox_init::failpoint!(self.config, "create.recorded");
        self.backend(record.backend).plan(record)?;
        loopbox_init::failpoint!(self.config, "create.claimed");
        dir.write_record(record, Durability::ProcessDeath)?;
        loopbox_init::failpoint!(self.config, "create.planned");
        drop(Self::touch(dir));
        self.start(dir, record)?;
        loopbox_init::failpoint!(self.config, "create.committed");
        record.phase = Phase::Ready;
        dir.write_record(record, Durability::PowerFailure)
    }

    fn choose_backend(&self, request: &CreateRequest) -> Result<BackendId> {
        if let Some(chosen) = request.options.backend.or(self.config.backend) {
            return Ok(chosen);
        }
        let machine = self.machine();
        let Some(restriction) = Restriction::certain(&machine) else { return Ok(BackendId::Native) };
        if request.options.allow_host_fallback || self.config.allow_host_fallback {
            return Ok(BackendId::Host);
        }
        let what = format!("no backend works on this machine: {}", restriction.what(&machine));
        let remedy = restriction.remedy(&machine);
        Err(Error::new(ErrorCode::BackendUnavailable, what).with_hint(format!(
            "{remedy} (`loopbox doctor` says more); `--backend reduced` is a weaker wall that needs nothing of it; \
             LOOPBOX_ALLOW_HOST_FALLBACK=1 runs agents on the bare host, without any isolation"
        )))
    }

    /// What the operator should know of a sandbox that was made or found.
    fn notices(&self, record: &Record) -> Vec<String> {
        let mut notices = Vec::new();
        let isolation = self.backend(record.backend).capabilities().isolation;
        if isolation == Isolation::None {
            notices.push("this sandbox is the bare host: commands run as you, and nothing is isolated".to_owned());
        } else if isolation == Isolation::Reduced {
            notices.push(format!(
                "this sandbox is the reduced wall, without namespaces: commands run as you; `loopbox inspect {}` tells \
                 what is missing",
                record.name
            ));
        } else if record.settings.network.policy == crate::DefaultVerdict::Allow && record.agent.as_str() != "shell" {
            notices.push(
                "an unattended agent may reach every public host; `--policy deny --preset agents` permits only its provider"
                    .to_owned(),
            );
        }
        notices
    }
}

/// Locks and overlays do not work on NFS as the state directory needs them.
fn refuse_network_file_system(dir: &SandboxDir) -> Result<()> {
    // From linux/magic.h.
    const NFS_SUPER_MAGIC: i64 = 0x6969;
    let stat = rustix::fs::statfs(dir.path()).map_err(|errno| Error::io("looking at the state directory", errno))?;
    if stat.f_type == NFS_SUPER_MAGIC {
        return Err(Error::invalid(
            "stateDir",
            dir.path().display(),
            "lies on NFS, where locks and layers do not hold",
        )
        .with_hint("set LOOPBOX_STATE_DIR to a directory on a local disk"));
    }
    Ok(())
}

/// Fails with the name of the first field in which a request differs from what exists and that cannot be changed.
fn same_identity(record: &Record, request: &CreateRequest, workspace: &WorkspaceRecord) -> Result<()> {
    let credentials = request.options.credentials.unwrap_or(record.settings.credentials);
    let backend = request.options.backend.unwrap_or(record.backend);
    let text = |loop_id: &Option<crate::LoopId>| loop_id.as_ref().map_or("none".to_owned(), ToString::to_string);
    let fields = [
        ("loopId", text(&record.loop_id), text(&request.loop_id)),
        ("tool", record.agent.to_string(), request.agent.to_string()),
        ("workDir", record.workspace.canonical.display().to_string(), workspace.canonical.display().to_string()),
        ("backend", record.backend.to_string(), backend.to_string()),
        ("credentials", format!("{:?}", record.settings.credentials), format!("{credentials:?}")),
    ];
    for (field, has, wanted) in fields {
        if has != wanted {
            return Err(exists(&record.name, field, &has, &wanted));
        }
    }
    Ok(())
}

fn exists(name: &SandboxName, field: &str, has: &str, wanted: &str) -> Error {
    Error::new(
        ErrorCode::SandboxExists,
        format!("a sandbox named '{name}' exists and differs in {field}: it has '{has}', asked for is '{wanted}'"),
    )
    .with_hint(format!("remove it first (`loopbox rm {name}`), or choose another name"))
}
