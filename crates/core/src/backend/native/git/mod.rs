//! Git in a sandbox.
//!
//! The host's git executes what its configuration and hooks say, and writes where its index says. So the git directory
//! inside is the sandbox's own. Of the host's, only objects and refs are in it; all else are copies:
//!
//! ```text
//! .git/ ─────────────▶ SANDBOX/git/common/     the sandbox's own: configuration, hooks, HEAD, index, …
//!   objects refs ─────▶ the host's             commits of either side are seen by the other at once
//!   worktrees lfs …   ▶ the host's, read-only
//! ```
//!
//! A linked worktree has a second such directory, `SANDBOX/git/own`, for its own below `worktrees`. Before and after each
//! command both sides are compared ([`refresh`], [`collect`]): see `sync.rs`. A guard that is a mount over the host's
//! `config` would not hold, since a rename on the host takes it away without a sound.

mod allowed;
mod danger;
mod files;
mod find;
mod index;
mod mounts;
mod place;
mod refs;
mod state;
mod sweep;
mod sync;
mod view;

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use loopbox_init::sandbox::IdMap;

use allowed::Allowed;
pub(crate) use danger::danger;
use danger::settings;
pub(crate) use find::{Repository, find};
use index::Hash;
pub(crate) use mounts::above;
pub(super) use mounts::entries;
use place::{Area, LOCK, Placer};
use state::State;
use sync::Sync;

use crate::error::{Error, ErrorCode, Result};
use crate::fs::Lock;
use crate::info::{Finding, FindingCode};
use crate::record::Record;
use crate::registry::SandboxDir;

/// Before a command: what the host changed since goes in, and what earlier commands left goes out.
pub(crate) fn refresh(dir: &SandboxDir, record: &Record) -> Result<Vec<Finding>> {
    synchronise(dir, record, Sync::run)
}

/// After a command, at stop and before removal: what it did to HEAD, index and packed refs goes out. A repository that is
/// not there any more, or is another one, is a finding and no error: nothing would be better for waiting.
pub(crate) fn collect(dir: &SandboxDir, record: &Record) -> Result<Vec<Finding>> {
    match synchronise(dir, record, Sync::run_and_sweep) {
        Err(error) if error.code() == ErrorCode::WorkspaceChanged => {
            Ok(vec![Finding::new(FindingCode::Guarded, error.describe())])
        }
        result => result,
    }
}

/// While a command runs, about once a second: refs that one side has packed meanwhile become visible to the other. Two
/// `stat` if there are none.
pub(crate) fn follow(dir: &SandboxDir, record: &Record) -> Result<()> {
    let Some(repository) = shadowed(record) else { return Ok(()) };
    let path = dir.join(mounts::DIR);
    let known = State::read(&path)?.files.get("common/packed-refs").cloned().unwrap_or_default();
    let look = |dir: &Path| rustix::fs::lstat(dir.join("packed-refs")).ok().map(|stat| files::Seen::of(&stat));
    if (known.host, known.private) == (look(&repository.common), look(&path.join("common"))) {
        Ok(())
    } else {
        synchronise(dir, record, Sync::run_refs).map(drop)
    }
}

/// Makes the sandbox's own git directory before it starts, or fits the one that it has to what the host's is by now.
pub(super) fn prepare(dir: &SandboxDir, record: &Record) -> Result<()> {
    let path = dir.join(mounts::DIR);
    crate::fs::make_private_dir(&path)?;
    let _lock = Lock::acquire(&path.join(LOCK))?;
    let allowed = Allowed::of(record);
    let Some(repository) = shadowed(record).filter(|_| !allowed.whole) else {
        return State::forget(&path);
    };
    let failed = |error| Error::io(format!("preparing {} for the sandbox", repository.common.display()), error);
    make_shared(repository).map_err(failed)?;
    let mut state = State::read(&path)?;
    let mounted = mounted(repository).map_err(failed)?;
    if !state.mounted.is_empty() && state.mounted != mounted {
        for (name, _) in mounts::areas(repository) {
            // What it holds belongs to another repository.
            let kept = path.join(format!("{name}-{}", crate::fs::random_hex(4)?));
            fs::rename(path.join(name), kept).map_err(failed)?;
        }
        let message = format!("{} was replaced by another repository", repository.common.display());
        let mut finding = Finding::new(FindingCode::Guarded, message);
        finding.path = Some(repository.common.clone());
        state = State { pending: vec![finding], ..State::default() };
    }
    state.mounted = mounted;
    state.sha256 = find::hash(&repository.common) == Hash::Sha256;
    (state.config_allowed, state.hooks_allowed) = (allowed.config, allowed.hooks);
    let owner = agent(record);
    for (name, _) in mounts::areas(repository) {
        super::make_owned(&path.join(name), 0o755, owner)?;
    }
    let run = || -> io::Result<()> {
        let mut sync = sync(&path, record, repository, state)?;
        for (at, (_, git_dir)) in mounts::areas(repository).enumerate() {
            for part in mounts::parts(git_dir, allowed) {
                let place = sync.placer.directory(&sync.areas[at].private, &part.name)?;
                if part.name == mounts::REFS {
                    for kind in mounts::kinds_of_refs(git_dir) {
                        sync.placer.directory(&place, &kind)?;
                    }
                }
            }
        }
        sync.starting = true;
        sync.areas.iter().try_for_each(|area| begin_logs(area, owner))?;
        sync.run()?;
        sync.keep_findings()
    };
    run().map_err(failed)
}

/// Gives a new sandbox the logs and the stash that the host has. More of them than a copy may hold are none: git goes on without.
fn begin_logs(area: &Area, owner: Option<u32>) -> io::Result<()> {
    use std::ffi::OsStr;
    const MAKING: &str = "logs.new";
    const STASH: &str = "refs/stash";
    if files::look(&area.private, mounts::LOGS)?.is_some() {
        return Ok(());
    }
    crate::guard::remove_tree(&area.private, OsStr::new(MAKING))?;
    let owner = owner.map(|id| (id, id));
    let logs = Path::new(mounts::LOGS);
    match crate::guard::copy_tree(&area.host, logs, &area.private, OsStr::new(MAKING), owner) {
        Ok(()) => {
            if files::look(&area.host, STASH)?.is_some()
                && let Some(refs) = files::open_below(&area.private, mounts::REFS)?
            {
                crate::guard::copy_tree(&area.host, Path::new(STASH), &refs, OsStr::new("stash"), owner)?;
            }
            Ok(rustix::fs::renameat(&area.private, MAKING, &area.private, mounts::LOGS)?)
        }
        Err(_) => crate::guard::remove_tree(&area.private, OsStr::new(MAKING)),
    }
}

fn synchronise(
    dir: &SandboxDir,
    record: &Record,
    run: impl FnOnce(&mut Sync) -> io::Result<()>,
) -> Result<Vec<Finding>> {
    let Some(repository) = shadowed(record) else { return Ok(Vec::new()) };
    let path = dir.join(mounts::DIR);
    if !path.exists() {
        // Made by a version that had no such directory, and not started since.
        return Ok(Vec::new());
    }
    let _lock = Lock::acquire(&path.join(LOCK))?;
    let state = State::read(&path)?;
    if state.mounted.is_empty() {
        return Ok(Vec::new());
    }
    if mounted(repository).ok().as_ref() != Some(&state.mounted) {
        let message =
            format!("{} is no longer the git directory that the sandbox was started with", repository.common.display());
        return Err(Error::new(ErrorCode::WorkspaceChanged, message)
            .with_hint(format!("`loopbox stop {}`, then run again", record.name)));
    }
    let failed = |error| Error::io(format!("comparing {} with the sandbox's", repository.common.display()), error);
    let mut sync = sync(&path, record, repository, state).map_err(failed)?;
    match run(&mut sync).map_err(failed) {
        Err(error) if sync.findings.is_empty() => return Err(error),
        // What was found before is told all the same.
        Err(error) => sync.findings.push(Finding::new(FindingCode::NotEnforced, error.describe())),
        Ok(()) => {}
    }
    Ok(sync.findings)
}

/// The repository that is taken apart for that sandbox.
fn shadowed(record: &Record) -> Option<&Repository> {
    record.native.as_ref()?.git.as_ref().filter(|repository| !repository.sealed)
}

fn sync(path: &Path, record: &Record, repository: &Repository, mut state: State) -> io::Result<Sync> {
    let own = files::open_top(path)?;
    let areas = mounts::areas(repository).map(|(name, host)| {
        files::open_up_if_closed(&own, name)?;
        let (private, host_fd) = (files::open_top(&path.join(name))?, files::open_top(host)?);
        Ok(Area { name, path: host.to_owned(), host: host_fd, private })
    });
    Ok(Sync {
        link: repository.link.clone().map(|link| (link, repository.private_part().to_owned())),
        areas: areas.collect::<io::Result<_>>()?,
        placer: Placer::new(path.to_owned(), agent(record), &record.id)?,
        findings: std::mem::take(&mut state.pending),
        state,
        visible: view::visible(repository, &record.workspace.canonical),
        starting: false,
        now: files::now(),
        unfinished: false,
        unwritten: false,
    })
}

/// The host's id of `agent`, where it is not the caller's.
fn agent(record: &Record) -> Option<u32> {
    match record.native.as_ref()?.ids {
        ids @ IdMap::Range { .. } => Some(ids.agent().0),
        IdMap::Single { .. } => None,
    }
}

fn mounted(repository: &Repository) -> io::Result<std::collections::BTreeMap<String, (u64, u64)>> {
    let identities = mounts::areas(repository).map(|(name, path)| {
        let metadata = fs::symlink_metadata(path)?;
        Ok((name.to_owned(), (metadata.dev(), metadata.ino())))
    });
    identities.collect()
}

/// Directories that git itself makes when it first needs them, and that must be there to be shared.
fn make_shared(repository: &Repository) -> io::Result<()> {
    for (_, path) in mounts::areas(repository) {
        let top = files::open_top(path)?;
        let owner = rustix::fs::fstat(&top)?;
        for (parent, names) in [("objects", &["info"][..]), (mounts::REFS, &["heads", "remotes", "tags"])] {
            let Some(at) = files::open_below(&top, parent)? else { continue };
            for name in names {
                match rustix::fs::mkdirat(&at, *name, rustix::fs::Mode::from_raw_mode(owner.st_mode & 0o777)) {
                    Ok(()) if rustix::process::geteuid().is_root() => {
                        let (uid, gid) =
                            (rustix::fs::Uid::from_raw(owner.st_uid), rustix::fs::Gid::from_raw(owner.st_gid));
                        rustix::fs::chownat(&at, *name, Some(uid), Some(gid), rustix::fs::AtFlags::SYMLINK_NOFOLLOW)?;
                    }
                    Ok(()) | Err(rustix::io::Errno::EXIST) => {}
                    Err(errno) => return Err(errno.into()),
                }
            }
        }
    }
    Ok(())
}
