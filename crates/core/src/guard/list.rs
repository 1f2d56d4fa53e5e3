//! What the host would execute or obey in a workspace merely because somebody enters it, opens it in an editor or starts
//! an agent there. The code of the project itself (its build scripts, tests, packages) is not here: whoever runs that
//! runs it on purpose. Git's own files are guarded elsewhere.

use std::path::{Path, PathBuf};

/// A path relative to the top of a workspace, and why it is guarded. Whether it is a file or a directory is decided by
/// what is there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Guarded {
    pub(crate) path: &'static str,
    pub(crate) reason: &'static str,
}

const fn guarded(path: &'static str, reason: &'static str) -> Guarded {
    Guarded { path, reason }
}

/// The guarded paths.
pub(crate) const GUARDED: &[Guarded] = &[
    // Editors.
    guarded(".vscode", "VS Code and its kin run tasks on opening a folder, and start what settings.json names"),
    guarded(".devcontainer", "editors build and start containers with mounts of the host from it"),
    guarded(".devcontainer.json", "the same as one file"),
    guarded(".idea", "JetBrains editors run its configurations, file watchers and start-up tasks"),
    guarded(".fleet", "Fleet runs its configurations"),
    guarded(".zed", "Zed starts the language servers, formatters and tasks that it names"),
    guarded(".cursor", "Cursor starts the MCP servers of mcp.json and obeys its rules and hooks"),
    guarded(".windsurf", "Windsurf obeys its rules, workflows and hooks"),
    guarded(".exrc", "vim and neovim with 'exrc' run it as commands"),
    guarded(".vimrc", "vim with 'exrc' runs it as commands"),
    guarded(".gvimrc", "vim with 'exrc' runs it as commands"),
    guarded(".nvimrc", "neovim with 'exrc' runs it as commands"),
    guarded(".nvim.lua", "neovim with 'exrc' runs it as a program"),
    guarded(".lvimrc", "vim's localvimrc runs it as commands"),
    guarded(".dir-locals.el", "Emacs sets variables from it, some of which evaluate code"),
    guarded(".dir-locals-2.el", "Emacs reads it beside the former"),
    // Agents.
    guarded(".claude", "Claude Code runs the hooks of its settings and obeys its commands, agents and skills"),
    guarded(".mcp.json", "Claude Code starts the MCP servers that it names"),
    guarded(".codex", "Codex reads its configuration, which names programs to start"),
    guarded(".gemini", "Gemini CLI starts the MCP servers and hooks of its settings"),
    guarded(".qwen", "Qwen Code starts the MCP servers of its settings"),
    guarded(".opencode", "opencode loads its plugins, agents and commands"),
    guarded("opencode.json", "opencode starts the MCP servers and formatters that it names"),
    guarded("opencode.jsonc", "the same with comments"),
    guarded(".continue", "Continue starts the MCP servers that it names"),
    guarded(".clinerules", "Cline obeys its rules, workflows and hooks"),
    guarded(".roo", "Roo Code starts the MCP servers that it names"),
    guarded(".roomodes", "Roo Code takes its modes and their rights from it"),
    guarded(".kiro", "Kiro runs its hooks and starts its MCP servers"),
    guarded(".amazonq", "Amazon Q starts the MCP servers that it names"),
    guarded(".aider.conf.yml", "aider runs the lint and test commands that it names after each edit"),
    guarded(".goose", "goose loads its recipes and extensions"),
    guarded(".crush.json", "Crush starts the MCP and language servers that it names"),
    guarded("crush.json", "Crush starts the MCP and language servers that it names"),
    // Shells.
    guarded(".envrc", "direnv runs it on entering the directory"),
    guarded(".direnv", "direnv's cache: .envrc puts programs from it first in PATH"),
    guarded(".mise.toml", "mise runs its hooks and templates on entering the directory"),
    guarded("mise.toml", "mise runs its hooks and templates on entering the directory"),
    guarded(".mise", "mise reads config.toml from it"),
    guarded(".autoenv.zsh", "zsh's autoenv runs it on entering the directory"),
    guarded(".autoenv_leave.zsh", "zsh's autoenv runs it on leaving the directory"),
    // What git or another version control is made to run.
    guarded(".husky", "husky points git at its hooks"),
    guarded(".githooks", "the usual name of a directory that core.hooksPath names"),
    guarded(".lefthook", "lefthook's scripts, which its git hooks run"),
    guarded(".lefthook.yml", "lefthook's git hooks run the commands in it"),
    guarded("lefthook.yml", "lefthook's git hooks run the commands in it"),
    guarded("lefthook-local.yml", "lefthook's git hooks run the commands in it"),
    guarded(".pre-commit-config.yaml", "pre-commit's git hooks run the commands in it"),
    guarded(".overcommit.yml", "overcommit's git hooks run the commands in it"),
    guarded(".hg/hgrc", "Mercurial runs its hooks, aliases and extensions on any command, a prompt's too"),
    // Debuggers, which editors start.
    guarded(".gdbinit", "gdb started here runs it where auto-loading allows it"),
    guarded(".lldbinit", "lldb started here runs it where that is allowed"),
];

/// Parts of guarded directories that are not copied for a sandbox: it sees an empty directory.
pub(super) const LEFT_OUT: &[Guarded] =
    &[guarded(".claude/worktrees", "checkouts of other agents' work: large, and none of this sandbox's business")];

/// Directories of installed or built things: nobody opens one as a project, and package managers fill them with what
/// others published, guarded names included.
pub(crate) const INSTALLED: &[&str] =
    &["node_modules", "bower_components", "target", "vendor", "site-packages", ".venv", "venv", ".tox", ".cargo"];

/// The entry for a name in a directory of that name, anywhere in a tree.
pub(crate) fn named(parent: &[u8], name: &[u8]) -> Option<&'static Guarded> {
    GUARDED.iter().find(|guarded| match guarded.path.split_once('/') {
        Some((above, last)) => above.as_bytes() == parent && last.as_bytes() == name,
        None => guarded.path.as_bytes() == name,
    })
}

/// The directory within the workspace that the repository's own configuration names as `core.hooksPath`, relative to the
/// workspace. Configurations of the user's and the machine's are not read: the library looks for no home.
pub(super) fn hooks_path(workspace: &Path, config: &str) -> Option<PathBuf> {
    let mut in_core = false;
    let mut found = None;
    for line in config.lines().map(str::trim) {
        if line.starts_with('[') {
            in_core = line.trim_start_matches('[').trim_end_matches(']').trim().eq_ignore_ascii_case("core");
        } else if let Some((key, value)) = line.split_once('=')
            && in_core
            && key.trim().eq_ignore_ascii_case("hookspath")
        {
            found = Some(value.trim().trim_matches('"').to_owned());
        }
    }
    let path = workspace.join(found?);
    let relative = path.strip_prefix(workspace).ok()?;
    let plain = relative.components().all(|part| matches!(part, std::path::Component::Normal(_)));
    let elsewhere = relative.starts_with(".git") || relative.as_os_str().is_empty();
    (plain && !elsewhere).then(|| relative.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_relative_unique_and_have_a_reason() {
        for (index, guarded) in GUARDED.iter().enumerate() {
            assert!(!guarded.reason.is_empty() && !guarded.path.starts_with('/'), "{}", guarded.path);
            assert!(GUARDED.iter().skip(index + 1).all(|other| other.path != guarded.path), "{} twice", guarded.path);
        }
    }

    #[test]
    fn names_are_found_at_any_depth() {
        assert!(named(b"packages", b".envrc").is_some());
        assert!(named(b".hg", b"hgrc").is_some());
        assert!(named(b"x", b"hgrc").is_none());
    }

    #[test]
    fn the_hooks_directory_of_a_repository_is_found() {
        let find = |config: &str| hooks_path(Path::new("/w"), config);
        assert_eq!(find("[core]\n\tbare = false\n\thooksPath = tools/hooks\n"), Some("tools/hooks".into()));
        assert_eq!(find("[CORE]\nhookspath=\".husky/_\"\n"), Some(".husky/_".into()));
        assert_eq!(find("[core]\nhooksPath = /w/hooks\n"), Some("hooks".into()));
        for outside in ["[core]\nhooksPath = /etc/hooks", "[core]\nhooksPath = ../h", "[x]\nhooksPath = h", ""] {
            assert_eq!(find(outside), None, "{outside}");
        }
    }
}
