//! Sandboxes for unattended coding agents.
//!
//! A sandbox is made once, commands run in it as often as needed, and it is removed at the end. Which process makes
//! each of those calls does not matter: all state is on disk, under [`Config::state_dir`].
//!
//! ```no_run
//! # async fn example() -> Result<(), loopbox_core::Error> {
//! use loopbox_core::{AgentName, Config, CreateRequest, ExecRequest, Loopbox, LoopId, SandboxName};
//!
//! let loopbox = Loopbox::new(Config::new("/home/me/.local/state/loopbox"))?;
//! let loop_id = LoopId::parse("mlqojz0v-7nnrle")?;
//! let agent = AgentName::parse("claude")?;
//! let sandbox = loopbox.create(CreateRequest::for_loop(&loop_id, &agent, "/home/me/project")?).await?;
//! let result = loopbox.exec(&sandbox.name, ExecRequest::new(["git", "status"])).await?.output().await?;
//! assert_eq!(result.exit_code, 0);
//! loopbox.destroy_loop(&loop_id).await?;
//! # Ok(()) }
//! ```
//!
//! The library never prints, never reads the environment and never looks for a home directory: everything it needs
//! from there comes in through [`Config`].
#![forbid(unsafe_code)]

mod agent;
mod backend;
mod capabilities;
mod config;
mod doctor;
mod error;
mod events;
mod exec;
mod explain;
mod fs;
mod guard;
mod guest;
mod in_use;
mod info;
mod lifecycle;
mod limits;
mod logs;
mod name;
mod options;
mod processes;
mod record;
mod redact;
mod registry;
pub mod supervisor;
mod watch;
mod workspace;

pub use agent::AgentProfile;
pub use backend::BackendId;
pub use backend::reduced::{confined, warden};
pub use capabilities::{Capabilities, Isolation, LimitCapabilities, TreeKill};
pub use config::{Config, GitIdentity};
pub use doctor::{Check, CheckStatus, DoctorReport, Ids, Tried};
pub use error::{Error, ErrorCode, Result};
pub use events::{Event, EventKind, Events};
pub use exec::{
    DEFAULT_MAX_OUTPUT_BYTES, DetachedExec, Exec, ExecInput, ExecOutput, ExecReader, ExecRequest, ExecStatus,
    ExecWriter, OutputStream, TtySize, User,
};
pub use guard::add_guards;
pub use guard::scan::scan;
pub use info::{AgentInfo, Created, Finding, FindingCode, PruneReport, SandboxInfo, SandboxState};
pub use lifecycle::{Loopbox, sweep};
pub use limits::{LimitMeans, LimitedBy, Limits};
pub use logs::{LogEntry, LogFollower};
pub use loopbox_egress::{CidrPattern, DefaultVerdict, HostPattern, NetworkPolicy, Preset};
pub use loopbox_init::sandbox::Enforced;
pub use name::{AgentName, LoopId, SandboxName};
pub use options::{AgentConfig, CreateOptions, CreateRequest, CredentialsMode, NetworkOptions};
pub use processes::ProcessInfo;
