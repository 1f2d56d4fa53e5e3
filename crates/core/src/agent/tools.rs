//! The host's agents and interpreters, found on its PATH and made visible read-only.
//!
//! A command on the PATH is usually a chain of symbolic links that ends in a package: `bin/claude` →
//! `../lib/node_modules/@anthropic-ai/claude-code/bin/claude.exe`. What must be visible inside is the package, and the
//! prefix of the interpreter that its script asks for; never a home, a cache or a configuration directory.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::agent::AgentProfile;
use crate::error::{Error, ErrorCode, Result};

/// Directories that every sandbox has anyway.
const SYSTEM: [&str; 6] = ["/usr", "/bin", "/sbin", "/lib", "/lib64", "/nix/store"];

/// Tools that are made visible when the host has them outside its system directories: interpreters that agents and
/// their projects expect.
const COMPANIONS: [&str; 5] = ["node", "npm", "npx", "bun", "bunx"];

/// The parts of a Rust toolchain. A machine usually has it in a home, behind rustup, of which the default toolchain alone is
/// made visible: a directory that holds programs and libraries only.
const RUST: [&str; 7] = ["cargo", "cargo-clippy", "cargo-fmt", "clippy-driver", "rustc", "rustdoc", "rustfmt"];

/// Scripts that choose a version at each call, and what to put on the PATH instead.
const SHIMS: [(&str, &str); 4] = [
    ("/.volta/bin/", "`volta which NAME` tells the executable behind it"),
    ("/.asdf/shims/", "`asdf which NAME` tells the executable behind it"),
    ("/mise/shims/", "`mise which NAME` tells the executable behind it"),
    ("/.pyenv/shims/", "`pyenv which NAME` tells the executable behind it"),
];

/// Parts of a path that mean that what lies there is not a program but somebody's data.
const PRIVATE: [&str; 7] = [".config", ".cache", ".ssh", ".aws", ".gnupg", ".claude", ".codex"];

/// A command of the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tool {
    pub(crate) name: String,
    /// The file at the end of all links.
    pub(crate) path: PathBuf,
}

/// Everything of the host's tools that a sandbox sees.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tools {
    /// Commands, each of which gets a link in a directory on the PATH inside.
    pub(crate) commands: Vec<Tool>,
    /// Directories and files to make visible at the place they have on the host.
    pub(crate) visible: BTreeSet<PathBuf>,
}

impl Tools {
    /// Finds the agent, the interpreter it needs, and the usual companions.
    pub(crate) fn find(
        profile: &AgentProfile,
        host_path: &OsStr,
        host_home: Option<&Path>,
    ) -> Result<(Self, Option<PathBuf>)> {
        let mut tools = Self::default();
        let search = Search { host_path, host_home };
        let mut agent_path = None;
        if let Some(executable) = profile.executable {
            let found = search.find(executable).ok_or_else(|| not_found(profile))??;
            agent_path = Some(found.path.clone());
            search.add(found, &mut tools)?;
        }
        for companion in COMPANIONS {
            // A companion that cannot be shown is no reason to refuse the agent.
            if let Some(Ok(found)) = search.find(companion) {
                let _unusable = search.add(found, &mut tools);
            }
        }
        for part in RUST {
            if let Some(Ok(found)) = search.find(part)
                && let Some(found) = behind_rustup(found)
            {
                let _unusable = search.add(found, &mut tools);
            }
        }
        Ok((tools, agent_path))
    }
}

impl Tools {
    /// Whether everything is still where it was found.
    pub(crate) fn exist(&self) -> bool {
        self.visible.iter().all(|path| path.exists()) && self.commands.iter().all(|tool| tool.path.exists())
    }
}

/// The version that the package around an executable says it has.
pub(crate) fn version(executable: &Path) -> Option<String> {
    let manifest =
        executable.ancestors().skip(1).take(4).map(|dir| dir.join("package.json")).find(|path| path.is_file())?;
    let bytes = crate::fs::read_limited(&manifest, 1024 * 1024).ok()??;
    let manifest: serde_json::Value = serde_json::from_slice(&bytes).ok()?;
    Some(manifest.get("version")?.as_str()?.chars().filter(|c| !c.is_control()).take(64).collect())
}

fn not_found(profile: &AgentProfile) -> Error {
    Error::new(ErrorCode::AgentNotFound, format!("the agent '{}' is not on this machine's PATH", profile.name))
        .with_hint(format!("install it: {}", profile.install))
}

struct Search<'a> {
    host_path: &'a OsStr,
    host_home: Option<&'a Path>,
}

impl Search<'_> {
    fn find(&self, name: &str) -> Option<Result<Tool>> {
        let candidates =
            self.host_path.as_bytes().split(|&byte| byte == b':').map(|dir| Path::new(OsStr::from_bytes(dir)));
        let on_path =
            candidates.filter(|dir| dir.is_absolute()).map(|dir| dir.join(name)).find(|path| is_executable(path))?;
        Some(Self::resolve(name, &on_path))
    }

    fn resolve(name: &str, on_path: &Path) -> Result<Tool> {
        let path =
            fs::canonicalize(on_path).map_err(|error| Error::io(format!("following {}", on_path.display()), error))?;
        let text = path.to_string_lossy();
        let link = on_path.to_string_lossy();
        if let Some((_, remedy)) = SHIMS.iter().find(|(part, _)| link.contains(part) || text.contains(part)) {
            return Err(Error::new(
                ErrorCode::AgentNotFound,
                format!("{} is a shim that chooses a version at each call", on_path.display()),
            )
            .with_hint(format!(
                "put the directory of the real executable first in PATH; {}",
                remedy.replace("NAME", name)
            )));
        }
        Ok(Tool { name: name.to_owned(), path })
    }

    fn add(&self, tool: Tool, tools: &mut Tools) -> Result<()> {
        self.show(&package_root(&tool.path), tools)?;
        if let Some(interpreter) = interpreter(&tool.path)
            && !tools.commands.iter().any(|known| known.name == interpreter)
            && let Some(Ok(found)) = self.find(&interpreter)
        {
            self.add(found, tools)?;
        }
        if !is_system(&tool.path) || !on_default_path(&tool) {
            tools.commands.push(tool);
        }
        Ok(())
    }

    fn show(&self, root: &Path, tools: &mut Tools) -> Result<()> {
        if is_system(root) {
            return Ok(());
        }
        let home = self.host_home.and_then(|home| fs::canonicalize(home).ok());
        let too_wide = root.components().count() < 3
            || home.as_deref().is_some_and(|home| home.starts_with(root))
            || root.parent() == Some(Path::new("/home"));
        let private = root.components().any(|part| PRIVATE.iter().any(|name| part.as_os_str() == *name));
        if too_wide || private {
            return Err(Error::new(
                ErrorCode::AgentNotFound,
                format!("{} lies where a sandbox must not look", root.display()),
            )
            .with_hint("install the agent with npm, or put it into a directory of its own"));
        }
        tools.visible.insert(root.to_owned());
        Ok(())
    }
}

/// The directory that must be visible for an executable to work: the `node_modules` its package lies in (packages find
/// their platform's part beside them), the prefix of a `bin` directory, else the file itself.
fn package_root(path: &Path) -> PathBuf {
    let modules = path.ancestors().filter(|dir| dir.file_name() == Some(OsStr::new("node_modules"))).last();
    if let Some(modules) = modules {
        return modules.to_owned();
    }
    match path.parent() {
        Some(bin) if bin.file_name() == Some(OsStr::new("bin")) => {
            let prefix = bin.parent().unwrap_or(bin);
            // A prefix that holds libraries belongs to the executable; a bare bin directory may hold anything.
            if prefix.join("lib").is_dir() || prefix.join("package.json").is_file() {
                prefix.to_owned()
            } else {
                path.to_owned()
            }
        }
        _ => path.to_owned(),
    }
}

/// What rustup runs for one of its commands, by the default that its settings name; any other tool is itself.
fn behind_rustup(tool: Tool) -> Option<Tool> {
    if tool.path.file_name() != Some(OsStr::new("rustup")) {
        return Some(tool);
    }
    // Where rustup keeps both unless it is told otherwise: HOME/.cargo/bin/rustup and HOME/.rustup.
    let cargo = tool.path.parent()?.parent().filter(|_| tool.path.ends_with(".cargo/bin/rustup"))?;
    let rustup = cargo.with_file_name(".rustup");
    let settings = fs::read_to_string(rustup.join("settings.toml")).ok()?;
    let name = settings.lines().find_map(|line| line.strip_prefix("default_toolchain = "))?.trim_matches('"');
    let path = rustup.join("toolchains").join(name).join("bin").join(&tool.name);
    // A linked toolchain may lie anywhere.
    (fs::canonicalize(&path).ok()? == path).then_some(Tool { path, ..tool })
}

/// The interpreter that a script's first line asks for, as a name to look up.
fn interpreter(path: &Path) -> Option<String> {
    let mut head = [0_u8; 256];
    let length = File::open(path).and_then(|mut file| file.read(&mut head)).ok()?;
    let line = head.get(..length)?.strip_prefix(b"#!")?;
    let line = line.split(|&byte| byte == b'\n').next()?;
    let text = String::from_utf8_lossy(line).into_owned();
    let mut words = text.split_whitespace();
    let first = Path::new(words.next()?).file_name()?.to_str()?.to_owned();
    if first == "env" { words.find(|word| !word.starts_with('-')).map(str::to_owned) } else { Some(first) }
}

fn is_system(path: &Path) -> bool {
    SYSTEM.iter().any(|system| path.starts_with(system))
}

fn on_default_path(tool: &Tool) -> bool {
    ["/usr/local/bin", "/usr/bin", "/bin"]
        .iter()
        .any(|dir| fs::canonicalize(Path::new(dir).join(&tool.name)).is_ok_and(|path| path == tool.path))
}

fn is_executable(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn executable(path: &Path, content: &str) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn claude() -> &'static AgentProfile {
        AgentProfile::find("claude").unwrap()
    }

    #[test]
    fn an_npm_package_is_visible_with_its_neighbours_and_its_interpreter() {
        let dir = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(dir.path()).unwrap();
        let cli = root.join("prefix/lib/node_modules/@anthropic-ai/claude-code/cli.js");
        executable(&cli, "#!/usr/bin/env -S node --flag\n");
        fs::create_dir_all(root.join("prefix/bin")).unwrap();
        symlink("../lib/node_modules/@anthropic-ai/claude-code/cli.js", root.join("prefix/bin/claude")).unwrap();
        executable(&root.join("node/bin/node"), "ELF");
        fs::create_dir_all(root.join("node/lib")).unwrap();
        let path = format!("{0}/prefix/bin:{0}/node/bin", root.display());
        let (tools, agent) = Tools::find(claude(), OsStr::new(&path), None).unwrap();
        assert_eq!(agent, Some(cli));
        assert!(tools.visible.contains(&root.join("prefix/lib/node_modules")));
        assert!(tools.visible.contains(&root.join("node")));
        let names: Vec<_> = tools.commands.iter().map(|tool| tool.name.as_str()).collect();
        assert!(names.contains(&"claude") && names.contains(&"node"), "{names:?}");
    }

    #[test]
    fn of_rustup_only_the_default_toolchain_is_visible() {
        let dir = tempfile::tempdir().unwrap();
        let home = fs::canonicalize(dir.path()).unwrap();
        let toolchain = home.join(".rustup/toolchains/stable-x");
        for path in [home.join(".cargo/bin/rustup"), toolchain.join("bin/cargo"), toolchain.join("bin/rustc")] {
            executable(&path, "ELF");
        }
        fs::create_dir_all(toolchain.join("lib")).unwrap();
        for name in ["cargo", "rustc", "rustfmt"] {
            symlink("rustup", home.join(".cargo/bin").join(name)).unwrap();
        }
        fs::write(home.join(".rustup/settings.toml"), "version = \"12\"\ndefault_toolchain = \"stable-x\"\n").unwrap();
        let shell = AgentProfile::find("shell").unwrap();
        let path = home.join(".cargo/bin");
        let (tools, _) = Tools::find(shell, path.as_os_str(), Some(&home)).unwrap();
        assert!(tools.visible.iter().eq([&toolchain]), "{:?}", tools.visible);
        let paths: Vec<_> = tools.commands.into_iter().map(|tool| tool.path).collect();
        assert_eq!(paths, [toolchain.join("bin/cargo"), toolchain.join("bin/rustc")]);
    }

    #[test]
    fn a_missing_agent_is_answered_with_the_command_that_installs_it() {
        let error = Tools::find(claude(), OsStr::new("/nonexistent"), None).unwrap_err();
        assert_eq!(error.code(), ErrorCode::AgentNotFound);
        assert!(error.hint().unwrap().contains("npm install -g @anthropic-ai/claude-code"));
    }

    #[test]
    fn a_shim_is_refused_with_the_way_to_the_real_thing() {
        let dir = tempfile::tempdir().unwrap();
        executable(&dir.path().join(".asdf/shims/claude"), "#!/bin/sh\n");
        let path = dir.path().join(".asdf/shims");
        let error = Tools::find(claude(), path.as_os_str(), None).unwrap_err();
        assert!(error.hint().unwrap().contains("asdf which claude"));
    }

    #[test]
    fn homes_and_private_directories_are_never_shown() {
        let dir = tempfile::tempdir().unwrap();
        let home = fs::canonicalize(dir.path()).unwrap();
        executable(&home.join("bin/claude"), "ELF");
        fs::create_dir_all(home.join("lib")).unwrap();
        let error = Tools::find(claude(), home.join("bin").as_os_str(), Some(&home)).unwrap_err();
        assert_eq!(error.code(), ErrorCode::AgentNotFound, "the prefix of bin would be the home itself");
        executable(&home.join(".config/x/claude"), "ELF");
        let error = Tools::find(claude(), home.join(".config/x").as_os_str(), Some(&home)).unwrap_err();
        assert_eq!(error.code(), ErrorCode::AgentNotFound);
    }
}
