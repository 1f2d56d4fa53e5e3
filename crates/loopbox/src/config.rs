//! What the command line reads from its environment.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use loopbox_core::{BackendId, Config, Error, GitIdentity, Result};
use tokio::io::AsyncReadExt as _;
use tokio::process::Command;

use crate::failure::invalid;

/// Git answers at once or not at all; a create does not wait for a broken configuration.
const GIT_PATIENCE: Duration = Duration::from_secs(2);
const MAX_GIT_OUTPUT: u64 = 4096;

/// The configuration that the environment gives, without the git identity.
pub(crate) fn from_environment() -> Result<Config> {
    let mut config = Config::new(state_dir(variable)?);
    // This executable plays supervisor, see `internal`.
    config.helper = std::env::current_exe().ok();
    config.backend = backend(variable)?;
    config.allow_host_fallback = is_one(variable("LOOPBOX_ALLOW_HOST_FALLBACK"));
    if let Some(path) = variable("PATH") {
        config.host_path = path;
    }
    config.host_home = variable("HOME").map(PathBuf::from);
    config.host_env = std::env::vars_os().collect();
    Ok(config)
}

/// Whether the caller asked for the bare host.
pub(crate) fn host_mode() -> bool {
    is_one(variable("AGENT_LOOP_HOST"))
}

/// The terminal that the caller has.
pub(crate) fn terminal_type() -> Option<OsString> {
    variable("TERM")
}

/// Who git says the operator is, in that directory. Nothing if git is not there, not set up, or does not answer.
pub(crate) async fn git_identity(directory: &Path) -> Option<GitIdentity> {
    let answer = tokio::time::timeout(GIT_PATIENCE, git_user_settings(directory)).await.ok()??;
    parse_git_identity(&answer)
}

fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

fn is_one(value: Option<OsString>) -> bool {
    value.is_some_and(|value| value == "1")
}

fn state_dir(variable: impl Fn(&str) -> Option<OsString>) -> Result<PathBuf> {
    if let Some(dir) = variable("LOOPBOX_STATE_DIR") {
        return std::path::absolute(dir).map_err(|error| Error::io("finding the state directory", error));
    }
    // The XDG specification has relative paths ignored.
    let xdg = variable("XDG_STATE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let base = xdg.or_else(|| variable("HOME").map(|home| PathBuf::from(home).join(".local/state")));
    base.map(|base| base.join("loopbox")).ok_or_else(|| {
        invalid("there is no place for the state: neither HOME nor XDG_STATE_HOME is set")
            .with_hint("set LOOPBOX_STATE_DIR to a directory of your own")
    })
}

fn backend(variable: impl Fn(&str) -> Option<OsString>) -> Result<Option<BackendId>> {
    if is_one(variable("AGENT_LOOP_HOST")) {
        return Ok(Some(BackendId::Host));
    }
    variable("LOOPBOX_BACKEND").map(|name| name.to_string_lossy().parse()).transpose()
}

async fn git_user_settings(directory: &Path) -> Option<Vec<u8>> {
    let mut git = Command::new("git")
        .args(["config", "--null", "--get-regexp", r"^user\.(name|email)$"])
        .current_dir(directory)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .ok()?;
    let mut answer = Vec::new();
    git.stdout.take()?.take(MAX_GIT_OUTPUT).read_to_end(&mut answer).await.ok()?;
    Some(answer)
}

/// Reads `key\nvalue\0` repeated; of several values the last counts, as in git.
fn parse_git_identity(answer: &[u8]) -> Option<GitIdentity> {
    let (mut name, mut email) = (None, None);
    for setting in String::from_utf8_lossy(answer).split_terminator('\0') {
        match setting.split_once('\n') {
            Some(("user.name", value)) => name = Some(value.to_owned()),
            Some(("user.email", value)) => email = Some(value.to_owned()),
            _ => {}
        }
    }
    Some(GitIdentity { name: name?, email: email? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(variables: &'static [(&str, &str)]) -> impl Fn(&str) -> Option<OsString> {
        |name| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| value.into())
    }

    #[test]
    fn where_the_state_lives() {
        type Case = (&'static [(&'static str, &'static str)], &'static str);
        let cases: [Case; 4] = [
            (&[("LOOPBOX_STATE_DIR", "/s"), ("XDG_STATE_HOME", "/x"), ("HOME", "/h")], "/s"),
            (&[("XDG_STATE_HOME", "/x"), ("HOME", "/h")], "/x/loopbox"),
            (&[("XDG_STATE_HOME", "relative"), ("HOME", "/h")], "/h/.local/state/loopbox"),
            (&[("HOME", "/h")], "/h/.local/state/loopbox"),
        ];
        for (variables, expected) in cases {
            assert_eq!(state_dir(environment(variables)).unwrap(), Path::new(expected));
        }
        assert!(state_dir(environment(&[])).unwrap_err().hint().unwrap().contains("LOOPBOX_STATE_DIR"));
    }

    #[test]
    fn host_mode_is_exactly_one() {
        assert_eq!(backend(environment(&[("AGENT_LOOP_HOST", "1")])).unwrap(), Some(BackendId::Host));
        for other in [&[("AGENT_LOOP_HOST", "0")], &[("AGENT_LOOP_HOST", "true")], &[("AGENT_LOOP_HOST", "01")]] {
            assert_eq!(backend(environment(other)).unwrap(), None);
        }
        assert_eq!(backend(environment(&[("LOOPBOX_BACKEND", "native")])).unwrap(), Some(BackendId::Native));
        assert!(backend(environment(&[("LOOPBOX_BACKEND", "nonsense")])).is_err());
    }

    #[test]
    fn the_git_identity_needs_both_parts() {
        let answer = b"user.name\nOld\0user.email\nme@example.org\0user.name\nMe\nMyself\0";
        let identity = parse_git_identity(answer).unwrap();
        assert_eq!((identity.name.as_str(), identity.email.as_str()), ("Me\nMyself", "me@example.org"));
        assert_eq!(parse_git_identity(b"user.name\nMe\0"), None);
        assert_eq!(parse_git_identity(b""), None);
    }
}
