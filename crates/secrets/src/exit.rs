//! Exit codes of the `secrets` command line.

/// It worked.
pub const OK: u8 = 0;
/// The command line is wrong.
pub const USAGE: u8 = 2;
/// What was asked for is not available: not built, or its service cannot be reached.
pub const UNAVAILABLE: u8 = 69;
/// The output could not be written.
pub const IO: u8 = 74;
