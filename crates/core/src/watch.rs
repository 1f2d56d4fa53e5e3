//! Waiting for a file to change, by the kernel's word instead of by looking again and again.

use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::inotify;
use rustix::io::Errno;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::error::{Error, Result};

/// A watch on one file.
#[derive(Debug)]
pub(crate) struct Watch(AsyncFd<OwnedFd>);

impl Watch {
    pub(crate) fn new(path: &Path) -> Result<Self> {
        let failed = |errno: Errno| Error::io(format!("watching {}", path.display()), errno);
        let inotify = inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK).map_err(failed)?;
        let events = inotify::WatchFlags::MODIFY | inotify::WatchFlags::CLOSE_WRITE;
        inotify::add_watch(&inotify, path, events).map_err(failed)?;
        Ok(Self(readable(inotify).map_err(|error| Error::io("watching a file", error))?))
    }

    /// Waits until the file has changed since the last call, or since the watch was made.
    pub(crate) async fn changed(&mut self) -> Result<()> {
        let failed = |error| Error::io("watching a file", error);
        let mut buffer = [MaybeUninit::uninit(); 1024];
        let mut seen = false;
        loop {
            let mut guard = self.0.readable().await.map_err(failed)?;
            match inotify::Reader::new(guard.get_inner(), &mut buffer).next() {
                Ok(_) => {
                    seen = true;
                }
                Err(Errno::AGAIN) if seen => return Ok(()),
                Err(Errno::AGAIN) => guard.clear_ready(),
                Err(errno) => return Err(Error::io("watching a file", errno)),
            }
        }
    }
}

/// A descriptor that tells when it can be read.
#[expect(deprecated, reason = "its successor is unsafe, for the sake of descriptors that close early: ours is owned")]
pub(crate) fn readable(fd: OwnedFd) -> std::io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::with_interest(fd, Interest::READABLE)
}
