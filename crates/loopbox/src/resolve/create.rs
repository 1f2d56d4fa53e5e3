//! `create` → [`CreateRequest`].

use std::path::{Path, PathBuf};

use loopbox_core::{
    AgentConfig, AgentName, AgentProfile, CreateOptions, CreateRequest, CredentialsMode, Error, ErrorCode, Limits,
    Result, SandboxName,
};

use super::quote::quoted;
use super::{env, network_options, workspace};
use crate::args::{AgentConfigArg, CredentialsArg, SandboxArgs};
use crate::failure::{invalid, unsupported};

/// The request for a sandbox of that agent. `verb` is what the user typed, for hints.
pub(crate) fn create_request(
    verb: &str,
    sandbox: SandboxArgs,
    agent: &str,
    path: Option<&Path>,
    extra: &[PathBuf],
) -> Result<CreateRequest> {
    if !names_an_agent(agent) {
        return Err(not_an_agent(verb, agent, path, extra));
    }
    if let Some(further) = extra.first() {
        let message = format!("{}: a sandbox has one workspace", further.display());
        return Err(unsupported(message, "make a sandbox for a directory that holds both"));
    }
    let agent = AgentName::parse(agent)?;
    let workspace = workspace::absolute(path.unwrap_or(Path::new(".")))?;
    let name = match &sandbox.name {
        Some(name) => SandboxName::parse(name)?,
        None => workspace::default_name(agent.as_str(), &workspace)?,
    };
    let options = create_options(sandbox)?;
    Ok(CreateRequest::new(name, agent, workspace).with_options(options))
}

/// Whether there is an agent of that name.
pub(crate) fn names_an_agent(text: &str) -> bool {
    AgentProfile::find(text).is_some()
}

fn create_options(args: SandboxArgs) -> Result<CreateOptions> {
    if args.template.is_some() {
        return Err(unsupported("templates are not built yet", "leave out --template"));
    }
    if args.cpus.is_some_and(|cpus| !cpus.is_finite() || cpus <= 0.0) {
        return Err(invalid("--cpus: the number of CPUs must be above 0"));
    }
    let mut options = CreateOptions::default();
    options.backend = args.backend.as_deref().map(str::parse).transpose()?;
    options.ttl = args.ttl;
    options.no_git_identity = args.no_git_identity;
    options.credentials = args.credentials.map(CredentialsMode::from);
    options.agent_config = args.agent_config.map(AgentConfig::from);
    options.network = network_options(args.network);
    options.guard_allow = (!args.allow_write.is_empty()).then_some(args.allow_write);
    options.nesting = args.allow_nesting.then_some(true);

    let mut limits = Limits::default();
    limits.memory_bytes = args.memory;
    limits.cpus = args.cpus;
    limits.pids = args.pids_limit;
    limits.disk_bytes = args.disk;
    options.limits = (!limits.is_empty()).then_some(limits);

    let variables = env::text_variables(args.env, &args.env_file)?;
    options.env = (!variables.is_empty()).then_some(variables);
    let leases: std::collections::BTreeMap<_, _> =
        args.lease.into_iter().map(|(secret, variable)| (variable, secret)).collect();
    options.leases = (!leases.is_empty()).then_some(leases);
    Ok(options)
}

/// Most people who get here typed the name first, as older tools had it: tell them the form for what they meant.
fn not_an_agent(verb: &str, given: &str, path: Option<&Path>, extra: &[PathBuf]) -> Error {
    let known: Vec<_> = AgentProfile::all().iter().map(|profile| profile.name).collect();
    let shown: String = given.chars().take(80).flat_map(char::escape_debug).collect();
    let error = Error::new(ErrorCode::InvalidName, format!("'{shown}' is not an agent ({})", known.join(", ")));
    if SandboxName::parse(given).is_err() {
        return error.with_hint(format!("write: loopbox {verb} AGENT [PATH]"));
    }
    let rest: Vec<&Path> = path.into_iter().chain(extra.iter().map(PathBuf::as_path)).collect();
    let agent = rest.iter().filter_map(|word| word.to_str()).find(|word| names_an_agent(word)).unwrap_or(known[0]);
    let mut form = format!("loopbox {verb} --name {given} {agent}");
    for word in rest.into_iter().filter(|word| word.as_os_str() != agent) {
        form.push(' ');
        form.push_str(&quoted(word));
    }
    error.with_hint(format!("the name is an option: {form}"))
}

impl From<CredentialsArg> for CredentialsMode {
    fn from(arg: CredentialsArg) -> Self {
        match arg {
            CredentialsArg::Proxy => Self::Proxy,
            CredentialsArg::AccessOnly => Self::AccessOnly,
            CredentialsArg::Env => Self::Env,
            CredentialsArg::File => Self::File,
            CredentialsArg::None => Self::None,
        }
    }
}

impl From<AgentConfigArg> for AgentConfig {
    fn from(arg: AgentConfigArg) -> Self {
        match arg {
            AgentConfigArg::None => Self::None,
            AgentConfigArg::Instructions => Self::Instructions,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_first_is_answered_with_the_form_to_type() {
        let cases: [(&str, Option<&str>, &[&str], &str); 4] = [
            ("my-feature", Some("/home/me/p"), &[], "loopbox create --name my-feature claude /home/me/p"),
            ("my-feature", None, &[], "loopbox create --name my-feature claude"),
            ("my-feature", Some("codex"), &[], "loopbox create --name my-feature codex"),
            ("my-feature", Some("codex"), &["/my p"], "loopbox create --name my-feature codex '/my p'"),
        ];
        for (given, path, extra, form) in cases {
            let extra: Vec<PathBuf> = extra.iter().map(PathBuf::from).collect();
            let error = not_an_agent("create", given, path.map(Path::new), &extra);
            assert_eq!(error.hint(), Some(format!("the name is an option: {form}").as_str()));
        }
    }
}
