//! What callers are told about a sandbox.

use std::collections::BTreeMap;
use std::path::PathBuf;

use jiff::Timestamp;
use loopbox_egress::NetworkPolicy;
use loopbox_init::sandbox::Enforced;
use serde::{Deserialize, Serialize};

use crate::backend::BackendId;
use crate::capabilities::Capabilities;
use crate::limits::{LimitedBy, Limits};
use crate::name::{AgentName, LoopId, SandboxName};
use crate::options::CredentialsMode;

/// A sandbox as `inspect` tells it. Serialises to the documented JSON shape.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct SandboxInfo {
    /// Its name.
    pub name: SandboxName,
    /// The loop it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loop_id: Option<LoopId>,
    /// Its agent.
    pub agent: AgentInfo,
    /// The canonical path of its workspace.
    pub workspace: PathBuf,
    /// The backend that runs it.
    pub backend: BackendId,
    /// Whether it runs.
    pub state: SandboxState,
    /// When it was made.
    pub created: Timestamp,
    /// When a command last started in it.
    pub last_used: Timestamp,
    /// When it will be removed unless used before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
    /// The host's ids of every process of the sandbox, supervisor first.
    pub pids: Vec<u32>,
    /// Its limits.
    pub limits: Limits,
    /// By what each of them is enforced.
    pub limited_by: LimitedBy,
    /// Its egress policy.
    pub network: NetworkPolicy,
    /// How credentials get in.
    pub credentials: CredentialsMode,
    /// Names of the variables every command gets beside the standard ones; values may be secret.
    pub env: Vec<String>,
    /// What was noticed and should be looked at: missing kernel features, an unprotected setting.
    pub findings: Vec<Finding>,
    /// What the kernel enforces for it while it runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enforced: Option<Enforced>,
    /// What its backend can do.
    pub capabilities: Capabilities,
    /// The directory of its logs.
    pub log: PathBuf,
}

/// Something that was noticed and should be looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Finding {
    /// What kind of thing it is.
    pub code: FindingCode,
    /// One sentence for the operator.
    pub message: String,
    /// The path that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "as_shown")]
    pub path: Option<PathBuf>,
    /// Where what was found has been moved to.
    #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "as_shown")]
    pub quarantine: Option<PathBuf>,
}

/// Names that are not Unicode are made inside at will: no finding may be lost for one.
#[expect(clippy::ref_option, reason = "this is how serde calls it")]
fn as_shown<S: serde::Serializer>(path: &Option<PathBuf>, serializer: S) -> Result<S::Ok, S::Error> {
    path.as_ref().map(|path| path.to_string_lossy()).serialize(serializer)
}

impl Finding {
    pub(crate) fn new(code: FindingCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), path: None, quarantine: None }
    }
}

/// The kinds of [`Finding`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum FindingCode {
    /// Nothing stands between commands and the host.
    NotIsolated,
    /// The kernel lacks something, or it was not to be had: what is named is not enforced.
    NotEnforced,
    /// A file or directory that the host would execute or obey was made or changed inside.
    Guarded,
    /// A file of the workspace has a further name, which may lie outside.
    HardLink,
    /// A file of the workspace is setuid or setgid.
    Setuid,
    /// The workspace or a private directory uses more space than was asked for.
    Disk,
}

/// The agent of a sandbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct AgentInfo {
    /// Its name.
    pub name: AgentName,
    /// The version found at create, if it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The path of its executable.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
}

/// The state of a sandbox; see the diagram in the lifecycle module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum SandboxState {
    /// Being made by a call that has not finished, or was interrupted.
    Creating,
    /// Ready for commands.
    Running,
    /// No processes; files and settings are kept.
    Stopped,
    /// Being removed.
    Removing,
}

/// What [`create`](crate::Loopbox::create) answers.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Created {
    /// The sandbox's name.
    pub name: SandboxName,
    /// Whether this call made it.
    pub new: bool,
    /// The backend that runs it.
    pub backend: BackendId,
    /// What the operator should know, one sentence each.
    pub notices: Vec<String>,
}

/// What [`prune`](crate::Loopbox::prune) removed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct PruneReport {
    /// Sandboxes that had expired, or were half-made or half-removed.
    pub removed: Vec<SandboxName>,
    /// Reasons by sandbox.
    pub reasons: BTreeMap<String, String>,
}
