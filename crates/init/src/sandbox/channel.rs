//! The channel between the supervisor and the init it starts: go ahead, ready (with listeners), or failed.

use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};

use super::error::{Context, LaunchError};
use super::spec::Enforced;

const MAX_FDS: usize = 8;
const GO: u8 = 1;
const READY: u8 = 2;
const FAILED: u8 = 3;

pub(super) fn pair() -> Result<(OwnedFd, OwnedFd), Errno> {
    socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
}

/// Supervisor to init: the id maps are written.
pub(super) fn send_go(channel: &OwnedFd) -> Result<(), Errno> {
    send(channel, &[GO], &[])
}

/// Init waits for the supervisor; an end of file means that it died.
pub(super) fn wait_go(channel: &OwnedFd) -> Result<(), LaunchError> {
    let mut byte = [0_u8; 1];
    let (length, _) = receive(channel, &mut byte).step("waiting for the supervisor")?;
    if length == 1 && byte[0] == GO { Ok(()) } else { Err(LaunchError::other("waiting for the supervisor", "it died")) }
}

/// Init to supervisor: everything is in place; this is enforced, and these are the listeners.
pub(super) fn send_ready(channel: &OwnedFd, enforced: &Enforced, listeners: &[OwnedFd]) -> Result<(), Errno> {
    let message = postcard::to_extend(enforced, vec![READY]).map_err(|_| Errno::INVAL)?;
    send(channel, &message, listeners)
}

/// Init to supervisor: this step failed.
pub(super) fn send_failed(channel: &OwnedFd, error: &LaunchError) {
    let text = if error.errno == 0 { error.to_string() } else { error.step.clone() };
    let mut message = vec![FAILED];
    message.extend_from_slice(&error.errno.to_le_bytes());
    message.extend_from_slice(text.as_bytes());
    message.truncate(4096);
    // If this cannot be sent either, the supervisor sees the channel close.
    let _unsent = send(channel, &message, &[]);
}

/// The supervisor waits for init: what it enforces and its listeners, or why there are none.
pub(super) fn wait_ready(channel: &OwnedFd) -> Result<(Enforced, Vec<OwnedFd>), LaunchError> {
    let mut buffer = [0_u8; 4096];
    let (length, fds) = receive(channel, &mut buffer).step("waiting for init")?;
    match buffer.get(..length) {
        Some([READY, enforced @ ..]) => postcard::from_bytes(enforced)
            .map(|enforced| (enforced, fds))
            .map_err(|error| LaunchError::other("understanding init", error)),
        Some([FAILED, a, b, c, d, step @ ..]) => {
            let step = String::from_utf8_lossy(step);
            match i32::from_le_bytes([*a, *b, *c, *d]) {
                0 => Err(LaunchError::other("starting init", step)),
                errno => Err(LaunchError::from_raw(step, errno)),
            }
        }
        _ => Err(LaunchError::other("waiting for init", "it died before it was ready")),
    }
}

fn send(channel: &OwnedFd, bytes: &[u8], fds: &[OwnedFd]) -> Result<(), Errno> {
    let fds: Vec<BorrowedFd<'_>> = fds.iter().map(AsFd::as_fd).collect();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() && !control.push(SendAncillaryMessage::ScmRights(&fds)) {
        return Err(Errno::INVAL);
    }
    sendmsg(channel, &[IoSlice::new(bytes)], &mut control, SendFlags::NOSIGNAL).map(|_| ())
}

fn receive(channel: &OwnedFd, bytes: &mut [u8]) -> Result<(usize, Vec<OwnedFd>), Errno> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let message = recvmsg(channel, &mut [std::io::IoSliceMut::new(bytes)], &mut control, RecvFlags::CMSG_CLOEXEC)?;
    let mut fds = Vec::new();
    for received in control.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = received {
            fds.extend(rights);
        }
    }
    Ok((message.bytes, fds))
}
