//! The sandbox's /etc: generated, plus an allow-list of the host's files.

use std::fs;
use std::path::Path;

use loopbox_init::sandbox::{AGENT_ID, Access, Entry};

use crate::record::Record;

/// Files and directories of the host's /etc that are visible read-only, and why.
const ALLOWED: [(&str, &str); 27] = [
    ("alternatives", "Debian's links from generic to real commands"),
    ("bash.bashrc", "what interactive shells expect"),
    ("ca-certificates", "certificate authorities"),
    ("ca-certificates.conf", "certificate authorities"),
    ("debian_version", "tells programs which system this is"),
    ("fonts", "browsers in tests"),
    ("inputrc", "line editing"),
    ("java-17-openjdk", "configuration that Java refuses to start without"),
    ("java-21-openjdk", "configuration that Java refuses to start without"),
    ("ld.so.cache", "where shared libraries are"),
    ("ld.so.conf", "where shared libraries are"),
    ("ld.so.conf.d", "where shared libraries are"),
    ("localtime", "the time zone"),
    ("lsb-release", "tells programs which system this is"),
    ("magic", "the file command"),
    ("mime.types", "types by file name"),
    ("mke2fs.conf", "making images in tests"),
    ("os-release", "tells programs which system this is"),
    ("pki/tls/certs", "certificate authorities on Red Hat's systems"),
    ("pki/ca-trust/extracted", "certificate authorities on Red Hat's systems"),
    ("profile", "what login shells expect"),
    ("protocols", "names of protocols"),
    ("services", "names of ports"),
    ("shells", "which shells there are"),
    ("ssl/certs", "certificate authorities; never ssl/private"),
    ("ssl/openssl.cnf", "what OpenSSL reads at its start"),
    ("timezone", "the time zone"),
];

pub(super) fn entries(record: &Record) -> Vec<Entry> {
    let mut entries: Vec<Entry> = ALLOWED.iter().filter_map(|(name, _reason)| allowed(name)).collect();
    let hostname = record.name.as_str();
    let files = [
        ("passwd", passwd()),
        ("group", group()),
        ("hosts", format!("127.0.0.1 localhost {hostname}\n::1 localhost ip6-localhost ip6-loopback\n")),
        ("hostname", format!("{hostname}\n")),
        // Only what goes through the egress proxy is resolved, on the host's side.
        ("resolv.conf", "nameserver 127.0.0.1\noptions attempts:1 timeout:1\n".to_owned()),
        (
            "nsswitch.conf",
            "passwd: files\ngroup: files\nhosts: files dns\nservices: files\nprotocols: files\n".to_owned(),
        ),
        ("machine-id", format!("{}\n", machine_id(record))),
        ("gitconfig", gitconfig(record)),
    ];
    entries.extend(files.into_iter().map(|(name, content)| Entry::File {
        target: Path::new("/etc").join(name),
        content,
        mode: 0o644,
    }));
    entries
}

fn allowed(name: &str) -> Option<Entry> {
    let path = Path::new("/etc").join(name);
    let metadata = fs::symlink_metadata(&path).ok()?;
    Some(if metadata.is_symlink() {
        Entry::Symlink { to: fs::read_link(&path).ok()?, target: path }
    } else {
        Entry::Bind { source: path.clone(), target: path, access: Access::ReadOnly }
    })
}

fn passwd() -> String {
    format!(
        "root:x:0:0:root:/root:/bin/bash\n\
         agent:x:{AGENT_ID}:{AGENT_ID}:agent:/home/agent:/bin/bash\n\
         nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
    )
}

fn group() -> String {
    format!("root:x:0:\ntty:x:5:\nagent:x:{AGENT_ID}:\nnogroup:x:65534:\n")
}

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
    let top = repository.map(|repository| repository.top());
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
        for (name, _) in ALLOWED {
            for secret in ["shadow", "private", "ssh", "machine-id", "sudoers", "passwd", "docker"] {
                assert!(!name.contains(secret), "{name}");
            }
        }
    }
}
