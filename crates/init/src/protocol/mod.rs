//! The guest protocol: how a client asks the guest agent of a sandbox to run a command.
//!
//! This module is the specification. Both ends are built from it: the guest in [`crate::guest`], the client in
//! `loopbox_core`. It does no input and output of its own.
//!
//! # Frames
//!
//! Both directions carry frames, all integers little-endian:
//!
//! | offset | size | field |
//! |---|---|---|
//! | 0 | 4 | length of the payload in bytes |
//! | 4 | 4 | channel |
//! | 8 | 1 | kind, see [`Kind`] |
//! | 9 | 3 | zero |
//! | 12 | length | payload |
//!
//! Output and input are raw bytes; every other payload is a structure of this module in postcard's encoding. Arguments,
//! environment and paths are byte strings: nothing on the way asks them to be UTF-8. A payload longer than its kind
//! allows ([`Kind::limit`]), an unknown kind, or bytes left over after a structure end the connection.
//!
//! # Versions
//!
//! The first frame of a client is [`Hello`] with the range of versions it speaks; the guest answers [`HelloAck`] with
//! the highest that both know, or [`Failure::Version`]. A guest speaks [`PROTOCOL`] and the version before it
//! ([`OLDEST`]), so that a sandbox outlives one update of loopbox. The frame format, `Hello`, `HelloAck` and `Failed`
//! with `Failure::Version` never change.
//!
//! # The native transport: one exec per connection
//!
//! A Unix stream socket. In one message the client sends `Hello`, [`Start`] and, by `SCM_RIGHTS`, the ends of pipes
//! that it made: standard input for reading (only when `Start::stdin`), standard output and standard error for writing.
//! The guest requires each to be a pipe, open in that direction only, owned by the user of the command or by the agent.
//! With `Start::tty` none are passed: the guest opens a terminal of the sandbox and sends its master with [`Started`].
//! Bytes never pass through the guest, so the data frames do not exist here; the client sets the size of the terminal
//! on the master itself. Everything is on channel 0.
//!
//! ```text
//! client                               guest
//!   Hello Start [pipes]  ──────────▶
//!                        ◀──────────   HelloAck Started [master]
//!   Signal, Cancel       ──────────▶
//!                        ◀──────────   Exit, then the connection is closed
//! ```
//!
//! `Started` may be held back for some milliseconds, to come in one piece with an early `Exit`.
//!
//! `Failed` may come in place of any answer, and is the last frame. It may also follow `Started`: whether the program
//! could be entered is known only later. A connection that the client closes before `Exit` cancels the command.
//! A connection that has not sent its `Start` within [`HELLO_TIMEOUT`] is closed. The token is compared before anything
//! else is looked at.
//!
//! # The stream transport: many execs behind one byte stream
//!
//! `Hello` and `HelloAck` once, on channel 0; the token is not compared, since whoever holds the stream is the client.
//! Each exec has a channel of the client's choosing, from 1, that is free again after `Exit` *and* both `OutputEof`, or
//! after `Failed`. Data flows under credit: each side may send [`WINDOW`] bytes of a [`Stream`] and then as many as the
//! other has granted by [`Credit`], so one slow reader holds up neither the other execs nor memory. `Exit` is sent the
//! moment the command ends; what its pipes still hold by then follows it, and then `OutputEof`, whether or not some
//! other process still holds the pipes. `OutputEof` of `Stdin` says that the command reads no more. When the stream ends,
//! the guest kills every command that has not ended, and then ends itself.
//!
//! # End of a command
//!
//! On timeout and on `Cancel` the whole tree of the command gets `SIGTERM`, and `SIGKILL` after `Start::grace_ms`;
//! `Exit` is sent when nothing of it is left. A command that ends by itself may leave processes behind, which live on.
//! A program that is not found ends with status 127, one that cannot be executed with 126, each with a line on the
//! command's standard error.

mod frame;
mod message;

pub use frame::{Decoder, Frame, FrameError, HEADER, Kind, Side};
pub use message::{
    ClientMessage, Credit, Exit, Failure, GuestMessage, Hello, HelloAck, MessageError, Start, Started, Status, Stream,
    TtySize, User, Versions,
};

use std::time::Duration;

/// The version of the protocol that this crate speaks.
pub const PROTOCOL: u16 = 1;

/// The oldest version of the protocol that this crate still accepts.
pub const OLDEST: u16 = 1;

/// The most bytes of a `Start` payload.
pub const START_LIMIT: usize = 4 * 1024 * 1024;

/// The most bytes of one frame of input or output.
pub const DATA_LIMIT: usize = 64 * 1024;

/// The most bytes of any other payload.
pub const CONTROL_LIMIT: usize = 4 * 1024;

/// The most descriptors that one message may carry.
pub const DESCRIPTOR_LIMIT: usize = 16;

/// The most execs that one guest runs at once.
pub const EXEC_LIMIT: usize = 4096;

/// Bytes of a data stream that may be on their way before the receiver grants more.
pub const WINDOW: u32 = 256 * 1024;

/// The longest argument or environment entry that Linux accepts, in bytes, without its terminating zero.
pub const ARGUMENT_LIMIT: usize = 131_071;

/// How long a connection may take to send its `Start`.
pub const HELLO_TIMEOUT: Duration = Duration::from_secs(10);

/// The highest version that both sides speak, if there is one.
pub fn negotiate(offered: Versions) -> Option<u16> {
    let highest = offered.max.min(PROTOCOL);
    (highest >= offered.min && highest >= OLDEST).then_some(highest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_common_version_is_chosen() {
        assert_eq!(negotiate(Versions { min: OLDEST, max: PROTOCOL }), Some(PROTOCOL));
        assert_eq!(negotiate(Versions { min: 0, max: PROTOCOL + 7 }), Some(PROTOCOL));
        assert_eq!(negotiate(Versions { min: PROTOCOL + 1, max: PROTOCOL + 2 }), None);
        assert_eq!(negotiate(Versions { min: 0, max: OLDEST - 1 }), None);
        assert_eq!(negotiate(Versions { min: PROTOCOL, max: 0 }), None);
    }
}
