//! How a command of ours can fail.

use std::io;

use loopbox_core::{Error, ErrorCode};

pub(crate) type Result<T, E = Failure> = std::result::Result<T, E>;

/// Why a command ends early.
#[derive(Debug)]
pub(crate) enum Failure {
    /// An error to report.
    Error(Error),
    /// Nobody reads our output any more: nothing to report and nobody to report it to.
    BrokenPipe,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl Failure {
    /// What a failed write to standard output means.
    pub(crate) fn writing(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::BrokenPipe,
            _ => Self::Error(Error::io("writing the output", error)),
        }
    }
}

/// An argument that is not accepted.
pub(crate) fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorCode::InvalidArgument, message)
}

/// Something that is not built.
pub(crate) fn unsupported(message: impl Into<String>, hint: impl Into<String>) -> Error {
    Error::new(ErrorCode::Unsupported, message).with_hint(hint)
}
