//! Which repository a workspace belongs to.
//!
//! A `.git` file lies in the workspace, so an agent of an earlier sandbox may have written it. It is believed only if
//! the place it points to points back, which nobody inside could have arranged outside the workspace; and it is read
//! once, at create. A repository above the workspace is shown only if it belongs to the same owner and tracks files of
//! the workspace: one that somebody keeps his home in is not the agent's business.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::index::{Hash, Index};
use super::settings;

/// Larger pointers and configurations are not what git wrote.
const MAX_POINTER: u64 = 4096;
const MAX_CONFIG: u64 = 1 << 20;
/// Larger than any index that people have.
pub(super) const MAX_INDEX: u64 = 512 << 20;

/// The repository of a workspace, as it was found at create.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Repository {
    /// The `.git` file, where there is one instead of a directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) link: Option<PathBuf>,
    /// The repository's (common) directory.
    pub(crate) common: PathBuf,
    /// A linked worktree's own directory below `common/worktrees`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) own: Option<PathBuf>,
    /// The top of the working tree: the workspace, or above it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) top: Option<PathBuf>,
    /// Object directories of other repositories, from which this one borrows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) alternates: Vec<PathBuf>,
    /// It has not the form of a repository that can be taken apart, so it is visible and read-only as a whole.
    #[serde(default)]
    pub(crate) sealed: bool,
}

impl Repository {
    /// The top of the working tree.
    pub(crate) fn top(&self) -> &Path {
        let of_link = || self.link.as_deref().and_then(Path::parent);
        self.top.as_deref().or_else(of_link).or_else(|| self.common.parent()).unwrap_or(&self.common)
    }

    /// The directory that holds HEAD and the index of this working tree.
    pub(super) fn private_part(&self) -> &Path {
        self.own.as_deref().unwrap_or(&self.common)
    }
}

/// The repository that `workspace` is a working tree of, or a part of one.
pub(crate) fn find(workspace: &Path) -> Option<Repository> {
    let (top, metadata) = workspace
        .ancestors()
        .find_map(|dir| fs::symlink_metadata(dir.join(".git")).ok().map(|metadata| (dir, metadata)))?;
    let at = top.join(".git");
    let found = if metadata.is_dir() {
        is_repository(&at).then(|| repository(None, at.clone(), None, top))
    } else if metadata.is_file() {
        linked(&at, top, workspace).or_else(|| separate(&at, top, workspace))
    } else {
        None
    };
    if top == workspace {
        // What is not understood is not writable either. A link can be neither believed nor covered.
        return found.or_else(|| {
            let sealed = Repository { sealed: true, ..repository(None, at, None, top) };
            (!metadata.is_symlink()).then_some(sealed)
        });
    }
    let same_owner = fs::metadata(workspace).is_ok_and(|workspace| workspace.uid() == metadata.uid());
    found.filter(|repository| same_owner && tracks(repository, workspace))
}

fn repository(link: Option<PathBuf>, common: PathBuf, own: Option<PathBuf>, top: &Path) -> Repository {
    let alternates = alternates(&common.join("objects"));
    Repository { link, common, own, top: Some(top.to_owned()), alternates, sealed: false }
}

fn is_repository(dir: &Path) -> bool {
    let is = |name: &str, wanted: fn(&fs::Metadata) -> bool| {
        fs::symlink_metadata(dir.join(name)).is_ok_and(|metadata| wanted(&metadata))
    };
    is("objects", fs::Metadata::is_dir) && is("refs", fs::Metadata::is_dir) && is("HEAD", fs::Metadata::is_file)
}

/// What `git worktree add` makes.
fn linked(link: &Path, top: &Path, workspace: &Path) -> Option<Repository> {
    let own = fs::canonicalize(top.join(pointer(link, "gitdir: ")?)).ok()?;
    let points_back =
        fs::canonicalize(own.join(pointer(&own.join("gitdir"), "")?)).ok()? == fs::canonicalize(link).ok()?;
    let common = fs::canonicalize(own.join(pointer(&own.join("commondir"), "")?)).ok()?;
    let belongs = own.parent() == Some(common.join("worktrees").as_path());
    let outside = !common.starts_with(workspace);
    (points_back && is_repository(&common) && belongs && outside)
        .then(|| repository(Some(link.to_owned()), common, Some(own), top))
}

/// A submodule as workspace, whose repository is in that of the project above it; or a repository beside the working
/// tree, but within the workspace.
fn separate(link: &Path, top: &Path, workspace: &Path) -> Option<Repository> {
    let common = fs::canonicalize(top.join(pointer(link, "gitdir: ")?)).ok()?;
    if !is_repository(&common) {
        return None;
    }
    let points_back = || {
        let text = crate::fs::read_limited(&common.join("config"), MAX_CONFIG).ok()??;
        let tree = settings(&String::from_utf8(text).ok()?).find(|(key, _)| key == "core.worktree")?.1;
        Some(fs::canonicalize(common.join(tree)).ok()? == fs::canonicalize(top).ok()?)
    };
    (common.starts_with(workspace) || points_back() == Some(true))
        .then(|| repository(Some(link.to_owned()), common.clone(), None, top))
}

/// Whether the index has files below that directory.
fn tracks(repository: &Repository, workspace: &Path) -> bool {
    let Ok(below) = workspace.strip_prefix(repository.top()) else { return false };
    let mut prefix = below.as_os_str().as_encoded_bytes().to_vec();
    prefix.push(b'/');
    let index = crate::fs::read_limited(&repository.private_part().join("index"), MAX_INDEX).ok().flatten();
    let index = index.and_then(|bytes| Index::parse(&bytes, hash(&repository.common)).ok());
    index.is_some_and(|index| index.entries.iter().any(|entry| entry.path.starts_with(&prefix)))
}

/// Which hash the repository names its objects by.
pub(super) fn hash(common: &Path) -> Hash {
    let text = crate::fs::read_limited(&common.join("config"), MAX_CONFIG).ok().flatten().unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let sha256 = settings(&text).any(|(key, value)| key == "extensions.objectformat" && value == "sha256");
    if sha256 { Hash::Sha256 } else { Hash::Sha1 }
}

fn alternates(objects: &Path) -> Vec<PathBuf> {
    let text = crate::fs::read_limited(&objects.join("info/alternates"), MAX_CONFIG).ok().flatten().unwrap_or_default();
    let text = String::from_utf8_lossy(&text).into_owned();
    let paths = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    paths
        .filter_map(|line| fs::canonicalize(objects.join(line)).ok())
        .filter(|path| path.join("pack").is_dir())
        .collect()
}

fn pointer(file: &Path, prefix: &str) -> Option<PathBuf> {
    let text = crate::fs::read_limited(file, MAX_POINTER).ok()??;
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
    fn a_worktree_is_found_from_its_top() {
        let dir = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(dir.path()).unwrap();
        let (common, tree) = worktree(&root);
        let found = find(&tree).unwrap();
        assert_eq!((found.common, found.link), (common, Some(tree.join(".git"))));
    }

    #[test]
    fn a_pointer_to_what_does_not_point_back_is_not_believed() {
        let dir = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(dir.path()).unwrap();
        let (common, _) = worktree(&root);
        let forged = root.join("forged");
        fs::create_dir(&forged).unwrap();
        let own = common.join("worktrees/tree");
        for target in [own.as_path(), &common, Path::new("/etc")] {
            fs::write(forged.join(".git"), format!("gitdir: {}\n", target.display())).unwrap();
            let found = find(&forged).unwrap();
            assert!(found.sealed, "{}", target.display());
            assert_eq!(found.common, forged.join(".git"));
        }
    }

    #[test]
    fn a_repository_above_is_not_shown_to_what_it_does_not_track() {
        let dir = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(dir.path()).unwrap();
        for part in ["objects", "refs"] {
            fs::create_dir_all(root.join(".git").join(part)).unwrap();
        }
        fs::write(root.join(".git/HEAD"), "ref: refs/heads/main\n").unwrap();
        fs::create_dir(root.join("project")).unwrap();
        assert_eq!(find(&root.join("project")), None);
        assert!(find(&root).is_some_and(|found| !found.sealed));
    }

    #[test]
    fn nothing_that_an_earlier_sandbox_left_is_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(dir.path()).unwrap();
        let fifo = |path: PathBuf| {
            let mode = rustix::fs::Mode::from_raw_mode(0o600);
            rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        };
        let repository = |at: &Path| {
            fs::create_dir_all(at.join("objects/info")).unwrap();
            fs::create_dir_all(at.join("refs")).unwrap();
            fs::write(at.join("HEAD"), "ref: refs/heads/main\n").unwrap();
        };
        repository(&root.join("a/.git"));
        for file in ["objects/info/alternates", "config", "index"] {
            fifo(root.join("a/.git").join(file));
        }
        fs::create_dir(root.join("a/below")).unwrap();
        assert!(find(&root.join("a")).is_some_and(|found| !found.sealed));
        assert_eq!(find(&root.join("a/below")), None);
        assert_eq!(hash(&root.join("a/.git")), Hash::Sha1);
        fs::create_dir_all(root.join("b/own")).unwrap();
        fs::write(root.join("b/.git"), "gitdir: own\n").unwrap();
        fifo(root.join("b/own/gitdir"));
        assert!(find(&root.join("b")).is_some_and(|found| found.sealed));
    }

    #[test]
    fn a_record_of_before_is_read() {
        let old = r#"{"link":"/t/.git","common":"/r/.git","own":"/r/.git/worktrees/t"}"#;
        let old: Repository = serde_json::from_str(old).unwrap();
        assert_eq!(old.top(), Path::new("/t"));
    }
}
