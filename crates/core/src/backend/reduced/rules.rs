//! What a command of the reduced backend may reach, as data.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use loopbox_egress::NetworkPolicy;
use loopbox_init::sandbox::{LandlockRules, PathRights, TcpPorts};
use serde::{Deserialize, Serialize};

use super::text;
use crate::agent::AgentProfile;
use crate::error::{Error, Result};
use crate::fs::make_private_dir;
use crate::record::Record;
use crate::registry::SandboxDir;

/// What of the host can be read and executed, and why. Never a home, the state directory, /run, /var, /dev/shm.
const READABLE: [(&str, &str); 27] = [
    ("/usr", "programs and libraries"),
    ("/bin", "programs, where it is no link to /usr"),
    ("/sbin", "programs, where it is no link to /usr"),
    ("/lib", "libraries, where it is no link to /usr"),
    ("/lib32", "libraries, where it is no link to /usr"),
    ("/lib64", "libraries, where it is no link to /usr"),
    ("/libx32", "libraries, where it is no link to /usr"),
    ("/proc", "a process's own state; the others' cannot be kept apart"),
    ("/sys/devices/system/cpu", "how many processors there are"),
    ("/etc/alternatives", "Debian's links from generic to real commands"),
    ("/etc/bash.bashrc", "shells read it at their start"),
    ("/etc/ca-certificates", "certificate authorities"),
    ("/etc/group", "names of groups"),
    ("/etc/host.conf", "how names are looked up"),
    ("/etc/hosts", "the name of this machine"),
    ("/etc/ld.so.cache", "where shared libraries are"),
    ("/etc/ld.so.conf", "where shared libraries are"),
    ("/etc/ld.so.conf.d", "where shared libraries are"),
    ("/etc/localtime", "the time zone"),
    ("/etc/nsswitch.conf", "how names are looked up"),
    ("/etc/os-release", "tells programs which system this is"),
    ("/etc/passwd", "names of users; git asks for one's own"),
    ("/etc/pki/tls/certs", "certificate authorities on Red Hat's systems"),
    ("/etc/profile", "shells read it at their start"),
    ("/etc/ssl/certs", "certificate authorities; never ssl/private"),
    ("/etc/ssl/openssl.cnf", "what OpenSSL reads at its start"),
    ("/nix/store", "programs on NixOS"),
];

/// Devices, and why a program needs them. No terminal: the operator's lie beside one's own.
const DEVICES: [(&str, &str); 5] = [
    ("/dev/null", "discards output"),
    ("/dev/zero", "gives zeros"),
    ("/dev/full", "tests for full disks"),
    ("/dev/random", "random numbers"),
    ("/dev/urandom", "random numbers"),
];

/// What one exec is confined to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Plan {
    pub(super) name: String,
    /// The directories and files that can be read, beside [`READABLE`].
    read: Vec<PathBuf>,
    write: Vec<PathBuf>,
    pub(super) network: Network,
    pub(super) egress_log: PathBuf,
    /// The port of the proxy, once there is one.
    pub(super) port: Option<u16>,
}

/// What can be reached over the network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Network {
    /// Nothing.
    None,
    /// What a proxy with this policy lets through.
    Proxy(NetworkPolicy),
}

impl Plan {
    pub(super) fn of(dir: &SandboxDir, record: &Record, network: Network) -> Self {
        let mut read: Vec<PathBuf> = record.tools.visible.iter().cloned().collect();
        read.push(dir.join("tools"));
        Self {
            name: record.name.to_string(),
            read,
            write: vec![record.workspace.canonical.clone(), dir.join("home"), dir.join("tmp")],
            network,
            egress_log: dir.logs().join("egress.log"),
            port: None,
        }
    }

    /// As an argument of the helper. It holds no secret: who may see one's processes sees it.
    pub(super) fn to_argument(&self) -> Result<String> {
        serde_json::to_string(self)
            .map_err(|error| Error::io("writing the plan of an exec", std::io::Error::other(error)))
    }

    pub(super) fn parse(argument: &str) -> Result<Self> {
        serde_json::from_str(argument)
            .map_err(|error| Error::io("reading the plan of an exec", std::io::Error::other(error)))
    }

    /// The same as the kernel takes it.
    pub(super) fn landlock(&self) -> LandlockRules {
        let given =
            |paths: &[PathBuf], rights| paths.iter().map(move |path| (path.clone(), rights)).collect::<Vec<_>>();
        let mut paths = given(&self.read, PathRights::Read);
        paths.extend(READABLE.iter().map(|(path, _reason)| (PathBuf::from(path), PathRights::Read)));
        paths.extend(DEVICES.iter().map(|(path, _reason)| (PathBuf::from(path), PathRights::Device)));
        paths.extend(given(&self.write, PathRights::Write));
        let tcp = TcpPorts { connect: self.port.into_iter().collect(), bind: Vec::new() };
        LandlockRules { paths, tcp: Some(tcp) }
    }

    /// The variables that lead programs to the proxy.
    pub(super) fn proxy_variables(&self) -> Vec<(&'static str, String)> {
        let Some(port) = self.port else { return Vec::new() };
        let proxy = format!("http://127.0.0.1:{port}");
        let names = ["HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"];
        let mut variables: Vec<_> = names.into_iter().map(|name| (name, proxy.clone())).collect();
        variables.push(("NODE_USE_ENV_PROXY", "1".to_owned()));
        variables
    }
}

/// The variables of a command: made from nothing, then the sandbox's, then the exec's own.
pub(super) fn environment(
    dir: &SandboxDir,
    record: &Record,
    own: BTreeMap<OsString, OsString>,
) -> BTreeMap<OsString, OsString> {
    let (home, tools) = (dir.join("home"), dir.join("tools"));
    let (shown, tools) = (home.display(), tools.display());
    let path = format!(
        "{shown}/.local/bin:{shown}/.cargo/bin:{tools}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    );
    let standard = [
        ("HOME", home.into_os_string()),
        ("TMPDIR", dir.join("tmp").into_os_string()),
        ("PATH", text(&path)),
        ("SHELL", text("/bin/bash")),
        ("USER", text("agent")),
        ("LOGNAME", text("agent")),
        ("LANG", text("C.UTF-8")),
        ("LOOPBOX_SANDBOX", text(record.name.as_str())),
        // The machine's own may name files that cannot be read.
        ("GIT_CONFIG_NOSYSTEM", text("1")),
        ("NPM_CONFIG_UPDATE_NOTIFIER", text("false")),
    ];
    let agent = AgentProfile::find(record.agent.as_str()).map_or(&[][..], |profile| profile.env);
    let mut variables: BTreeMap<OsString, OsString> =
        standard.into_iter().map(|(name, value)| (text(name), value)).collect();
    variables.extend(agent.iter().map(|(name, value, _reason)| (text(name), text(value))));
    variables.extend(record.settings.env.iter().map(|(name, value)| (text(name), text(value))));
    variables.extend(own);
    variables
}

/// Fills a private home with the answers to the agent's first-run questions and a git configuration.
pub(super) fn fill_home(home: &Path, record: &Record) -> Result<()> {
    let workspace = record.workspace.canonical.to_string_lossy();
    // JSON's escapes are also those of TOML's basic strings, for everything that a path can hold.
    let quoted = serde_json::to_string(&workspace).unwrap_or_default();
    for seed in AgentProfile::find(record.agent.as_str()).map_or(&[][..], |profile| profile.seeds) {
        let path = home.join(seed.path);
        if let Some(parent) = path.parent() {
            make_private_dir(parent)?;
        }
        write_new(&path, &seed.content.replace("{workspace}", quoted.trim_matches('"')))?;
    }
    write_new(&home.join(".gitconfig"), &git_configuration(record, &workspace))
}

/// Who commits, and that the workspace is to be trusted.
fn git_configuration(record: &Record, workspace: &str) -> String {
    let quoted = |value: &str| format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', " "));
    let mut lines =
        vec![format!("[safe]\n\tdirectory = {}", quoted(workspace)), "[commit]\n\tgpgsign = false".to_owned()];
    if let Some(identity) = &record.settings.git_identity {
        lines.push(format!("[user]\n\tname = {}\n\temail = {}", quoted(&identity.name), quoted(&identity.email)));
    }
    lines.join("\n") + "\n"
}

fn write_new(path: &Path, content: &str) -> Result<()> {
    let file = fs::File::options().write(true).create_new(true).mode(0o600).open(path);
    file.and_then(|mut file| std::io::Write::write_all(&mut file, content.as_bytes()))
        .map_err(|error| Error::io(format!("writing {}", path.display()), error))
}
