//! The walk: by descriptors, no link followed, bounded in time, depth and memory.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use jiff::Timestamp;
use rustix::fs::{AtFlags, Dir, FileType, Stat, StatxFlags, statat, statx};

use super::super::list::{self, INSTALLED};
use super::super::quarantine::Quarantine;
use super::super::state::{Stamp, stamp};
use super::super::{allow, beneath};
use super::git::{self, Looks, Offence};
use super::links::Links;
use super::{Baseline, Report};
use crate::info::{Finding, FindingCode};
use crate::record::Record;

/// A workspace with more names than this is scanned in part.
const MAX_NAMES: u64 = 5_000_000;
/// A scan that takes longer than this is given up.
const MAX_TIME: Duration = Duration::from_mins(5);
/// Deeper than any project; each level holds a descriptor.
const MAX_DEPTH: usize = 200;
/// How many findings of one kind are told one by one.
const MAX_FINDINGS: usize = 50;

/// Walks the workspace. What was made inside and the host would execute goes to the quarantine, everything else that is
/// found is told.
pub(super) fn scan(
    record: &Record,
    baseline: &mut Baseline,
    quarantine: &Quarantine,
    until: Option<SystemTime>,
) -> io::Result<Report> {
    let top = beneath::top(&record.workspace)?;
    let mut scan = Scan {
        record,
        top: &top,
        baseline,
        quarantine,
        until,
        deadline: Instant::now() + MAX_TIME,
        looked_at: 0,
        blocks: 0,
        links: Links::default(),
        findings: Vec::new(),
        counted: BTreeMap::new(),
        incomplete: None,
    };
    scan.directory(&top, Path::new(""), Place::default(), 0);
    Ok(scan.report())
}

/// Where in the tree a directory lies.
#[derive(Debug, Default, Clone, Copy)]
struct Place {
    /// Below a directory of installed or built things.
    installed: bool,
    /// In another repository than the workspace's own: its files are what somebody cloned.
    cloned: bool,
    /// In a directory of git's own.
    git: bool,
}

struct Scan<'a> {
    record: &'a Record,
    top: &'a OwnedFd,
    baseline: &'a mut Baseline,
    quarantine: &'a Quarantine,
    until: Option<SystemTime>,
    deadline: Instant,
    looked_at: u64,
    blocks: u64,
    links: Links,
    findings: Vec<Finding>,
    /// How often each kind of thing was found.
    counted: BTreeMap<&'static str, usize>,
    incomplete: Option<&'static str>,
}

impl Scan<'_> {
    fn directory(&mut self, directory: &OwnedFd, path: &Path, place: Place, depth: usize) {
        // Not opened anew: its owner may be kept from listing it.
        let Ok(entries) = rustix::io::dup(directory).and_then(Dir::new) else { return };
        let mut looks = Looks::default();
        let parent = path.file_name().unwrap_or_default();
        for entry in entries.flatten() {
            let name = entry.file_name().to_bytes();
            if matches!(name, b"." | b"..") {
                continue;
            }
            self.looked_at += 1;
            if self.looked_at > MAX_NAMES || (self.looked_at.is_multiple_of(1024) && Instant::now() > self.deadline) {
                self.incomplete = Some("it is too large to be scanned whole");
                return;
            }
            let Ok(stat) = statat(directory, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW) else { continue };
            looks.add(name);
            let name = OsStr::from_bytes(name);
            self.entry(directory, parent, name, &path.join(name), &stat, place, depth);
            if self.incomplete == Some("it is too large to be scanned whole") {
                return;
            }
        }
        if looks.like_a_repository() && !place.git {
            self.repository(path);
        }
    }

    #[expect(clippy::too_many_arguments, reason = "all of them are what is known of one name")]
    fn entry(
        &mut self,
        directory: &OwnedFd,
        parent: &OsStr,
        name: &OsStr,
        path: &Path,
        stat: &Stat,
        place: Place,
        depth: usize,
    ) {
        let kind = beneath::kind(stat);
        if kind == FileType::RegularFile {
            self.file(path, stat);
        }
        if kind == FileType::CharacterDevice || kind == FileType::BlockDevice {
            self.tell("devices", FindingCode::Guarded, path, "is a device node");
        } else if kind == FileType::Socket {
            self.tell("sockets", FindingCode::Guarded, path, "is a socket");
        }
        // At the top, commands themselves are followed by a look at these.
        let nested = depth > 0 && !place.installed && !place.git;
        if nested
            && let Some(guarded) = list::named(parent.as_bytes(), name.as_bytes())
            && !allow::allows(&self.record.settings.guard_allow, path)
            && self.judge(Offence { path: path.to_owned(), why: guarded.reason.to_owned() }, place.cloned)
        {
            return;
        }
        let is_git = name == ".git";
        if is_git
            && depth > 0
            && kind == FileType::RegularFile
            && let Some(why) = git::leads_outside(self.top, path)
        {
            self.judge(Offence { path: path.to_owned(), why }, true);
        }
        if kind == FileType::Directory {
            if is_git && (depth > 0 || self.is_new_repository(path)) {
                self.repository(path);
            }
            let below = Place {
                installed: place.installed || INSTALLED.iter().any(|installed| name == *installed),
                cloned: place.cloned,
                git: place.git || is_git,
            };
            self.descend(directory, name, path, below, depth + 1);
        }
    }

    fn descend(&mut self, directory: &OwnedFd, name: &OsStr, path: &Path, place: Place, depth: usize) {
        if depth > MAX_DEPTH {
            self.incomplete.get_or_insert("it is nested too deeply to be scanned whole");
            return;
        }
        // One that cannot be entered by us cannot be by the host's user either.
        if let Ok(below) = beneath::directory(directory.as_fd(), name) {
            let cloned = place.cloned || statat(&below, ".git", AtFlags::SYMLINK_NOFOLLOW).is_ok();
            self.directory(&below, path, Place { cloned, ..place }, depth);
        }
    }

    fn file(&mut self, path: &Path, stat: &Stat) {
        if stat.st_mode & 0o6000 != 0 {
            let kind = if stat.st_mode & 0o4000 != 0 { "setuid" } else { "setgid" };
            self.tell("setuid files", FindingCode::Setuid, path, &format!("is {kind}"));
        }
        if self.links.add(stat, path) {
            self.blocks += u64::try_from(stat.st_blocks).unwrap_or(0);
        }
    }

    /// The workspace's own repository is guarded while the sandbox runs; one that was made there since is not.
    fn is_new_repository(&self, path: &Path) -> bool {
        self.record.native.as_ref().is_none_or(|native| native.git.is_none()) && self.is_born(path)
    }

    fn repository(&mut self, path: &Path) {
        for offence in git::offences(self.top, path) {
            if !self.is_new(&offence.path) {
                let message = format!("was there before the sandbox was made: {}", offence.why);
                self.tell("guarded paths", FindingCode::Guarded, &offence.path, &message);
            }
            self.judge(offence, false);
        }
    }

    /// Moves what was made inside to the quarantine, unless it is only to be told; whether it is gone.
    fn judge(&mut self, offence: Offence, only_told: bool) -> bool {
        let Offence { path, why } = offence;
        if !self.is_new(&path) {
            self.baseline.add(&path);
            return false;
        }
        if only_told || self.baseline.holds(&path) {
            self.tell(
                "guarded paths",
                FindingCode::Guarded,
                &path,
                &format!("was changed since the sandbox was made: {why}"),
            );
            return false;
        }
        let shown = path.display();
        let (message, kept) = match self.quarantine.take(self.top, &path) {
            Ok(kept) => (format!("{shown} was made inside and moved out of the workspace: {why}"), kept),
            Err(error) => {
                let message = format!("was made inside and could not be moved away ({error}): {why}");
                self.tell("guarded paths", FindingCode::Guarded, &path, &message);
                return false;
            }
        };
        let path = Some(self.record.workspace.canonical.join(&path));
        let finding = Finding { path, quarantine: Some(kept), ..Finding::new(FindingCode::Guarded, message) };
        let _unwritten = self.quarantine.note(&finding);
        true
    }

    /// Whether something was made, moved or written since the sandbox was made.
    fn is_new(&self, path: &Path) -> bool {
        beneath::look(self.top, path).is_some_and(|stat| self.is_since(stamp(&stat)))
    }

    /// Whether something was made since the sandbox was, as far as its file system can tell.
    fn is_born(&self, path: &Path) -> bool {
        let Ok(found) = statx(self.top, path, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::BTIME) else { return false };
        let told = StatxFlags::from_bits_retain(found.stx_mask).contains(StatxFlags::BTIME);
        told && self.is_since((found.stx_btime.tv_sec, found.stx_btime.tv_nsec.into()))
    }

    fn is_since(&self, (seconds, nanoseconds): Stamp) -> bool {
        let (Ok(seconds), Ok(nanoseconds)) = (u64::try_from(seconds), u32::try_from(nanoseconds)) else { return false };
        let time = SystemTime::UNIX_EPOCH + Duration::new(seconds, nanoseconds);
        time > SystemTime::from(self.record.created) && self.until.is_none_or(|until| time <= until)
    }

    fn tell(&mut self, what: &'static str, code: FindingCode, path: &Path, message: &str) {
        let count = self.counted.entry(what).or_insert(0_usize);
        *count += 1;
        if *count <= MAX_FINDINGS {
            let message = format!("{} {message}", path.display());
            let path = Some(self.record.workspace.canonical.join(path));
            self.findings.push(Finding { path, ..Finding::new(code, message) });
        }
    }

    fn report(mut self) -> Report {
        if self.incomplete.is_none() {
            for (path, names) in std::mem::take(&mut self.links).elsewhere() {
                let message =
                    format!("has {names} names, not all of them in the workspace: a write to it is a write there");
                self.tell("hard links", FindingCode::HardLink, &path, &message);
            }
        }
        if let Some(limit) = self.record.settings.limits.disk_bytes {
            let used = self.blocks.saturating_mul(512);
            if used > limit {
                let message = format!("the workspace takes {used} bytes, and {limit} were asked for");
                let path: Option<PathBuf> = Some(self.record.workspace.canonical.clone());
                self.findings.push(Finding { path, ..Finding::new(FindingCode::Disk, message) });
            }
        }
        let further = self.counted.iter().filter(|(_, count)| **count > MAX_FINDINGS);
        let further: Vec<Finding> = further
            .map(|(what, count)| {
                let code = self.findings.iter().map(|finding| finding.code).find(|code| matches(what, *code));
                let message = format!("{} further {what} in the workspace", count - MAX_FINDINGS);
                Finding::new(code.unwrap_or(FindingCode::Guarded), message)
            })
            .collect();
        self.findings.extend(further);
        if let Some(why) = self.incomplete {
            self.findings
                .push(Finding::new(FindingCode::NotEnforced, format!("the workspace was scanned in part: {why}")));
        }
        Report { at: Timestamp::now(), looked_at: self.looked_at, findings: self.findings }
    }
}

fn matches(what: &str, code: FindingCode) -> bool {
    match code {
        FindingCode::HardLink => what == "hard links",
        FindingCode::Setuid => what == "setuid files",
        FindingCode::Guarded => !matches!(what, "hard links" | "setuid files"),
        _ => false,
    }
}
