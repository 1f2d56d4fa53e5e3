//! What can go wrong between client and guest.

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
