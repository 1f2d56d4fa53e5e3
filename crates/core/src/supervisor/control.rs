//! The control socket: what a later caller can ask of a running sandbox's supervisor.
//!
//! One request a connection: a JSON document up to the end of the stream, descriptors beside its first byte; one JSON
//! document as the answer. The socket lies in a directory that only its owner can enter.

use std::io::{IoSlice, IoSliceMut, Read};
use std::mem::MaybeUninit;
use std::net::Shutdown;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream as StdUnixStream;
use std::path::Path;
use std::sync::Arc;

use loopbox_egress::{CompiledPolicy, NetworkPolicy};
use loopbox_init::protocol;
use loopbox_init::sandbox::Namespaces;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
    recvmsg, sendmsg,
};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;

use super::detached::{self, Pipes};
use crate::error::{Error, ErrorCode, Result};
use crate::logs::LogEntry;

/// A request is a policy or a command line at the most.
const MAX_REQUEST: u64 = 8 * 1024 * 1024;
const MAX_FDS: usize = 5;

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Request {
    SetNetwork(NetworkPolicy),
    SetTtl(u64),
    /// Hand out the namespaces that take mounts.
    Namespaces,
    /// Run a command that belongs to the sandbox; its pipes come along, made by the caller.
    Exec {
        entry: LogEntry,
        start: protocol::Start,
    },
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Reply {
    Done,
    Failed { code: String, message: String },
}

/// The supervisor's side.
#[derive(Debug)]
pub(super) struct Control {
    policy: watch::Sender<Arc<CompiledPolicy>>,
    ttl: watch::Sender<u64>,
    run: OwnedFd,
    logs: OwnedFd,
    token: [u8; 32],
    namespaces: [OwnedFd; 2],
}

impl Control {
    pub(super) fn new(
        policy: watch::Sender<Arc<CompiledPolicy>>,
        ttl: watch::Sender<u64>,
        run: OwnedFd,
        logs: OwnedFd,
        token: [u8; 32],
        namespaces: Namespaces,
    ) -> Self {
        Self { policy, ttl, run, logs, token, namespaces: namespaces.into_fds() }
    }

    pub(super) async fn serve(self: Arc<Self>, listener: UnixListener) {
        // An error here is a lack of descriptors or memory: the next connection may find them.
        loop {
            if let Ok((stream, _)) = listener.accept().await {
                let control = Arc::clone(&self);
                tokio::spawn(async move { control.answer(stream).await });
            }
        }
    }

    async fn answer(&self, mut stream: UnixStream) {
        let reply = match self.handle(&mut stream).await {
            Ok(()) => Reply::Done,
            Err(error) => Reply::Failed { code: error.code().to_string(), message: error.describe() },
        };
        if let Ok(bytes) = serde_json::to_vec(&reply) {
            // A caller that is gone does not read its answer.
            let _gone = stream.write_all(&bytes).await;
        }
    }

    async fn hand_out(&self, stream: &UnixStream) -> Result<()> {
        let fds = self.namespaces.each_ref().map(AsFd::as_fd);
        let sent = stream.async_io(Interest::WRITABLE, || send(stream.as_fd(), BESIDE, &fds)).await;
        sent.map(|_| ()).map_err(|error| Error::io("handing out the namespaces", error))
    }

    async fn handle(&self, stream: &mut UnixStream) -> Result<()> {
        let (bytes, fds) = read_request(stream).await.map_err(|error| Error::io("reading a request", error))?;
        let request = serde_json::from_slice(&bytes)
            .map_err(|error| Error::new(ErrorCode::InvalidArgument, "the request makes no sense").with_source(error))?;
        match request {
            Request::SetNetwork(policy) => {
                self.policy.send_replace(Arc::new(CompiledPolicy::new(&policy)));
                Ok(())
            }
            Request::SetTtl(ttl) => {
                self.ttl.send_replace(ttl);
                Ok(())
            }
            Request::Namespaces => self.hand_out(stream).await,
            Request::Exec { entry, start } => {
                let pipes = Pipes::from_fds(fds)?;
                let socket = format!("/proc/self/fd/{}/init.sock", self.run.as_raw_fd());
                let logs = self.logs.try_clone().map_err(|error| Error::io("opening the logs", error))?;
                detached::start(Path::new(&socket), &self.token, start, pipes, entry, logs).await
            }
        }
    }
}

/// A byte of white space before the answer, for the descriptors to come beside.
const BESIDE: &[u8] = b" ";

async fn read_request(stream: &mut UnixStream) -> std::io::Result<(Vec<u8>, Vec<OwnedFd>)> {
    let mut bytes = vec![0_u8; 4096];
    let (length, fds) = stream.async_io(Interest::READABLE, || receive(stream.as_fd(), &mut bytes)).await?;
    bytes.truncate(length);
    stream.take(MAX_REQUEST).read_to_end(&mut bytes).await?;
    Ok((bytes, fds))
}

fn receive(socket: BorrowedFd<'_>, bytes: &mut [u8]) -> std::io::Result<(usize, Vec<OwnedFd>)> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let message = recvmsg(socket, &mut [IoSliceMut::new(bytes)], &mut control, RecvFlags::CMSG_CLOEXEC)?;
    let mut fds = Vec::new();
    for received in control.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = received {
            fds.extend(rights);
        }
    }
    Ok((message.bytes, fds))
}

/// Puts a policy into force in the sandbox whose sockets lie in `run`.
pub(crate) async fn set_network(run: &Path, policy: &NetworkPolicy) -> Result<()> {
    request(run, Request::SetNetwork(policy.clone()), Vec::new()).await
}

/// Gives the sandbox another lifetime.
pub(crate) async fn set_ttl(run: &Path, ttl_ms: u64) -> Result<()> {
    request(run, Request::SetTtl(ttl_ms), Vec::new()).await
}

/// Has the sandbox's supervisor run a command; `pipes` are those that the caller made for it.
pub(crate) async fn exec(run: &Path, entry: LogEntry, start: protocol::Start, pipes: Pipes) -> Result<()> {
    request(run, Request::Exec { entry, start }, pipes.into_fds()).await
}

/// The namespaces of the sandbox whose sockets lie in `run`.
pub(crate) fn namespaces(run: &Path) -> std::io::Result<Namespaces> {
    let mut stream = connect(run, "control.sock")?;
    std::io::Write::write_all(&mut stream, &serde_json::to_vec(&Request::Namespaces)?)?;
    stream.shutdown(Shutdown::Write)?;
    let mut byte = [0_u8; BESIDE.len()];
    let (_, fds) = receive(stream.as_fd(), &mut byte)?;
    let fds = <[OwnedFd; 2]>::try_from(fds).map_err(|_| std::io::Error::other("the supervisor gave no namespaces"))?;
    Ok(Namespaces::from_fds(fds))
}

async fn request(run: &Path, request: Request, fds: Vec<OwnedFd>) -> Result<()> {
    let run = run.to_owned();
    let reply = tokio::task::spawn_blocking(move || ask(&run, &request, &fds))
        .await
        .map_err(|error| Error::io("asking the supervisor", std::io::Error::other(error)))?;
    match reply.map_err(|error| {
        Error::new(ErrorCode::SandboxDied, "the sandbox's supervisor does not answer").with_source(error)
    })? {
        Reply::Done => Ok(()),
        Reply::Failed { code, message } => {
            Err(Error::new(ErrorCode::from_name(&code).unwrap_or(ErrorCode::Io), message))
        }
    }
}

/// Whether somebody listens on that socket in `run`.
pub(crate) fn accepts(run: &Path, socket: &str) -> bool {
    connect(run, socket).is_ok()
}

/// The process that listens on the control socket.
pub(crate) fn supervisor(run: &Path) -> Option<OwnedFd> {
    let listener = || rustix::net::sockopt::socket_peercred(connect(run, "control.sock").ok()?).ok();
    let pid = listener()?.pid;
    let pidfd = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()).ok()?;
    // It listens still, so its number was not given to another process before it was opened.
    (listener()?.pid == pid).then_some(pidfd)
}

/// The directory is reached by descriptor: its path may be longer than a socket's address can be.
fn connect(run: &Path, socket: &str) -> std::io::Result<StdUnixStream> {
    let dir = std::fs::File::open(run)?;
    StdUnixStream::connect(format!("/proc/self/fd/{}/{socket}", dir.as_raw_fd()))
}

fn ask(run: &Path, request: &Request, fds: &[OwnedFd]) -> std::io::Result<Reply> {
    let bytes = serde_json::to_vec(request)?;
    let mut stream = connect(run, "control.sock")?;
    let fds: Vec<BorrowedFd<'_>> = fds.iter().map(AsFd::as_fd).collect();
    let sent = send(stream.as_fd(), &bytes, &fds)?;
    std::io::Write::write_all(&mut stream, bytes.get(sent..).unwrap_or_default())?;
    stream.shutdown(Shutdown::Write)?;
    let mut reply = Vec::new();
    stream.take(64 * 1024).read_to_end(&mut reply)?;
    Ok(serde_json::from_slice(&reply)?)
}

fn send(socket: BorrowedFd<'_>, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> std::io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() && !control.push(SendAncillaryMessage::ScmRights(fds)) {
        return Err(std::io::Error::other("too many descriptors"));
    }
    Ok(sendmsg(socket, &[IoSlice::new(bytes)], &mut control, SendFlags::NOSIGNAL)?)
}

/// A token as the record holds it.
pub(crate) fn parse_token(text: &str) -> Result<[u8; 32]> {
    let broken = || Error::new(ErrorCode::Io, "the sandbox's token is damaged");
    let mut token = [0_u8; 32];
    if text.len() != 64 || !text.is_ascii() {
        return Err(broken());
    }
    for (byte, digits) in token.iter_mut().zip(text.as_bytes().chunks(2)) {
        let digits = std::str::from_utf8(digits).map_err(|_| broken())?;
        *byte = u8::from_str_radix(digits, 16).map_err(|_| broken())?;
    }
    Ok(token)
}
