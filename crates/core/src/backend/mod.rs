//! The one trait behind which every way of isolating commands hides.
//!
//! A backend knows how to make, run in and remove something that holds commands. It does not know what an agent is, and
//! the rest of the library does not know how it isolates. What a backend cannot do it says in its [`Capabilities`] and
//! answers with `Unsupported`.

mod host;
pub(crate) mod native;
pub(crate) mod reduced;

use std::fmt;
use std::str::FromStr;

use async_trait::async_trait;
use loopbox_egress::NetworkPolicy;
use serde::{Deserialize, Serialize};

use crate::capabilities::Capabilities;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::exec::{Exec, ExecRequest};
use crate::in_use::InUse;
use crate::limits::{LimitedBy, Limits};
use crate::record::Record;
use crate::registry::SandboxDir;

pub(crate) use host::Host;
pub(crate) use native::{Native, find_helper};
pub(crate) use reduced::Reduced;

/// A way of isolating commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum BackendId {
    /// Linux namespaces, without any daemon.
    Native,
    /// Landlock and seccomp alone, for machines that allow no namespaces. Never chosen by itself.
    Reduced,
    /// The bare host: no isolation at all.
    Host,
}

impl BackendId {
    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Reduced => "reduced",
            Self::Host => "host",
        }
    }
}

impl fmt::Display for BackendId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for BackendId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "native" => Ok(Self::Native),
            "reduced" => Ok(Self::Reduced),
            "host" => Ok(Self::Host),
            "sbx" | "docker" | "docker-sandbox" | "engine" => {
                Err(Error::unsupported(format!("the backend '{text}' is not built yet"))
                    .with_hint("use 'native', 'reduced' or 'host'"))
            }
            _ => {
                Err(Error::invalid("backend", text, "is not a backend").with_hint("use 'native', 'reduced' or 'host'"))
            }
        }
    }
}

/// What a sandbox is started from, beside its record.
#[derive(Debug)]
pub(crate) struct StartContext<'a> {
    pub(crate) dir: &'a SandboxDir,
    pub(crate) record: &'a Record,
    pub(crate) config: &'a Config,
    /// Where what happens is written down.
    pub(crate) events: &'a std::path::Path,
}

/// A way of isolating commands. Calls that change a sandbox are made with its lock held, and may block.
#[async_trait]
pub(crate) trait Backend: fmt::Debug + Send + Sync {
    /// What it can do on this machine.
    fn capabilities(&self) -> Capabilities;

    /// Chooses what the record must name before anything is made.
    fn plan(&self, record: &mut Record) -> Result<()>;

    /// Chooses anew what depends on who starts it; whether the record changed. It does not run.
    fn renew(&self, _record: &mut Record) -> Result<bool> {
        Ok(false)
    }

    /// Refuses limits that cannot be put into force: at once where it runs, else with its next start.
    fn check_limits(&self, record: &Record, limits: &Limits, running: bool) -> Result<()>;

    /// Puts the record's limits into force in a sandbox that runs.
    fn apply_limits(&self, record: &Record) -> Result<()>;

    /// By what its limits are enforced.
    fn limited_by(&self, _record: &Record) -> LimitedBy {
        LimitedBy::default()
    }

    /// Whether memory that is swapped out escapes its limit.
    fn swaps(&self, _record: &Record) -> bool {
        false
    }

    /// Makes the sandbox run. What is left of an earlier run was stopped before.
    fn start(&self, context: &StartContext<'_>) -> Result<()>;

    /// Whether it runs.
    fn is_running(&self, dir: &SandboxDir) -> Result<bool>;

    /// Ends every process of it, and whatever of the kernel's was made for it. Files stay. Also right for a sandbox
    /// that is half-made, or of which nothing runs.
    fn stop(&self, dir: &SandboxDir, record: &Record) -> Result<()>;

    /// Gives back what the record had claimed; the sandbox is gone.
    fn release(&self, record: &Record);

    /// The host's process ids, the one that keeps the others alive first.
    fn pids(&self, dir: &SandboxDir) -> Result<Vec<u32>>;

    /// Starts a command in a running sandbox.
    async fn exec(&self, dir: &SandboxDir, record: &Record, request: ExecRequest) -> Result<Exec>;

    /// Puts a policy into force at once.
    async fn set_network(&self, dir: &SandboxDir, policy: &NetworkPolicy) -> Result<()>;

    /// Starts a command that belongs to the sandbox itself, which writes its output to `logs/ID.log`.
    async fn exec_detached(
        &self,
        dir: &SandboxDir,
        record: &Record,
        request: ExecRequest,
        id: &str,
        in_use: InUse,
    ) -> Result<()>;
}
