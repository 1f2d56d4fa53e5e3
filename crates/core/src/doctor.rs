//! What this machine supports, and what to do about the rest.

use std::fs;
use std::path::Path;

use serde::Serialize;

use crate::backend::BackendId;

/// What was found out about this machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct DoctorReport {
    /// The backend that new sandboxes would use; none if none works.
    pub backend: Option<BackendId>,
    /// Every single thing that was looked at.
    pub checks: Vec<Check>,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Check {
    /// What.
    pub name: String,
    /// Whether it is as it should be.
    pub status: CheckStatus,
    /// What was found.
    pub detail: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

/// Whether something is as it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum CheckStatus {
    /// It is.
    Ok,
    /// Sandboxes work, with something less.
    Warn,
    /// Sandboxes do not work.
    Fail,
}

impl Check {
    pub(crate) fn new(name: &str, status: CheckStatus, detail: impl Into<String>) -> Self {
        Self { name: name.to_owned(), status, detail: detail.into(), remedy: None }
    }

    /// Takes a suspicion back.
    pub(crate) fn settle(&mut self) {
        if SUSPICIONS.contains(&self.name.as_str()) && self.status == CheckStatus::Warn {
            self.status = CheckStatus::Ok;
            self.remedy = None;
        }
    }

    pub(crate) fn with_remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }
}

const APPARMOR: &str = "AppArmor's restriction of user namespaces";
const CONTAINER: &str = "container";

/// Checks that only guess that sandboxes may not work.
const SUSPICIONS: [&str; 2] = [APPARMOR, CONTAINER];

/// What can be read off the kernel's settings. Whether a sandbox really starts is tried by the caller.
pub(crate) fn kernel() -> Vec<Check> {
    vec![user_namespaces(), apparmor(), cgroups(), container()]
}

fn user_namespaces() -> Check {
    let name = "user namespaces";
    let read = |path: &str| fs::read_to_string(path).ok().map(|text| text.trim().to_owned());
    if read("/proc/sys/kernel/unprivileged_userns_clone").as_deref() == Some("0") {
        return Check::new(name, CheckStatus::Fail, "kernel.unprivileged_userns_clone is 0")
            .with_remedy("sudo sysctl -w kernel.unprivileged_userns_clone=1");
    }
    match read("/proc/sys/user/max_user_namespaces").as_deref() {
        Some("0") => Check::new(name, CheckStatus::Fail, "user.max_user_namespaces is 0")
            .with_remedy("sudo sysctl -w user.max_user_namespaces=10000"),
        Some(limit) => Check::new(name, CheckStatus::Ok, format!("up to {limit}")),
        None => Check::new(name, CheckStatus::Fail, "this kernel has none")
            .with_remedy("use a kernel with CONFIG_USER_NS, version 5.11 or later"),
    }
}

fn apparmor() -> Check {
    let name = APPARMOR;
    let on = fs::read_to_string("/proc/sys/kernel/apparmor_restrict_unprivileged_userns")
        .is_ok_and(|text| text.trim() == "1");
    if !on {
        return Check::new(name, CheckStatus::Ok, "off");
    }
    Check::new(name, CheckStatus::Warn, "on, as on Ubuntu 24.04: the helper needs a profile that allows user namespaces")
        .with_remedy("sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0, or give the loopbox executable a profile with `userns,`")
}

fn cgroups() -> Check {
    let name = "cgroups";
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let has = |kind: &str| mounts.lines().any(|line| line.contains(&format!(" - {kind} ")));
    let root = rustix::process::geteuid().is_root();
    match (has("cgroup2"), has("cgroup"), root) {
        (true, _, true) => Check::new(name, CheckStatus::Ok, "version 2; every exec gets one"),
        (false, true, true) => Check::new(name, CheckStatus::Ok, "version 1; every exec gets a freezer"),
        (_, _, false) => Check::new(
            name,
            CheckStatus::Warn,
            "not delegated to this user: trees are ended by a sub-reaper, limits cannot be set",
        )
        .with_remedy("nothing needs to be done; limits need a loopbox that runs as root"),
        (false, false, true) => Check::new(name, CheckStatus::Warn, "not mounted: trees are ended by a sub-reaper")
            .with_remedy("nothing needs to be done; limits need a mounted cgroup2"),
    }
}

fn container() -> Check {
    let name = CONTAINER;
    if Path::new("/.dockerenv").exists() || Path::new("/run/.containerenv").exists() {
        return Check::new(name, CheckStatus::Warn, "loopbox runs in a container, which may forbid namespaces and mounts")
            .with_remedy("run the container with --security-opt seccomp=unconfined --security-opt systempaths=unconfined, or loopbox on its host");
    }
    Check::new(name, CheckStatus::Ok, "none")
}
