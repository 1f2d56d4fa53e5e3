//! What can be asked of an exec, over either transport.

use super::error::GuestError;
use super::native::Connection;
use super::stream::Channel;
use loopbox_init::protocol::Exit;
use std::sync::Arc;
use std::task::{Context, Poll};

/// The handle of one exec.
#[derive(Debug)]
pub(super) enum Control {
    Native(Arc<Connection>),
    Stream(Channel),
}

impl Control {
    pub(super) fn poll_started(&self, context: &mut Context<'_>) -> Poll<Result<u32, GuestError>> {
        match self {
            Control::Native(connection) => connection.poll_started(context),
            Control::Stream(channel) => channel.poll_started(context),
        }
    }

    pub(super) fn poll_end(&self, context: &mut Context<'_>) -> Poll<Result<Exit, GuestError>> {
        match self {
            Control::Native(connection) => connection.poll_wait(context),
            Control::Stream(channel) => channel.poll_wait(context),
        }
    }

    pub(super) fn signal(&self, signal: i32) {
        match self {
            Control::Native(connection) => connection.signal(signal),
            Control::Stream(channel) => channel.signal(signal),
        }
    }

    pub(super) fn cancel(&self) {
        match self {
            Control::Native(connection) => connection.cancel(),
            Control::Stream(channel) => channel.cancel(),
        }
    }

    /// Gives up on the exec: it is killed unless it has ended.
    pub(super) fn abandon(&self) {
        match self {
            Control::Native(connection) => connection.abandon(),
            Control::Stream(channel) => channel.abandon(),
        }
    }
}
