//! `create` and `run`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::NetworkArgs;
use crate::resolve::{EnvArg, parse_bytes, parse_duration, parse_lease};

#[derive(Debug, Args)]
pub(crate) struct CreateArgs {
    #[command(flatten)]
    pub(crate) sandbox: SandboxArgs,
    /// Print nothing but the name
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// The agent: claude, codex or shell
    pub(crate) agent: String,
    /// The workspace: a directory, visible inside at the same path [default: .]
    pub(crate) path: Option<PathBuf>,
    /// Further workspaces, as docker has them.
    #[arg(hide = true)]
    pub(crate) extra: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) sandbox: SandboxArgs,
    /// Pass standard input on, also when it is not a terminal
    #[arg(short, long)]
    pub(crate) interactive: bool,
    /// The agent (claude, codex or shell), or the name of an existing sandbox
    #[arg(value_name = "AGENT|NAME")]
    pub(crate) target: String,
    /// The workspace [default: .]
    pub(crate) path: Option<PathBuf>,
    /// Arguments of the agent
    #[arg(last = true, allow_hyphen_values = true, value_name = "ARGS")]
    pub(crate) args: Vec<OsString>,
}

/// What a new sandbox is to be.
#[derive(Debug, Default, PartialEq, Args)]
pub(crate) struct SandboxArgs {
    /// The sandbox's name [default: AGENT-DIRECTORY]
    #[arg(long)]
    pub(crate) name: Option<String>,
    #[command(flatten)]
    pub(crate) network: NetworkArgs,
    /// Memory of all processes together, as 512m or 4g
    #[arg(short, long, value_name = "SIZE", value_parser = parse_bytes, help_heading = "Limits")]
    pub(crate) memory: Option<u64>,
    /// CPUs, as 2 or 0.5
    #[arg(long, value_name = "N", help_heading = "Limits")]
    pub(crate) cpus: Option<f64>,
    /// Number of processes and threads
    #[arg(long, value_name = "N", help_heading = "Limits")]
    pub(crate) pids_limit: Option<u64>,
    /// Private disk space, as 10g
    #[arg(long, value_name = "SIZE", value_parser = parse_bytes, help_heading = "Limits")]
    pub(crate) disk: Option<u64>,
    /// Remove the sandbox this long after its last use, as 90m or 7d; 0 is never [default: 24h]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, help_heading = "Limits")]
    pub(crate) ttl: Option<Duration>,
    /// A variable of every command; K alone copies the caller's value
    #[arg(short, long, value_name = "K[=V]", help_heading = "Environment")]
    pub(crate) env: Vec<EnvArg>,
    /// A file with one variable a line
    #[arg(long, value_name = "FILE", help_heading = "Environment")]
    pub(crate) env_file: Vec<PathBuf>,
    /// How the agent's credentials get in
    #[arg(long, value_name = "MODE", help_heading = "Environment")]
    pub(crate) credentials: Option<CredentialsArg>,
    /// A leased secret as a variable
    #[arg(long, value_name = "SECRET=ENV", value_parser = parse_lease, help_heading = "Environment")]
    pub(crate) lease: Vec<(String, String)>,
    /// What of the operator's own agent configuration is visible inside
    #[arg(long, value_name = "WHAT", help_heading = "Environment")]
    pub(crate) agent_config: Option<AgentConfigArg>,
    /// Do not tell git inside who the operator is
    #[arg(long, help_heading = "Environment")]
    pub(crate) no_git_identity: bool,
    /// Let the sandbox write guarded paths of the workspace that match, as .vscode or **/.envrc
    #[arg(long, value_name = "PATTERN", help_heading = "Guards")]
    pub(crate) allow_write: Vec<String>,
    /// Let commands make namespaces of their own, for an agent that nests its own sandbox
    #[arg(long, help_heading = "Guards")]
    pub(crate) allow_nesting: bool,
    /// What runs the sandbox: native, reduced (a weaker wall without namespaces) or host [default: native]
    #[arg(long)]
    pub(crate) backend: Option<String>,
    /// A template to start from (not built yet)
    #[arg(short, long)]
    pub(crate) template: Option<String>,
}

/// As [`loopbox_core::CredentialsMode`].
#[derive(Debug, Clone, Copy, PartialEq, ValueEnum)]
pub(crate) enum CredentialsArg {
    Proxy,
    #[value(name = "access_only", alias = "access-only")]
    AccessOnly,
    Env,
    File,
    None,
}

/// As [`loopbox_core::AgentConfig`].
#[derive(Debug, Clone, Copy, PartialEq, ValueEnum)]
pub(crate) enum AgentConfigArg {
    None,
    Instructions,
}
