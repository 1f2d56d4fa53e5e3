//! Git's index, read in full and written anew.
//!
//! The host's git trusts its index: a path in it is written and deleted at the next checkout, flags and times in it
//! decide which files are compared at all, and its tree cache goes into commits unseen. So what comes out of a sandbox
//! is taken apart, and only entries that are understood are put together again.

mod path;

use std::fmt;

use sha1::Sha1;
use sha2::{Digest, Sha256};

pub(super) use path::{is_ref_component, problem as path_problem};

/// The hash that a repository names its objects by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hash {
    Sha1,
    Sha256,
}

impl Hash {
    pub(super) fn size(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
        }
    }

    fn of(self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha1 => Sha1::digest(bytes).to_vec(),
            Self::Sha256 => Sha256::digest(bytes).to_vec(),
        }
    }
}

/// Why an index is not accepted: a fragment that fits "the index …".
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refused(pub(super) String);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn refuse<T>(why: impl Into<String>) -> Result<T, Refused> {
    Err(Refused(why.into()))
}

/// What an entry's file looked like when it was last compared: times, device, inode, owner, size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Seen {
    before_mode: [u8; 24],
    after_mode: [u8; 12],
}

/// One file, or one side of a conflict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) path: Vec<u8>,
    pub(super) stage: u8,
    pub(super) mode: u32,
    pub(super) object: Vec<u8>,
    pub(super) seen: Seen,
    /// The file is taken for unchanged without looking.
    pub(super) assume_valid: bool,
    /// The file is not in the working tree.
    pub(super) skip_worktree: bool,
    /// Announced by `git add -N`.
    pub(super) intent_to_add: bool,
}

impl Entry {
    fn order(&self) -> (&[u8], u8) {
        (&self.path, self.stage)
    }
}

/// An index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Index {
    version: u32,
    hash: Hash,
    pub(super) entries: Vec<Entry>,
    /// Signature and content of what follows the entries.
    extensions: Vec<([u8; 4], Vec<u8>)>,
}

/// A directory in the place of its files.
const SPARSE_DIRECTORY: u32 = 0o040_000;
const SYMLINK: u32 = 0o120_000;
const MODES: [u32; 5] = [0o100_644, 0o100_755, SYMLINK, 0o160_000, SPARSE_DIRECTORY];

const ASSUME_VALID: u16 = 0x8000;
const EXTENDED: u16 = 0x4000;
const NAME_LENGTH: u16 = 0x0fff;
const SKIP_WORKTREE: u16 = 0x4000;
const INTENT_TO_ADD: u16 = 0x2000;

/// What the kernel takes for a path, and more than all paths of any repository together.
const MAX_PATH: usize = 4096;
const MAX_PATHS: usize = 256 << 20;

/// Extensions that a reader may leave out, and what they are.
const OPTIONAL: [([u8; 4], &str); 6] = [
    (*b"TREE", "the trees of directories, computed before"),
    (*b"REUC", "how conflicts looked before they were solved"),
    (*b"EOIE", "where extensions begin, for readers with threads"),
    (*b"IEOT", "where blocks of entries begin, for readers with threads"),
    (*b"UNTR", "which directories had no untracked files"),
    (*b"FSMN", "which files a watcher saw unchanged"),
];

impl Index {
    /// Reads an index and refuses what git itself would not have written.
    pub(super) fn parse(bytes: &[u8], hash: Hash) -> Result<Self, Refused> {
        let Some(end) = bytes.len().checked_sub(hash.size()) else { return refuse("is too short") };
        let (content, checksum) = bytes.split_at(end);
        // Git leaves it out where `index.skipHash` is set.
        if checksum.iter().any(|byte| *byte != 0) && checksum != hash.of(content) {
            return refuse("has a wrong checksum");
        }
        let mut reader = Reader { rest: content };
        if reader.take(4)? != b"DIRC" {
            return refuse("does not begin as an index does");
        }
        let version = reader.number()?;
        if !(2..=4).contains(&version) {
            return refuse(format!("has version {version}"));
        }
        let count = reader.number()? as usize;
        // The smallest entry tells how many there can be, before memory is taken for them.
        if count > content.len() / (40 + hash.size()) {
            return refuse("is too short");
        }
        let mut entries: Vec<Entry> = Vec::with_capacity(count);
        let mut length = 0;
        for _ in 0..count {
            let entry = reader.entry(version, hash, entries.last())?;
            length += entry.path.len();
            // A path of version 4 repeats the one before at no cost: a small file could take any amount of memory.
            if entry.path.len() > MAX_PATH || length > MAX_PATHS {
                return refuse("has longer paths than any working tree");
            }
            if entries.last().is_some_and(|last| last.order() >= entry.order()) {
                return refuse("is not sorted");
            }
            entries.push(entry);
        }
        let mut extensions = Vec::new();
        while !reader.rest.is_empty() {
            let signature = reader.take(4)?.try_into().unwrap_or_default();
            let size = reader.number()? as usize;
            extensions.push((signature, reader.take(size)?.to_vec()));
        }
        Ok(Self { version, hash, entries, extensions })
    }

    /// The first thing about it that the host's git should not see.
    pub(super) fn check(&self) -> Result<(), Refused> {
        for (signature, _) in &self.extensions {
            let name = String::from_utf8_lossy(signature).escape_default().to_string();
            match signature {
                b"link" => return refuse("is split (core.splitIndex)"),
                b"sdir" => {}
                _ if OPTIONAL.iter().any(|(known, _)| known == signature) => {}
                // An extension in small letters must be understood, one in capitals may be left out.
                [b'A'..=b'Z', ..] => {}
                _ => return refuse(format!("has the unknown extension {name}")),
            }
        }
        for entry in &self.entries {
            let shown = || String::from_utf8_lossy(&entry.path).escape_default().to_string();
            if !MODES.contains(&entry.mode) {
                return refuse(format!("has '{}' with mode {:o}", shown(), entry.mode));
            }
            let directory = entry.mode == SPARSE_DIRECTORY;
            let path = match entry.path.strip_suffix(b"/") {
                Some(path) if directory && entry.skip_worktree && entry.stage == 0 => path,
                None if !directory => &entry.path,
                _ => return refuse(format!("has a misplaced directory '{}'", shown())),
            };
            if let Some(problem) = path_problem(path, entry.mode == SYMLINK) {
                return refuse(format!("has '{}', {problem}", shown()));
            }
        }
        self.check_nesting()
    }

    /// Nothing lies below a file: through a symbolic link it would lie elsewhere.
    ///
    /// Sorted paths between a file and what lies below it begin with the file's path. So each path is compared with the
    /// nearest before it that it begins with; of those before that one the same was seen already.
    fn check_nesting(&self) -> Result<(), Refused> {
        let mut above: Vec<&[u8]> = Vec::new();
        for entry in self.entries.iter().filter(|entry| entry.stage == 0) {
            while above.pop_if(|file| !entry.path.starts_with(file)).is_some() {}
            if let Some(file) = above.last()
                && entry.path.get(file.len()) == Some(&b'/')
            {
                return refuse(format!("has both a file and a directory '{}'", file.escape_ascii()));
            }
            above.push(&entry.path);
        }
        Ok(())
    }

    /// Whether it has directories in the place of their files.
    pub(super) fn is_sparse(&self) -> bool {
        self.extensions.iter().any(|(signature, _)| signature == b"sdir")
            || self.entries.iter().any(|entry| entry.mode == SPARSE_DIRECTORY)
    }

    /// What it says about the next commit. When files were last looked at, and how it is stored, is not part of that.
    pub(super) fn digest(&self) -> String {
        let mut digest = Sha256::new();
        for entry in &self.entries {
            digest.update(&entry.path);
            digest.update([0, entry.stage, u8::from(entry.intent_to_add)]);
            digest.update(entry.mode.to_be_bytes());
            digest.update(&entry.object);
        }
        crate::fs::to_hex(&digest.finalize())
    }

    /// Makes this one, which comes out of a sandbox, one for the host. Whether a file changed since is known only of
    /// entries that the host's own index has just so; git looks at the others when it next compares. All that could
    /// hide something is left out: flags that the host had not set, and caches.
    pub(super) fn without_claims(mut self, host: Option<&Self>) -> Self {
        let mut known = host.map(|host| host.entries.as_slice()).unwrap_or_default().iter().peekable();
        for entry in &mut self.entries {
            while known.next_if(|known| known.order() < entry.order()).is_some() {}
            let known = known.next_if(|known| known.order() == entry.order());
            let same = known.filter(|known| (known.mode, &known.object) == (entry.mode, &entry.object));
            entry.seen = same.map(|known| known.seen).unwrap_or_default();
            entry.assume_valid = known.is_some_and(|known| known.assume_valid);
            entry.skip_worktree = known.is_some_and(|known| known.skip_worktree) || entry.mode == SPARSE_DIRECTORY;
        }
        self.extensions.retain(|(signature, _)| signature == b"sdir");
        if let Some(host) = host {
            self.version = host.version;
        }
        self
    }

    /// Makes this one, which comes from the host, one for a sandbox that sees only what lies below `visible`.
    pub(super) fn only_below(mut self, visible: &[u8]) -> Self {
        for entry in &mut self.entries {
            if !entry.path.starts_with(visible) {
                entry.skip_worktree = true;
            }
        }
        self.extensions.retain(|(signature, _)| matches!(signature, b"TREE" | b"REUC" | b"sdir"));
        self
    }

    /// The index as git writes it.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let extended = self.entries.iter().any(is_extended);
        let version = match self.version {
            4 => 4,
            _ if extended => 3,
            _ => 2,
        };
        let mut bytes = b"DIRC".to_vec();
        bytes.extend(u32::to_be_bytes(version));
        bytes.extend(u32::try_from(self.entries.len()).unwrap_or(u32::MAX).to_be_bytes());
        let mut last: &[u8] = b"";
        for entry in &self.entries {
            write_entry(&mut bytes, entry, version, last);
            last = &entry.path;
        }
        for (signature, content) in &self.extensions {
            bytes.extend(signature);
            bytes.extend(u32::try_from(content.len()).unwrap_or(u32::MAX).to_be_bytes());
            bytes.extend(content);
        }
        let checksum = self.hash.of(&bytes);
        bytes.extend(checksum);
        bytes
    }
}

fn is_extended(entry: &Entry) -> bool {
    entry.skip_worktree || entry.intent_to_add
}

fn write_entry(bytes: &mut Vec<u8>, entry: &Entry, version: u32, last: &[u8]) {
    let start = bytes.len();
    bytes.extend(entry.seen.before_mode);
    bytes.extend(entry.mode.to_be_bytes());
    bytes.extend(entry.seen.after_mode);
    bytes.extend(&entry.object);
    let length = u16::try_from(entry.path.len()).unwrap_or(NAME_LENGTH).min(NAME_LENGTH);
    let bit = |set: bool, bit: u16| if set { bit } else { 0 };
    let flags = bit(entry.assume_valid, ASSUME_VALID) | bit(is_extended(entry), EXTENDED);
    bytes.extend((flags | u16::from(entry.stage) << 12 | length).to_be_bytes());
    if is_extended(entry) {
        let flags = bit(entry.skip_worktree, SKIP_WORKTREE) | bit(entry.intent_to_add, INTENT_TO_ADD);
        bytes.extend(flags.to_be_bytes());
    }
    if version == 4 {
        let common = last.iter().zip(&entry.path).take_while(|(a, b)| a == b).count();
        write_varint(bytes, last.len() - common);
        bytes.extend(&entry.path[common..]);
        bytes.push(0);
    } else {
        bytes.extend(&entry.path);
        let length = bytes.len() - start;
        bytes.extend(std::iter::repeat_n(0, 8 - length % 8));
    }
}

/// Git's number of variable length, in which no number has two forms.
fn write_varint(bytes: &mut Vec<u8>, mut number: usize) {
    let low = |number: usize| u8::try_from(number & 0x7f).unwrap_or_default();
    let mut reversed = vec![low(number)];
    while number >> 7 != 0 {
        number = (number >> 7) - 1;
        reversed.push(0x80 | low(number));
    }
    bytes.extend(reversed.iter().rev());
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], Refused> {
        let Some((taken, rest)) = self.rest.split_at_checked(count) else { return refuse("is too short") };
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Refused> {
        self.take(N)?.try_into().map_err(|_| Refused("is too short".into()))
    }

    fn number(&mut self) -> Result<u32, Refused> {
        self.array().map(u32::from_be_bytes)
    }

    fn flags(&mut self) -> Result<u16, Refused> {
        self.array().map(u16::from_be_bytes)
    }

    fn entry(&mut self, version: u32, hash: Hash, last: Option<&Entry>) -> Result<Entry, Refused> {
        let before = self.rest.len();
        let seen = self.array()?;
        let mode = self.number()?;
        let seen = Seen { before_mode: seen, after_mode: self.array()? };
        let object = self.take(hash.size())?.to_vec();
        let flags = self.flags()?;
        let extended = match flags & EXTENDED {
            0 => 0,
            _ if version == 2 => return refuse("has flags of a later version"),
            _ => self.flags()?,
        };
        if extended & !(SKIP_WORKTREE | INTENT_TO_ADD) != 0 {
            return refuse("has unknown flags");
        }
        let path = if version == 4 {
            let strip = self.varint()?;
            let last = last.map(|last| last.path.as_slice()).unwrap_or_default();
            let Some(kept) = last.len().checked_sub(strip) else { return refuse("has a path that continues nothing") };
            [&last[..kept], self.until_nul()?].concat()
        } else {
            let path = self.until_nul()?.to_vec();
            // The NUL that was read is the first byte of the padding.
            let length = before - self.rest.len();
            let padding = self.take(length.next_multiple_of(8) - length)?;
            if padding.iter().any(|byte| *byte != 0) {
                return refuse("hides something behind a path");
            }
            path
        };
        if usize::from(flags & NAME_LENGTH) != path.len().min(usize::from(NAME_LENGTH)) {
            return refuse("has a path of another length than it says");
        }
        Ok(Entry {
            path,
            stage: u8::try_from(flags >> 12 & 3).unwrap_or_default(),
            mode,
            object,
            seen,
            assume_valid: flags & ASSUME_VALID != 0,
            skip_worktree: extended & SKIP_WORKTREE != 0,
            intent_to_add: extended & INTENT_TO_ADD != 0,
        })
    }

    fn until_nul(&mut self) -> Result<&'a [u8], Refused> {
        let Some(end) = self.rest.iter().position(|byte| *byte == 0) else { return refuse("is too short") };
        let text = self.take(end)?;
        self.take(1)?;
        Ok(text)
    }

    fn varint(&mut self) -> Result<usize, Refused> {
        let mut number = 0_usize;
        for place in 0.. {
            let byte = self.array::<1>()?[0];
            number = ((number + usize::from(place > 0)) << 7) | usize::from(byte & 0x7f);
            if byte & 0x80 == 0 {
                break;
            }
            if place == 4 {
                return refuse("has a path that continues nothing");
            }
        }
        Ok(number)
    }
}

#[cfg(test)]
mod tests;
