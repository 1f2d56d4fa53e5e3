//! Linked git worktrees: the `.git` file of a workspace points to a repository elsewhere, which must be visible.
//!
//! The pointer lies in the workspace, so an agent of an earlier sandbox may have written it. It is believed only if the
//! place it points to points back, which nobody inside could have arranged outside the workspace; and it is read once,
//! at create.

use std::fs;
use std::path::{Path, PathBuf};

use loopbox_init::sandbox::{Entry, IdMap};
use serde::{Deserialize, Serialize};

use super::layout::owned;
use crate::error::Result;
use crate::info::Finding;
use crate::record::Record;
use crate::registry::SandboxDir;

mod danger;

pub(crate) use danger::{Danger, danger};

/// A linked worktree's parts outside the worktree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Worktree {
    /// The `.git` file.
    pub(crate) link: PathBuf,
    /// The repository's common directory.
    pub(crate) common: PathBuf,
    /// This worktree's own directory below `common/worktrees`.
    pub(crate) own: PathBuf,
}

/// Parts of the common directory that git writes when it commits, and that nothing outside executes.
const WRITABLE: [&str; 3] = ["objects", "refs", "logs"];

/// The worktree that `workspace` is, or lies in.
pub(super) fn find(workspace: &Path) -> Option<Worktree> {
    let top = workspace.ancestors().find(|dir| fs::symlink_metadata(dir.join(".git")).is_ok())?;
    let link = top.join(".git");
    if !fs::symlink_metadata(&link).ok()?.is_file() {
        return None;
    }
    let own = fs::canonicalize(top.join(pointer(&link, "gitdir: ")?)).ok()?;
    let points_back =
        fs::canonicalize(own.join(pointer(&own.join("gitdir"), "")?)).ok()? == fs::canonicalize(&link).ok()?;
    let common = fs::canonicalize(own.join(pointer(&own.join("commondir"), "")?)).ok()?;
    let is_repository =
        common.join("objects").is_dir() && common.join("refs").is_dir() && common.join("HEAD").is_file();
    let belongs = own.parent() == Some(common.join("worktrees").as_path());
    let outside = !common.starts_with(workspace);
    (points_back && is_repository && belongs && outside).then_some(Worktree { link, common, own })
}

/// The repository read-only, so that nothing that the host executes later can be planted; what commits need, writable.
pub(super) fn entries(worktree: &Worktree, ids: IdMap) -> Vec<Entry> {
    let bind = |path: &Path, read_only| Entry::Bind {
        source: path.to_owned(),
        target: path.to_owned(),
        access: owned(path, ids, read_only),
    };
    let mut entries = vec![bind(&worktree.common, true)];
    let parts = WRITABLE.iter().map(|part| worktree.common.join(part)).filter(|path| path.is_dir());
    entries.extend(parts.map(|path| bind(&path, false)));
    entries.push(bind(&worktree.own, false));
    // In a sub-directory of the worktree, the pointer itself lies outside the workspace.
    entries.push(bind(&worktree.link, true));
    entries
}

/// Before a command: what the host changed since goes in, and what earlier commands left goes out.
pub(crate) fn refresh(dir: &SandboxDir, record: &Record) -> Result<Vec<Finding>> {
    let _ = (dir, record);
    Ok(Vec::new())
}

/// After a command, at stop and before removal: what it did to HEAD, index and packed refs goes out.
pub(crate) fn collect(dir: &SandboxDir, record: &Record) -> Result<Vec<Finding>> {
    refresh(dir, record)
}

/// While a command runs, about once a second: refs that the host has packed meanwhile go in. One `stat` if it has not.
pub(crate) fn follow(dir: &SandboxDir, record: &Record) -> Result<()> {
    let _ = (dir, record);
    Ok(())
}

fn pointer(file: &Path, prefix: &str) -> Option<PathBuf> {
    let text = crate::fs::read_limited(file, 4096).ok()??;
    let text = String::from_utf8(text).ok()?;
    Some(PathBuf::from(text.trim_end_matches(['\n', '\r']).strip_prefix(prefix)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The layout that `git worktree add` makes.
    fn worktree(root: &Path) -> (PathBuf, PathBuf) {
        let (common, tree) = (root.join("repo/.git"), root.join("tree"));
        let own = common.join("worktrees/tree");
        for dir in [&common.join("objects"), &common.join("refs"), &own, &tree] {
            fs::create_dir_all(dir).unwrap();
        }
        fs::write(common.join("HEAD"), "ref: refs/heads/main\n").unwrap();
        fs::write(own.join("commondir"), "../..\n").unwrap();
        fs::write(own.join("gitdir"), format!("{}\n", tree.join(".git").display())).unwrap();
        fs::write(tree.join(".git"), format!("gitdir: {}\n", own.display())).unwrap();
        (common, tree)
    }

    #[test]
    fn a_worktree_is_found_from_its_top_and_from_below() {
        let dir = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(dir.path()).unwrap();
        let (common, tree) = worktree(&root);
        fs::create_dir(tree.join("sub")).unwrap();
        for workspace in [tree.clone(), tree.join("sub")] {
            let found = find(&workspace).unwrap();
            assert_eq!((found.common, found.link), (common.clone(), tree.join(".git")));
        }
    }

    #[test]
    fn a_pointer_to_what_does_not_point_back_is_not_believed() {
        let dir = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(dir.path()).unwrap();
        let (common, _) = worktree(&root);
        let forged = root.join("forged");
        fs::create_dir(&forged).unwrap();
        fs::write(forged.join(".git"), format!("gitdir: {}\n", common.join("worktrees/tree").display())).unwrap();
        assert_eq!(find(&forged), None);
        fs::write(forged.join(".git"), "gitdir: /etc\n").unwrap();
        assert_eq!(find(&forged), None);
    }

    #[test]
    fn a_plain_clone_needs_nothing() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join(".git")).unwrap();
        assert_eq!(find(dir.path()), None);
    }
}
