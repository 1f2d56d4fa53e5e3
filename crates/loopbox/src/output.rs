//! Everything that is printed.
//!
//! Results go to standard output, everything else to standard error, so that a pipe holds results only.

use std::io::{self, IsTerminal as _, Write as _};

use loopbox_core::Error;
use serde::Serialize;

use crate::failure::{Failure, Result};

/// Prints one line of a result.
pub(crate) fn line(text: impl AsRef<str>) -> Result<()> {
    writeln!(io::stdout().lock(), "{}", text.as_ref()).map_err(Failure::writing)
}

/// Prints bytes of a result as they are.
pub(crate) fn bytes(bytes: &[u8]) -> Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(bytes).and_then(|()| stdout.flush()).map_err(Failure::writing)
}

/// Prints a result as one JSON document.
pub(crate) fn json(value: &impl Serialize) -> Result<()> {
    let text = serde_json::to_string_pretty(value).map_err(unserialisable)?;
    line(text)
}

/// Prints a result as one line of JSON, for streams of results.
pub(crate) fn json_line(value: &impl Serialize) -> Result<()> {
    let text = serde_json::to_string(value).map_err(unserialisable)?;
    line(text)
}

fn unserialisable(error: serde_json::Error) -> Failure {
    Failure::Error(Error::io("writing JSON", io::Error::from(error)))
}

/// Tells the user something beside the result.
pub(crate) fn notice(text: impl AsRef<str>) {
    diagnostic(&format!("loopbox: {}", text.as_ref()));
}

/// Tells the user of something that is probably not meant.
pub(crate) fn warning(text: impl AsRef<str>, hint: Option<&str>) {
    diagnostic(&format!("loopbox: warning: {}", text.as_ref()));
    if let Some(hint) = hint {
        diagnostic(&format!("hint: {hint}"));
    }
}

/// Reports why the command failed, for people or as `{"error":{code,message,hint}}`.
pub(crate) fn error(error: &Error, json: bool) {
    if json {
        let line = serde_json::to_string(&ErrorLine { error: ErrorBody::of(error) });
        diagnostic(&line.unwrap_or_default());
        return;
    }
    diagnostic(&format!("loopbox: error[{}]: {}", error.code(), error.describe()));
    if let Some(hint) = error.hint() {
        diagnostic(&format!("hint: {hint}"));
    }
}

#[derive(Debug, Serialize)]
struct ErrorLine {
    error: ErrorBody,
}

/// An error as it appears in JSON.
#[derive(Debug, Serialize)]
pub(crate) struct ErrorBody {
    code: &'static str,
    message: String,
    hint: Option<String>,
}

impl ErrorBody {
    pub(crate) fn of(error: &Error) -> Self {
        Self { code: error.code().as_str(), message: error.describe(), hint: error.hint().map(str::to_owned) }
    }
}

/// Text that is not a failure but belongs to standard error, as usage does.
pub(crate) fn diagnostic(text: &str) {
    // With standard error closed there is no place left to complain about that.
    let _ = writeln!(io::stderr().lock(), "{}", text.trim_end());
}

/// Whether results are read by a person.
pub(crate) fn stdout_is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// Whether what is beside the results is read by a person.
pub(crate) fn stderr_is_terminal() -> bool {
    io::stderr().is_terminal()
}

/// Text from inside a sandbox or from a record, made harmless for a terminal.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_do_not_reach_the_terminal() {
        assert_eq!(printable("a\x1b[31mb\nc\u{9b}d"), "a\u{fffd}[31mb\u{fffd}c\u{fffd}d");
    }
}
