//! What this machine supports, and what to do about the rest.
//!
//! ```text
//!   Machine (facts below /proc, /sys, /etc) ──▶ Restriction::found ──▶ checks ──▶ DoctorReport
//!                     │                                                  ▲
//!                     └──▶ Restriction::behind(a step that failed)       └── the trial of a sandbox
//! ```
//!
//! Facts are read below a root that is passed in, so that tests can show it machines that are not at hand.

mod checks;
mod machine;
mod restriction;

pub(crate) use checks::{agent, enforcement, kernel, state_directory};
pub(crate) use machine::Machine;
pub(crate) use restriction::Restriction;

use loopbox_init::sandbox::Enforced;
use serde::Serialize;

use crate::backend::BackendId;
use crate::capabilities::Capabilities;

/// What was found out about this machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct DoctorReport {
    /// The backend that new sandboxes would use; none if none works.
    pub backend: Option<BackendId>,
    /// Every single thing that was looked at.
    pub checks: Vec<Check>,
    /// What a sandbox here consists of, as the one that was tried did; absent if it could not be made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sandbox: Option<Tried>,
}

/// The sandbox that was tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Tried {
    /// Which ids of the host stand behind those inside.
    pub ids: Ids,
    /// What its backend can do here.
    pub capabilities: Capabilities,
    /// What the kernel enforces for it.
    pub enforced: Enforced,
}

/// Which ids of the host stand behind those inside a sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Ids {
    /// The caller's only.
    Single,
    /// A range of the sandbox's own.
    Range,
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
    /// What is said instead once a sandbox was made all the same.
    #[serde(skip)]
    settled: Option<&'static str>,
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
        Self { name: name.to_owned(), status, detail: detail.into(), remedy: None, settled: None }
    }

    pub(crate) fn with_remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }

    /// Makes it a suspicion, about which this is said when it proves wrong.
    fn unless(mut self, settled: &'static str) -> Self {
        self.settled = Some(settled);
        self
    }

    /// Takes a suspicion back: a sandbox was made.
    pub(crate) fn settle(&mut self) {
        if let Some(settled) = self.settled.take() {
            self.status = CheckStatus::Ok;
            settled.clone_into(&mut self.detail);
            self.remedy = None;
        }
    }
}
