//! The guards of one sandbox from its start to its end.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use loopbox_init::sandbox::{Entry, IdMap};
use rustix::fs::{AtFlags, CWD, Stat, statat};

use super::list::{self, GUARDED};
use super::quarantine::Quarantine;
use super::shadow::{Shadows, more_paths};
use super::state::{Mark, Stamp, State, settled, stamp};
use super::{allow, beneath, remount};
use crate::backend::native::git;
use crate::error::{Error, ErrorCode, Result};
use crate::fs::Lock;
use crate::info::{Finding, FindingCode};
use crate::record::Record;
use crate::registry::SandboxDir;

/// What a repository's configuration may be as long as; what is longer is not looked at for `core.hooksPath`.
const MAX_CONFIG: u64 = 1024 * 1024;

/// Makes ready what stands before the guarded paths of a sandbox that is about to start: its mounts.
pub(crate) fn prepare(dir: &SandboxDir, record: &Record, ids: IdMap, helper: &Path) -> Result<Vec<Entry>> {
    let doing = |error: io::Error| Error::io("guarding the workspace", error);
    let top = beneath::top(&record.workspace).map_err(doing)?;
    let _lock = lock(dir)?;
    let mut state = State::load(dir)?;
    if let Some(mark) = Mark::read(dir) {
        // What runs of an earlier start is dead; what it left was not looked at if it died with its caller.
        inspect_names(dir, record, &top, &mut state, if mark.quiet { Maker::Host } else { Maker::Inside });
    }
    let stamp_then = stamp(&rustix::fs::fstat(&top).map_err(|errno| doing(errno.into()))?);
    helper.clone_into(&mut state.helper);
    state.hooks = hooks(record).filter(|path| !allow::allows(&record.settings.guard_allow, path));
    let shadows = Shadows::new(dir, record, &top);
    let mut present = present(record, &top, &state);
    let identified = present.keys().filter_map(|path| Some((path.clone(), beneath::identity(&top, path)?)));
    state.known = identified.collect();
    let found: Vec<PathBuf> = present.keys().cloned().collect();
    for path in more_paths(&shadows, &state, &found) {
        if let Some(stat) = beneath::look(&top, &path) {
            present.insert(path, stat);
        }
    }
    let before = std::mem::take(&mut state.shadows);
    for (path, stat) in &present {
        let below = state.shadows.iter().any(|shadow| path.starts_with(&shadow.path));
        let before = before.iter().find(|shadow| shadow.path == *path);
        if !below && let Some(shadow) = shadows.make(path, stat, before)? {
            state.shadows.push(shadow);
        }
    }
    state.save(dir)?;
    let checked = settled(stamp_then).unwrap_or_default();
    let mark = Mark { checked, quiet: true, shadowed: !state.shadows.is_empty() };
    mark.create(dir).map_err(|error| Error::io("marking the guards", error))?;
    Ok(shadows.entries(record, ids, &state.shadows.iter().collect::<Vec<_>>()))
}

/// Shadows what the host made or replaced since the sandbox started, by the helper.
fn put_back(dir: &SandboxDir, record: &Record, shadows: &Shadows<'_>, state: &mut State) -> Result<()> {
    let Some(ids) = record.native.as_ref().map(|native| native.ids) else { return Ok(()) };
    let mut changed: Vec<PathBuf> = Vec::new();
    let mut now = state.shadows.clone();
    // Only what is known to be the host's: hostile processes may be making more of the same names right now.
    let wanted: BTreeSet<&PathBuf> =
        state.known.keys().chain(state.shadows.iter().map(|shadow| &shadow.path)).collect();
    for path in wanted {
        let at = now.iter().position(|shadow| shadow.path == *path);
        let before = at.and_then(|at| now.get(at));
        let Some(stat) = beneath::look(shadows.top, path) else { continue };
        let below = now.iter().any(|shadow| path.starts_with(&shadow.path) && path != &shadow.path);
        if below || before.is_some_and(|shadow| shadows.is_on(shadow)) {
            continue;
        }
        if let Some(shadow) = shadows.make(path, &stat, before)? {
            match at.and_then(|at| now.get_mut(at)) {
                Some(before) => *before = shadow,
                None => now.push(shadow),
            }
            changed.push(path.clone());
        }
    }
    if changed.is_empty() {
        return Ok(());
    }
    // A directory above that is mounted anew hides what is mounted below it: then all of that is.
    let is_nested = |path: &Path| path.parent().is_some_and(|parent| parent != Path::new(""));
    let all_nested = changed.iter().any(|path| is_nested(path));
    let put: Vec<_> =
        now.iter().filter(|shadow| changed.contains(&shadow.path) || all_nested && is_nested(&shadow.path)).collect();
    let entries = shadows.entries(record, ids, &put);
    remount::put(&state.helper, dir.run(), ids, entries)
        .map_err(|error| Error::io("putting guards in place", error))?;
    state.shadows = now;
    Ok(())
}

/// The guards while one command runs.
#[derive(Debug, Clone)]
pub(crate) struct Watch(Arc<Watched>);

#[derive(Debug)]
struct Watched {
    dir: SandboxDir,
    record: Record,
    init: u32,
    /// As it was made when the command began.
    mark: Option<Mark>,
    /// The workspace's stamp then, if it was old enough to count.
    began: Option<Stamp>,
}

impl Watch {
    /// Looks at what the host did since the last command, before the next one starts. `init` is the sandbox's first
    /// process. Fails if the host has replaced the repository: what is mounted over the old one guards nothing any more.
    pub(crate) fn begin(dir: &SandboxDir, record: &Record, init: u32) -> Result<Self> {
        if has_git(record) {
            match git::refresh(dir, record) {
                Err(error) if error.code() == ErrorCode::WorkspaceChanged => return Err(error),
                refreshed => note_git(dir, record, refreshed),
            }
        }
        let (mark, began) = begin(dir, record, init).unzip();
        let began = began.flatten();
        Ok(Self(Arc::new(Watched { dir: dir.clone(), record: record.clone(), init, mark, began })))
    }

    /// What is to be done about once a second while the command runs, if anything.
    pub(crate) fn meanwhile(&self) -> Option<impl FnMut() + Send + Sync + use<>> {
        let watched = Arc::clone(&self.0);
        has_git(&watched.record).then_some(move || {
            // What cannot be brought in now is with the next command.
            let _later = git::follow(&watched.dir, &watched.record);
        })
    }

    /// Looks at what the command did, now that it has ended.
    pub(crate) fn end(&self) {
        let Watched { dir, record, init, mark, began } = &*self.0;
        if has_git(record) {
            note_git(dir, record, git::collect(dir, record));
        }
        end(dir, record, *init, *mark, *began);
    }
}

fn has_git(record: &Record) -> bool {
    record.native.as_ref().is_some_and(|native| native.git.is_some())
}

/// Writes down what there is to say about the repository.
fn note_git(dir: &SandboxDir, record: &Record, found: Result<Vec<Finding>>) {
    let findings = match found {
        Ok(findings) if findings.is_empty() => return,
        Ok(findings) => findings,
        Err(error) => {
            let message = format!("the repository could not be brought up to date: {}", error.describe());
            vec![Finding::new(FindingCode::NotEnforced, message)]
        }
    };
    if let Some(quarantine) = quarantine(dir, record) {
        let known = quarantine.findings();
        for finding in findings.iter().filter(|finding| !known.contains(finding)) {
            let _unwritten = quarantine.note(finding);
        }
    }
}

fn begin(dir: &SandboxDir, record: &Record, init: u32) -> Option<(Mark, Option<Stamp>)> {
    // Without a mark nothing is guarded: a sandbox of an earlier version.
    let mark = Mark::read(dir)?;
    let now = top_stamp(record)?;
    let unchanged = mark.checked == now;
    let mut next = Mark { quiet: false, ..mark };
    if !unchanged || mark.shadowed {
        let made_by_host = mark.quiet && is_idle(init);
        let maker = if made_by_host { Maker::Host } else { Maker::Inside };
        if let Ok((top, _lock)) = open(dir, record)
            && let Ok(mut state) = State::load(dir)
        {
            let known = state.clone();
            if !unchanged {
                inspect_names(dir, record, &top, &mut state, maker);
            }
            let shadows = Shadows::new(dir, record, &top);
            state.shadows.iter_mut().for_each(|shadow| shadows.refresh(shadow));
            // What cannot be put back is told by `inspect` for as long as it lacks.
            let _lacking = put_back(dir, record, &shadows, &mut state);
            next.shadowed = !state.shadows.is_empty();
            if state != known {
                let _stale = state.save(dir);
            }
            next.checked = settled(now).unwrap_or_default();
        }
    }
    // Whether anything is shadowed is told by the mark's length.
    let _unmarked = if next.shadowed == mark.shadowed { next.write(dir) } else { next.create(dir) };
    Some((next, settled(now)))
}

fn end(dir: &SandboxDir, record: &Record, init: u32, mark: Option<Mark>, began: Option<Stamp>) {
    let Some(mut next) = mark else { return };
    // Asked before anything is looked at: what lives on may wait for the end of the look.
    let idle = is_idle(init);
    let now = top_stamp(record);
    let mut looked = true;
    if began.is_none() || began != now {
        match open(dir, record).and_then(|opened| Ok((opened, State::load(dir)?))) {
            Ok(((top, _lock), mut state)) => {
                let known = state.clone();
                inspect_names(dir, record, &top, &mut state, Maker::Inside);
                if state != known {
                    let _stale = state.save(dir);
                }
            }
            Err(error) => {
                looked = false;
                note_unlooked(dir, record, &error);
            }
        }
        // What was moved away changed the stamp again.
        next.checked =
            now.filter(|now| looked && top_stamp(record) == Some(*now)).and_then(settled).unwrap_or_default();
    }
    next.quiet = idle && looked;
    let _unmarked = next.write(dir);
}

/// Whatever was made inside is there still, and is the inside's also later.
fn note_unlooked(dir: &SandboxDir, record: &Record, error: &Error) {
    let message = format!("what the last command made in the workspace was not looked at: {}", error.describe());
    let finding = Finding::new(FindingCode::NotEnforced, message);
    if let Some(quarantine) = quarantine(dir, record)
        && !quarantine.findings().contains(&finding)
    {
        let _unwritten = quarantine.note(&finding);
    }
}

/// Looks at what is there once nothing runs of a sandbox any more, so that what turns up later is the host's.
pub(crate) fn settle(dir: &SandboxDir, record: &Record) {
    if has_git(record) {
        note_git(dir, record, git::collect(dir, record));
    }
    let Some(mark) = Mark::read(dir) else { return };
    let (Ok((top, _lock)), Ok(mut state)) = (open(dir, record), State::load(dir)) else { return };
    inspect_names(dir, record, &top, &mut state, if mark.quiet { Maker::Host } else { Maker::Inside });
    if state.save(dir).is_ok() {
        let _unmarked = Mark { quiet: true, checked: Stamp::default(), ..mark }.write(dir);
    }
}

/// The last look at a sandbox of which nothing runs any more and which is about to be removed: changed copies are kept.
pub(crate) fn finish(dir: &SandboxDir, record: &Record) {
    if has_git(record) {
        note_git(dir, record, git::collect(dir, record));
    }
    let Some(mark) = Mark::read(dir) else { return };
    let Ok((top, _lock)) = open(dir, record) else { return };
    let Ok(mut state) = State::load(dir) else { return };
    inspect_names(dir, record, &top, &mut state, if mark.quiet { Maker::Host } else { Maker::Inside });
    let shadows = Shadows::new(dir, record, &top);
    let Some(quarantine) = quarantine(dir, record) else { return };
    for shadow in state.shadows.iter().filter(|shadow| shadows.changed(shadow)) {
        if let Some(copy) = &shadow.copy
            && let Ok(kept) = quarantine.adopt(&shadows.place(copy), &shadow.path)
        {
            let message = format!("{} was changed inside; the host's is as it was", shadow.path.display());
            let _unwritten = quarantine.note(&guarded(record, &shadow.path, message, Some(kept)));
        }
    }
    let _stale = state.save(dir);
}

/// What is known of the guards of a sandbox.
pub(crate) fn noted(dir: &SandboxDir, record: &Record) -> Vec<Finding> {
    let mut findings = quarantine(dir, record).map(|quarantine| quarantine.findings()).unwrap_or_default();
    findings.extend(super::scan::Report::load(dir).map(|report| report.findings).unwrap_or_default());
    let (Ok(top), Ok(state)) = (beneath::top(&record.workspace), State::load(dir)) else { return findings };
    let shadows = Shadows::new(dir, record, &top);
    for shadow in &state.shadows {
        let shown = shadow.path.display();
        if shadows.changed(shadow) {
            let copy = shadow.copy.as_deref().map(|copy| shadows.place(copy));
            let message = format!("{shown} was changed inside; the host's is as it was");
            findings.push(guarded(record, &shadow.path, message, copy));
        }
        if !shadows.is_on(shadow) {
            let message = format!(
                "{shown} was replaced on the host, and its guard came off with what was there; `loopbox stop {}` has it \
                 put back at the next start",
                record.name
            );
            findings.push(guarded(record, &shadow.path, message, None));
        }
    }
    for path in state.known.keys().filter(|path| state.shadow(path).is_none()) {
        let below = state.shadows.iter().any(|shadow| path.starts_with(&shadow.path));
        if !below && beneath::look(&top, path).is_some() {
            let message = format!(
                "{} is not guarded: it was made on the host while the sandbox ran, or is neither file nor directory; \
                 `loopbox stop {}` has it looked at anew at the next start",
                path.display(),
                record.name
            );
            findings.push(guarded(record, path, message, None));
        }
    }
    findings
}

/// Who made what was not there when the workspace was last looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Maker {
    /// Nothing ran inside since.
    Host,
    /// A command did, or something that one left behind.
    Inside,
}

/// Brings what is known of the guarded names up to date; what was made inside goes to the quarantine.
fn inspect_names(dir: &SandboxDir, record: &Record, top: &OwnedFd, state: &mut State, maker: Maker) {
    let present = present(record, top, state);
    state.known.retain(|path, _| present.contains_key(path));
    for path in present.keys() {
        let Some(now) = beneath::identity(top, path) else { continue };
        let replaced = match state.known.get(path) {
            Some(before) if *before == now => continue,
            // What a mount lies on cannot be replaced from inside.
            Some(before) => state.shadow(path).is_none_or(|shadow| shadow.on != Some(*before)),
            None => true,
        };
        if maker == Maker::Inside && replaced && is_moved(dir, record, top, path) {
            state.known.remove(path);
        } else {
            state.known.insert(path.clone(), now);
        }
    }
}

/// Moves what was made inside to the quarantine; whether it is gone.
fn is_moved(dir: &SandboxDir, record: &Record, top: &OwnedFd, path: &Path) -> bool {
    let Some(quarantine) = quarantine(dir, record) else { return false };
    let reason = reason(path);
    let shown = path.display();
    let (finding, moved) = match quarantine.take(top, path) {
        Ok(kept) => {
            let message = format!("{shown} was made inside and moved out of the workspace: {reason}");
            (guarded(record, path, message, Some(kept)), true)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => return true,
        Err(error) => {
            let message = format!("{shown} was made inside and could not be moved away ({error}): {reason}");
            (guarded(record, path, message, None), false)
        }
    };
    let _unwritten = quarantine.note(&finding);
    moved
}

fn reason(path: &Path) -> &'static str {
    let listed = GUARDED.iter().find(|guarded| Path::new(guarded.path) == path);
    listed.map_or("the repository's configuration names it as the directory of its hooks", |guarded| guarded.reason)
}

fn guarded(record: &Record, path: &Path, message: String, kept: Option<PathBuf>) -> Finding {
    let path = Some(record.workspace.canonical.join(path));
    Finding { path, quarantine: kept, ..Finding::new(FindingCode::Guarded, message) }
}

/// The guarded paths that exist, by name alone.
fn present(record: &Record, top: &OwnedFd, state: &State) -> BTreeMap<PathBuf, Stat> {
    let listed = GUARDED.iter().map(|guarded| Path::new(guarded.path)).chain(state.hooks.as_deref());
    listed
        .filter(|path| !allow::allows(&record.settings.guard_allow, path))
        .filter_map(|path| Some((path.to_owned(), beneath::look(top, path)?)))
        .collect()
}

/// What the configuration of the workspace's repository names as its hooks.
fn hooks(record: &Record) -> Option<PathBuf> {
    let workspace = &record.workspace.canonical;
    let config = match record.native.as_ref().and_then(|native| native.git.as_ref()) {
        Some(git) => std::fs::File::open(&git.common).ok().and_then(|common| read(&OwnedFd::from(common), "config")),
        None => read(&beneath::top(&record.workspace).ok()?, ".git/config"),
    }?;
    list::hooks_path(workspace, &config)
}

fn read(at: &OwnedFd, path: &str) -> Option<String> {
    Some(String::from_utf8_lossy(&beneath::read(at, path, MAX_CONFIG).ok()?).into_owned())
}

fn open(dir: &SandboxDir, record: &Record) -> Result<(OwnedFd, Lock)> {
    let top = beneath::top(&record.workspace).map_err(|error| Error::io("opening the workspace", error))?;
    Ok((top, lock(dir)?))
}

fn lock(dir: &SandboxDir) -> Result<Lock> {
    Lock::acquire(&dir.join("guard.lock"))
}

fn quarantine(dir: &SandboxDir, record: &Record) -> Option<Quarantine> {
    Some(Quarantine::of(dir.path().parent()?.parent()?, record))
}

fn top_stamp(record: &Record) -> Option<Stamp> {
    Some(stamp(&statat(CWD, &record.workspace.canonical, AtFlags::SYMLINK_NOFOLLOW).ok()?))
}

/// Whether nothing lives inside but init: orphans are its children.
fn is_idle(init: u32) -> bool {
    std::fs::read(format!("/proc/{init}/task/{init}/children")).is_ok_and(|children| children.is_empty())
}
