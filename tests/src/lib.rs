//! What the tests of loopbox share.
//!
//! A [`Bed`] is a state directory, a workspace and a handle on both. Every test makes its own, and whatever it made is
//! gone when the bed is dropped, also by a panic. [`on_every_backend!`] runs one test on each backend.
#![forbid(unsafe_code)]
#![expect(clippy::missing_panics_doc, reason = "a test that cannot go on panics with the reason")]

mod bed;
mod conformance;
mod host;
mod service;

pub use bed::{Bed, shell};
pub use host::{ROOT, Watched, cli_of, helper, is_root, status_ids, within};
pub use service::Service;
