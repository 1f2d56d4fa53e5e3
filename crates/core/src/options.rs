//! What a caller may choose when a sandbox is made.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use loopbox_egress::{CidrPattern, DefaultVerdict, HostPattern, NetworkPolicy, Preset};
use serde::{Deserialize, Serialize};

use crate::backend::BackendId;
use crate::config::GitIdentity;
use crate::error::{Error, Result};
use crate::limits::Limits;
use crate::name::{AgentName, LoopId, SandboxName};
use crate::redact::Names;

/// A sandbox expires this long after its last use unless told otherwise.
pub(crate) const DEFAULT_TTL: Duration = Duration::from_hours(24);

/// A request for a sandbox, made new or found again.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CreateRequest {
    /// The sandbox's name.
    pub name: SandboxName,
    /// The loop it belongs to, by which [`destroy_loop`](crate::Loopbox::destroy_loop) selects.
    pub loop_id: Option<LoopId>,
    /// The agent that will run in it.
    pub agent: AgentName,
    /// The workspace: an absolute path of an existing directory.
    pub workspace: PathBuf,
    /// Everything that has a default.
    pub options: CreateOptions,
}

impl CreateRequest {
    /// A sandbox with a name of the caller's choice.
    pub fn new(name: SandboxName, agent: AgentName, workspace: impl Into<PathBuf>) -> Self {
        Self { name, loop_id: None, agent, workspace: workspace.into(), options: CreateOptions::default() }
    }

    /// The sandbox of an agent loop, named `loop-{loopId}-{tool}`.
    pub fn for_loop(loop_id: &LoopId, agent: &AgentName, workspace: impl AsRef<Path>) -> Result<Self> {
        let name = SandboxName::of_loop(loop_id, agent)?;
        Ok(Self { loop_id: Some(loop_id.clone()), ..Self::new(name, agent.clone(), workspace.as_ref()) })
    }

    /// The same request with these options.
    pub fn with_options(mut self, options: CreateOptions) -> Self {
        self.options = options;
        self
    }
}

/// Options of create. What is left out keeps what an existing sandbox has; a new one gets the default.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct CreateOptions {
    /// Which hosts the sandbox may reach. Default: public ones.
    pub network: Option<NetworkOptions>,
    /// Resource limits. Default: 4,096 processes, and for the rest none beyond the machine's.
    pub limits: Option<Limits>,
    /// The sandbox is removed this long after its last use; zero is never. Default: 24 hours.
    pub ttl: Option<Duration>,
    /// Variables of every command in the sandbox.
    pub env: Option<BTreeMap<String, String>>,
    /// How the agent's credentials get in.
    pub credentials: Option<CredentialsMode>,
    /// Further secrets, as environment variable → secret name.
    pub leases: Option<BTreeMap<String, String>>,
    /// What of the operator's own agent configuration is visible. Default: nothing.
    pub agent_config: Option<AgentConfig>,
    /// Guarded paths of the workspace that the sandbox may write, as patterns.
    pub guard_allow: Option<Vec<String>>,
    /// Whether commands may make namespaces of their own, for an agent that nests its own sandbox. Default: no.
    pub nesting: Option<bool>,
    /// The backend. Default: [`Config::backend`](crate::Config::backend), else the best that works.
    pub backend: Option<BackendId>,
    /// A template or image to start from.
    pub template: Option<String>,
    /// Accept the bare host if no backend works.
    pub allow_host_fallback: bool,
    /// Leave out [`Config::git_identity`](crate::Config::git_identity).
    pub no_git_identity: bool,
}

impl fmt::Debug for CreateOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CreateOptions")
            .field("network", &self.network)
            .field("limits", &self.limits)
            .field("ttl", &self.ttl)
            .field("env", &self.env.as_ref().map(|env| Names::of(env.keys())))
            .field("credentials", &self.credentials)
            .field("backend", &self.backend)
            .field("template", &self.template)
            .field("allow_host_fallback", &self.allow_host_fallback)
            .finish_non_exhaustive()
    }
}

/// Egress policy as the caller gives it: every field that is absent keeps what there is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct NetworkOptions {
    /// The verdict on hosts that no rule names.
    pub policy: Option<DefaultVerdict>,
    /// A named set of rules.
    pub preset: Option<Preset>,
    /// Hosts to allow.
    pub allow_hosts: Option<Vec<HostPattern>>,
    /// Hosts to block.
    pub block_hosts: Option<Vec<HostPattern>>,
    /// Address ranges to allow.
    pub allow_cidrs: Option<Vec<CidrPattern>>,
    /// Address ranges to block.
    pub block_cidrs: Option<Vec<CidrPattern>>,
}

impl NetworkOptions {
    /// The policy that results from these options over an existing one.
    pub(crate) fn apply(&self, base: &NetworkPolicy) -> NetworkPolicy {
        let mut policy = base.clone();
        if let Some(preset) = self.preset {
            policy.preset = Some(preset);
            policy.policy = preset.implied_verdict();
        }
        if let Some(verdict) = self.policy {
            policy.policy = verdict;
        }
        let lists = [(&self.allow_hosts, &mut policy.allow_hosts), (&self.block_hosts, &mut policy.block_hosts)];
        for (given, kept) in lists {
            if let Some(given) = given {
                kept.clone_from(given);
            }
        }
        let lists = [(&self.allow_cidrs, &mut policy.allow_cidrs), (&self.block_cidrs, &mut policy.block_cidrs)];
        for (given, kept) in lists {
            if let Some(given) = given {
                kept.clone_from(given);
            }
        }
        policy
    }
}

/// How an agent's credentials get into the sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CredentialsMode {
    /// A placeholder inside; the real token is put in outside.
    Proxy,
    /// A short-lived access token without its refresh token.
    AccessOnly,
    /// A variable of the one exec.
    Env,
    /// A file written by a process inside.
    File,
    /// None at all.
    None,
}

/// What of the operator's own agent configuration is visible inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AgentConfig {
    /// Nothing.
    None,
    /// Read-only copies of instructions, skills, agents and commands.
    Instructions,
}

/// What a sandbox is made to be, resolved from options and defaults and kept in its record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Settings {
    #[serde(default)]
    pub(crate) network: NetworkPolicy,
    #[serde(default)]
    pub(crate) limits: Limits,
    /// Milliseconds; 0 is never.
    pub(crate) ttl_ms: u64,
    #[serde(default)]
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) credentials: CredentialsMode,
    #[serde(default)]
    pub(crate) git_identity: Option<GitIdentity>,
    /// Guarded paths of the workspace that may be written all the same, as patterns.
    #[serde(default)]
    pub(crate) guard_allow: Vec<String>,
    #[serde(default)]
    pub(crate) nesting: bool,
}

impl Settings {
    pub(crate) fn new(options: &CreateOptions, git_identity: Option<GitIdentity>) -> Result<Self> {
        let defaults = Self {
            network: NetworkPolicy::default(),
            limits: Limits::default(),
            ttl_ms: millis(DEFAULT_TTL),
            env: BTreeMap::new(),
            credentials: options.credentials.unwrap_or(CredentialsMode::None),
            git_identity: if options.no_git_identity { None } else { git_identity },
            guard_allow: Vec::new(),
            nesting: false,
        };
        defaults.updated(options)
    }

    /// These settings with what the options give; what they leave out stays.
    pub(crate) fn updated(&self, options: &CreateOptions) -> Result<Self> {
        let mut settings = self.clone();
        if let Some(network) = &options.network {
            settings.network = network.apply(&self.network);
        }
        if let Some(limits) = &options.limits {
            limits.check()?;
            settings.limits = self.limits.updated(limits);
        }
        if let Some(ttl) = options.ttl {
            settings.ttl_ms = millis(ttl);
        }
        if let Some(env) = &options.env {
            for name in env.keys() {
                check_env_name(name)?;
            }
            settings.env.clone_from(env);
        }
        if let Some(patterns) = &options.guard_allow {
            crate::guard::check(patterns)?;
            settings.guard_allow.clone_from(patterns);
        }
        if let Some(nesting) = options.nesting {
            settings.nesting = nesting;
        }
        Ok(settings)
    }
}

pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A variable's name must be non-empty and hold neither `=` nor NUL.
pub(crate) fn check_env_name(name: &str) -> Result<()> {
    if name.is_empty() || name.contains(['=', '\0']) {
        return Err(Error::invalid(
            "env",
            format!("{name:?}"),
            "a variable's name is not empty and holds no '=' and no NUL",
        ));
    }
    Ok(())
}
