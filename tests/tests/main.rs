//! The specification of loopbox as tests: every backend, as root and as an ordinary user alike.
//!
//! One file an area. Each test has a state directory and a workspace of its own (see [`loopbox_tests::Bed`]); none waits
//! for time to pass.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod create;
mod detached;
mod doctor;
mod e2e;
mod egress;
mod ending;
mod env;
mod exec;
mod expiry;
mod fault;
mod git;
mod git_guard;
mod guard;
mod host_mode;
mod hostile;
mod input;
mod lifecycle;
mod limits;
mod must_work;
mod names;
mod options;
mod reduced;
mod scan;
mod soak;
mod state;
mod terminal;
mod tidy;
mod tools;
mod user;
mod wall;
mod wall_kernel;
mod watching;
mod workspace;
