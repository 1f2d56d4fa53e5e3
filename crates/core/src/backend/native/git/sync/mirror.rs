//! Files that only go in.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use rustix::fs::FileType;
use sha2::{Digest, Sha256};

use super::super::files::{Content, Seen, look, names, open_below, read};
use super::super::place::{New, open_private, remove};
use super::super::state::Synced;
use super::super::view;
use super::Sync;

/// Larger files of these kinds are not git's.
const MAX_MIRRORED: u64 = 64 << 20;
/// More names than these directories have.
const MAX_NAMES: usize = 4096;

impl Sync {
    /// Copies the files of a folder that the host has changed.
    pub(super) fn mirror(&mut self, at: usize, folder: &str) -> io::Result<()> {
        if folder == "hooks" && self.state.hooks_allowed {
            return Ok(());
        }
        let area = &self.areas[at];
        let key = format!("{}/{folder}", area.name);
        let there = if folder.is_empty() {
            Some(rustix::fs::fstat(&area.host)?)
        } else {
            look(&area.host, folder)?.filter(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Directory)
        };
        let Some(seen) = there.map(|stat| Seen::of(&stat)) else {
            if let Some(gone) = self.state.folders.remove(&key)
                && let Some(private) = open_private(&area.private, folder)?
            {
                for name in gone.files.keys() {
                    remove(&private, name)?;
                }
            }
            return Ok(());
        };
        let last = self.state.folders.get(&key);
        let mut wanted: BTreeSet<String> = last.map(|last| last.files.keys().cloned().collect()).unwrap_or_default();
        let listed = self.starting || last.and_then(|last| last.seen) != Some(seen);
        if listed && let Some(host) = open_below(&area.host, folder)? {
            let found = names(&host, MAX_NAMES)?;
            let files = found.into_iter().filter(|(_, kind)| *kind == FileType::RegularFile).map(|(name, _)| name);
            wanted.extend(files.filter(|name| self.is_mirrored(at, folder, name)));
        }
        for name in wanted {
            self.mirror_file(at, folder, &key, &name)?;
        }
        if listed {
            let now = self.now;
            self.state.folders.entry(key).or_default().seen = Some(seen).filter(|seen| seen.is_settled(now));
        }
        Ok(())
    }

    fn is_mirrored(&self, at: usize, folder: &str, name: &str) -> bool {
        match folder {
            "" => {
                let other_worktrees = !self.is_worktrees(at) && matches!(name, "index" | "ORIG_HEAD" | "FETCH_HEAD");
                let both_ways = self.both_ways(at).iter().any(|(file, _)| *file == name);
                !both_ways && !other_worktrees && !is_lock(name) && !name.starts_with("loopbox-")
            }
            "hooks" => Path::new(name).extension().is_none_or(|extension| extension != "sample"),
            "info" => name != "sparse-checkout" || self.visible.is_none(),
            _ => true,
        }
    }

    fn mirror_file(&mut self, at: usize, folder: &str, key: &str, name: &str) -> io::Result<()> {
        let area = &self.areas[at];
        let path = if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
        let last = self.state.folders.get(key).and_then(|last| last.files.get(name)).cloned().unwrap_or_default();
        let host = look(&area.host, &path)?.map(|stat| Seen::of(&stat));
        let missing = self.starting && look(&area.private, &path).ok().flatten().is_none();
        if host == last.host && last.settled && !missing {
            return Ok(());
        }
        let (bytes, stat) = match read(&area.host, &path, MAX_MIRRORED)? {
            Content::File(bytes, stat) => (bytes, stat),
            Content::Unfit => return Ok(()),
            Content::Absent => {
                if let Some(private) = open_private(&area.private, folder)? {
                    remove(&private, name)?;
                }
                self.state.folders.entry(key.to_owned()).or_default().files.remove(name);
                return Ok(());
            }
        };
        let seen = Seen::of(&stat);
        let digest = crate::fs::to_hex(&Sha256::digest(&bytes));
        if last.content.as_ref() != Some(&digest) || missing {
            let is_config = folder.is_empty() && matches!(name, "config" | "config.worktree");
            let bytes = if is_config { view::config(bytes, self.visible.as_deref()) } else { bytes };
            let new = New { bytes: &bytes, mode: stat.st_mode, modified: seen.modified() };
            let arrived = if folder.is_empty() {
                self.placer.inward(&area.private, name, &new)?
            } else {
                let to = self.placer.directory(&area.private, folder)?;
                self.placer.inward(&to, name, &new)?
            };
            if arrived.is_none() {
                return Ok(());
            }
        }
        let synced =
            Synced { host: Some(seen), private: None, content: Some(digest), settled: seen.is_settled(self.now) };
        self.state.folders.entry(key.to_owned()).or_default().files.insert(name.to_owned(), synced);
        Ok(())
    }

    /// Tells the sandbox's git which part of the working tree there is.
    pub(super) fn select_visible(&mut self) -> io::Result<()> {
        let Some(visible) = &self.visible else { return Ok(()) };
        let bytes = view::sparse_checkout(visible);
        let area = &self.areas[self.areas.len() - 1];
        let info = self.placer.directory(&area.private, "info")?;
        let new = New { bytes: &bytes, mode: 0o644, modified: self.now };
        self.placer.inward(&info, "sparse-checkout", &new).map(|_| ())
    }
}

fn is_lock(name: &str) -> bool {
    Path::new(name).extension().is_some_and(|extension| extension == "lock")
}
