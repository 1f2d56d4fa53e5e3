//! Compares the host's files of git with the sandbox's, and makes them the same again.
//!
//! Each file is compared with what both had last, so it is known which side changed it. HEAD, the index and packed refs
//! go both ways, and out only if they are what git would have written. All other files only go in: what the sandbox did
//! to its own stays there, until the host's changes. Nothing is lost: what must give way is kept.

mod link;
mod mirror;

use std::io;
use std::path::PathBuf;

use sha2::{Digest, Sha256};

use super::files::{Content, Seen, look, read};
use super::find::MAX_INDEX;
use super::index::{Hash, Index, Refused};
use super::place::{Area, New, Outward, Placer, remove};
use super::refs::{self, Refs};
use super::state::{State, Synced};
use super::{sweep, view};
use crate::info::{Finding, FindingCode};

/// Directories that are copied: what is in them is executed, or steers git, or belongs to one working tree at a time.
pub(super) const COPIED: [&str; 6] = ["branches", "hooks", "info", "rebase-apply", "rebase-merge", "sequencer"];

/// Files of one working tree that go both ways.
const OF_WORKTREE: [(&str, Kind); 6] = [
    ("HEAD", Kind::Head),
    ("index", Kind::Index),
    ("ORIG_HEAD", Kind::Objects),
    ("MERGE_HEAD", Kind::Objects),
    ("CHERRY_PICK_HEAD", Kind::Objects),
    ("REVERT_HEAD", Kind::Objects),
];
/// Files of the repository that go both ways.
const OF_REPOSITORY: [(&str, Kind); 2] = [("packed-refs", Kind::PackedRefs), ("shallow", Kind::Objects)];

/// What the refs were when both sides had the same.
const BASE: &str = "base-packed-refs";

/// Larger files of these kinds are not git's.
const MAX_TEXT: u64 = 1 << 20;
const MAX_REFS: u64 = 256 << 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Head,
    Objects,
    PackedRefs,
    Index,
    /// `.git/config`, where it was allowed.
    Config,
}

impl Kind {
    fn limit(self) -> u64 {
        match self {
            Self::Index => MAX_INDEX,
            Self::PackedRefs => MAX_REFS,
            _ => MAX_TEXT,
        }
    }

    /// Git never removes it, so one that is gone was not removed by git.
    fn is_required(self) -> bool {
        self != Self::Objects
    }
}

/// A file of either side.
struct Side {
    bytes: Vec<u8>,
    mode: u32,
    seen: Seen,
    meaning: Meaning,
    /// Absent if the file means as much as none.
    digest: Option<String>,
}

enum Meaning {
    Text,
    Refs(Refs),
    Index(Box<Index>),
}

/// Both sides of one sandbox's git, while its lock is held.
pub(super) struct Sync {
    /// The `.git` file, and the directory that it names.
    pub(super) link: Option<(PathBuf, PathBuf)>,
    pub(super) areas: Vec<Area>,
    pub(super) placer: Placer,
    pub(super) state: State,
    pub(super) findings: Vec<Finding>,
    /// The part of the working tree that is visible, if not all of it is.
    pub(super) visible: Option<Vec<u8>>,
    /// The sandbox is about to start: nothing inside looks on, and what is missing there is made.
    pub(super) starting: bool,
    pub(super) now: i64,
    /// Something could not be compared to the end, or may change without a trace.
    pub(super) unfinished: bool,
    /// The state was changed before all was compared.
    pub(super) unwritten: bool,
}

impl Sync {
    fn hash(&self) -> Hash {
        if self.state.sha256 { Hash::Sha256 } else { Hash::Sha1 }
    }

    /// Compares everything.
    pub(super) fn run(&mut self) -> io::Result<()> {
        let before = self.state.clone();
        self.placer.recover(&self.areas)?;
        if self.starting {
            Placer::unlock(&self.areas)?;
        }
        for at in 0..self.areas.len() {
            self.run_area(at)?;
        }
        self.check_link();
        if self.starting {
            self.select_visible()?;
        }
        self.end(&before)
    }

    /// Compares everything, and looks at what the sandbox may have made in what is shared.
    pub(super) fn run_and_sweep(&mut self) -> io::Result<()> {
        let mut changed = false;
        for area in &self.areas {
            changed |= sweep::sweep(area, &mut self.state.trees, self.now, &mut self.findings);
        }
        self.unwritten |= changed;
        self.run()
    }

    fn run_area(&mut self, at: usize) -> io::Result<()> {
        let area = &self.areas[at];
        let name = area.name;
        let seen = |fd: &std::os::fd::OwnedFd| rustix::fs::fstat(fd).map(|stat| Seen::of(&stat));
        let tops = (seen(&area.host)?, seen(&area.private)?);
        // An editor may write a configuration in place.
        let quiet = !self.starting && !self.state.config_allowed && self.state.tops.get(name) == Some(&tops);
        let mut folders: Vec<&str> = COPIED.to_vec();
        if quiet {
            folders.retain(|folder| self.state.folders.contains_key(&format!("{name}/{folder}")));
        }
        self.unfinished = false;
        for (name, kind) in self.both_ways(at) {
            // What is always there may be written in place by something else than git.
            if !quiet || kind.is_required() {
                self.compare(at, name, kind)?;
            }
        }
        if self.unfinished || !tops.0.is_settled(self.now) || !tops.1.is_settled(self.now) {
            self.state.tops.remove(name);
        } else {
            self.state.tops.insert(name.to_owned(), tops);
        }
        self.mirror(at, "")?;
        folders.into_iter().try_for_each(|folder| self.mirror(at, folder))
    }

    /// Compares packed refs only.
    pub(super) fn run_refs(&mut self) -> io::Result<()> {
        let before = self.state.clone();
        self.placer.recover(&self.areas)?;
        self.compare(0, "packed-refs", Kind::PackedRefs)?;
        self.end(&before)
    }

    /// Writes down what was found for the next who asks.
    pub(super) fn keep_findings(&mut self) -> io::Result<()> {
        if self.findings.is_empty() {
            return Ok(());
        }
        self.state.pending = std::mem::take(&mut self.findings);
        self.state.write(self.placer.dir()).map_err(io::Error::other)
    }

    fn end(&mut self, before: &State) -> io::Result<()> {
        self.placer.step("compared");
        if self.unwritten || self.state != *before {
            self.state.write(self.placer.dir()).map_err(io::Error::other)?;
        }
        self.placer.finish()
    }

    /// Whether HEAD and the index of this working tree are in that area.
    fn is_worktrees(&self, at: usize) -> bool {
        at + 1 == self.areas.len()
    }

    fn both_ways(&self, at: usize) -> Vec<(&'static str, Kind)> {
        let mut files = Vec::new();
        if at == 0 {
            // Refs first: HEAD names one.
            files.extend(OF_REPOSITORY);
            files.extend(self.state.config_allowed.then_some(("config", Kind::Config)));
        }
        if self.is_worktrees(at) {
            files.extend(OF_WORKTREE);
        }
        files
    }

    fn compare(&mut self, at: usize, name: &str, kind: Kind) -> io::Result<()> {
        let area = &self.areas[at];
        let key = format!("{}/{name}", area.name);
        let last = self.state.files.get(&key).cloned().unwrap_or_default();
        let host = look(&area.host, name)?.map(|stat| Seen::of(&stat));
        let private = look(&area.private, name)?.map(|stat| Seen::of(&stat));
        let unchanged = (host, private) == (last.host, last.private);
        if unchanged && (last.settled || (host.is_none() && private.is_none())) {
            return Ok(());
        }
        let host = match read(&area.host, name, kind.limit())? {
            Content::Absent => None,
            // Not in a form that is understood; what stands for it inside stays as it is.
            Content::Unfit => return Ok(()),
            Content::File(bytes, stat) => Some(self.host_side(bytes, &stat, kind)),
        };
        let content = host.as_ref().and_then(|side| side.digest.clone());
        let area = &self.areas[at];
        let private = match read(&area.private, name, kind.limit())? {
            Content::Absent => None,
            Content::Unfit => {
                let kept = self.placer.move_aside(&area.private, name)?;
                self.guarded(at, name, "was not a file of git's inside", Some(kept));
                None
            }
            Content::File(bytes, stat) => match self.side(bytes, &stat, kind) {
                Ok(side) => Some(side),
                Err((refused, _)) => {
                    let kept = self.placer.move_aside(&area.private, name)?;
                    let why = format!("{refused}: it was not taken over from the sandbox");
                    self.guarded(at, name, &why, Some(kept));
                    None
                }
            },
        };
        let wanted = private.as_ref().and_then(|side| side.digest.clone());
        if wanted == content {
            if let Some(Side { meaning: Meaning::Refs(refs), .. }) = &host {
                self.write_base(refs)?;
            }
            self.note(key, host.map(|side| side.seen), private.map(|side| side.seen), content);
            Ok(())
        } else if wanted == last.content || (private.is_none() && (kind.is_required() || content != last.content)) {
            self.take_in(at, name, &key, host)
        } else if content == last.content {
            self.take_out(at, name, &key, host, private)
        } else {
            self.join(at, name, &key, host, private)
        }
    }

    /// A file of the host's; one that is not understood is compared byte by byte.
    fn host_side(&self, bytes: Vec<u8>, stat: &rustix::fs::Stat, kind: Kind) -> Side {
        match self.side(bytes, stat, kind) {
            Ok(side) => side,
            Err((_, bytes)) => {
                let digest = Some(format!("raw:{}", crate::fs::to_hex(&Sha256::digest(&bytes))));
                Side { bytes, mode: stat.st_mode, seen: Seen::of(stat), meaning: Meaning::Text, digest }
            }
        }
    }

    fn side(&self, bytes: Vec<u8>, stat: &rustix::fs::Stat, kind: Kind) -> Result<Side, (Refused, Vec<u8>)> {
        match understand(&bytes, kind, self.hash()) {
            Ok((meaning, digest)) => Ok(Side { bytes, mode: stat.st_mode, seen: Seen::of(stat), meaning, digest }),
            Err(refused) => Err((refused, bytes)),
        }
    }

    /// Only the host changed it.
    fn take_in(&mut self, at: usize, name: &str, key: &str, host: Option<Side>) -> io::Result<()> {
        let Some(host) = host else {
            // A lock is not needed: nothing is replaced.
            remove(&self.areas[at].private, name)?;
            self.note(key.to_owned(), None, None, None);
            return Ok(());
        };
        let Side { mut bytes, mode, seen, meaning, digest } = host;
        let mut base = None;
        match (meaning, self.visible.as_deref()) {
            (Meaning::Index(index), Some(visible)) => bytes = view::index(*index, visible),
            (Meaning::Refs(refs), _) => base = Some(refs),
            (Meaning::Text, visible) if name == "config" => bytes = view::config(bytes, visible),
            _ => {}
        }
        let new = New { bytes: &bytes, mode, modified: seen.modified() };
        if let Some(private) = self.placer.inward(&self.areas[at].private, name, &new)? {
            // Only now: until the sandbox has them, they are not what both have.
            if let Some(base) = base {
                self.write_base(&base)?;
            }
            self.note(key.to_owned(), Some(seen), Some(private), digest);
        } else {
            self.unfinished = true;
        }
        Ok(())
    }

    /// Only the sandbox changed it.
    fn take_out(
        &mut self,
        at: usize,
        name: &str,
        key: &str,
        host: Option<Side>,
        private: Option<Side>,
    ) -> io::Result<()> {
        let expected = host.as_ref().map(|side| side.seen);
        let known = match &host {
            Some(Side { meaning: Meaning::Index(index), .. }) => Some(&**index),
            Some(_) if name == "index" => {
                let why = "is not taken over from the sandbox, since the host's is split (core.splitIndex) or damaged";
                self.guarded(at, name, why, None);
                self.note(key.to_owned(), expected, private.map(|side| side.seen), host.and_then(|side| side.digest));
                return Ok(());
            }
            _ => None,
        };
        let Some(private) = private else {
            let outcome = self.placer.outward(&self.areas[at], name, None, expected);
            self.sent(at, name, key, outcome, None, None);
            return Ok(());
        };
        let Side { mut bytes, mode, seen, meaning, digest } = private;
        let mut base = None;
        match meaning {
            Meaning::Index(index) => {
                if index.is_sparse() && !known.is_some_and(Index::is_sparse) {
                    let why =
                        "is not taken over from the sandbox, since it is sparse (git sparse-checkout --sparse-index)";
                    self.guarded(at, name, why, None);
                    self.note(key.to_owned(), expected, Some(seen), host.and_then(|side| side.digest));
                    return Ok(());
                }
                bytes = index.without_claims(known).to_bytes();
            }
            Meaning::Refs(refs) => {
                let last = match &host {
                    Some(Side { meaning: Meaning::Refs(refs), .. }) => refs.clone(),
                    _ => Refs::new(),
                };
                // The same as the sandbox's, without what it says that its tags point to.
                bytes = refs::write_packed(&refs::merge(&last, &last, &refs).0);
                base = Some(refs);
            }
            Meaning::Text => {}
        }
        let new = New { bytes: &bytes, mode, modified: seen.modified().min(self.now) };
        let outcome = self.placer.outward(&self.areas[at], name, Some(&new), expected);
        if self.sent(at, name, key, outcome, Some(seen), digest)
            && let Some(base) = base
        {
            self.write_base(&base)?;
        }
        Ok(())
    }

    /// Notes what became of a file on its way out; whether it arrived.
    fn sent(
        &mut self,
        at: usize,
        name: &str,
        key: &str,
        outcome: io::Result<Outward>,
        private: Option<Seen>,
        content: Option<String>,
    ) -> bool {
        self.unfinished |= !matches!(outcome, Ok(Outward::Done(_)));
        match outcome {
            Ok(Outward::Done(host)) => {
                self.note(key.to_owned(), host, private, content);
                return true;
            }
            // It is the host's turn; the next comparison sees what it did.
            Ok(Outward::Changed) => {}
            Ok(Outward::Busy) => {
                let why = "could not be taken over from the sandbox yet, since another git holds its lock";
                self.guarded(at, name, why, None);
            }
            Err(error) => {
                self.guarded(at, name, &format!("could not be taken over from the sandbox: {error}"), None);
            }
        }
        false
    }

    /// Both changed it.
    fn join(&mut self, at: usize, name: &str, key: &str, host: Option<Side>, private: Option<Side>) -> io::Result<()> {
        if look(&self.areas[at].private, format!("{name}.lock"))?.is_some() {
            // The sandbox's git is at it.
            self.unfinished = true;
            return Ok(());
        }
        let refs = |side: &Option<Side>| match side {
            Some(Side { meaning: Meaning::Refs(refs), .. }) => Some(refs.clone()),
            None => Some(Refs::new()),
            Some(_) => None,
        };
        if name == "packed-refs"
            && let (Some(ours), Some(theirs)) = (refs(&host), refs(&private))
        {
            return self.join_refs(at, key, host.map(|side| side.seen), private, (&ours, &theirs));
        }
        let kept = private.map(|side| self.placer.keep(&side.bytes)).transpose()?;
        self.guarded(at, name, "was changed both inside and on the host; the host's is kept", kept);
        self.take_in(at, name, key, host)
    }

    fn join_refs(
        &mut self,
        at: usize,
        key: &str,
        host: Option<Seen>,
        private: Option<Side>,
        (ours, theirs): (&Refs, &Refs),
    ) -> io::Result<()> {
        let base = crate::fs::read_limited(&self.placer.dir().join(BASE), MAX_REFS).ok().flatten().unwrap_or_default();
        let base = refs::parse_packed(&base, self.hash()).unwrap_or_default();
        let (merged, conflicts) = refs::merge(&base, ours, theirs);
        if !conflicts.is_empty() {
            let kept = private.map(|side| self.placer.keep(&side.bytes)).transpose()?;
            let why = format!("has refs that both sides changed, the host's are kept: {}", conflicts.join(", "));
            self.guarded(at, "packed-refs", &why, kept);
        }
        let bytes = refs::write_packed(&merged);
        let new = New { bytes: &bytes, mode: 0o644, modified: self.now };
        let area = &self.areas[at];
        let host = match self.placer.outward(area, "packed-refs", Some(&new), host) {
            Ok(Outward::Done(host)) => host,
            outcome => {
                self.sent(at, "packed-refs", key, outcome, None, None);
                return Ok(());
            }
        };
        self.placer.step("merged-outside");
        if let Some(private) = self.placer.inward(&area.private, "packed-refs", &new)? {
            self.placer.step("merged-inside");
            self.write_base(&merged)?;
            self.note(key.to_owned(), host, Some(private), refs::digest(&merged));
        } else {
            self.unfinished = true;
        }
        Ok(())
    }

    fn write_base(&self, refs: &Refs) -> io::Result<()> {
        let bytes = refs::write_packed(refs);
        crate::fs::write_atomic(self.placer.dir(), BASE, &bytes, crate::fs::Durability::ProcessDeath)
            .map_err(io::Error::other)
    }

    fn note(&mut self, key: String, host: Option<Seen>, private: Option<Seen>, content: Option<String>) {
        let settled = [host, private].into_iter().flatten().all(|seen| seen.is_settled(self.now));
        self.unfinished |= !settled;
        self.state.files.insert(key, Synced { host, private, content, settled });
    }

    fn guarded(&mut self, at: usize, name: &str, why: &str, kept: Option<PathBuf>) {
        let path = self.areas[at].path.join(name);
        let mut finding = Finding::new(FindingCode::Guarded, format!("{} {why}", path.display()));
        finding.path = Some(path);
        finding.quarantine = kept;
        self.findings.push(finding);
    }
}

fn understand(bytes: &[u8], kind: Kind, hash: Hash) -> Result<(Meaning, Option<String>), Refused> {
    let text = |bytes: &[u8]| Some(crate::fs::to_hex(&Sha256::digest(bytes.trim_ascii_end())));
    match kind {
        Kind::Head => refs::check_head(bytes, hash).map(|()| (Meaning::Text, text(bytes))),
        Kind::Objects => refs::check_objects(bytes, hash).map(|()| (Meaning::Text, text(bytes))),
        Kind::Config => Ok((Meaning::Text, text(bytes))),
        Kind::PackedRefs => {
            let refs = refs::parse_packed(bytes, hash)?;
            let digest = refs::digest(&refs);
            Ok((Meaning::Refs(refs), digest))
        }
        Kind::Index => {
            let index = Index::parse(bytes, hash)?;
            index.check()?;
            let digest = Some(index.digest());
            Ok((Meaning::Index(Box::new(index)), digest))
        }
    }
}
