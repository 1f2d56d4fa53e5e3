//! From what was typed to what is asked of the library: the second of the two steps of a command line.

mod create;
mod env;
mod exec;
mod network;
mod quote;
mod run;
mod values;
mod workspace;

pub(crate) use create::{create_request, names_an_agent};
pub(crate) use env::EnvArg;
pub(crate) use exec::{UserArg, exec_request};
pub(crate) use network::network_options;
pub(crate) use run::{Target, run_target};
pub(crate) use values::{parse_bytes, parse_duration, parse_lease};
pub(crate) use workspace::current_dir;
