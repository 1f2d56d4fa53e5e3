//! Which directories may be workspaces, and whether one is still the same.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::config::Config;
use crate::error::{Error, ErrorCode, Result};
use crate::record::WorkspaceRecord;

/// Directories that are the machine's, not a project's; their contents may be (a workspace below /tmp or /opt is fine).
const SYSTEM: [&str; 22] = [
    "/bin", "/boot", "/dev", "/etc", "/home", "/lib", "/lib32", "/lib64", "/media", "/mnt", "/opt", "/proc", "/root",
    "/run", "/sbin", "/srv", "/sys", "/tmp", "/usr", "/var", "/var/tmp", "/nix",
];

/// Directories of which no part may be a workspace: the sandbox has its own, or they are the kernel's.
const SYSTEM_TREES: [&str; 8] = ["/boot", "/dev", "/etc", "/proc", "/run", "/sys", "/bin", "/sbin"];

/// Checks a path that a caller gave and fixes what it is.
pub(crate) fn resolve(given: &Path, config: &Config) -> Result<WorkspaceRecord> {
    if !given.is_absolute() {
        return Err(Error::invalid("workDir", given.display(), "must be an absolute path")
            .with_hint("resolve it against the current directory first"));
    }
    let missing = |why: &str| {
        Error::new(ErrorCode::WorkspaceNotFound, format!("workDir: {}: {why}", given.display()))
            .with_hint("make the directory first, or give the path of one that exists")
    };
    let canonical = fs::canonicalize(given).map_err(|error| missing(&error.to_string()))?;
    let metadata = fs::metadata(&canonical).map_err(|error| missing(&error.to_string()))?;
    if !metadata.is_dir() {
        return Err(missing("is not a directory"));
    }
    refuse_forbidden(&canonical, config)?;
    Ok(WorkspaceRecord { given: normalised(given), canonical, device: metadata.dev(), inode: metadata.ino() })
}

/// Fails if the directory is another one than it was when the sandbox was made.
pub(crate) fn verify(record: &WorkspaceRecord) -> Result<()> {
    let same = fs::metadata(&record.canonical)
        .is_ok_and(|now| now.is_dir() && now.dev() == record.device && now.ino() == record.inode);
    if same {
        return Ok(());
    }
    Err(Error::new(
        ErrorCode::WorkspaceChanged,
        format!("workDir: {}: is no longer the directory that the sandbox was made for", record.canonical.display()),
    )
    .with_hint("remove the sandbox and create it again"))
}

fn refuse_forbidden(path: &Path, config: &Config) -> Result<()> {
    let refuse =
        |why: &str| Err(Error::invalid("workDir", path.display(), why).with_hint("give the directory of one project"));
    if path == Path::new("/") {
        return refuse("the root directory cannot be a workspace");
    }
    if SYSTEM.iter().any(|system| path == Path::new(system)) || SYSTEM_TREES.iter().any(|tree| path.starts_with(tree)) {
        return refuse("a system directory cannot be a workspace");
    }
    let is_home =
        config.host_home.as_deref().and_then(|home| fs::canonicalize(home).ok()).is_some_and(|home| home == path);
    if is_home || path.parent() == Some(Path::new("/home")) {
        return refuse("a home directory itself cannot be a workspace");
    }
    let state = fs::canonicalize(&config.state_dir).unwrap_or_else(|_| config.state_dir.clone());
    if path.starts_with(&state) || state.starts_with(path) {
        return refuse("lies above or inside loopbox's state directory");
    }
    Ok(())
}

/// The path without `.`, `..` and trailing slashes, links unresolved.
fn normalised(path: &Path) -> PathBuf {
    use std::path::Component;
    let mut normal = PathBuf::from("/");
    for component in path.components() {
        match component {
            Component::Normal(name) => normal.push(name),
            Component::ParentDir => {
                normal.pop();
            }
            _ => {}
        }
    }
    normal
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(state: &Path) -> Config {
        Config::new(state)
    }

    #[test]
    fn a_project_directory_is_accepted_with_its_identity() {
        let dir = tempfile::tempdir().unwrap();
        let project = dir.path().join("project");
        fs::create_dir(&project).unwrap();
        let record = resolve(&project.join("."), &config(&dir.path().join("state"))).unwrap();
        assert_eq!(record.given, project);
        assert!(verify(&record).is_ok());
    }

    #[test]
    fn a_directory_that_was_replaced_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let project = dir.path().join("project");
        fs::create_dir(&project).unwrap();
        let record = resolve(&project, &config(&dir.path().join("state"))).unwrap();
        fs::rename(&project, dir.path().join("old")).unwrap();
        fs::create_dir(&project).unwrap();
        assert_eq!(verify(&record).unwrap_err().code(), ErrorCode::WorkspaceChanged);
    }

    #[test]
    fn what_is_not_a_project_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let mut config = config(&dir.path().join("state"));
        fs::create_dir_all(dir.path().join("state/x")).unwrap();
        fs::create_dir(dir.path().join("home")).unwrap();
        fs::write(dir.path().join("file"), "").unwrap();
        config.host_home = Some(dir.path().join("home"));
        let code = |path: &Path| resolve(path, &config).unwrap_err().code();
        for path in ["relative", "/", "/etc", "/usr", "/tmp", "/proc/self", "/home", "/dev/shm"] {
            assert_eq!(code(Path::new(path)), ErrorCode::InvalidArgument, "{path}");
        }
        assert_eq!(code(&dir.path().join("home")), ErrorCode::InvalidArgument);
        assert_eq!(code(dir.path()), ErrorCode::InvalidArgument, "above the state directory");
        assert_eq!(code(&dir.path().join("state/x")), ErrorCode::InvalidArgument, "inside the state directory");
        assert_eq!(code(&dir.path().join("missing")), ErrorCode::WorkspaceNotFound);
        assert_eq!(code(&dir.path().join("file")), ErrorCode::WorkspaceNotFound);
    }
}
