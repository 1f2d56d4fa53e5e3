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
use std::os::fd::OwnedFd;
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
    let (pipes, passed) = match start.tty {
        Some(_) => (None, Vec::new()),
        None => Pipes::make(start.stdin, pipe_owner).map(|(own, theirs)| (Some(own), theirs))?,
    };
    let connection = request(socket, token, start, passed).await?;
    let mut exec = GuestExec {
        stdin: None,
        stdout: None,
        stderr: None,
        pty: None,
        control: Control::Native(Arc::clone(&connection)),
    };
    if let Some(pipes) = pipes {
        exec.stdin = pipes.stdin.map(StdinWriter::pipe).transpose()?;
        exec.stdout = Some(OutputReader::pipe(pipes.stdout, Listener::Stdout, Arc::clone(&connection))?);
        exec.stderr = Some(OutputReader::pipe(pipes.stderr, Listener::Stderr, connection)?);
    } else {
        poll_fn(|context| connection.poll_started(context)).await?;
        let master = connection.take_terminal().ok_or(GuestError::Garbled)?;
        exec.pty = Some(Pty::native(master, connection)?);
    }
    Ok(exec)
}

/// The pipes of a command that somebody else starts: made by one who may give them to the ids inside, used by one who
/// may not.
#[derive(Debug)]
pub(crate) struct GuestPipes {
    /// Where its standard output is read.
    pub(crate) stdout: OwnedFd,
    /// Where its standard error is read.
    pub(crate) stderr: OwnedFd,
    /// What it writes its standard output to.
    pub(crate) stdout_inside: OwnedFd,
    /// What it writes its standard error to.
    pub(crate) stderr_inside: OwnedFd,
}

/// Pipes for a command without input, for [`connect_exec_with`] in another process.
pub(crate) fn make_pipes(owner: Option<(u32, u32)>) -> Result<GuestPipes, GuestError> {
    let (own, passed) = Pipes::make(false, owner)?;
    let [stdout_inside, stderr_inside] = <[OwnedFd; 2]>::try_from(passed).map_err(|_| GuestError::Garbled)?;
    Ok(GuestPipes { stdout: own.stdout, stderr: own.stderr, stdout_inside, stderr_inside })
}

/// As [`connect_exec`], for a command without input and terminal whose pipes exist.
pub(crate) async fn connect_exec_with(
    socket: &Path,
    token: [u8; 32],
    start: Start,
    pipes: GuestPipes,
) -> Result<GuestExec, GuestError> {
    let start = Start { stdin: false, tty: None, ..start };
    let connection = request(socket, token, start, vec![pipes.stdout_inside, pipes.stderr_inside]).await?;
    Ok(GuestExec {
        stdin: None,
        stdout: Some(OutputReader::pipe(pipes.stdout, Listener::Stdout, Arc::clone(&connection))?),
        stderr: Some(OutputReader::pipe(pipes.stderr, Listener::Stderr, Arc::clone(&connection))?),
        pty: None,
        control: Control::Native(connection),
    })
}

async fn request(
    socket: &Path,
    token: [u8; 32],
    start: Start,
    passed: Vec<OwnedFd>,
) -> Result<Arc<Connection>, GuestError> {
    let mut message = Vec::with_capacity(1024);
    let versions = Versions { min: OLDEST, max: PROTOCOL };
    ClientMessage::Hello(Hello { versions, token }).encode(0, &mut message).map_err(|_| GuestError::TooLong)?;
    ClientMessage::Start(start).encode(0, &mut message).map_err(|_| GuestError::TooLong)?;
    let stream = request::connect(socket).await?;
    Ok(Arc::new(Connection::new(request::send(stream, &message, passed).await?)))
}
