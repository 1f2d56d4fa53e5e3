//! `run`.

use std::ffi::OsString;

use loopbox_core::{AgentProfile, ErrorCode, ExecInput, ExecRequest, Loopbox, SandboxName};

use super::exec::{start, with_terminal};
use super::{create, loopbox, loopbox_to_create, warn_of_host_mode};
use crate::args::RunArgs;
use crate::failure::{Result, invalid};
use crate::resolve::{Target, create_request, run_target};
use crate::terminal;

pub(super) async fn run(args: RunArgs) -> Result<u8> {
    let (loopbox, name, agent) = match run_target(&args.target, args.path.is_some(), &args.sandbox)? {
        Target::Agent => {
            let request = create_request("run", args.sandbox, &args.target, args.path.as_deref(), &[])?;
            let loopbox = loopbox_to_create(&request).await?;
            let created = create::make(&loopbox, request).await?;
            create::announce(&created);
            (loopbox, created.name, args.target)
        }
        Target::Sandbox(name) => {
            warn_of_host_mode();
            let loopbox = loopbox()?;
            let agent = agent_of(&loopbox, &name).await?;
            (loopbox, name, agent)
        }
    };
    let on_terminal = terminal::is_interactive();
    let input = on_terminal || args.interactive;
    let mut request = ExecRequest::new(launch(&agent, &args.args)?);
    request.stdin = if input { ExecInput::Stream } else { ExecInput::Empty };
    if on_terminal {
        with_terminal(&mut request);
    }
    let exec = start(&loopbox, &name, request).await?;
    Ok(terminal::attach(exec, input, on_terminal).await?.exit_code())
}

async fn agent_of(loopbox: &Loopbox, name: &SandboxName) -> Result<String> {
    let info = loopbox.inspect(name).await.map_err(|error| match error.code() {
        ErrorCode::SandboxNotFound => error.with_hint(format!(
            "make it first: loopbox run --name {name} claude [PATH]; loopbox ls shows what there is"
        )),
        _ => error,
    })?;
    Ok(info.agent.name.as_str().to_owned())
}

fn launch(agent: &str, args: &[OsString]) -> Result<Vec<OsString>> {
    let profile =
        AgentProfile::find(agent).ok_or_else(|| invalid(format!("'{agent}' is not an agent of this loopbox")))?;
    Ok(profile.launch(args))
}
