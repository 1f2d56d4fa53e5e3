//! The operator's git identity, which a new sandbox gets as two values.

use std::process::Stdio;
use std::time::Duration;

use loopbox_core::GitIdentity;
use tokio::process::Command;

use crate::settings::Settings;

/// `git config` reads two small files; one that takes longer hangs on a dead network home, and is not waited for.
const PATIENCE: Duration = Duration::from_secs(2);

/// Name and e-mail address that git would record for the caller outside any repository; what a repository sets for
/// itself is in its own configuration, which the sandbox sees anyway.
///
/// Without git, or without an identity, there is none: a sandbox works without.
pub(crate) async fn git_identity(settings: &Settings) -> Option<GitIdentity> {
    let mut git = Command::new("git");
    git.args(["config", "--null", "--get-regexp", r"^user\.(name|email)$"])
        .current_dir("/")
        .env_clear()
        .envs(settings.variables())
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    let output = tokio::time::timeout(PATIENCE, git.output()).await.ok()?.ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    // The last one wins, as in git.
    let value = |wanted: &str| {
        let mut entries = text.rsplit('\0').filter_map(|entry| entry.split_once('\n'));
        entries.find_map(|(key, value)| (key == wanted).then(|| value.to_owned()))
    };
    Some(GitIdentity { name: value("user.name")?, email: value("user.email")? })
}
