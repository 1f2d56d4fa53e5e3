//! What a command writes.

use super::GuestError;
use super::native::{Connection, Listener};
use super::stream::Output;
use rustix::io::Errno;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::unix::pipe;

/// One of the outputs of a command.
///
/// It ends when the last process that holds it closes it, or when the command is over and what was written until then
/// has been read: a process that a command leaves behind does not hold up its reader.
#[derive(Debug)]
pub(crate) struct OutputReader {
    source: Source,
}

#[derive(Debug)]
enum Source {
    Pipe { pipe: pipe::Receiver, listener: Listener, connection: Arc<Connection>, rest: Rest },
    Channel(Output),
}

impl OutputReader {
    pub(super) fn pipe(pipe: OwnedFd, listener: Listener, connection: Arc<Connection>) -> Result<Self, GuestError> {
        let pipe = pipe::Receiver::from_owned_fd_unchecked(pipe).map_err(GuestError::io("watch a pipe"))?;
        Ok(OutputReader { source: Source::Pipe { pipe, listener, connection, rest: Rest::default() } })
    }

    pub(super) fn channel(output: Output) -> OutputReader {
        OutputReader { source: Source::Channel(output) }
    }
}

impl AsyncRead for OutputReader {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().source {
            Source::Pipe { pipe, listener, connection, rest } => {
                if rest.is_known() || connection.poll_over(*listener, context) {
                    return Poll::Ready(rest.read_pipe(pipe.as_fd(), buffer));
                }
                Pin::new(pipe).poll_read(context, buffer)
            }
            Source::Channel(output) => {
                ready!(output.poll_read(context, buffer));
                Poll::Ready(Ok(()))
            }
        }
    }
}

/// A terminal does not tell how much it holds. It is not more than this.
const TERMINAL_LIMIT: u64 = 128 * 1024;

/// What a descriptor still holds when the command is over.
#[derive(Debug, Default)]
pub(super) struct Rest(Option<u64>);

impl Rest {
    pub(super) fn is_known(&self) -> bool {
        self.0.is_some()
    }

    /// Reads from what a pipe held when this was called first, and no more than that.
    pub(super) fn read_pipe(&mut self, pipe: impl AsFd, buffer: &mut ReadBuf<'_>) -> io::Result<()> {
        let left = match self.0 {
            Some(left) => left,
            None => rustix::io::ioctl_fionread(&pipe)?,
        };
        self.read(left, pipe, buffer)
    }

    /// Reads what a terminal still shows, within reason.
    pub(super) fn read_terminal(&mut self, master: impl AsFd, buffer: &mut ReadBuf<'_>) -> io::Result<()> {
        self.read(self.0.unwrap_or(TERMINAL_LIMIT), master, buffer)
    }

    fn read(&mut self, left: u64, source: impl AsFd, buffer: &mut ReadBuf<'_>) -> io::Result<()> {
        let wanted = buffer.remaining().min(usize::try_from(left).unwrap_or(usize::MAX));
        let read = match rustix::io::read(source, buffer.initialize_unfilled_to(wanted)) {
            Ok(read) => read,
            // Nothing is left, or nothing holds the other end of the terminal.
            Err(Errno::AGAIN | Errno::IO) => 0,
            Err(errno) => return Err(errno.into()),
        };
        buffer.advance(read);
        self.0 = Some(if read == 0 { 0 } else { left - read as u64 });
        Ok(())
    }
}
