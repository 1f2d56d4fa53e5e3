//! What can go wrong between client and guest.

use crate::error::{Error, ErrorCode};
use crate::name::SandboxName;
use loopbox_init::protocol::{Failure, Versions};
use std::io;

/// Why a command was not run, or why its end is not known.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum GuestError {
    /// Nobody listens: the sandbox is not running.
    #[error("no guest answers")]
    NoGuest(#[source] io::Error),
    /// The guest ended before the command did.
    #[error("the guest died")]
    Died,
    /// Client and guest have no version in common.
    #[error("the guest speaks versions {min} to {max} of the protocol", min = .0.min, max = .0.max)]
    Version(Versions),
    /// The token is not that of the sandbox.
    #[error("the guest refused the token")]
    Token,
    /// The guest could not run the command.
    #[error("the guest could not run the command")]
    Failed(#[source] Failure),
    /// The request does not fit the protocol's limits.
    #[error("the request is too long")]
    TooLong,
    /// What the guest says makes no sense.
    #[error("the guest does not keep to the protocol")]
    Garbled,
    /// The system of the client refused something.
    #[error("failed to {action}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
}

impl GuestError {
    pub(super) fn io<E: Into<io::Error>>(action: &'static str) -> impl FnOnce(E) -> GuestError {
        move |error| GuestError::Io { action, source: error.into() }
    }
}

/// The end of an exec, however it came; told to everyone who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Exit(loopbox_init::protocol::Exit),
    Failed(Failure),
    Died,
    Garbled,
}

impl End {
    pub(super) fn result(self) -> Result<loopbox_init::protocol::Exit, GuestError> {
        match self {
            End::Exit(exit) => Ok(exit),
            End::Failed(Failure::Version(versions)) => Err(GuestError::Version(versions)),
            End::Failed(Failure::Token) => Err(GuestError::Token),
            End::Failed(failure) => Err(GuestError::Failed(failure)),
            End::Died => Err(GuestError::Died),
            End::Garbled => Err(GuestError::Garbled),
        }
    }
}

/// What a failure means to the caller of the library.
pub(crate) fn explain(error: GuestError, sandbox: &SandboxName) -> Error {
    let restart = format!("`loopbox stop {sandbox}`, then run the command again: it starts the sandbox anew");
    match error {
        GuestError::NoGuest(_) | GuestError::Died => {
            Error::new(ErrorCode::SandboxDied, format!("the sandbox '{sandbox}' died")).with_source(error)
        }
        GuestError::Version(_) => {
            Error::new(ErrorCode::VersionMismatch, format!("the sandbox '{sandbox}' runs an init of another version"))
                .with_source(error)
                .with_hint(restart)
        }
        GuestError::Token => {
            Error::new(ErrorCode::SandboxDied, format!("the sandbox '{sandbox}' was replaced by another one"))
                .with_source(error)
                .with_hint("try again")
        }
        GuestError::Failed(failure) => explain_failure(failure),
        GuestError::TooLong => Error::new(ErrorCode::InvalidArgument, "command: all arguments and variables together are too long")
            .with_hint("pass large texts through stdin, or through a file in the workspace"),
        GuestError::Garbled | GuestError::Io { .. } => {
            Error::new(ErrorCode::Io, format!("talking to the sandbox '{sandbox}'")).with_source(error)
        }
    }
}

fn explain_failure(failure: Failure) -> Error {
    let invalid = |text: &str| Error::new(ErrorCode::InvalidArgument, text);
    match failure {
        Failure::ArgumentTooLong => invalid("command: the arguments are longer than Linux passes to a program")
            .with_hint("pass large texts through stdin, or through a file in the workspace"),
        Failure::Malformed => invalid("command: an argument, a variable or the directory holds a NUL byte, or the command is empty"),
        Failure::WorkDir(errno) => {
            let cause = io::Error::from_raw_os_error(errno);
            invalid("workDir: the directory cannot be entered inside the sandbox").with_source(cause)
        }
        Failure::User => Error::new(ErrorCode::Unsupported, "user: the sandbox cannot run commands as that user"),
        Failure::ProcessLimit => Error::new(ErrorCode::ProcessLimit, "the sandbox cannot have more processes"),
        Failure::OutOfMemory => Error::new(ErrorCode::OutOfMemory, "there is no memory for another process"),
        Failure::Lost => Error::new(ErrorCode::SandboxDied, "the process that watched over the command was killed from inside"),
        other => Error::new(ErrorCode::Io, "the command could not be started").with_source(other),
    }
}
