//! What a command reads.

use super::GuestError;
use super::stream::Input;
use std::io;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::AsyncWrite;
use tokio::net::unix::pipe;

/// The standard input of a command. The command sees its end when this is shut down or dropped.
#[derive(Debug)]
pub(crate) struct StdinWriter {
    sink: Sink,
}

#[derive(Debug)]
enum Sink {
    Pipe(Option<pipe::Sender>),
    Channel(Input),
}

impl StdinWriter {
    pub(super) fn pipe(pipe: OwnedFd) -> Result<StdinWriter, GuestError> {
        let pipe = pipe::Sender::from_owned_fd_unchecked(pipe).map_err(GuestError::io("watch a pipe"))?;
        Ok(StdinWriter { sink: Sink::Pipe(Some(pipe)) })
    }

    pub(super) fn channel(input: Input) -> StdinWriter {
        StdinWriter { sink: Sink::Channel(input) }
    }
}

impl AsyncWrite for StdinWriter {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().sink {
            Sink::Pipe(Some(pipe)) => Pin::new(pipe).poll_write(context, bytes),
            Sink::Pipe(None) => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
            Sink::Channel(input) => input.poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().sink {
            Sink::Pipe(pipe) => *pipe = None,
            Sink::Channel(input) => input.close(),
        }
        Poll::Ready(Ok(()))
    }
}
