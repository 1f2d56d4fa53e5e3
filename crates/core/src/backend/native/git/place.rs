//! Puts files in place on either side, in one step, under git's own lock.
//!
//! A file is made under a name of ours, linked to the name of git's lock (which fails if a git holds it), and renamed
//! from there. Whoever dies in between leaves a lock that is the very file under our name, and so is known for ours.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Gid, Mode, OFlags, Timestamps, Uid, linkat, openat, renameat, unlinkat};
use rustix::io::Errno;
use rustix::time::Timespec;

use super::files::{Seen, look, open_top};

/// Held while both sides are compared.
pub(super) const LOCK: &str = "lock";
/// There while files are put in place.
const WRITING: &str = "writing";
/// A file on its way in.
const INCOMING: &str = "incoming";
/// How often a lock of the host's git is tried for, and how long it is waited in between.
const TRIES: u32 = 10;
const BETWEEN_TRIES: std::time::Duration = std::time::Duration::from_millis(5);

/// A git directory of the host's, and what stands for it inside.
pub(super) struct Area {
    pub(super) name: &'static str,
    pub(super) path: PathBuf,
    pub(super) host: OwnedFd,
    pub(super) private: OwnedFd,
}

/// What became of a file on its way out.
pub(super) enum Outward {
    Done(Option<Seen>),
    /// The host's git holds the lock.
    Busy,
    /// The host's file is another one than it was.
    Changed,
}

/// What a new file looks like.
pub(super) struct New<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) mode: u32,
    /// Nanoseconds since the epoch.
    pub(super) modified: i64,
}

/// Puts files in place for one sandbox, whose lock its user holds.
pub(super) struct Placer {
    dir: PathBuf,
    fd: OwnedFd,
    /// The host's id of `agent`, if it is not the caller's.
    owner: Option<u32>,
    /// The name of files on their way out.
    outgoing: String,
    writing: bool,
}

impl Placer {
    pub(super) fn new(dir: PathBuf, owner: Option<u32>, id: &str) -> io::Result<Self> {
        let fd = open_top(&dir)?;
        Ok(Self { dir, fd, owner, outgoing: format!("loopbox-{id}"), writing: false })
    }

    /// Clears away what somebody who died here had not finished.
    pub(super) fn recover(&mut self, areas: &[Area]) -> io::Result<()> {
        if look(&self.fd, WRITING)?.is_none() {
            return Ok(());
        }
        self.writing = true;
        let incoming = look(&self.fd, INCOMING)?.map(|stat| (stat.st_dev, stat.st_ino));
        for area in areas {
            let outgoing = look(&area.host, &self.outgoing)?.map(|stat| (stat.st_dev, stat.st_ino));
            for (side, ours) in [(&area.host, outgoing), (&area.private, incoming)] {
                for name in LOCKED.iter().chain(&PSEUDO_REFS) {
                    let lock = format!("{name}.lock");
                    let there = look(side, &lock)?.map(|stat| (stat.st_dev, stat.st_ino));
                    if there.is_some() && there == ours {
                        remove(side, &lock)?;
                    }
                }
            }
            remove(&area.host, &self.outgoing)?;
        }
        remove(&self.fd, INCOMING)
    }

    /// Takes away locks that a git inside left behind when it was ended; none runs there.
    pub(super) fn unlock(areas: &[Area]) -> io::Result<()> {
        let names = || LOCKED.iter().chain(&PSEUDO_REFS);
        areas.iter().flat_map(|area| names().map(move |name| (area, name))).try_for_each(|(area, name)| {
            match remove(&area.private, format!("{name}.lock")) {
                Err(error) if super::files::is_other_kind(&error) => Ok(()),
                removed => removed,
            }
        })
    }

    /// Nothing is on its way any more.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        if std::mem::take(&mut self.writing) { remove(&self.fd, WRITING) } else { Ok(()) }
    }

    fn begin(&mut self) -> io::Result<()> {
        if !self.writing {
            let flags = OFlags::CREATE | OFlags::WRONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
            drop(openat(&self.fd, WRITING, flags, Mode::from_raw_mode(0o600))?);
            self.writing = true;
        }
        Ok(())
    }

    /// Puts a file into a directory of the sandbox's; `None` if its git holds the lock.
    pub(super) fn inward(&mut self, to: impl AsFd, name: &str, new: &New<'_>) -> io::Result<Option<Seen>> {
        self.begin()?;
        remove(&self.fd, INCOMING)?;
        let owner = self.owner.map(|id| (id, id));
        let file = make(&self.fd, INCOMING, new, owner, false)?;
        self.step("incoming-made");
        let (from, from_name) = if LOCKED.contains(&name) {
            let lock = format!("{name}.lock");
            match linkat(&self.fd, INCOMING, &to, &lock, AtFlags::empty()) {
                Ok(()) => {}
                Err(Errno::EXIST) => return remove(&self.fd, INCOMING).map(|()| None),
                Err(errno) => return Err(errno.into()),
            }
            (to.as_fd(), lock)
        } else {
            (self.fd.as_fd(), INCOMING.to_owned())
        };
        self.step("incoming-locked");
        let mut renamed = renameat(from, &from_name, &to, name);
        if matches!(renamed, Err(Errno::ISDIR | Errno::NOTEMPTY | Errno::EXIST)) {
            self.move_aside(&to, name)?;
            renamed = renameat(from, &from_name, &to, name);
        }
        if let Err(errno) = renamed {
            remove(&to, &from_name)?;
            return Err(errno.into());
        }
        self.step("incoming-renamed");
        remove(&self.fd, INCOMING)?;
        Ok(Some(Seen::of(&rustix::fs::fstat(&file)?)))
    }

    /// Replaces a file of the host's git, if it is still the one that was `expected`; with nothing, if nothing is new.
    pub(super) fn outward(
        &mut self,
        area: &Area,
        name: &str,
        new: Option<&New<'_>>,
        expected: Option<Seen>,
    ) -> io::Result<Outward> {
        self.begin()?;
        remove(&area.host, &self.outgoing)?;
        let directory = rustix::fs::fstat(&area.host)?;
        let like = look(&area.host, name)?;
        let (uid, gid) = like.map_or((directory.st_uid, directory.st_gid), |like| (like.st_uid, like.st_gid));
        let mode = like.map_or(directory.st_mode & 0o666, |like| like.st_mode & 0o777);
        let empty = New { bytes: b"", mode, modified: super::files::now() };
        let content = New { mode, ..*new.unwrap_or(&empty) };
        let owner = self.owner.is_some().then_some((uid, gid));
        let file = make(&area.host, &self.outgoing, &content, owner, name != "index")?;
        self.step("outgoing-made");
        let lock = format!("{name}.lock");
        let outcome = self.under_lock(area, name, &lock, new.is_some(), expected, &file);
        remove(&area.host, &self.outgoing)?;
        outcome
    }

    fn under_lock(
        &self,
        area: &Area,
        name: &str,
        lock: &str,
        keep: bool,
        expected: Option<Seen>,
        file: &File,
    ) -> io::Result<Outward> {
        let mut tries = 0;
        loop {
            match linkat(&area.host, &self.outgoing, &area.host, lock, AtFlags::empty()) {
                Ok(()) => break,
                Err(Errno::EXIST) if tries < TRIES => tries += 1,
                Err(Errno::EXIST) => return Ok(Outward::Busy),
                Err(errno) => return Err(errno.into()),
            }
            // Nobody tells when a git lets go of its lock.
            std::thread::sleep(BETWEEN_TRIES);
        }
        self.step("outgoing-locked");
        let now = look(&area.host, name)?.map(|stat| Seen::of(&stat));
        if now != expected {
            remove(&area.host, lock)?;
            return Ok(Outward::Changed);
        }
        if !keep {
            remove(&area.host, name)?;
            remove(&area.host, lock)?;
            return Ok(Outward::Done(None));
        }
        if let Err(errno) = renameat(&area.host, lock, &area.host, name) {
            remove(&area.host, lock)?;
            return Err(errno.into());
        }
        self.step("outgoing-renamed");
        remove(&area.host, &self.outgoing)?;
        Ok(Outward::Done(Some(Seen::of(&rustix::fs::fstat(file)?))))
    }

    /// Writes the `.git` file anew; tells where what was in its place is kept.
    pub(super) fn link(&self, top: &OwnedFd, name: &str, new: &New<'_>) -> io::Result<Option<PathBuf>> {
        let owner = rustix::fs::fstat(top)?;
        let owner = self.owner.is_some().then_some((owner.st_uid, owner.st_gid));
        let temporary = format!(".{}", self.outgoing);
        remove(top, &temporary)?;
        make(top, &temporary, new, owner, false)?;
        // A directory cannot be replaced. Where it cannot be moved to ours, it stays, and is told.
        let replaced = match renameat(top, &temporary, top, name) {
            Err(Errno::ISDIR) => self.move_aside(top, name).and_then(|kept| {
                renameat(top, &temporary, top, name)?;
                Ok(Some(kept))
            }),
            Err(errno) => Err(errno.into()),
            Ok(()) => Ok(None),
        };
        if replaced.is_err() {
            remove(top, &temporary)?;
        }
        replaced
    }

    /// Keeps what must give way.
    pub(super) fn keep(&self, bytes: &[u8]) -> io::Result<PathBuf> {
        let name = self.free_name()?;
        make(&self.fd, &name, &New { bytes, mode: 0o600, modified: super::files::now() }, None, false)?;
        Ok(self.dir.join(name))
    }

    /// Moves whatever has that name out of the sandbox's reach.
    pub(super) fn move_aside(&self, from: impl AsFd, name: &str) -> io::Result<PathBuf> {
        let to = self.free_name()?;
        renameat(&from, name, &self.fd, &to)?;
        Ok(self.dir.join(to))
    }

    fn free_name(&self) -> io::Result<String> {
        for number in 1..MANY_CONFLICTS {
            let name = format!("conflict-{number}");
            if look(&self.fd, &name)?.is_none() {
                return Ok(name);
            }
        }
        crate::fs::random_hex(8).map(|suffix| format!("conflict-{suffix}")).map_err(io::Error::other)
    }

    /// The sandbox's own directory of that name, made if need be.
    pub(super) fn directory(&mut self, at: impl AsFd, name: &str) -> io::Result<OwnedFd> {
        if let Some(found) = open_private(&at, name)? {
            return Ok(found);
        }
        if look(&at, name)?.is_some() {
            self.move_aside(&at, name)?;
        }
        rustix::fs::mkdirat(&at, name, Mode::from_raw_mode(0o755))?;
        let made = super::files::open_below(&at, name)?.ok_or_else(|| io::Error::other("what was made is gone"))?;
        if let Some(id) = self.owner {
            rustix::fs::fchown(&made, Some(Uid::from_raw(id)), Some(Gid::from_raw(id)))?;
        }
        Ok(made)
    }

    /// Where a fault test lets this process die: the file `failpoint` names the step, since no configuration gets here.
    #[cfg(feature = "failpoints")]
    pub(super) fn step(&self, name: &str) {
        if std::fs::read_to_string(self.dir.join("failpoint")).is_ok_and(|step| step == name) {
            loopbox_init::failpoint::die();
        }
    }

    #[cfg(not(feature = "failpoints"))]
    #[expect(clippy::unused_self, reason = "it is used where there are failpoints")]
    pub(super) fn step(&self, _name: &str) {}

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }
}

/// So many are numbered; a search for more would take long.
const MANY_CONFLICTS: u32 = 100;

/// Files that git replaces under a lock.
const LOCKED: [&str; 5] = ["HEAD", "index", "packed-refs", "config", "shallow"];

/// Further files that git replaces under a lock.
const PSEUDO_REFS: [&str; 4] = ["ORIG_HEAD", "MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD"];

/// Makes a file that nobody has looked at yet.
fn make(at: &OwnedFd, name: &str, new: &New<'_>, owner: Option<(u32, u32)>, durable: bool) -> io::Result<File> {
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut file = File::from(openat(at, name, flags, Mode::from_raw_mode(0o600))?);
    if let Some((uid, gid)) = owner {
        rustix::fs::fchown(&file, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))?;
    }
    rustix::fs::fchmod(&file, Mode::from_raw_mode(new.mode & 0o777))?;
    file.write_all(new.bytes)?;
    let time =
        Timespec { tv_sec: new.modified.div_euclid(1_000_000_000), tv_nsec: new.modified.rem_euclid(1_000_000_000) };
    rustix::fs::futimens(&file, &Timestamps { last_access: time, last_modification: time })?;
    if durable {
        file.sync_all()?;
    }
    Ok(file)
}

/// A directory of the sandbox's own, which the inside may have closed to its owner.
pub(super) fn open_private(at: impl AsFd, name: &str) -> io::Result<Option<OwnedFd>> {
    super::files::open_up_if_closed(&at, name)?;
    super::files::open_below(&at, name)
}

pub(super) fn remove(at: impl AsFd, name: impl AsRef<Path>) -> io::Result<()> {
    match unlinkat(at, name.as_ref(), AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}
