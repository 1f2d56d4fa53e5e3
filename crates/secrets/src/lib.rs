//! Leased credentials for loopbox sandboxes, and the `secrets` command line.
//!
//! The broker, its sources and its leases are not built yet. What exists is the command line's outer form: every verb
//! is known, `--help`, `version` and `completions` work, and everything else answers `Unsupported` with a hint.
#![forbid(unsafe_code)]

pub mod cli;
pub mod exit;
