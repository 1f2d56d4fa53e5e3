//! PID 1 and guest agent of a loopbox sandbox.
//!
//! The only crate of loopbox with unsafe code: everything that talks to the kernel below what safe crates offer lives
//! here, one kernel mechanism a file.
//!
//! - [`protocol`]: the frames a client and a guest exchange.
//! - [`guest`]: the guest agent, which runs commands; PID 1 natively, an ordinary process behind a byte stream elsewhere.
//! - [`sandbox`]: the namespaces, mounts and identities of the native backend.

#[macro_use]
pub mod failpoint;
pub mod guest;
mod kernel;
pub mod protocol;
pub mod sandbox;
