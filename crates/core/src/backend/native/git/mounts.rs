//! How a repository is put together inside: a directory of the sandbox's own in the place of the git directory, and in
//! it the host's objects and refs.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use loopbox_init::sandbox::{Access, Entry, IdMap};

use super::super::layout::part;
use super::allowed::Allowed;
use super::find::Repository;
use super::sync::COPIED;
use crate::record::Record;
use crate::registry::SandboxDir;

/// Directories that the sandbox's git and the host's write alike: nothing in them is executed, or says where to write.
const SHARED: [(&str, &str); 3] = [
    ("objects", "named by their content"),
    (REFS, "which commits there are"),
    ("reftable", "refs in their newer form"),
];

/// What refs were. The host's git appends to them at once, and follows a link that is one: so the sandbox has its own,
/// which begin as the host's are at its first start.
pub(super) const LOGS: &str = "logs";

/// Its sub-directories are the host's; a branch could lead elsewhere if they could be exchanged for links. What is in it
/// itself, the stash above all, is the sandbox's own like the logs.
pub(super) const REFS: &str = "refs";

/// Where the sandbox's own git directory is kept.
pub(super) const DIR: &str = "git";

/// A directory of the host's git directory that is visible inside.
pub(super) struct Part {
    pub(super) name: String,
    pub(super) read_only: bool,
}

/// The directories of one of the host's git directories that are visible inside; all others are copies, or private.
pub(super) fn parts(git_dir: &Path, allowed: Allowed) -> Vec<Part> {
    let entries = fs::read_dir(git_dir).into_iter().flatten().flatten();
    let directories = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    let names = directories.filter_map(|entry| entry.file_name().into_string().ok());
    let mut parts: Vec<Part> = names
        .filter(|name| name != LOGS)
        .filter(|name| !COPIED.contains(&name.as_str()) || (allowed.hooks && name == "hooks"))
        .map(|name| {
            let shared = SHARED.iter().any(|(shared, _reason)| *shared == name);
            let writable = shared || (allowed.hooks && name == "hooks") || (allowed.modules && name == "modules");
            Part { name, read_only: !writable }
        })
        .collect();
    parts.sort_by(|a, b| a.name.cmp(&b.name));
    parts
}

/// The directories of the host's refs: heads, tags, remotes and what else there is.
pub(super) fn kinds_of_refs(git_dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(git_dir.join(REFS)).into_iter().flatten().flatten();
    let directories = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    let mut kinds: Vec<String> = directories.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    kinds.sort();
    kinds
}

/// The repository of a sandbox, inside. Comes after the workspace, in which it may lie.
pub(in super::super) fn entries(dir: &SandboxDir, record: &Record, ids: IdMap) -> Vec<Entry> {
    let Some(repository) = record.native.as_ref().and_then(|native| native.git.as_ref()) else { return Vec::new() };
    let allowed = Allowed::of(record);
    let places = Places { record };
    let top = &record.workspace.canonical;
    let mut entries: Vec<Entry> =
        above(record).iter().flat_map(|path| places.show(&top.join(path), ids, false)).collect();
    let host = |path: &Path, read_only| places.show(path, ids, read_only);
    if repository.sealed {
        entries.extend(host(&repository.common, true));
    } else if allowed.whole {
        if !repository.common.starts_with(&record.workspace.canonical) {
            entries.extend(host(&repository.common, false));
        }
    } else {
        entries.extend(shadow(dir, repository, allowed, &places, ids));
    }
    entries.extend(repository.link.as_deref().into_iter().flat_map(|link| host(link, true)));
    if allowed.alternates {
        entries.extend(repository.alternates.iter().flat_map(|objects| host(objects, true)));
    }
    entries
}

/// The directories of the workspace, relative to it, in which its repository lies, the outermost first. They are mount
/// points themselves: one that is not could be renamed inside, and another repository be put in the place of this one.
pub(crate) fn above(record: &Record) -> BTreeSet<PathBuf> {
    let repository = record.native.as_ref().and_then(|native| native.git.as_ref());
    let paths = repository.into_iter().flat_map(|repository| areas(repository).map(|(_, path)| path));
    let within = paths.filter_map(|path| path.strip_prefix(&record.workspace.canonical).ok());
    let above = within.flat_map(|path| path.ancestors().skip(1));
    above.filter(|path| *path != Path::new("")).map(Path::to_owned).collect()
}

fn shadow(dir: &SandboxDir, repository: &Repository, allowed: Allowed, places: &Places<'_>, ids: IdMap) -> Vec<Entry> {
    let mut entries = Vec::new();
    for (name, path) in areas(repository) {
        let private = dir.join(DIR).join(name);
        entries.extend(places.all(path).into_iter().map(|target| Entry::Bind {
            source: private.clone(),
            target,
            access: Access::ReadWrite,
        }));
        for part in parts(path, allowed) {
            let source = path.join(&part.name);
            if part.name == REFS {
                let kinds = kinds_of_refs(path);
                entries.extend(kinds.iter().flat_map(|kind| places.show(&source.join(kind), ids, false)));
                continue;
            }
            entries.extend(places.show(&source, ids, part.read_only));
        }
        let info = path.join("objects/info");
        if info.is_dir() {
            // It says from which other repositories to borrow.
            entries.extend(places.show(&info, ids, true));
        }
    }
    entries
}

/// The git directories for which the sandbox has ones of its own, by the names that those have.
pub(super) fn areas(repository: &Repository) -> impl Iterator<Item = (&'static str, &Path)> {
    let own = repository.own.as_deref().map(|own| ("own", own));
    std::iter::once(("common", repository.common.as_path())).chain(own)
}

/// Where a path of the host's is inside: the workspace may be there under two names.
struct Places<'a> {
    record: &'a Record,
}

impl Places<'_> {
    fn all(&self, path: &Path) -> Vec<PathBuf> {
        let workspace = &self.record.workspace;
        let mut places = vec![path.to_owned()];
        if let Ok(below) = path.strip_prefix(&workspace.canonical)
            && workspace.given != workspace.canonical
        {
            places.push(workspace.given.join(below));
        }
        places
    }

    fn show(&self, path: &Path, ids: IdMap, read_only: bool) -> Vec<Entry> {
        self.all(path).iter().filter_map(|target| part(path, target, ids, read_only)).collect()
    }
}
