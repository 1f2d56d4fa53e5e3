//! One error type: a stable code for programs, a message and a hint for people.

use std::error::Error as StdError;
use std::fmt;

use crate::exec::ExecOutput;

/// The result of every fallible call of this library.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, as a stable code. The words of an [`Error`] may change, its code does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorCode {
    /// No sandbox has that name.
    SandboxNotFound,
    /// A sandbox of that name exists and differs in something that cannot be changed; the message names the field.
    SandboxExists,
    /// The sandbox died while the call was under way.
    SandboxDied,
    /// A sandbox name, loop id or agent name does not have the required form.
    InvalidName,
    /// An argument or option has a value that is not accepted; the message names the field.
    InvalidArgument,
    /// The workspace directory does not exist or is not a directory.
    WorkspaceNotFound,
    /// The workspace directory was replaced by another one since the sandbox was made.
    WorkspaceChanged,
    /// The agent's executable is not on the host.
    AgentNotFound,
    /// No backend, or not the requested one, works on this machine.
    BackendUnavailable,
    /// The backend cannot do what was asked for.
    Unsupported,
    /// The sandbox's memory limit was reached.
    OutOfMemory,
    /// The sandbox's limit on processes was reached.
    ProcessLimit,
    /// The caller cancelled the call; [`Error::partial`] holds what there was until then.
    Aborted,
    /// A credential could not be leased.
    LeaseFailed,
    /// The state directory was written by a newer loopbox.
    StateTooNew,
    /// The sandbox runs an init whose protocol this version does not speak.
    VersionMismatch,
    /// The operating system refused something that should work.
    Io,
}

impl ErrorCode {
    /// The code as it appears in messages, JSON and `LoopboxError.code`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SandboxNotFound => "SandboxNotFound",
            Self::SandboxExists => "SandboxExists",
            Self::SandboxDied => "SandboxDied",
            Self::InvalidName => "InvalidName",
            Self::InvalidArgument => "InvalidArgument",
            Self::WorkspaceNotFound => "WorkspaceNotFound",
            Self::WorkspaceChanged => "WorkspaceChanged",
            Self::AgentNotFound => "AgentNotFound",
            Self::BackendUnavailable => "BackendUnavailable",
            Self::Unsupported => "Unsupported",
            Self::OutOfMemory => "OutOfMemory",
            Self::ProcessLimit => "ProcessLimit",
            Self::Aborted => "Aborted",
            Self::LeaseFailed => "LeaseFailed",
            Self::StateTooNew => "StateTooNew",
            Self::VersionMismatch => "VersionMismatch",
            Self::Io => "Io",
        }
    }

    /// The code with that name; used to carry errors across processes.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        const ALL: [ErrorCode; 17] = [
            ErrorCode::SandboxNotFound,
            ErrorCode::SandboxExists,
            ErrorCode::SandboxDied,
            ErrorCode::InvalidName,
            ErrorCode::InvalidArgument,
            ErrorCode::WorkspaceNotFound,
            ErrorCode::WorkspaceChanged,
            ErrorCode::AgentNotFound,
            ErrorCode::BackendUnavailable,
            ErrorCode::Unsupported,
            ErrorCode::OutOfMemory,
            ErrorCode::ProcessLimit,
            ErrorCode::Aborted,
            ErrorCode::LeaseFailed,
            ErrorCode::StateTooNew,
            ErrorCode::VersionMismatch,
            ErrorCode::Io,
        ];
        ALL.into_iter().find(|code| code.as_str() == name)
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An error of this library: a stable [`code`](Error::code), a message for people, often a hint what to do next.
#[derive(Debug)]
pub struct Error(Box<Details>);

#[derive(Debug)]
struct Details {
    code: ErrorCode,
    message: String,
    hint: Option<String>,
    partial: Option<ExecOutput>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// An error with a code and a message, a lower-case sentence fragment without a full stop.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self(Box::new(Details { code, message: message.into(), hint: None, partial: None, source: None }))
    }

    /// An [`ErrorCode::Io`] error: what was being done, and why the system refused.
    pub fn io(doing: impl Into<String>, source: impl Into<std::io::Error>) -> Self {
        Self::new(ErrorCode::Io, doing).with_source(source.into())
    }

    pub(crate) fn invalid(field: &str, value: impl fmt::Display, why: &str) -> Self {
        Self::new(ErrorCode::InvalidArgument, format!("{field}: {value}: {why}"))
    }

    pub(crate) fn unsupported(what: impl Into<String>) -> Self {
        Self::new(ErrorCode::Unsupported, what)
    }

    /// Adds what the user can do about it.
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// Adds the error that caused this one.
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    pub(crate) fn with_partial(mut self, partial: ExecOutput) -> Self {
        self.0.partial = Some(partial);
        self
    }

    /// The stable code.
    pub fn code(&self) -> ErrorCode {
        self.0.code
    }

    /// The message alone, without its cause.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// What the user can do about it.
    pub fn hint(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// What an exec that was aborted, or that ran out of memory, had produced until then.
    pub fn partial(&self) -> Option<&ExecOutput> {
        self.0.partial.as_ref()
    }

    /// The message and its causes in one line: `opening /x: permission denied`.
    pub fn describe(&self) -> String {
        let mut text = self.0.message.clone();
        let mut source = StdError::source(self);
        while let Some(cause) = source {
            text.push_str(": ");
            text.push_str(&cause.to_string());
            source = cause.source();
        }
        text
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_survive_the_way_through_their_names() {
        for name in ["SandboxNotFound", "WorkspaceChanged", "Io", "StateTooNew"] {
            assert_eq!(ErrorCode::from_name(name).map(ErrorCode::as_str), Some(name));
        }
        assert_eq!(ErrorCode::from_name("Nonsense"), None);
    }

    #[test]
    fn describe_names_every_cause_once() {
        let error = Error::io("opening /x", std::io::Error::from_raw_os_error(13));
        assert_eq!(error.to_string(), "opening /x");
        assert_eq!(error.describe(), "opening /x: Permission denied (os error 13)");
    }
}
