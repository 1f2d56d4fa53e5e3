//! What `run` is to run.

use loopbox_core::{Result, SandboxName};

use crate::args::SandboxArgs;
use crate::failure::invalid;
use crate::resolve::names_an_agent;

/// What the first argument of `run` means: an agent's name is always an agent.
#[derive(Debug)]
pub(crate) enum Target {
    /// An agent, in the sandbox of its workspace.
    Agent,
    /// An existing sandbox, with the agent it was made for.
    Sandbox(SandboxName),
}

/// Tells agent and sandbox apart.
pub(crate) fn run_target(target: &str, has_path: bool, sandbox: &SandboxArgs) -> Result<Target> {
    // With a path it can only be an agent; create explains best that a name was put first.
    if names_an_agent(target) || has_path {
        return Ok(Target::Agent);
    }
    let name = SandboxName::parse(target)?;
    if *sandbox != SandboxArgs::default() {
        return Err(invalid(format!("'{name}' is not an agent, and flags of create need one"))
            .with_hint(format!("loopbox run --name {name} claude makes it, loopbox run {name} uses it as it is")));
    }
    Ok(Target::Sandbox(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(text: &str, has_path: bool) -> Target {
        run_target(text, has_path, &SandboxArgs::default()).unwrap()
    }

    #[test]
    fn an_agents_name_is_an_agent_and_anything_else_a_sandbox() {
        assert!(matches!(target("claude", false), Target::Agent));
        assert!(matches!(target("shell", true), Target::Agent));
        assert!(matches!(target("my-sandbox", true), Target::Agent));
        assert!(matches!(target("my-sandbox", false), Target::Sandbox(name) if name.as_str() == "my-sandbox"));
    }

    #[test]
    fn flags_of_create_are_not_ignored_for_an_existing_sandbox() {
        let flags = SandboxArgs { pids_limit: Some(5), ..SandboxArgs::default() };
        assert!(run_target("my-sandbox", false, &flags).unwrap_err().hint().unwrap().contains("--name my-sandbox"));
    }
}
