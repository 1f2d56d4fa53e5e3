//! Making a loop's sandbox.

use std::collections::HashMap;
use std::fmt::Display;
use std::str::FromStr;

use loopbox_core::{
    AgentConfig, AgentName, BackendId, CreateOptions, CreateRequest, CredentialsMode, Error, ErrorCode, Limits, LoopId,
    NetworkOptions, Result,
};
use napi_derive::napi;

use crate::exec::milliseconds;
use crate::failure::{Outcome, outcome};
use crate::identity::git_identity;
use crate::settings::Settings;

/// The options of `createLoopSandbox`, their types already checked.
#[napi(object, object_to_js = false)]
#[expect(missing_debug_implementations, reason = "values of variables may be secret")]
pub struct CreateArgs {
    /// Egress policy.
    pub network: Option<NetworkArgs>,
    /// Resource limits.
    pub limits: Option<LimitArgs>,
    /// Milliseconds after the last use.
    pub ttl_ms: Option<f64>,
    /// Variables of every command.
    pub env: Option<HashMap<String, String>>,
    /// How credentials get in.
    pub credentials: Option<String>,
    /// Environment variable → secret name.
    pub leases: Option<HashMap<String, String>>,
    /// What of the operator's agent configuration is visible.
    pub agent_config: Option<String>,
    /// Exceptions from the workspace guard.
    pub guard_allow: Option<Vec<String>>,
    /// Whether commands may make namespaces of their own.
    pub nesting: Option<bool>,
    /// The backend.
    pub backend: Option<String>,
    /// A template to start from.
    pub template: Option<String>,
    /// Accept the bare host if no backend works.
    pub allow_host_fallback: Option<bool>,
}

/// The network options.
#[napi(object, object_to_js = false)]
#[derive(Debug)]
pub struct NetworkArgs {
    /// `allow` or `deny`.
    pub policy: Option<String>,
    /// A named set of rules.
    pub preset: Option<String>,
    /// Hosts to allow.
    pub allow_hosts: Option<Vec<String>>,
    /// Hosts to block.
    pub block_hosts: Option<Vec<String>>,
    /// Address ranges to allow.
    pub allow_cidrs: Option<Vec<String>>,
    /// Address ranges to block.
    pub block_cidrs: Option<Vec<String>>,
}

/// The limits; whole numbers but for the CPUs.
#[napi(object, object_to_js = false)]
#[derive(Debug)]
pub struct LimitArgs {
    /// Memory.
    pub memory_bytes: Option<f64>,
    /// CPUs.
    pub cpus: Option<f64>,
    /// Processes.
    pub pids: Option<f64>,
    /// Private disk space.
    pub disk_bytes: Option<f64>,
}

/// A sandbox that exists now.
#[napi(object, object_from_js = false)]
#[derive(Debug)]
pub struct Created {
    /// Its name.
    pub name: String,
    /// Whether it is the bare host.
    pub is_host: bool,
}

/// Makes the sandbox of a loop, or finds it.
#[napi]
pub async fn create(
    settings: Settings,
    loop_id: String,
    tool: String,
    work_dir: String,
    args: CreateArgs,
) -> Outcome<Created> {
    outcome(make(settings, &loop_id, &tool, &work_dir, args).await)
}

async fn make(settings: Settings, loop_id: &str, tool: &str, work_dir: &str, args: CreateArgs) -> Result<Created> {
    let request = CreateRequest::for_loop(&LoopId::parse(loop_id)?, &AgentName::parse(tool)?, work_dir)?
        .with_options(args.options()?);
    let identity = git_identity(&settings).await;
    let created = settings.loopbox_as(identity)?.create(request).await?;
    Ok(Created { is_host: created.backend == BackendId::Host, name: created.name.into() })
}

impl CreateArgs {
    fn options(self) -> Result<CreateOptions> {
        let mut options = CreateOptions::default();
        options.network = self.network.map(NetworkArgs::options).transpose()?;
        options.limits = self.limits.map(LimitArgs::limits);
        options.ttl = self.ttl_ms.map(milliseconds);
        options.env = self.env.map(|env| env.into_iter().collect());
        options.credentials = self.credentials.map(|mode| credentials(&mode)).transpose()?;
        options.leases = self.leases.map(|leases| leases.into_iter().collect());
        options.agent_config = self.agent_config.map(|config| agent_config(&config)).transpose()?;
        options.guard_allow = self.guard_allow;
        options.nesting = self.nesting;
        options.backend = self.backend.as_deref().map(str::parse).transpose()?;
        options.template = self.template;
        options.allow_host_fallback = self.allow_host_fallback.unwrap_or(false);
        Ok(options)
    }
}

impl NetworkArgs {
    fn options(self) -> Result<NetworkOptions> {
        let mut options = NetworkOptions::default();
        options.policy = parse_optional("network.policy", self.policy)?;
        options.preset = parse_optional("network.preset", self.preset)?;
        options.allow_hosts = parse_list("network.allowHosts", self.allow_hosts)?;
        options.block_hosts = parse_list("network.blockHosts", self.block_hosts)?;
        options.allow_cidrs = parse_list("network.allowCidrs", self.allow_cidrs)?;
        options.block_cidrs = parse_list("network.blockCidrs", self.block_cidrs)?;
        Ok(options)
    }
}

impl LimitArgs {
    fn limits(self) -> Limits {
        let mut limits = Limits::default();
        limits.memory_bytes = self.memory_bytes.map(whole);
        limits.cpus = self.cpus;
        limits.pids = self.pids.map(whole);
        limits.disk_bytes = self.disk_bytes.map(whole);
        limits
    }
}

fn credentials(mode: &str) -> Result<CredentialsMode> {
    match mode {
        "proxy" => Ok(CredentialsMode::Proxy),
        "access_only" => Ok(CredentialsMode::AccessOnly),
        "env" => Ok(CredentialsMode::Env),
        "file" => Ok(CredentialsMode::File),
        "none" => Ok(CredentialsMode::None),
        _ => Err(unknown("credentials", mode, "proxy, access_only, env, file, none")),
    }
}

fn agent_config(config: &str) -> Result<AgentConfig> {
    match config {
        "none" => Ok(AgentConfig::None),
        "instructions" => Ok(AgentConfig::Instructions),
        _ => Err(unknown("agentConfig", config, "none, instructions")),
    }
}

fn parse_optional<T: FromStr<Err: Display>>(field: &str, value: Option<String>) -> Result<Option<T>> {
    value.map(|value| parse(field, &value)).transpose()
}

fn parse_list<T: FromStr<Err: Display>>(field: &str, values: Option<Vec<String>>) -> Result<Option<Vec<T>>> {
    values.map(|values| values.iter().map(|value| parse(field, value)).collect()).transpose()
}

fn parse<T: FromStr<Err: Display>>(field: &str, value: &str) -> Result<T> {
    // The reason shows the value.
    value.parse().map_err(|why| Error::new(ErrorCode::InvalidArgument, format!("{field}: {why}")))
}

fn unknown(field: &str, value: &str, known: &str) -> Error {
    // A mistaken value may be huge or hold escape codes: show it shortened and escaped.
    let shown: String = value.chars().take(80).flat_map(char::escape_debug).collect();
    Error::new(ErrorCode::InvalidArgument, format!("{field}: '{shown}': is not one of {known}"))
}

/// A number that the facade has checked to be whole and not negative.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the facade lets only safe non-negative integers through, and the cast saturates"
)]
pub(crate) fn whole(number: f64) -> u64 {
    number as u64
}
