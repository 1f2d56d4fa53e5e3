//! Making pipes, reaching the socket, sending the request.

use super::super::GuestError;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix, SocketFlags, SocketType,
    sendmsg, socket_with,
};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Gid, Uid};
use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;
use tokio::net::UnixStream;

/// How often a full queue of the guest is tried, and how long between.
const QUEUE_ATTEMPTS: u32 = 1000;
const QUEUE_PAUSE: Duration = Duration::from_millis(5);

/// The longest path that fits a socket address.
const ADDRESS_LIMIT: usize = 107;

/// The client's ends of the pipes of an exec; reads and writes on them do not block.
#[derive(Debug)]
pub(super) struct Pipes {
    pub(super) stdin: Option<OwnedFd>,
    pub(super) stdout: OwnedFd,
    pub(super) stderr: OwnedFd,
}

impl Pipes {
    /// Makes pipes; also gives the command's ends in the order of the protocol.
    pub(super) fn make(stdin: bool, owner: Option<(u32, u32)>) -> Result<(Pipes, Vec<OwnedFd>), GuestError> {
        let make = || -> Result<_, Errno> {
            let mut passed = Vec::with_capacity(3);
            let stdin = if stdin {
                let (read, write) = pipe_with(PipeFlags::CLOEXEC)?;
                passed.push(read);
                Some(write)
            } else {
                None
            };
            let (stdout, write) = pipe_with(PipeFlags::CLOEXEC)?;
            passed.push(write);
            let (stderr, write) = pipe_with(PipeFlags::CLOEXEC)?;
            passed.push(write);
            for own in stdin.iter().chain([&stdout, &stderr]) {
                rustix::io::ioctl_fionbio(own, true)?;
            }
            if let Some((uid, gid)) = owner {
                for pipe in &passed {
                    rustix::fs::fchown(pipe, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))?;
                }
            }
            Ok((Pipes { stdin, stdout, stderr }, passed))
        };
        make().map_err(GuestError::io("make pipes"))
    }
}

/// Connects without blocking the thread.
pub(super) async fn connect(path: &Path) -> Result<OwnedFd, GuestError> {
    let no_guest = |errno: Errno| GuestError::NoGuest(errno.into());
    let (_directory, address) = address(path).map_err(no_guest)?;
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket =
        socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None).map_err(GuestError::io("make a socket"))?;
    for _ in 0..QUEUE_ATTEMPTS {
        match rustix::net::connect(&socket, &address) {
            Ok(()) => return Ok(socket),
            // The queue is full; there is no event for room in it.
            Err(Errno::AGAIN) => tokio::time::sleep(QUEUE_PAUSE).await,
            Err(Errno::INTR) => {}
            Err(errno) => return Err(no_guest(errno)),
        }
    }
    Err(no_guest(Errno::TIMEDOUT))
}

/// The address of a path, by way of its directory if it is too long; that has to stay open.
fn address(path: &Path) -> Result<(Option<OwnedFd>, SocketAddrUnix), Errno> {
    if path.as_os_str().len() <= ADDRESS_LIMIT {
        return Ok((None, SocketAddrUnix::new(path)?));
    }
    let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else { return Err(Errno::NAMETOOLONG) };
    let directory = rustix::fs::open(directory, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let short = PathBuf::from(format!("/proc/self/fd/{}", directory.as_raw_fd())).join(name);
    let address = SocketAddrUnix::new(short)?;
    Ok((Some(directory), address))
}

/// Sends a request with the descriptors that belong to it.
pub(super) async fn send(socket: OwnedFd, message: &[u8], passed: Vec<OwnedFd>) -> Result<UnixStream, GuestError> {
    let sent = send_first(&socket, message, &passed).map_err(|errno| match errno {
        Errno::PIPE | Errno::CONNRESET => GuestError::Died,
        errno => GuestError::Io { action: "send the request", source: errno.into() },
    })?;
    drop(passed);
    let mut stream = UnixStream::from_std(socket.into()).map_err(GuestError::io("watch the connection"))?;
    if sent < message.len() {
        // If the guest refuses in the middle it has said why, and closed; that is for whoever waits.
        let _ = stream.write_all(&message[sent..]).await;
    }
    Ok(stream)
}

fn send_first(socket: &OwnedFd, message: &[u8], passed: &[OwnedFd]) -> Result<usize, Errno> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(3))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    let descriptors: Vec<_> = passed.iter().map(AsFd::as_fd).collect();
    if !descriptors.is_empty() {
        ancillary.push(SendAncillaryMessage::ScmRights(&descriptors));
    }
    sendmsg(socket, &[IoSlice::new(message)], &mut ancillary, SendFlags::NOSIGNAL)
}
