//! What apt and dpkg need, where the sandbox has a root of its own: the host's list of installed packages under a private
//! layer, where packages come from, and answers to what would be asked.
//!
//! Never carried in: `auth.conf` and `apt.conf`, which hold passwords of archives and proxies.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use loopbox_init::sandbox::Entry;

use super::ground;
use super::layout::overlay;
use super::once::Filling;
use crate::registry::SandboxDir;

/// dpkg's database: which packages are installed, as everybody on the host may read.
const DATABASE: &str = "/var/lib/dpkg";

/// Files and directories of files in /etc/apt that are copied, and why.
const SOURCES: [(&str, &str); 7] = [
    ("keyrings", "public keys of archives"),
    ("preferences", "which versions are preferred"),
    ("preferences.d", "which versions are preferred"),
    ("sources.list", "where packages come from"),
    ("sources.list.d", "where packages come from"),
    ("trusted.gpg", "public keys of archives"),
    ("trusted.gpg.d", "public keys of archives"),
];

/// Directories in /var that scripts of packages expect, with their permissions.
const STATE: [(&str, u32); 25] = [
    ("backups", 0o755),
    ("cache", 0o755),
    ("cache/apt", 0o755),
    ("cache/apt/archives", 0o755),
    ("cache/debconf", 0o755),
    ("cache/ldconfig", 0o700),
    ("cache/man", 0o755),
    ("lib", 0o755),
    ("lib/apt", 0o755),
    ("lib/apt/lists", 0o755),
    ("lib/dpkg", 0o755),
    ("lib/misc", 0o755),
    ("lib/pam", 0o755),
    ("lib/python", 0o755),
    ("lib/sgml-base", 0o755),
    ("lib/systemd", 0o755),
    ("lib/ucf", 0o755),
    ("lib/xml-core", 0o755),
    ("local", 0o755),
    ("log", 0o755),
    ("log/apt", 0o755),
    ("mail", 0o755),
    ("opt", 0o755),
    ("spool", 0o755),
    ("tmp", 0o1777),
];

/// How dpkg works without anybody to ask.
const DPKG: &str = "\
# Made by loopbox.
# Configuration that is not in this /etc, as the host's is not, is installed; what was changed stays.
force-confmiss
force-confdef
force-confold
# A sandbox that dies with the machine is not worth a wait for the disk.
force-unsafe-io
";

/// What apt leaves as it is.
const HELD: &str = "\
# Made by loopbox: it holds the directories of the root file system, which nobody can change here.
Package: base-files
Pin: release *
Pin-Priority: -1
";

/// What PAM asks of programs that change accounts: to be run by root.
const PAM: &str = "\
# Made by loopbox: root of the sandbox may, nobody else.
auth sufficient pam_rootok.so
auth required pam_deny.so
account required pam_permit.so
password required pam_deny.so
session required pam_permit.so
";

/// Says that no service may be started: there is no init system that would.
const POLICY: &str = "#!/bin/sh\n# Made by loopbox: packages start no services in a sandbox.\nexit 101\n";

fn has_dpkg() -> bool {
    Path::new(DATABASE).join("status").is_file()
}

/// dpkg's database, for a sandbox with a root of its own.
pub(super) fn entries(dir: &SandboxDir) -> Vec<Entry> {
    layers().map(|path| overlay(dir, &path)).collect()
}

/// The directories of the host's that get a private layer.
pub(super) fn layers() -> impl Iterator<Item = PathBuf> {
    has_dpkg().then(|| PathBuf::from(DATABASE)).into_iter()
}

/// What a private layer holds from the beginning.
pub(super) fn fill_layer(of: &Path, layer: &Filling) -> io::Result<()> {
    let upper = Path::new("upper");
    if of == Path::new(DATABASE) {
        // The host's names accounts that are not inside, at which dpkg would give up.
        return layer.file(upper.join("statoverride"), b"", 0o644);
    }
    if of == Path::new("/usr") && has_dpkg() && fs::symlink_metadata("/usr/sbin").is_ok_and(|sbin| sbin.is_dir()) {
        layer.dir(upper.join("sbin"), 0o755)?;
        return layer.file(upper.join("sbin/policy-rc.d"), POLICY.as_bytes(), 0o755);
    }
    Ok(())
}

/// The parts of /etc.
pub(super) fn fill_etc(etc: &Filling) -> io::Result<()> {
    if !has_dpkg() {
        return Ok(());
    }
    for dir in
        ["apt", "apt/apt.conf.d", "apt/preferences.d", "dpkg", "dpkg/dpkg.cfg.d", "pam.d", "default", "profile.d"]
    {
        etc.dir(dir, 0o755)?;
    }
    etc.file("dpkg/dpkg.cfg.d/loopbox", DPKG.as_bytes(), 0o644)?;
    etc.file("apt/preferences.d/loopbox", HELD.as_bytes(), 0o644)?;
    etc.file("pam.d/other", PAM.as_bytes(), 0o644)?;
    for (name, _reason) in SOURCES {
        let name = Path::new("apt").join(name);
        ground::copy(&Path::new("/etc").join(&name), etc, &name, &without_password)?;
    }
    Ok(())
}

/// The host's files and directories that it is filled with.
pub(super) fn taken() -> impl Iterator<Item = PathBuf> {
    SOURCES.iter().map(|(name, _reason)| Path::new("/etc/apt").join(name))
}

/// The parts of /var.
pub(super) fn fill_var(var: &Filling) -> io::Result<()> {
    STATE.iter().try_for_each(|(name, mode)| var.dir(name, *mode))
}

/// Whether no address in a list of sources holds a user or a password (`https://USER:PASSWORD@HOST/`).
fn without_password(content: &[u8]) -> bool {
    let text = String::from_utf8_lossy(content);
    text.split("://").skip(1).all(|address| {
        let end = address.find(|c: char| c == '/' || c.is_whitespace()).unwrap_or(address.len());
        !address[..end].contains('@')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_with_passwords_are_recognised() {
        assert!(without_password(b"deb http://deb.debian.org/debian bookworm main # a@b"));
        assert!(without_password(b"Maintainer: a@b\nURIs: https://a.org/x@y"));
        for secret in ["deb https://user:pw@host/debian x", "URIs: http://fine.org/\n https://token@host"] {
            assert!(!without_password(secret.as_bytes()), "{secret}");
        }
    }
}
