//! Execs over the socket of a native sandbox: a connection for each, pipes passed along.

mod connection;
mod request;

pub(super) use connection::{Connection, Listener};

use super::control::Control;
use super::output::OutputReader;
use super::pty::Pty;
use super::stdin::StdinWriter;
use super::{GuestError, GuestExec};
use loopbox_init::protocol::{ClientMessage, Hello, OLDEST, PROTOCOL, Start, Versions};
use request::Pipes;
use std::future::poll_fn;
use std::path::Path;
use std::sync::Arc;

/// Asks the guest behind `socket`, whose path may be longer than a socket address, to run a command.
///
/// Returns when the request is sent (on a terminal: when it is answered). That the command could not be started is told
/// by [`GuestExec::wait`]. `pipe_owner` are the ids outside that the command's user has, needed when they are not the
/// caller's own.
pub(crate) async fn connect_exec(
    socket: &Path,
    token: [u8; 32],
    start: Start,
    pipe_owner: Option<(u32, u32)>,
) -> Result<GuestExec, GuestError> {
    let (tty, stdin) = (start.tty.is_some(), start.stdin);
    let mut message = Vec::with_capacity(1024);
    let versions = Versions { min: OLDEST, max: PROTOCOL };
    ClientMessage::Hello(Hello { versions, token }).encode(0, &mut message).map_err(|_| GuestError::TooLong)?;
    ClientMessage::Start(start).encode(0, &mut message).map_err(|_| GuestError::TooLong)?;
    let (pipes, passed) = if tty { (None, Vec::new()) } else { Pipes::make(stdin, pipe_owner).map(|(own, theirs)| (Some(own), theirs))? };
    let stream = request::connect(socket).await?;
    let connection = Arc::new(Connection::new(request::send(stream, &message, passed).await?));
    let mut exec = GuestExec { stdin: None, stdout: None, stderr: None, pty: None, control: Control::Native(Arc::clone(&connection)) };
    match pipes {
        Some(pipes) => {
            exec.stdin = pipes.stdin.map(StdinWriter::pipe).transpose()?;
            exec.stdout = Some(OutputReader::pipe(pipes.stdout, Listener::Stdout, Arc::clone(&connection))?);
            exec.stderr = Some(OutputReader::pipe(pipes.stderr, Listener::Stderr, connection)?);
        }
        None => {
            poll_fn(|context| connection.poll_started(context)).await?;
            let master = connection.take_terminal().ok_or(GuestError::Garbled)?;
            exec.pty = Some(Pty::native(master, connection)?);
        }
    }
    Ok(exec)
}
