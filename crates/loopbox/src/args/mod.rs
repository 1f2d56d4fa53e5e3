//! What can be typed: the first of the two steps of a command line.
//!
//! Nothing here has a meaning yet; [`resolve`](crate::resolve) gives it one.

mod create;
mod exec;
mod network;

use std::ffi::OsString;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

pub(crate) use create::{AgentConfigArg, CreateArgs, CredentialsArg, RunArgs, SandboxArgs};
pub(crate) use exec::ExecArgs;
pub(crate) use network::{NetworkArgs, NetworkVerb};

/// Run coding agents unattended, each in a sandbox of its own
#[derive(Debug, Parser)]
#[command(name = "loopbox", version, disable_help_subcommand = true, subcommand_required = true)]
pub(crate) struct Cli {
    /// Results and errors as JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Make a sandbox for an agent and a workspace
    Create(CreateArgs),
    /// Run a command in a sandbox
    Exec(ExecArgs),
    /// Start an agent in its sandbox, made if it is not there
    Run(RunArgs),
    /// List sandboxes
    #[command(visible_alias = "list")]
    Ls(ListArgs),
    /// List the processes of a sandbox
    Ps(OneArgs),
    /// Show the logs of detached commands
    Logs(LogsArgs),
    /// Show everything about a sandbox
    Inspect(OneArgs),
    /// Show what happened to sandboxes
    Events(EventsArgs),
    /// Stop sandboxes; files and settings are kept
    Stop(ManyArgs),
    /// Remove sandboxes; workspaces are left alone
    Rm(RemoveArgs),
    /// Remove what has expired or was left half-made
    Prune,
    /// Remove every sandbox and all state
    Reset(ResetArgs),
    /// Show or change what a sandbox may reach
    #[command(subcommand)]
    Network(NetworkVerb),
    /// Store, lease and rotate credentials: the program `secrets`
    #[command(disable_help_flag = true)]
    Secrets(PassedArgs),
    /// Tell whether sandboxes work on this machine, and what to do if not
    Doctor,
    /// Watch a real agent do a story in a sandbox, without credentials
    Demo(DemoArgs),
    /// Print the version
    Version,
    /// Print a completion script
    Completions(CompletionsArgs),
    #[command(hide = true, disable_help_flag = true)]
    Save(PassedArgs),
    #[command(hide = true, disable_help_flag = true)]
    Template(PassedArgs),
    #[command(hide = true, disable_help_flag = true)]
    Ports(PassedArgs),
}

#[derive(Debug, Args)]
pub(crate) struct OneArgs {
    /// The sandbox
    pub(crate) name: String,
}

#[derive(Debug, Args)]
pub(crate) struct ManyArgs {
    /// The sandboxes
    #[arg(required = true, value_name = "NAME")]
    pub(crate) names: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Names only
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

#[derive(Debug, Args)]
pub(crate) struct LogsArgs {
    /// The sandbox
    pub(crate) name: String,
    /// The id that `exec -d` printed; without it the commands are listed
    pub(crate) id: Option<String>,
    /// Wait for more until the command ends; without an id, of the newest command
    #[arg(short, long)]
    pub(crate) follow: bool,
}

#[derive(Debug, Args)]
pub(crate) struct EventsArgs {
    /// Wait for more
    #[arg(short, long)]
    pub(crate) follow: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RemoveArgs {
    /// Accept names of sandboxes that do not exist
    #[arg(short, long)]
    pub(crate) force: bool,
    /// The sandboxes, running or not
    #[arg(required = true, value_name = "NAME")]
    pub(crate) names: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ResetArgs {
    /// Do not ask
    #[arg(short, long)]
    pub(crate) force: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// The agent [default: claude, or codex if only that is installed]
    #[arg(long)]
    pub(crate) agent: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell that will read the script
    pub(crate) shell: Shell,
}

/// Arguments for another program or for a verb that is not built.
#[derive(Debug, Args)]
pub(crate) struct PassedArgs {
    #[arg(hide = true, num_args = 0.., trailing_var_arg = true, allow_hyphen_values = true)]
    pub(crate) args: Vec<OsString>,
}
