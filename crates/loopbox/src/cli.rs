//! One command line from its text to its exit code.

use std::ffi::OsString;

use clap::error::ErrorKind;
use clap::{CommandFactory as _, FromArgMatches as _};
use loopbox_core::Error;

use crate::args::{Cli, Verb};
use crate::commands::{self, App};
use crate::failure::{Failure, invalid};
use crate::{exit, output};

/// Runs the command line and gives its exit code.
pub(crate) fn main(arguments: &[OsString]) -> u8 {
    let cli = match parse(arguments) {
        Ok(cli) => cli,
        Err(error) => return usage(&error, arguments),
    };
    let json = cli.json;
    report(run(cli), json)
}

fn run(cli: Cli) -> Result<u8, Failure> {
    let json = cli.json;
    match cli.verb {
        // These need no state, no configuration and no runtime.
        Verb::Version => commands::version(json),
        Verb::Completions(args) => commands::completions(args.shell),
        Verb::Secrets(passed) => Ok(commands::secrets(passed.args, json)),
        verb => {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .map_err(|error| Error::io("starting the runtime", error))?;
            let outcome = runtime.block_on(commands::dispatch(verb, App::new(json)));
            // A thread that waits for standard input would otherwise be waited for.
            runtime.shutdown_background();
            outcome
        }
    }
}

fn report(outcome: Result<u8, Failure>, json: bool) -> u8 {
    match outcome {
        Ok(code) => code,
        Err(Failure::BrokenPipe) => exit::BROKEN_PIPE,
        Err(Failure::Error(error)) => {
            output::error(&error, json);
            exit::FAILURE
        }
    }
}

fn parse(arguments: &[OsString]) -> Result<Cli, clap::Error> {
    let line = std::iter::once(OsString::from("loopbox")).chain(arguments.iter().cloned());
    Cli::from_arg_matches(&Cli::command().try_get_matches_from(line)?)
}

/// Says what is wrong with a command line, or gives the help that was asked for.
fn usage(error: &clap::Error, arguments: &[OsString]) -> u8 {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            let text = error.render().to_string();
            report(output::bytes(text.as_bytes()).map(|()| exit::OK), false)
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand | ErrorKind::MissingSubcommand => {
            output::diagnostic(&error.render().to_string());
            exit::FAILURE
        }
        _ => {
            // What comes after `--`, or after the command of exec, is not ours; a flag of ours was before.
            let json = arguments.iter().take_while(|word| *word != "--").any(|word| word == "--json");
            report(Err(Failure::Error(explained(error))), json)
        }
    }
}

/// Clap's explanation in our form: message, then one hint.
fn explained(error: &clap::Error) -> Error {
    let text = error.render().to_string();
    let (message, rest) = text.split_once("\n\n").unwrap_or((&text, ""));
    let message = message.trim_start_matches("error: ").split_whitespace().collect::<Vec<_>>().join(" ");
    let tip = rest.lines().find_map(|line| line.trim_start().strip_prefix("tip: "));
    let usage = rest.lines().find_map(|line| line.strip_prefix("Usage: "));
    let explained = invalid(message);
    match (tip, usage) {
        // Clap knows no better than to pass a mistyped flag as a value. That is right for the agent's own flags only.
        (Some(tip), Some(usage)) if tip.starts_with("to pass ") && usage.contains("[-- ") => {
            explained.with_hint(format!("the agent's own arguments come after --: {usage}"))
        }
        (Some(tip), _) if !tip.starts_with("to pass ") => explained.with_hint(tip),
        (_, Some(usage)) => explained.with_hint(format!("usage: {usage}")),
        _ => explained,
    }
}
