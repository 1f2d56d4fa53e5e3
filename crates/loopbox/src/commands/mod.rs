//! What each verb does.

mod create;
mod demo;
mod doctor;
mod events;
mod exec;
mod inspect;
mod logs;
mod ls;
mod network;
mod prune;
mod ps;
mod remove;
mod run;
mod shown;
mod status_line;
mod version;

use std::ffi::OsString;
use std::io;

use loopbox_core::{CreateRequest, Loopbox, SandboxName};

use crate::args::Verb;
use crate::config;
use crate::failure::{Failure, Result, unsupported};
use crate::output;

pub(crate) use version::{completions, version};

/// What every verb needs to know.
#[derive(Debug, Clone, Copy)]
pub(crate) struct App {
    /// Results and errors are read by a program.
    json: bool,
}

impl App {
    pub(crate) fn new(json: bool) -> Self {
        Self { json }
    }
}

/// The library, configured by the environment.
fn loopbox() -> Result<Loopbox> {
    Ok(Loopbox::new(config::from_environment()?)?)
}

/// As [`loopbox`], with what only a new sandbox needs.
async fn loopbox_to_create(request: &CreateRequest) -> Result<Loopbox> {
    let mut config = config::from_environment()?;
    if !request.options.no_git_identity {
        config.git_identity = config::git_identity(&request.workspace).await;
    }
    Ok(Loopbox::new(config)?)
}

/// Carries out a verb and gives the exit code.
pub(crate) async fn dispatch(verb: Verb, app: App) -> Result<u8> {
    match verb {
        Verb::Create(args) => create::create(app, args).await,
        Verb::Exec(args) => exec::exec(args).await,
        Verb::Run(args) => run::run(args).await,
        Verb::Ls(args) => ls::ls(app, &args).await,
        Verb::Ps(args) => ps::ps(app, &args.name).await,
        Verb::Logs(args) => logs::logs(app, &args).await,
        Verb::Inspect(args) => inspect::inspect(app, &args.name).await,
        Verb::Events(args) => events::events(app, &args).await,
        Verb::Stop(args) => remove::stop(app, &args.names).await,
        Verb::Rm(args) => remove::rm(app, &args).await,
        Verb::Prune => prune::prune(app).await,
        Verb::Reset(args) => prune::reset(app, &args).await,
        Verb::Network(verb) => network::network(app, verb).await,
        Verb::Doctor => doctor::doctor(app).await,
        Verb::Demo(args) => demo::demo(app, args).await,
        Verb::Version => version(app.json),
        Verb::Completions(args) => completions(args.shell),
        Verb::Secrets(passed) => Ok(secrets(passed.args, app.json)),
        Verb::Save(_) | Verb::Template(_) => Err(Failure::Error(unsupported(
            "templates are not built yet",
            "make the sandbox again with loopbox create",
        ))),
        Verb::Ports(_) => Err(Failure::Error(unsupported(
            "publishing ports is not built yet",
            "use the service from inside: loopbox exec NAME curl http://127.0.0.1:PORT",
        ))),
    }
}

/// The program `secrets`, with exit codes of its own.
pub(crate) fn secrets(args: Vec<OsString>, json: bool) -> u8 {
    let json = json.then(|| OsString::from("--json"));
    let line = json.into_iter().chain(args);
    loopbox_secrets::cli::run("loopbox secrets", line, &mut io::stdout().lock(), &mut io::stderr().lock())
}

fn parse_names(names: &[String]) -> Result<Vec<SandboxName>> {
    Ok(names.iter().map(SandboxName::parse).collect::<loopbox_core::Result<_>>()?)
}

/// Says aloud that nothing protects this machine.
fn warn_of_host_mode() {
    if config::host_mode() {
        output::warning(
            "AGENT_LOOP_HOST=1: commands run on this machine as you, nothing isolates them",
            Some("unset AGENT_LOOP_HOST to use a sandbox"),
        );
    }
}
