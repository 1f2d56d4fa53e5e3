//! Host ids of the sandbox's own, where the caller is root.
//!
//! Each sandbox gets 65,536 ids from the range that systemd sets aside for containers (systemd's UIDS-GIDS document:
//! 524288 to 1879048191), claimed by a symbolic link to the sandbox's id, which is made in one step, so that no two
//! sandboxes of a state directory share them and no claim is without its owner.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use loopbox_init::sandbox::IdMap;

use crate::error::{Error, Result};
use crate::fs::make_private_dir;

const FIRST: u32 = 524_288;
const SLOT: u32 = 65_536;
const SLOTS: u32 = (1_879_048_192 - FIRST) / SLOT;

/// Claims a range for the sandbox with that id.
pub(super) fn claim(state: &Path, owner: &str) -> Result<IdMap> {
    let dir = claims(state);
    make_private_dir(&dir)?;
    let taken = subordinate_ranges();
    for _ in 0..1000 {
        let base = FIRST + random()? % SLOTS * SLOT;
        if taken.iter().any(|&(start, end)| base < end && start < base + SLOT) {
            continue;
        }
        match symlink(owner, dir.join(base.to_string())) {
            Ok(()) => {
                // The last id of the slot is the supervisor's: it is not mapped, so nothing inside can be it.
                return Ok(IdMap::Range { base, count: SLOT - 1 });
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(Error::io("claiming host ids", error)),
        }
    }
    Err(Error::io("claiming host ids", io::Error::other("no range is free"))
        .with_hint("remove sandboxes that are not needed"))
}

/// The supervisor's host id in a claimed range.
pub(super) fn supervisor(ids: IdMap) -> Option<u32> {
    match ids {
        IdMap::Range { base, count } => Some(base + count),
        IdMap::Single { .. } => None,
    }
}

/// Gives back what the sandbox with that id claimed: this range, or if it did not live to tell, whatever it was.
pub(super) fn release(state: &Path, owner: &str, ids: Option<IdMap>) {
    match ids {
        Some(IdMap::Single { .. }) => {}
        Some(IdMap::Range { base, .. }) => {
            let _absent = fs::remove_file(claims(state).join(base.to_string()));
        }
        None => claimed(state).iter().filter(|(_, of)| of == owner).for_each(|(path, _)| {
            let _absent = fs::remove_file(path);
        }),
    }
}

/// Every claim and its owner.
pub(super) fn claimed(state: &Path) -> Vec<(PathBuf, String)> {
    let entries = fs::read_dir(claims(state)).into_iter().flatten().flatten();
    let owned = |path: PathBuf| Some((path.clone(), fs::read_link(path).ok()?.to_string_lossy().into_owned()));
    entries.filter_map(|entry| owned(entry.path())).collect()
}

fn claims(state: &Path) -> PathBuf {
    state.join("ids")
}

/// Ranges that are given to users of this machine for their own namespaces.
fn subordinate_ranges() -> Vec<(u32, u32)> {
    let parse = |line: &str| {
        let mut fields = line.split(':').skip(1);
        let start: u32 = fields.next()?.parse().ok()?;
        let count: u32 = fields.next()?.trim().parse().ok()?;
        Some((start, start.saturating_add(count)))
    };
    let text =
        fs::read_to_string("/etc/subuid").unwrap_or_default() + &fs::read_to_string("/etc/subgid").unwrap_or_default();
    text.lines().filter_map(parse).collect()
}

fn random() -> Result<u32> {
    getrandom::u32().map_err(|error| Error::io("asking for random bytes", io::Error::other(error.to_string())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_sandboxes_share_a_range_and_none_is_privileged() {
        let state = tempfile::tempdir().unwrap();
        let mut bases = std::collections::BTreeSet::new();
        for n in 0..50 {
            let IdMap::Range { base, count } = claim(state.path(), &format!("id-{n}")).unwrap() else { unreachable!() };
            assert!(base >= FIRST && count == SLOT - 1);
            assert!(bases.insert(base));
        }
    }

    #[test]
    fn a_range_whose_owner_is_gone_is_given_back() {
        let state = tempfile::tempdir().unwrap();
        let lives = claim(state.path(), "lives").unwrap();
        claim(state.path(), "gone").unwrap();
        release(state.path(), "gone", None);
        assert_eq!(claimed(state.path()).into_iter().map(|(_, owner)| owner).collect::<Vec<_>>(), ["lives"]);
        release(state.path(), "lives", Some(lives));
        assert_eq!(claimed(state.path()), Vec::new());
    }
}
