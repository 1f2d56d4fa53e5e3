//! The command line as its users see it: words, streams and exit codes.
//!
//! Tests that need a sandbox make real ones, each [`Machine`](support::Machine) with a state directory of its own.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod agents;
mod command_lines;
mod completions;
mod exec;
mod exec_signals;
mod exec_terminal;
mod lifecycle;
mod support;
mod words;
