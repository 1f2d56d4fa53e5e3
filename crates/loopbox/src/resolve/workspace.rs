//! The workspace that was meant.

use std::ffi::OsString;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path, PathBuf};

use loopbox_core::{Error, Result, SandboxName};

/// The absolute path of a workspace, as close as possible to how the user thinks of it: symbolic links stay, since
/// the workspace is visible inside at the path as given.
pub(crate) fn absolute(path: &Path) -> Result<PathBuf> {
    if path.components().any(|part| part == Component::ParentDir) {
        // What `..` means depends on the links before it. If the path leads nowhere, the library says so.
        return Ok(path.canonicalize().unwrap_or_else(|_| path.to_owned()));
    }
    let base = if path.is_absolute() { PathBuf::new() } else { current_dir()? };
    Ok(base.join(path).components().filter(|part| *part != Component::CurDir).collect())
}

/// The current directory by the name under which the shell went there, if that is still true.
pub(crate) fn current_dir() -> Result<PathBuf> {
    let physical = std::env::current_dir().map_err(|error| Error::io("finding the current directory", error))?;
    let logical = std::env::var_os("PWD").map(PathBuf::from).filter(|path| is_same(path, &physical));
    Ok(logical.unwrap_or(physical))
}

fn is_same(logical: &Path, physical: &Path) -> bool {
    let identity = |path: &Path| path.metadata().ok().map(|metadata| (metadata.dev(), metadata.ino()));
    let plain = |part: Component<'_>| matches!(part, Component::RootDir | Component::Normal(_));
    logical.is_absolute() && logical.components().all(plain) && identity(logical) == identity(physical)
}

/// The name of a sandbox that was given none: the agent's, and the workspace's last part with what names cannot hold
/// replaced by `-`.
pub(crate) fn default_name(agent: &str, workspace: &Path) -> Result<SandboxName> {
    let directory = workspace.file_name().map(OsString::from).unwrap_or_default();
    let fitting = |c: char| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' };
    let directory: String = directory.to_string_lossy().chars().map(fitting).collect();
    let directory = directory.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    let name = if directory.is_empty() { agent.to_owned() } else { format!("{agent}-{directory}") };
    SandboxName::parse(name).map_err(|error| error.with_hint("choose a name with --name NAME"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_names() {
        let cases = [
            ("/home/me/project", "claude-project"),
            ("/home/me/my project_2", "claude-my-project-2"),
            ("/home/me/.dotfiles", "claude-dotfiles"),
            ("/home/me/größe", "claude-gr--e"),
            ("/home/me/---", "claude"),
            ("/", "claude"),
        ];
        for (path, name) in cases {
            assert_eq!(default_name("claude", Path::new(path)).unwrap().as_str(), name, "{path}");
        }
    }

    #[test]
    fn a_name_that_would_be_too_long_is_refused_not_cut() {
        let error = default_name("claude", &Path::new("/p").join("x".repeat(60))).unwrap_err();
        assert!(error.hint().unwrap().contains("--name"));
    }

    #[test]
    fn paths_keep_their_links_and_lose_their_dots() {
        assert_eq!(absolute(Path::new("/a/./b/")).unwrap(), Path::new("/a/b"));
        assert_eq!(absolute(Path::new("/usr/../tmp")).unwrap(), Path::new("/tmp").canonicalize().unwrap());
        assert!(absolute(Path::new(".")).unwrap().is_absolute());
        assert!(absolute(Path::new("x")).unwrap().ends_with("x"));
    }
}
