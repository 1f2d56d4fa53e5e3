//! Refs, logs and objects are written by both sides directly. A link among them would lead the host's git elsewhere: it
//! appends to the file that a log is a link to. Git itself makes none, so they are removed.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;

use rustix::fs::FileType;

use super::files::{Seen, look, names, open_below};
use super::place::{Area, remove};
use crate::info::{Finding, FindingCode};

/// Directories that both sides write, and how deep they are looked at: below `objects`, git writes new names only.
const TREES: [(&str, usize); 4] = [("logs", 32), ("objects", 1), ("refs", 32), ("reftable", 1)];

/// More directories or names than a repository has.
const MAX_DIRECTORIES: usize = 20_000;
const MAX_NAMES: usize = 200_000;

/// Removes links and whatever else is neither a file nor a directory from what changed since.
pub(super) fn sweep(
    area: &Area,
    folders: &mut BTreeMap<String, Seen>,
    now: i64,
    findings: &mut Vec<Finding>,
) -> io::Result<bool> {
    let prefix = format!("{}:", area.name);
    let mut changed = false;
    let mut pending: Vec<String> = TREES.iter().map(|(tree, _)| (*tree).to_owned()).collect();
    pending.extend(folders.keys().filter_map(|key| key.strip_prefix(&prefix)).map(str::to_owned));
    pending.sort();
    pending.dedup();
    pending.reverse();
    while let Some(path) = pending.pop() {
        let key = format!("{prefix}{path}");
        let there = look(&area.host, &path).ok().flatten();
        let directory = there.filter(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Directory);
        let Some(seen) = directory.map(|stat| Seen::of(&stat)) else {
            changed |= folders.remove(&key).is_some();
            continue;
        };
        if folders.get(&key) == Some(&seen) {
            continue;
        }
        let Some(fd) = open_below(&area.host, &path)? else { continue };
        let deeper = below(&path) && folders.len() < MAX_DIRECTORIES;
        for name in clean(&fd, &area.path.join(&path), findings)? {
            let inner = format!("{path}/{name}");
            if (deeper || inner == "objects/pack") && !folders.contains_key(&format!("{prefix}{inner}")) {
                pending.push(inner);
            }
        }
        changed = true;
        if seen.is_settled(now) {
            folders.insert(key, seen);
        } else {
            folders.remove(&key);
        }
    }
    Ok(changed)
}

fn below(path: &str) -> bool {
    let depth = path.split('/').count();
    TREES.iter().any(|(tree, deep)| path.split('/').next() == Some(tree) && depth < *deep)
}

/// The directories in a directory, which has nothing but them and files afterwards.
fn clean(fd: impl AsFd, path: &Path, findings: &mut Vec<Finding>) -> io::Result<Vec<String>> {
    let mut directories = Vec::new();
    for (name, kind) in names(&fd, MAX_NAMES)? {
        match kind {
            FileType::Directory => directories.push(name),
            FileType::RegularFile => {}
            _ => {
                remove(&fd, &name)?;
                let at = path.join(&name);
                let message = format!("{} led git elsewhere and was removed", at.display());
                let mut finding = Finding::new(FindingCode::Guarded, message);
                finding.path = Some(at);
                findings.push(finding);
            }
        }
    }
    Ok(directories)
}
