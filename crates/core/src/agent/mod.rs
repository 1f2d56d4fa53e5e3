//! Agents: what each of them needs, as data, and where the host keeps it.

mod profiles;
mod tools;

use std::ffi::OsString;

pub(crate) use tools::{Tools, version};

/// What loopbox knows of an agent. Adding an agent is adding an entry to the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct AgentProfile {
    /// Its name, as callers give it.
    pub name: &'static str,
    /// The executable that is looked up on the host's PATH; none for a plain shell.
    pub executable: Option<&'static str>,
    /// How to install it.
    pub install: &'static str,
    /// Arguments with which it runs unattended, and the spellings that mean that they are given already.
    unattended: Unattended,
    /// What starts it on a terminal or without one, where there is no executable.
    fallback: &'static [&'static str],
    /// Variables of every command in its sandboxes, with a reason each.
    pub(crate) env: &'static [(&'static str, &'static str, &'static str)],
    /// Files of its private home that answer its first-run questions.
    pub(crate) seeds: &'static [Seed],
    /// Options that stand for others.
    aliases: &'static [(&'static str, &'static str)],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Unattended {
    args: &'static [&'static str],
    given_by: &'static [&'static str],
}

/// A file in the private home, made once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seed {
    /// Relative to the home.
    pub(crate) path: &'static str,
    /// Its contents; `{workspace}` is replaced by the workspace's path, escaped as in JSON and TOML strings.
    pub(crate) content: &'static str,
}

impl AgentProfile {
    /// Every agent there is a profile for.
    pub fn all() -> &'static [AgentProfile] {
        profiles::ALL
    }

    /// The profile of that name.
    pub fn find(name: &str) -> Option<&'static AgentProfile> {
        Self::all().iter().find(|profile| profile.name == name)
    }

    /// The command line of the agent itself: its unattended options unless they are given, then `args`.
    pub fn launch(&self, args: &[OsString]) -> Vec<OsString> {
        let args: Vec<OsString> = args.iter().map(|arg| self.expand(arg)).collect();
        let mut command: Vec<OsString> = match self.executable {
            Some(executable) => vec![executable.into()],
            None => self.fallback.iter().map(Into::into).collect(),
        };
        let given = args.iter().any(|arg| self.unattended.given_by.iter().any(|spelling| arg == spelling));
        if !given {
            command.extend(self.unattended.args.iter().map(OsString::from));
        }
        command.extend(args);
        command
    }

    fn expand(&self, arg: &OsString) -> OsString {
        let alias = self.aliases.iter().find(|(short, _)| arg == short);
        alias.map_or_else(|| arg.clone(), |(_, long)| OsString::from(long))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn launch(agent: &str, args: &[&str]) -> Vec<String> {
        let args: Vec<OsString> = args.iter().map(OsString::from).collect();
        let command = AgentProfile::find(agent).unwrap().launch(&args);
        command.into_iter().map(|arg| arg.into_string().unwrap()).collect()
    }

    #[test]
    fn an_agent_is_started_unattended() {
        assert_eq!(launch("claude", &["Refactor …"]), ["claude", "--dangerously-skip-permissions", "Refactor …"]);
        assert_eq!(
            launch("codex", &["exec", "do it"]),
            ["codex", "--dangerously-bypass-approvals-and-sandbox", "exec", "do it"]
        );
        assert_eq!(launch("shell", &[]), ["bash"]);
    }

    #[test]
    fn the_unattended_option_is_never_given_twice() {
        let flag = "--dangerously-bypass-approvals-and-sandbox";
        assert_eq!(launch("codex", &[flag, "exec", "x"]), ["codex", flag, "exec", "x"]);
        assert_eq!(
            launch("codex", &["--ask-for-approval", "never", "exec", "--sandbox", "danger-full-access", "x"]),
            ["codex", "--ask-for-approval", "never", "exec", "--sandbox", "danger-full-access", "x"]
        );
        assert_eq!(launch("claude", &["--dsp", "-p", "x"]), ["claude", "--dangerously-skip-permissions", "-p", "x"]);
    }
}
