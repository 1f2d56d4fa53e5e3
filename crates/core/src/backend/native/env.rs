//! The environment of every command: made from nothing, so that nothing of the host's gets in.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::path::Path;

use super::layout::{HOME, ROOT_HOME, TOOLS};
use crate::agent::AgentProfile;
use crate::exec::User;
use crate::record::Record;

/// Where the egress proxy listens inside. All of 127/8 is local without any set-up; this address is not 127.0.0.1 and
/// the port is outside the range of ephemeral ports, so that it is in nobody's way.
pub(super) const PROXY: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::new(127, 100, 0, 1), 61080));

/// Variables of every command in that sandbox, before what callers add.
pub(super) fn base(record: &Record) -> Vec<(String, String)> {
    let proxy = format!("http://{PROXY}");
    let no_proxy = "localhost,127.0.0.1,::1,.localhost";
    let path = format!("{HOME}/.local/bin:{HOME}/.cargo/bin:{}", system_path());
    let standard = [
        ("HOME", HOME),
        ("USER", "agent"),
        ("LOGNAME", "agent"),
        ("SHELL", "/bin/bash"),
        ("PATH", &path),
        ("LANG", "C.UTF-8"),
        ("TMPDIR", "/tmp"),
        ("LOOPBOX_SANDBOX", record.name.as_str()),
        // A git of the machine's own, in /usr/local for example, looks for it elsewhere.
        ("GIT_CONFIG_SYSTEM", "/etc/gitconfig"),
        // A repository above the workspace is another mount.
        ("GIT_DISCOVERY_ACROSS_FILESYSTEM", "1"),
        ("HTTP_PROXY", &proxy),
        ("HTTPS_PROXY", &proxy),
        ("http_proxy", &proxy),
        ("https_proxy", &proxy),
        ("NO_PROXY", no_proxy),
        ("no_proxy", no_proxy),
        // Node reads the proxy variables only if told to.
        ("NODE_USE_ENV_PROXY", "1"),
        // Installing for the user works without any configuration: `npm i -g`, `pip install --user`.
        ("NPM_CONFIG_PREFIX", "/home/agent/.local"),
        ("NPM_CONFIG_UPDATE_NOTIFIER", "false"),
        ("PIP_BREAK_SYSTEM_PACKAGES", "1"),
        ("PIP_DISABLE_PIP_VERSION_CHECK", "1"),
    ];
    // Node brings authorities of its own. Reading the system's takes each of its starts some time, so it is told of them
    // only where the machine has authorities that nobody else has.
    let authorities = own_authorities().map(|file| ("NODE_EXTRA_CA_CERTS", file));
    let agent = AgentProfile::find(record.agent.as_str()).map_or(&[][..], |profile| profile.env);
    let own = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    standard
        .into_iter()
        .chain(authorities)
        .map(own)
        .chain(agent.iter().map(|&(name, value, _reason)| own((name, value))))
        .collect()
}

/// What a command of another user has instead.
pub(super) fn of(user: User) -> Vec<(&'static str, String)> {
    match user {
        User::Agent | User::Ids { .. } => Vec::new(),
        User::Root => vec![
            ("HOME", ROOT_HOME.to_owned()),
            ("USER", "root".to_owned()),
            ("LOGNAME", "root".to_owned()),
            // Without what the agent may have left in its own prefixes.
            ("PATH", system_path()),
            ("NPM_CONFIG_PREFIX", "/usr/local".to_owned()),
            // Nobody is there to ask.
            ("DEBIAN_FRONTEND", "noninteractive".to_owned()),
        ],
    }
}

/// The file with all authorities that the machine trusts, if its administrator has added some.
fn own_authorities() -> Option<&'static str> {
    const KEPT: [(&str, &str); 2] = [
        ("/usr/local/share/ca-certificates", "/etc/ssl/certs/ca-certificates.crt"),
        ("/etc/pki/ca-trust/source/anchors", "/etc/pki/tls/certs/ca-bundle.crt"),
    ];
    let added = |dir: &str| fs::read_dir(dir).is_ok_and(|mut files| files.next().is_some());
    KEPT.into_iter().find(|(dir, file)| added(dir) && Path::new(file).exists()).map(|(_, file)| file)
}

fn system_path() -> String {
    format!("{TOOLS}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
}
