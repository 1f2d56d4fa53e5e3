//! `exec`.

use loopbox_core::{Exec, ExecRequest, Loopbox, SandboxName};

use super::status_line::StatusLine;
use super::{loopbox, shown, warn_of_host_mode};
use crate::args::ExecArgs;
use crate::failure::{Result, invalid};
use crate::resolve::{self, exec_request};
use crate::terminal::{self, Ending};
use crate::{config, exit, output, progress};

pub(super) async fn exec(args: ExecArgs) -> Result<u8> {
    let mut status = args.status_fd.map(StatusLine::open).transpose()?;
    let outcome = run(args, status.as_mut()).await;
    if let Some(status) = status {
        status.write(&outcome)?;
    }
    outcome.map(|outcome| match outcome {
        Outcome::Detached => exit::OK,
        Outcome::Ended(ending) => ending.exit_code(),
    })
}

/// What became of the command.
#[derive(Debug)]
pub(super) enum Outcome {
    Detached,
    Ended(Ending),
}

async fn run(args: ExecArgs, status: Option<&mut StatusLine>) -> Result<Outcome> {
    warn_of_host_mode();
    let loopbox = loopbox()?;
    let name = SandboxName::parse(&args.name)?;
    let (detach, input, tty, scan) = (args.detach, args.interactive, args.tty, args.scan);
    if input && tty && !terminal::stdin_is_terminal() {
        return Err(invalid("-t with -i needs a terminal, and standard input is none")
            .with_hint("leave out -t")
            .into());
    }
    let mut request = exec_request(args)?;
    if detach {
        let detached = loopbox.exec_detached(&name, request).await?;
        output::line(detached.id)?;
        return Ok(Outcome::Detached);
    }
    if tty {
        with_terminal(&mut request);
    }
    place_on_host(&loopbox, &name, &mut request).await?;
    let exec = start(&loopbox, &name, request).await?;
    if let Some(status) = status {
        status.started();
    }
    let ending = terminal::attach(exec, input, input && tty).await?;
    if scan {
        tell_findings(&loopbox, &name).await?;
    }
    Ok(Outcome::Ended(ending))
}

/// Waits for a scan of the whole workspace and tells what there is to know. The command's exit code stays ours.
async fn tell_findings(loopbox: &Loopbox, name: &SandboxName) -> Result<()> {
    for finding in loopbox.scan(name).await? {
        output::notice(format!("finding: {}", output::printable(&shown::finding(&finding))));
    }
    Ok(())
}

/// Gives a request a terminal like ours.
pub(super) fn with_terminal(request: &mut ExecRequest) {
    request.tty = Some(terminal::size());
    if let Some(kind) = config::terminal_type() {
        request.env.entry("TERM".into()).or_insert(kind);
    }
}

/// Starts a command, and the sandbox if it is stopped.
pub(super) async fn start(loopbox: &Loopbox, name: &SandboxName, request: ExecRequest) -> Result<Exec> {
    Ok(progress::during(&format!("starting sandbox {name}"), loopbox.exec(name, request)).await?)
}

/// On the bare host there need not be a sandbox of that name; then the caller's directory takes the workspace's place.
async fn place_on_host(loopbox: &Loopbox, name: &SandboxName, request: &mut ExecRequest) -> Result<()> {
    if config::host_mode() && request.work_dir.is_none() && !loopbox.exists(name).await? {
        request.work_dir = Some(resolve::current_dir()?);
    }
    Ok(())
}
