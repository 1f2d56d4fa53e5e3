//! The client side of the guest protocol (`loopbox_init::protocol`): starting commands in a sandbox.
//!
//! A [`GuestExec`] is the same whatever transport it came by: [`connect_exec`] for the socket of a native sandbox,
//! [`StreamGuest`] for a byte stream. It has no task of its own natively: whoever reads an output or waits for the end
//! also reads the connection, so a warm exec costs few system calls and few wake-ups.

mod control;
mod error;
mod native;
mod output;
mod pty;
mod stdin;
mod stream;

pub(crate) use error::GuestError;
pub(crate) use loopbox_init::protocol::Exit as GuestExit;
pub(crate) use native::{GuestPipes, connect_exec, connect_exec_with, make_pipes};
pub(crate) use output::OutputReader;
pub(crate) use pty::{Pty, PtyResizer};
pub(crate) use stdin::StdinWriter;
pub(crate) use stream::StreamGuest;

use control::Control;
use std::future::poll_fn;

/// A command in a sandbox. Dropping it before its end kills it with its whole tree.
#[derive(Debug)]
pub(crate) struct GuestExec {
    /// What the command reads, if its start asked for that. To be dropped for the command to see the end.
    pub(crate) stdin: Option<StdinWriter>,
    /// What the command writes.
    pub(crate) stdout: Option<OutputReader>,
    /// What the command writes to standard error.
    pub(crate) stderr: Option<OutputReader>,
    /// The terminal, instead of the three.
    pub(crate) pty: Option<Pty>,
    control: Control,
}

impl GuestExec {
    /// Waits until the command has a process; its number inside, or that of the process over it.
    pub(crate) async fn started(&mut self) -> Result<u32, GuestError> {
        poll_fn(|context| self.control.poll_started(context)).await
    }

    /// Waits for the end of the command. The outputs may still hold what it wrote before.
    pub(crate) async fn wait(&mut self) -> Result<GuestExit, GuestError> {
        poll_fn(|context| self.control.poll_end(context)).await
    }

    /// Signals the command's process group.
    pub(crate) fn signal(&self, signal: i32) {
        self.control.signal(signal);
    }

    /// Ends the whole tree of the command: `SIGTERM`, then `SIGKILL` after the grace period of its start. The end still
    /// comes by [`GuestExec::wait`].
    pub(crate) fn cancel(&self) {
        self.control.cancel();
    }
}

impl Drop for GuestExec {
    fn drop(&mut self) {
        self.control.abandon();
    }
}
