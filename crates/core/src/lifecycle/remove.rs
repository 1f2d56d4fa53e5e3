//! The end of sandboxes: destroy, rm, prune, expiry, and what crashes left.

use std::fs::{self, File};
use std::os::unix::fs::OpenOptionsExt;
use std::process::{Command, Stdio};
use std::time::SystemTime;

use super::Inner;
use crate::backend::Native;
use crate::backend::native::find_helper;
use crate::error::{ErrorCode, Result};
use crate::events::{self, EventKind};
use crate::fs::{Durability, empty_trash};
use crate::guard::{self, scan};
use crate::info::PruneReport;
use crate::name::{LoopId, SandboxName};
use crate::record::{Phase, Record};
use crate::registry::SandboxDir;

/// A file whose time of change is the earliest time at which a sandbox may expire.
const NEXT_EXPIRY: &str = "next-expiry";

impl Inner {
    pub(super) fn remove(&self, name: &SandboxName, why: EventKind) -> Result<bool> {
        let dir = self.registry.sandbox(name);
        if !dir.path().exists() && !self.registry.has_lock(name) {
            return Ok(false);
        }
        let lock = self.registry.lock(name)?;
        loopbox_init::failpoint!(self.config, "remove.locked");
        let existed = matches!(self.find(name), Ok(Some(_)));
        self.clear(&dir)?;
        self.registry.forget(name, lock);
        if existed {
            self.tell(name, why, "");
        }
        loopbox_init::failpoint!(self.config, "remove.released");
        self.sweep_trash();
        Ok(existed)
    }

    pub(super) fn destroy_loop(&self, loop_id: &LoopId) -> Result<Vec<SandboxName>> {
        let mut removed = Vec::new();
        for name in self.registry.names()? {
            // A damaged record of another sandbox must not keep this loop's from being destroyed.
            let record = self.registry.sandbox(&name).find_record().ok().flatten();
            if record.is_some_and(|record| record.loop_id.as_ref() == Some(loop_id))
                && self.remove(&name, EventKind::Removed)?
            {
                removed.push(name);
            }
        }
        Ok(removed)
    }

    pub(super) fn reset(&self) -> Result<Vec<SandboxName>> {
        let names = self.registry.names()?;
        for name in &names {
            self.remove(name, EventKind::Removed)?;
        }
        self.prune()?;
        Ok(names)
    }

    /// Whatever is in that directory, and whatever runs of it, is gone afterwards. The lock is held.
    pub(super) fn clear(&self, dir: &SandboxDir) -> Result<()> {
        if !dir.path().exists() {
            return Ok(());
        }
        match dir.find_record() {
            Ok(Some(mut record)) => {
                if record.phase == Phase::Ready {
                    record.phase = Phase::Removing;
                    dir.write_record(&record, Durability::ProcessDeath)?;
                }
                loopbox_init::failpoint!(self.config, "remove.recorded");
                self.backend(record.backend).stop(dir, &record)?;
                loopbox_init::failpoint!(self.config, "remove.stopped");
                guard::finish(dir, &record);
                self.registry.discard(dir)?;
                loopbox_init::failpoint!(self.config, "remove.discarded");
                self.backend(record.backend).release(&record);
            }
            // A state of a later version is not ours to touch.
            Err(error) if error.code() == ErrorCode::StateTooNew => return Err(error),
            // Without a record nothing was made yet, or the record was damaged: what runs is told by runtime.json.
            Ok(None) | Err(_) => {
                Native::stop_unrecorded(dir)?;
                self.registry.discard(dir)?;
            }
        }
        Ok(())
    }

    pub(super) fn prune(&self) -> Result<PruneReport> {
        self.registry.prepare()?;
        let mut report = PruneReport::default();
        for name in self.registry.names()? {
            // What is being made or removed right now is somebody else's business.
            let Some(lock) = self.registry.try_lock(&name)? else { continue };
            let dir = self.registry.sandbox(&name);
            let reason = match dir.find_record() {
                Ok(Some(record)) => match record.phase {
                    Phase::Creating => Some(("half-made", None)),
                    Phase::Removing => Some(("half-removed", None)),
                    Phase::Ready if Self::is_expired(&dir, &record) => Some(("expired", Some(EventKind::Expired))),
                    Phase::Ready => None,
                },
                Ok(None) => Some(("without a record", None)),
                Err(_) => None,
            };
            if let Some((reason, event)) = reason {
                self.clear(&dir)?;
                loopbox_init::failpoint!(self.config, "prune.cleared");
                if let Some(event) = event {
                    self.tell(&name, event, "");
                }
                report.reasons.insert(name.to_string(), reason.to_owned());
                self.registry.forget(&name, lock);
                report.removed.push(name);
            }
        }
        for name in self.registry.locked_names()? {
            if let Some(lock) = self.registry.try_lock(&name)? {
                self.registry.forget(&name, lock);
            }
        }
        // The claims are looked at before the records: a record is there before what it claims.
        let claims = self.native.claims();
        if let Some(ids) = self.ids()? {
            claims.release_orphans(|id| ids.iter().any(|known| known == id));
        }
        loopbox_init::failpoint!(self.config, "prune.released");
        guard::discard_old(self.registry.root(), &self.registry.trash());
        scan::last(&self.registry.trash());
        empty_trash(&self.registry.trash())?;
        events::shorten(&self.registry.events())?;
        self.plan_next_sweep()?;
        Ok(report)
    }

    /// Removes what has expired if something may have by now. Cheap when not: one look at one file's time.
    pub(super) fn sweep_if_due(&self) {
        let due = fs::metadata(self.registry.root().join(NEXT_EXPIRY)).and_then(|metadata| metadata.modified());
        if due.is_ok_and(|due| due <= SystemTime::now()) {
            // Whatever cannot be removed now is tried again by the next call; this one has its own purpose.
            let _later = self.prune();
        }
    }

    /// Moves the next sweep forward to the expiry of a new sandbox.
    pub(super) fn note_expiry(&self, dir: &SandboxDir, record: &Record) {
        if let Some(expires) = Self::expires(dir, record) {
            let path = self.registry.root().join(NEXT_EXPIRY);
            let known = fs::metadata(&path).and_then(|metadata| metadata.modified());
            if known.map_or(true, |known| expires < known) {
                self.set_next_sweep(Some(expires));
            }
        }
    }

    fn plan_next_sweep(&self) -> Result<()> {
        let next = self.records()?.iter().filter_map(|(dir, record)| Self::expires(dir, record)).min();
        self.set_next_sweep(next);
        Ok(())
    }

    fn set_next_sweep(&self, at: Option<SystemTime>) {
        let path = self.registry.root().join(NEXT_EXPIRY);
        // Without the file nothing is swept by the way; `ls` and `prune` look at every sandbox anyway.
        let _ignored = match at {
            Some(at) => {
                File::options().create(true).append(true).mode(0o600).open(&path).and_then(|file| file.set_modified(at))
            }
            None => fs::remove_file(&path),
        };
    }

    /// The ids of all sandboxes; none as long as there is one whose record cannot be read.
    fn ids(&self) -> Result<Option<Vec<String>>> {
        let read = |name| Some(self.registry.sandbox(&name).find_record().ok()?.map(|record| record.id));
        let ids: Option<Vec<_>> = self.registry.names()?.into_iter().map(read).collect();
        Ok(ids.map(|ids| ids.into_iter().flatten().collect()))
    }

    fn records(&self) -> Result<Vec<(SandboxDir, Record)>> {
        let mut records = Vec::new();
        for name in self.registry.names()? {
            let dir = self.registry.sandbox(&name);
            if let Ok(Some(record)) = dir.find_record() {
                records.push((dir, record));
            }
        }
        Ok(records)
    }

    /// Removes what was renamed to the trash, in a process of its own: the caller does not wait for large trees.
    pub(super) fn sweep_trash(&self) {
        let Ok(helper) = find_helper(&self.config) else { return };
        let spawned = Command::new(helper)
            .args(["internal".as_ref(), "sweep".as_ref(), self.registry.trash().as_os_str()])
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        // The sweeper detaches at once, so that this process need not wait for it. Without one, the next prune sweeps.
        if let Ok(mut sweeper) = spawned {
            let _detached = sweeper.wait();
        }
    }
}

/// Empties a trash directory in a process that nobody waits for, after a last scan of the workspaces of what is in it. Called by the helper executable's `internal sweep`, on
/// the main thread before there is any other; returns the process's exit code.
pub fn sweep(trash: &std::path::Path) -> i32 {
    loopbox_init::sandbox::close_inherited();
    if loopbox_init::sandbox::detach().is_err() {
        return 1;
    }
    // Everything else on the machine goes first.
    let _as_it_is = rustix::process::nice(19);
    scan::last(trash);
    i32::from(empty_trash(trash).is_err())
}
