//! Why a sandbox could not be made.

use std::fmt;
use std::path::Path;

use rustix::io::Errno;

/// The step that failed, what it was about, and the kernel's answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{step}: {cause}")]
pub struct LaunchError {
    /// What was being done: `mounting /usr`.
    pub step: String,
    /// The system's error number, or 0.
    pub errno: i32,
    cause: String,
}

impl LaunchError {
    /// The failure of a system call.
    pub fn new(step: impl Into<String>, errno: Errno) -> Self {
        Self::from_raw(step, errno.raw_os_error())
    }

    pub(super) fn from_raw(step: impl Into<String>, errno: i32) -> Self {
        Self { step: step.into(), errno, cause: std::io::Error::from_raw_os_error(errno).to_string() }
    }

    pub(super) fn other(step: impl Into<String>, cause: impl fmt::Display) -> Self {
        Self { step: step.into(), errno: 0, cause: cause.to_string() }
    }
}

/// Says what was being done when a call failed.
pub(super) trait Context<T> {
    fn step(self, step: &str) -> Result<T, LaunchError>;
    fn on(self, step: &str, path: &Path) -> Result<T, LaunchError>;
}

impl<T, E: Into<SystemError>> Context<T> for Result<T, E> {
    fn step(self, step: &str) -> Result<T, LaunchError> {
        self.map_err(|error| error.into().at(step.to_owned()))
    }

    fn on(self, step: &str, path: &Path) -> Result<T, LaunchError> {
        self.map_err(|error| error.into().at(format!("{step} {}", path.display())))
    }
}

/// Either form in which the system's errors arrive.
pub(super) enum SystemError {
    Errno(Errno),
    Io(std::io::Error),
}

impl SystemError {
    fn at(self, step: String) -> LaunchError {
        match self {
            Self::Errno(errno) => LaunchError::new(step, errno),
            Self::Io(error) => match error.raw_os_error() {
                Some(errno) => LaunchError::from_raw(step, errno),
                None => LaunchError::other(step, error),
            },
        }
    }
}

impl From<Errno> for SystemError {
    fn from(errno: Errno) -> Self {
        Self::Errno(errno)
    }
}

impl From<std::io::Error> for SystemError {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error)
    }
}
