//! Moves bytes between a command's streams and our own descriptors.
//!
//! Our descriptors may block for as long as whoever is at their other end likes, and making them non-blocking would
//! change them for everybody who shares them. So each has a thread that blocks, fed by a task that does not; between
//! them go a few buffers, in a circle.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::thread;

use loopbox_core::{ExecReader, ExecWriter};
use rustix::buffer::spare_capacity;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

const BUFFER_BYTES: usize = 64 << 10;
const BUFFERS: usize = 4;

/// Copies what a command writes to `sink`, until there is no more or nobody reads it. Then the command's end of the
/// stream is closed, so that it is told by SIGPIPE.
pub(crate) fn output<T>(mut source: ExecReader, sink: T) -> io::Result<JoinHandle<io::Result<()>>>
where
    T: AsFd + Send + 'static,
{
    let (full, mut to_write) = mpsc::channel::<Vec<u8>>(BUFFERS);
    let (empty, mut to_fill) = mpsc::channel::<Vec<u8>>(BUFFERS);
    for _ in 0..BUFFERS {
        // There is room for all of them.
        let _ = empty.try_send(Vec::with_capacity(BUFFER_BYTES));
    }
    let (tell, written) = tokio::sync::oneshot::channel();
    thread::Builder::new().name("output".to_owned()).spawn(move || {
        let outcome = (|| {
            while let Some(mut buffer) = to_write.blocking_recv() {
                if !write_all(sink.as_fd(), &buffer)? {
                    break;
                }
                buffer.clear();
                let _ = empty.try_send(buffer);
            }
            Ok(())
        })();
        // Before the outcome is told: the task waits for room until it hears that there will be none.
        drop((to_write, empty));
        let _ = tell.send(outcome);
    })?;
    Ok(tokio::spawn(async move {
        while let Some(mut buffer) = to_fill.recv().await {
            // An error is the end as well: the command's exit tells whether something went wrong.
            if source.read_buf(&mut buffer).await.unwrap_or(0) == 0 || full.send(buffer).await.is_err() {
                break;
            }
        }
        drop((source, full));
        written.await.unwrap_or(Ok(()))
    }))
}

/// Copies what we read to a command's input, until there is no more or it does not want it.
pub(crate) fn input<S>(source: S, mut sink: ExecWriter) -> io::Result<()>
where
    S: AsFd + Send + 'static,
{
    let (full, mut to_write) = mpsc::channel::<Vec<u8>>(BUFFERS);
    thread::Builder::new().name("input".to_owned()).spawn(move || {
        while let Ok(bytes) = read(source.as_fd()) {
            if bytes.is_empty() || full.blocking_send(bytes).is_err() {
                break;
            }
        }
    })?;
    tokio::spawn(async move {
        while let Some(bytes) = to_write.recv().await {
            if sink.write_all(&bytes).await.is_err() {
                return;
            }
        }
        // The command's own end tells what became of it.
        let _ = sink.shutdown().await;
    });
    Ok(())
}

fn read(source: BorrowedFd<'_>) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(BUFFER_BYTES);
    loop {
        match rustix::io::read(source, spare_capacity(&mut bytes)) {
            Ok(_) => return Ok(bytes),
            Err(Errno::AGAIN) => wait_for(source, PollFlags::IN)?,
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Writes everything, or tells by `false` that nobody reads it.
fn write_all(sink: BorrowedFd<'_>, mut bytes: &[u8]) -> io::Result<bool> {
    while !bytes.is_empty() {
        match rustix::io::write(sink, bytes) {
            Ok(written) => bytes = &bytes[written..],
            // Whoever started us made it non-blocking.
            Err(Errno::AGAIN) => wait_for(sink, PollFlags::OUT)?,
            Err(Errno::INTR) => {}
            Err(Errno::PIPE) => return Ok(false),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(true)
}

fn wait_for(fd: BorrowedFd<'_>, flags: PollFlags) -> io::Result<()> {
    match poll(&mut [PollFd::from_borrowed_fd(fd, flags)], None) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
