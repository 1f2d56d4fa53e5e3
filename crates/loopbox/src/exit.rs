//! Exit codes of the `loopbox` command line. `docs/cli.md` explains them to users.

/// It worked.
pub(crate) const OK: u8 = 0;

/// `doctor` found something that keeps sandboxes from working.
pub(crate) const UNHEALTHY: u8 = 1;

/// Loopbox itself failed, wrong usage included. Whatever else `exec` and `run` exit with is the command's own: among it
/// 124 (ended by `--timeout`), 126 (not executable), 127 (not found), 128+n (ended by signal n).
pub(crate) const FAILURE: u8 = 125;

/// A reader closed our output early; what a program killed by SIGPIPE exits with.
pub(crate) const BROKEN_PIPE: u8 = 128 + 13;

/// Loopbox was told by this signal to end.
pub(crate) const fn signalled(signal: u8) -> u8 {
    128 + signal
}
