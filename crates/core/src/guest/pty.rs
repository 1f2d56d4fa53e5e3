//! The terminal of a command.

use super::GuestError;
use super::native::{Connection, Listener};
use super::output::Rest;
use super::stream::{Channel, Input, Output};
use loopbox_init::protocol::TtySize;
use rustix::io::Errno;
use rustix::termios::{Winsize, tcsetwinsize};
use std::io;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The side of a terminal where a person sits: what is written is typed, what is read is shown.
#[derive(Debug)]
pub(crate) struct Pty {
    side: Side,
}

#[derive(Debug)]
enum Side {
    Master { master: AsyncFd<OwnedFd>, connection: Arc<Connection>, rest: Rest },
    Channel { input: Input, output: Output },
}

impl Pty {
    pub(super) fn native(master: OwnedFd, connection: Arc<Connection>) -> Result<Pty, GuestError> {
        rustix::io::ioctl_fionbio(&master, true).map_err(GuestError::io("prepare the terminal"))?;
        #[expect(
            deprecated,
            reason = "its successor is unsafe, for the sake of descriptors that close early: ours is owned"
        )]
        let master = AsyncFd::new(master).map_err(GuestError::io("watch the terminal"))?;
        Ok(Pty { side: Side::Master { master, connection, rest: Rest::default() } })
    }

    pub(super) fn channel(input: Input, output: Output) -> Pty {
        Pty { side: Side::Channel { input, output } }
    }

    /// What sets its size while others read and write it.
    pub(crate) fn resizer(&self) -> Result<PtyResizer, GuestError> {
        match &self.side {
            Side::Master { master, .. } => {
                let master = master.get_ref().try_clone().map_err(GuestError::io("share the terminal"))?;
                Ok(PtyResizer(Terminal::Master(master)))
            }
            Side::Channel { input, .. } => Ok(PtyResizer(Terminal::Channel(input.of_channel()))),
        }
    }
}

/// Sets the size of a terminal that others read and write.
#[derive(Debug)]
pub(crate) struct PtyResizer(Terminal);

#[derive(Debug)]
enum Terminal {
    Master(OwnedFd),
    Channel(Channel),
}

impl PtyResizer {
    /// Sets its size; programs learn of it by `SIGWINCH`.
    pub(crate) fn resize(&self, size: TtySize) -> Result<(), GuestError> {
        match &self.0 {
            Terminal::Master(master) => {
                let size = Winsize { ws_row: size.rows, ws_col: size.cols, ws_xpixel: 0, ws_ypixel: 0 };
                tcsetwinsize(master, size).map_err(GuestError::io("resize the terminal"))
            }
            Terminal::Channel(channel) => {
                channel.resize(size);
                Ok(())
            }
        }
    }
}

impl AsyncRead for Pty {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().side {
            Side::Master { master, connection, rest } => {
                if rest.is_known() || connection.poll_over(Listener::Stdout, context) {
                    return Poll::Ready(rest.read_terminal(&*master, buffer));
                }
                loop {
                    let mut ready = ready!(master.poll_read_ready(context))?;
                    let read = |master: &AsyncFd<OwnedFd>| match rustix::io::read(master, buffer.initialize_unfilled())
                    {
                        // The other end is closed.
                        Err(Errno::IO) => Ok(0),
                        result => result.map_err(io::Error::from),
                    };
                    if let Ok(result) = ready.try_io(read) {
                        buffer.advance(result?);
                        return Poll::Ready(Ok(()));
                    }
                }
            }
            Side::Channel { output, .. } => {
                ready!(output.poll_read(context, buffer));
                Poll::Ready(Ok(()))
            }
        }
    }
}

impl AsyncWrite for Pty {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().side {
            Side::Master { master, .. } => loop {
                let mut ready = ready!(master.poll_write_ready(context))?;
                if let Ok(result) = ready.try_io(|master| Ok(rustix::io::write(master, bytes)?)) {
                    return Poll::Ready(result);
                }
            },
            Side::Channel { input, .. } => input.poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// Does nothing: a terminal has no end of input, it has a key for it.
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
