//! The guest agent and its client together: what the exec part of the contract promises, over every transport and every
//! way to hold a tree of processes.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests are tests")]

// The client is `loopbox_core::guest`, which is private there.
#[path = "../../../core/src/guest/mod.rs"]
#[allow(
    dead_code,
    unused_imports,
    unreachable_pub,
    clippy::pedantic,
    reason = "judged where it belongs, in loopbox-core"
)]
mod client;

mod commands;
mod hostile;
mod kernel;
mod measure;
mod sandbox;
mod streams;
mod support;
mod terminals;
