//! Egress policy: the flags of `create`, and `network`.

use clap::{Args, Subcommand};
use loopbox_core::{CidrPattern, DefaultVerdict, HostPattern, Preset};

use super::PassedArgs;

const HEADING: &str = "Network";

/// What a sandbox may reach.
#[derive(Debug, Default, PartialEq, Args)]
pub(crate) struct NetworkArgs {
    /// What happens to hosts that no rule names [default: allow]
    #[arg(long, value_name = "allow|deny", help_heading = HEADING)]
    pub(crate) policy: Option<DefaultVerdict>,
    /// A named set of rules: open, agents, dev or locked
    #[arg(long, help_heading = HEADING)]
    pub(crate) preset: Option<Preset>,
    #[command(flatten)]
    pub(crate) rules: RuleArgs,
}

/// The rules; a value may hold several, separated by commas.
#[derive(Debug, Default, PartialEq, Args)]
pub(crate) struct RuleArgs {
    /// Allow a host: name, name:port, *.suffix
    #[arg(long, value_name = "HOST", value_delimiter = ',', help_heading = HEADING)]
    pub(crate) allow_host: Vec<HostPattern>,
    /// Block a host
    #[arg(long, value_name = "HOST", value_delimiter = ',', help_heading = HEADING)]
    pub(crate) block_host: Vec<HostPattern>,
    /// Allow an address range
    #[arg(long, value_name = "CIDR", value_delimiter = ',', help_heading = HEADING)]
    pub(crate) allow_cidr: Vec<CidrPattern>,
    /// Block an address range
    #[arg(long, value_name = "CIDR", value_delimiter = ',', help_heading = HEADING)]
    pub(crate) block_cidr: Vec<CidrPattern>,
    /// Accepted for docker's sake: nothing is intercepted that could be bypassed.
    #[arg(long, hide = true)]
    pub(crate) bypass_host: Vec<String>,
    /// As `bypass_host`.
    #[arg(long, hide = true)]
    pub(crate) bypass_cidr: Vec<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum NetworkVerb {
    /// Show what a sandbox may reach
    Show {
        /// The sandbox
        name: String,
    },
    /// Change what a sandbox may reach, at once; lists that are given replace what there was
    Proxy {
        /// The sandbox
        name: String,
        #[command(flatten)]
        network: NetworkArgs,
    },
    #[command(hide = true, disable_help_flag = true)]
    Log(PassedArgs),
    #[command(hide = true, disable_help_flag = true)]
    Check(PassedArgs),
}
