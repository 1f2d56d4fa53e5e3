//! The sandbox's /etc: generated, plus an allow-list of the host's files.
//!
//! Where the sandbox has a root of its own, that may change it, in a layer that lives as long as the sandbox, and the agent
//! may not. Elsewhere nobody could, and it is part of the read-only root.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use loopbox_init::sandbox::{Access, Entry};

use super::ground::{self, Ground};
use super::layout::OWN;
use super::once::Filling;
use super::{accounts, packages};
use crate::record::Record;
use crate::registry::SandboxDir;

/// Files of the host's /etc that are visible, and why. Root of the sandbox gets copies, which it may replace.
const FILES: [(&str, &str); 20] = [
    ("adduser.conf", "which ids new accounts get"),
    ("ca-certificates.conf", "certificate authorities"),
    ("debian_version", "tells programs which system this is"),
    ("inputrc", "line editing"),
    ("ld.so.cache", "where shared libraries are"),
    ("ld.so.conf", "where shared libraries are"),
    ("localtime", "the time zone"),
    ("login.defs", "which ids new accounts get"),
    ("lsb-release", "tells programs which system this is"),
    ("magic", "the file command"),
    ("mime.types", "types by file name"),
    ("mke2fs.conf", "making images in tests"),
    ("os-release", "tells programs which system this is"),
    ("protocols", "names of protocols"),
    ("python3/debian_config", "what compiles the modules of Python packages"),
    ("services", "names of ports"),
    ("shells", "which shells there are"),
    ("ssl/openssl.cnf", "what OpenSSL reads at its start"),
    ("timezone", "the time zone"),
    ("ucf.conf", "how packages replace their configuration"),
];

/// Directories of the host's /etc that are visible, and why.
const DIRECTORIES: [(&str, &str); 9] = [
    ("alternatives", "Debian's links from generic to real commands"),
    ("ca-certificates", "certificate authorities"),
    ("fonts", "browsers in tests"),
    ("java-17-openjdk", "configuration that Java refuses to start without"),
    ("java-21-openjdk", "configuration that Java refuses to start without"),
    ("ld.so.conf.d", "where shared libraries are"),
    ("pki/ca-trust/extracted", "certificate authorities on Red Hat's systems"),
    ("pki/tls/certs", "certificate authorities on Red Hat's systems"),
    ("ssl/certs", "certificate authorities; never ssl/private"),
];

/// What is the same in every sandbox.
const FIXED: [(&str, &str); 3] = [
    ("nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\nservices: files\nprotocols: files\n"),
    ("profile", PROFILE),
    ("bash.bashrc", BASHRC),
];

/// Files that are made at each start from what the sandbox is by then; /etc has links to them.
const CURRENT: [&str; 5] = ["gitconfig", "hostname", "hosts", "machine-id", "resolv.conf"];

/// The entries of /etc: over `ground` where the sandbox has a root of its own.
pub(super) fn entries(dir: &SandboxDir, record: &Record, ground: Option<&Ground>) -> Vec<Entry> {
    let mut entries = Vec::new();
    if let Some(ground) = ground {
        entries.push(Entry::Overlay {
            lower: ground.etc(),
            layer: dir.join("layer").join("etc"),
            target: "/etc".into(),
        });
    } else {
        let host = names().filter_map(visible);
        let fixed = FIXED.map(|(name, content)| (name, content.to_owned()));
        let accounts = [("passwd", accounts::passwd(false)), ("group", accounts::group(false))];
        let made = fixed.into_iter().chain(accounts);
        entries.extend(host.chain(made.map(|(name, content)| file(Path::new("/etc").join(name), content))));
        entries.extend(CURRENT.map(|name| Entry::Symlink { target: Path::new("/etc").join(name), to: current(name) }));
    }
    entries.extend(CURRENT.map(|name| file(current(name), content(name, record))));
    entries
}

/// Fills the /etc that sandboxes with a root begin with.
pub(super) fn fill(etc: &Filling) -> io::Result<()> {
    for name in names() {
        ground::copy(&Path::new("/etc").join(name), etc, Path::new(name), &|_content| true)?;
    }
    let accounts = [("passwd", accounts::passwd(true)), ("group", accounts::group(true))];
    let fixed = FIXED.map(|(name, content)| (name, content.to_owned()));
    for (name, content) in fixed.into_iter().chain(accounts) {
        etc.file(name, content.as_bytes(), 0o644)?;
    }
    for name in CURRENT {
        etc.link(name, &current(name))?;
    }
    packages::fill_etc(etc)
}

/// The host's files and directories that it is filled with.
pub(super) fn taken() -> impl Iterator<Item = PathBuf> {
    names().map(|name| Path::new("/etc").join(name))
}

fn names() -> impl Iterator<Item = &'static str> {
    FILES.iter().chain(&DIRECTORIES).map(|(name, _reason)| *name)
}

fn current(name: &str) -> PathBuf {
    Path::new(OWN).join("etc").join(name)
}

fn content(name: &str, record: &Record) -> String {
    let hostname = record.name.as_str();
    match name {
        "gitconfig" => gitconfig(record),
        "hostname" => format!("{hostname}\n"),
        "hosts" => format!("127.0.0.1 localhost {hostname}\n::1 localhost ip6-localhost ip6-loopback\n"),
        "machine-id" => format!("{}\n", machine_id(record)),
        // Only what goes through the egress proxy is resolved, on the host's side.
        _ => "nameserver 127.0.0.1\noptions attempts:1 timeout:1\n".to_owned(),
    }
}

fn visible(name: &str) -> Option<Entry> {
    let path = Path::new("/etc").join(name);
    let metadata = fs::symlink_metadata(&path).ok()?;
    Some(if metadata.is_symlink() {
        Entry::Symlink { to: fs::read_link(&path).ok()?, target: path }
    } else {
        Entry::Bind { source: path.clone(), target: path, access: Access::ReadOnly }
    })
}

fn file(target: PathBuf, content: String) -> Entry {
    Entry::File { target, content, mode: 0o644 }
}

/// What login shells read. The host's own would set a PATH without the sandbox's tools, and may hold variables that are
/// not for the inside.
const PROFILE: &str = r#"# Made by loopbox: the environment is as the command was given it.
if [ "${BASH_VERSION-}" ] && [ -r /etc/bash.bashrc ]; then . /etc/bash.bashrc; fi
for script in /etc/profile.d/*.sh; do if [ -r "$script" ]; then . "$script"; fi; done
unset script
"#;

/// What interactive shells read.
const BASHRC: &str = r"# Made by loopbox.
case $- in *i*) ;; *) return ;; esac
shopt -s checkwinsize
PS1='\u@\h:\w\$ '
";

/// An id of the sandbox's own, as systemd writes them: 32 hexadecimal digits.
fn machine_id(record: &Record) -> String {
    use sha2::{Digest, Sha256};
    let digest = Sha256::digest(format!("loopbox machine-id {}", record.id));
    crate::fs::to_hex(&digest[..16])
}

/// What git does inside unless the repository says otherwise, and why.
const GIT: &str = "\
# Made by loopbox.
# Signing needs a key, which there is none of.
[commit]
\tgpgsign = false
[tag]
\tgpgsign = false
# Following a branch is written to a configuration that ends with the sandbox.
[branch]
\tautoSetupMerge = false
# Tidying up is for the host's git, which knows all worktrees.
[gc]
\tauto = 0
\tpackRefs = false
[maintenance]
\tauto = false
# A watcher is a process of the host's; owners and inodes differ between inside and outside.
[core]
\tfsmonitor = false
\tcheckStat = minimal
\ttrustctime = false
";

fn gitconfig(record: &Record) -> String {
    use std::fmt::Write as _;
    let mut text = format!("{GIT}[safe]\n");
    let repository = record.native.as_ref().and_then(|native| native.git.as_ref());
    let top = repository.map(super::git::Repository::top);
    for path in [record.workspace.canonical.as_path(), &record.workspace.given].into_iter().chain(top) {
        let _infallible = writeln!(text, "\tdirectory = {}", quote(&path.to_string_lossy()));
    }
    if let Some(identity) = &record.settings.git_identity {
        let (name, email) = (quote(&identity.name), quote(&identity.email));
        let _infallible = write!(text, "[user]\n\tname = {name}\n\temail = {email}\n");
    }
    text
}

/// A value as git's configuration quotes it.
fn quote(value: &str) -> String {
    let escaped: String = value
        .chars()
        .filter(|c| !c.is_control())
        .flat_map(|c| if matches!(c, '"' | '\\') { vec!['\\', c] } else { vec![c] })
        .collect();
    format!("\"{escaped}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_cannot_break_out_of_gits_configuration() {
        assert_eq!(quote("A \"B\" \\ C\n[core]"), r#""A \"B\" \\ C[core]""#);
    }

    #[test]
    fn nothing_secret_is_on_the_list() {
        for name in names() {
            for secret in ["shadow", "private", "ssh", "machine-id", "sudoers", "passwd", "docker"] {
                assert!(!name.contains(secret), "{name}");
            }
        }
    }
}
