//! Where the tasks find their tools: the pinned Node, Bun and agents come before what the machine has.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use xshell::Shell;

use crate::{Result, root};

/// The pinned agents and runtimes, installed by `tests/agents/install.sh`.
pub(crate) const AGENTS_BIN: &str = "tests/agents/node_modules/.bin";

/// Our own directory of commands, which comes first in PATH.
const SHIMS: &str = "target/xtask/bin";

/// Puts the pinned tools first in the PATH of every command that `sh` runs.
pub(crate) fn prepend_path(sh: &Shell) -> Result<()> {
    let path = env::var_os("PATH").unwrap_or_default();
    if let (Some(node), Some(npm)) = (find_outside("node", &path), find_outside("npm", &path)) {
        write_npm_shim(&node, &npm)?;
    }
    sh.set_var("PATH", path_with_pinned_tools(&path)?);
    Ok(())
}

/// `path` behind the pinned tools.
pub(crate) fn path_with_pinned_tools(path: &OsString) -> Result<OsString> {
    let pinned = [root().join(SHIMS), root().join(AGENTS_BIN)];
    Ok(env::join_paths(pinned.into_iter().chain(env::split_paths(path)))?)
}

/// Whether a command is in PATH.
pub(crate) fn is_installed(command: &str) -> bool {
    find_in(command, env::split_paths(&env::var_os("PATH").unwrap_or_default())).is_some()
}

/// The machine's own `npm`, run by the machine's own Node: Debian's npm does not work under another Node, and the
/// scripts that npm starts shall find the pinned one.
fn write_npm_shim(node: &Path, npm: &Path) -> Result<()> {
    let npm = fs::canonicalize(npm)?;
    let text = format!("#!/bin/sh\nexec '{}' '{}' \"$@\"\n", node.display(), npm.display());
    let shim = root().join(SHIMS).join("npm");
    if fs::read_to_string(&shim).is_ok_and(|existing| existing == text) {
        return Ok(());
    }
    fs::create_dir_all(root().join(SHIMS))?;
    // Renamed into place: another task may be starting the old one.
    let new = shim.with_extension("new");
    fs::write(&new, text)?;
    fs::set_permissions(&new, fs::Permissions::from_mode(0o755))?;
    fs::rename(new, shim)?;
    Ok(())
}

/// A command of the machine, not of this work tree.
fn find_outside(command: &str, path: &OsString) -> Option<PathBuf> {
    find_in(command, env::split_paths(path).filter(|directory| !directory.starts_with(root())))
}

fn find_in(command: &str, mut directories: impl Iterator<Item = PathBuf>) -> Option<PathBuf> {
    directories.find_map(|directory| {
        let file = directory.join(command);
        let mode = fs::metadata(&file).ok()?.permissions().mode();
        (mode & 0o111 != 0).then_some(file)
    })
}
