//! The command line: what it understands and what it answers.
//!
//! It writes only to the two writers that it is given, so that `secrets` and `loopbox secrets` are one program.

use std::ffi::OsString;
use std::io::{self, Write};

use clap::error::ErrorKind;
use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use clap_complete::Shell;

use crate::exit;

/// Runs one command line and gives its exit code.
///
/// `program` is what the user typed (`secrets` or `loopbox secrets`), `args` everything after it.
pub fn run(
    program: &str,
    args: impl IntoIterator<Item = OsString>,
    stdout: &mut dyn Write,
    stderr: &mut dyn Write,
) -> u8 {
    let line = std::iter::once(OsString::from(program)).chain(args);
    let outcome = match parse(program, line) {
        Ok(Cli { verb: Verb::Version, json }) => version(json, stdout),
        Ok(Cli { verb: Verb::Completions { shell }, .. }) => completions(shell, stdout),
        Ok(Cli { verb: Verb::Unbuilt(verb), json }) => unsupported(verb.name(), json || verb.asks_for_json(), stderr),
        Err(error) => usage(program, &error, stdout, stderr),
    };
    outcome.unwrap_or(exit::IO)
}

/// The command line's description, for completions of programs that contain it.
pub fn command() -> clap::Command {
    Cli::command()
}

/// Store, lease and rotate the credentials of coding agents
#[derive(Debug, Parser)]
#[command(name = "secrets", disable_help_subcommand = true, subcommand_required = true, after_help = AFTER_HELP)]
struct Cli {
    /// Machine-readable output and errors
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    verb: Verb,
}

const AFTER_HELP: &str = "The broker is not built yet: every verb but version and completions answers \
                          error[Unsupported] and exits 69.";

#[derive(Debug, Subcommand)]
enum Verb {
    #[command(flatten)]
    Unbuilt(Unbuilt),
    /// Print the version
    Version,
    /// Print a completion script
    Completions {
        /// The shell that will read it
        shell: Shell,
    },
}

/// Declares the verbs that are not built. They take any arguments, and nothing of them is ever shown: what follows
/// `add` may be a secret.
macro_rules! unbuilt {
    ($($(#[$doc:meta])* $variant:ident = $name:literal),* $(,)?) => {
        #[derive(Debug, Subcommand)]
        enum Unbuilt {
            $($(#[$doc])* #[command(name = $name, disable_help_flag = true)] $variant(Anything)),*
        }

        impl Unbuilt {
            const fn name(&self) -> &'static str {
                match self { $(Self::$variant(_) => $name),* }
            }

            fn asks_for_json(&self) -> bool {
                match self { $(Self::$variant(anything) => anything.args.iter().any(|arg| arg == "--json")),* }
            }
        }
    };
}

unbuilt! {
    /// Create the store
    Init = "init",
    /// Store a new secret
    Add = "add",
    /// Store a new version of a secret
    Set = "set",
    /// List secrets, without their values
    List = "list",
    /// Lease a secret for a limited time
    Lease = "lease",
    /// Prolong a lease
    Renew = "renew",
    /// Show one lease
    Lookup = "lookup",
    /// List leases
    Leases = "leases",
    /// End leases
    Revoke = "revoke",
    /// Replace a secret by the output of its rotation command
    Rotate = "rotate",
    /// Return to an earlier version of a secret
    Rollback = "rollback",
    /// Delete a secret and end its leases
    Delete = "delete",
    /// Show whether the broker runs
    Status = "status",
    /// Show what needs attention
    Health = "health",
    /// Show the audit log
    Audit = "audit",
    /// Run a command with leased secrets in its environment
    Exec = "exec",
    /// Import secrets from elsewhere
    Import = "import",
    /// Run the broker
    Serve = "serve",
    /// Manage the clients of the HTTP endpoint
    Client = "client",
    /// Explain which sources of secrets work here
    Doctor = "doctor",
}

#[derive(clap::Args)]
struct Anything {
    #[arg(hide = true, num_args = 0.., trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<OsString>,
}

impl std::fmt::Debug for Anything {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} arguments", self.args.len())
    }
}

fn parse(program: &str, line: impl Iterator<Item = OsString>) -> Result<Cli, clap::Error> {
    let matches = Cli::command().bin_name(program).try_get_matches_from(line)?;
    Cli::from_arg_matches(&matches)
}

fn version(json: bool, stdout: &mut dyn Write) -> io::Result<u8> {
    let version = env!("CARGO_PKG_VERSION");
    if json {
        writeln!(stdout, "{}", serde_json::json!({ "version": version }))?;
    } else {
        writeln!(stdout, "secrets {version}")?;
    }
    Ok(exit::OK)
}

fn completions(shell: Shell, stdout: &mut dyn Write) -> io::Result<u8> {
    // The generator panics when its writer fails (a closed pipe), a buffer does not.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "secrets", &mut script);
    stdout.write_all(&script)?;
    Ok(exit::OK)
}

fn unsupported(verb: &str, json: bool, stderr: &mut dyn Write) -> io::Result<u8> {
    let message = format!("secrets {verb} is not built yet");
    let hint = "until then pass the agent's credential to one command: loopbox exec -e CLAUDE_CODE_OAUTH_TOKEN NAME …";
    fail("Unsupported", &message, Some(hint), json, stderr)?;
    Ok(exit::UNAVAILABLE)
}

fn usage(program: &str, error: &clap::Error, stdout: &mut dyn Write, stderr: &mut dyn Write) -> io::Result<u8> {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            write!(stdout, "{}", error.render())?;
            Ok(exit::OK)
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            write!(stderr, "{}", error.render())?;
            Ok(exit::USAGE)
        }
        _ => {
            let text = error.render().to_string();
            let message = text.lines().next().unwrap_or_default().trim_start_matches("error: ");
            fail("InvalidArgument", message, Some(&format!("see {program} --help")), false, stderr)?;
            Ok(exit::USAGE)
        }
    }
}

fn fail(code: &str, message: &str, hint: Option<&str>, json: bool, stderr: &mut dyn Write) -> io::Result<()> {
    if json {
        let error = serde_json::json!({ "error": { "code": code, "message": message, "hint": hint } });
        return writeln!(stderr, "{error}");
    }
    writeln!(stderr, "secrets: error[{code}]: {message}")?;
    if let Some(hint) = hint {
        writeln!(stderr, "hint: {hint}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Answer {
        code: u8,
        stdout: String,
        stderr: String,
    }

    fn secrets(args: &[&str]) -> Answer {
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        let code = run("secrets", args.iter().map(OsString::from), &mut stdout, &mut stderr);
        Answer { code, stdout: String::from_utf8(stdout).unwrap(), stderr: String::from_utf8(stderr).unwrap() }
    }

    #[test]
    fn the_description_is_sound() {
        command().debug_assert();
    }

    #[test]
    fn every_unbuilt_verb_answers_unsupported_with_any_arguments() {
        let lines = [
            "init --store file",
            "lease claude_setup_token --ttl 1h --raw",
            "list",
            "revoke --all",
            "audit --tail -1",
            "exec --lease A=B -- env",
            "serve --listen 127.0.0.1:0",
            "doctor --help",
        ];
        for line in lines {
            let answer = secrets(&line.split(' ').collect::<Vec<_>>());
            assert_eq!(answer.code, exit::UNAVAILABLE, "{line}");
            assert_eq!(answer.stdout, "", "{line}");
            assert!(answer.stderr.starts_with("secrets: error[Unsupported]: secrets "), "{}", answer.stderr);
            assert!(answer.stderr.contains("\nhint: "), "{}", answer.stderr);
        }
    }

    #[test]
    fn a_secret_on_the_command_line_is_not_repeated() {
        let answer = secrets(&["add", "claude_setup_token", "--value", "sk-ant-oat01-canary"]);
        assert_eq!(answer.code, exit::UNAVAILABLE);
        assert!(!format!("{}{}", answer.stdout, answer.stderr).contains("canary"));
    }

    #[test]
    fn errors_are_json_where_json_was_asked_for() {
        for args in [&["list", "--json"][..], &["--json", "list"]] {
            let answer = secrets(args);
            let error: serde_json::Value = serde_json::from_str(&answer.stderr).unwrap();
            assert_eq!(error["error"]["code"], "Unsupported");
        }
    }

    #[test]
    fn help_version_and_completions_work() {
        let help = secrets(&["--help"]);
        assert_eq!(help.code, exit::OK);
        for verb in ["init", "lease", "revoke", "completions"] {
            assert!(help.stdout.contains(verb), "{}", help.stdout);
        }
        assert_eq!(secrets(&["version"]).stdout, format!("secrets {}\n", env!("CARGO_PKG_VERSION")));
        assert!(secrets(&["completions", "bash"]).stdout.contains("_secrets"));
    }

    #[test]
    fn a_wrong_command_line_is_a_usage_error() {
        let answer = secrets(&["leese"]);
        assert_eq!(answer.code, exit::USAGE);
        assert_eq!(answer.stdout, "");
        assert!(answer.stderr.starts_with("secrets: error[InvalidArgument]: unrecognized subcommand 'leese'"));
        assert_eq!(secrets(&[]).code, exit::USAGE);
    }
}
