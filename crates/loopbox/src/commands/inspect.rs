//! `inspect`.

use loopbox_core::{LimitMeans, SandboxInfo, SandboxName};

use super::{App, loopbox, shown};
use crate::failure::Result;
use crate::{exit, output};

pub(super) async fn inspect(app: App, name: &str) -> Result<u8> {
    let info = loopbox()?.inspect(&SandboxName::parse(name)?).await?;
    if app.json {
        output::json(&info)?;
    } else {
        for (label, value) in summary(&info) {
            output::line(format!("{:13}{}", format!("{label}:"), output::printable(&value)))?;
        }
    }
    Ok(exit::OK)
}

fn summary(info: &SandboxInfo) -> Vec<(&'static str, String)> {
    let mut lines = vec![("name", info.name.to_string()), ("agent", agent(info))];
    lines.push(("workspace", info.workspace.display().to_string()));
    lines.push(("backend", info.backend.to_string()));
    lines.push(("state", shown::state(info.state).to_owned()));
    lines.push(("created", shown::time(info.created)));
    lines.push(("last used", shown::time(info.last_used)));
    lines.push(("expires", shown::time_or(info.expires, "never")));
    let pids: Vec<_> = info.pids.iter().map(u32::to_string).collect();
    lines.push(("processes", if pids.is_empty() { "none".to_owned() } else { pids.join(" ") }));
    lines.push(("limits", limits(info)));
    lines.push(("network", network(info)));
    if !info.env.is_empty() {
        lines.push(("variables", info.env.join(" ")));
    }
    lines.push(("log", info.log.display().to_string()));
    lines.extend(info.findings.iter().map(|finding| ("finding", shown::finding(finding))));
    lines
}

fn agent(info: &SandboxInfo) -> String {
    let mut text = info.agent.name.to_string();
    if let Some(version) = &info.agent.version {
        text = format!("{text} {version}");
    }
    if let Some(path) = &info.agent.path {
        text = format!("{text} ({})", path.display());
    }
    text
}

fn limits(info: &SandboxInfo) -> String {
    let (limits, by) = (&info.limits, &info.limited_by);
    let parts = [
        (limits.memory_bytes.map(|bytes| format!("memory {}", shown::bytes(bytes))), &by.memory),
        (limits.cpus.map(|cpus| format!("cpus {cpus}")), &by.cpus),
        (limits.pids.map(|pids| format!("pids {pids}")), &by.pids),
        (limits.disk_bytes.map(|bytes| format!("disk {}", shown::bytes(bytes))), &by.disk),
    ];
    let with_means = |(limit, means): (Option<String>, &Vec<LimitMeans>)| {
        let means: Vec<_> = means.iter().map(|means| means.as_str()).collect();
        limit.map(|limit| format!("{limit} ({})", means.join(", ")))
    };
    let parts: Vec<String> = parts.into_iter().filter_map(with_means).collect();
    if parts.is_empty() { "none".to_owned() } else { parts.join(", ") }
}

fn network(info: &SandboxInfo) -> String {
    let policy = &info.network;
    let preset = policy.preset.map(|preset| format!(" with preset {preset}")).unwrap_or_default();
    let rules =
        policy.allow_hosts.len() + policy.block_hosts.len() + policy.allow_cidrs.len() + policy.block_cidrs.len();
    let rules =
        if rules == 0 { String::new() } else { format!(", {rules} rules (loopbox network show {})", info.name) };
    format!("{}{preset}{rules}", policy.policy)
}
