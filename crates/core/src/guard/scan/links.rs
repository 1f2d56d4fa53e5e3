//! Files of more than one name: whether all of them lie in the workspace.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use rustix::fs::Stat;

/// How many files of more than one name are remembered.
const MAX_FILES: usize = 200_000;

#[derive(Debug)]
struct Linked {
    names: u64,
    seen: u64,
    first: PathBuf,
}

/// The files of more than one name that a scan has met.
#[derive(Debug, Default)]
pub(super) struct Links(HashMap<(u64, u64), Linked>);

impl Links {
    /// Whether this is the first name of the file that was met.
    pub(super) fn add(&mut self, stat: &Stat, path: &Path) -> bool {
        if stat.st_nlink < 2 {
            return true;
        }
        if let Some(linked) = self.0.get_mut(&(stat.st_dev, stat.st_ino)) {
            linked.seen += 1;
            return false;
        }
        if self.0.len() < MAX_FILES {
            #[allow(clippy::useless_conversion, reason = "its width differs between architectures")]
            let names = u64::from(stat.st_nlink);
            self.0.insert((stat.st_dev, stat.st_ino), Linked { names, seen: 1, first: path.to_owned() });
        }
        true
    }

    /// One name of each file that has names elsewhere, and how many it has in all.
    pub(super) fn elsewhere(self) -> Vec<(PathBuf, u64)> {
        let linked = self.0.into_values().filter(|linked| linked.seen < linked.names);
        let mut found: Vec<_> = linked.map(|linked| (linked.first, linked.names)).collect();
        found.sort();
        found
    }
}
