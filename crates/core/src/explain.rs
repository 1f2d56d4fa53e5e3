//! What the failures of the guest mean to the caller of the library.

use crate::error::{Error, ErrorCode};
use crate::guest::GuestError;
use crate::name::SandboxName;
use loopbox_init::protocol::Failure;
use std::io;

/// The error of an exec in `sandbox`.
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
        GuestError::TooLong => {
            Error::new(ErrorCode::InvalidArgument, "command: all arguments and variables together are too long")
                .with_hint("pass large texts through stdin, or through a file in the workspace")
        }
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
        Failure::Malformed => {
            invalid("command: an argument, a variable or the directory holds a NUL byte, or the command is empty")
        }
        Failure::WorkDir(errno) => {
            let cause = io::Error::from_raw_os_error(errno);
            invalid("workDir: the directory cannot be entered inside the sandbox").with_source(cause)
        }
        Failure::User => Error::new(ErrorCode::Unsupported, "user: the sandbox cannot run commands as that user"),
        Failure::ProcessLimit => Error::new(ErrorCode::ProcessLimit, "the sandbox cannot have more processes"),
        Failure::OutOfMemory => Error::new(ErrorCode::OutOfMemory, "there is no memory for another process"),
        Failure::Lost => {
            Error::new(ErrorCode::SandboxDied, "the process that watched over the command was killed from inside")
        }
        other => Error::new(ErrorCode::Io, "the command could not be started").with_source(other),
    }
}
