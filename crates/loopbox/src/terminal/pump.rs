//! Moves bytes between a command's streams and our own descriptors.
//!
//! Our descriptors may block for as long as whoever is at their other end likes, and making them non-blocking would
//! change them for everybody who shares them. So each has a thread that blocks. It polls the command's stream itself,
//! and needs the runtime only to be woken when there was nothing to read: while bytes keep coming, they pass through one
//! thread and one buffer.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::thread;

use loopbox_core::{ExecReader, ExecWriter};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

const BUFFER_BYTES: usize = 64 << 10;

/// A copy under way. It ends by itself; whoever does not wait for that leaves it behind.
pub(crate) type Copying = oneshot::Receiver<io::Result<()>>;

/// Copies what a command writes to `sink`, until there is no more or nobody reads it. Then the command's end of the
/// stream is closed, so that it is told by SIGPIPE.
pub(crate) fn output<T>(mut source: ExecReader, sink: T) -> io::Result<Copying>
where
    T: AsFd + Send + 'static,
{
    start("output", move |runtime| {
        let mut buffer = vec![0; BUFFER_BYTES];
        loop {
            // An error is the end as well: the command's exit tells whether something went wrong.
            let length = runtime.block_on(source.read(&mut buffer)).unwrap_or(0);
            if length == 0 || !write_all(sink.as_fd(), &buffer[..length])? {
                return Ok(());
            }
        }
    })
}

/// Copies what we read to a command's input, until there is no more or it does not want it.
pub(crate) fn input<S>(source: S, mut sink: ExecWriter) -> io::Result<Copying>
where
    S: AsFd + Send + 'static,
{
    start("input", move |runtime| {
        let mut buffer = vec![0; BUFFER_BYTES];
        loop {
            let length = read(source.as_fd(), &mut buffer)?;
            // That the command does not read to the end is no error, as in a shell's pipeline.
            let taken = runtime.block_on(async {
                match length {
                    0 => sink.shutdown().await,
                    _ => sink.write_all(&buffer[..length]).await,
                }
            });
            if length == 0 || taken.is_err() {
                return Ok(());
            }
        }
    })
}

fn start(name: &str, copy: impl FnOnce(&Handle) -> io::Result<()> + Send + 'static) -> io::Result<Copying> {
    let runtime = Handle::current();
    let (tell, copying) = oneshot::channel();
    thread::Builder::new().name(name.to_owned()).spawn(move || {
        // Whoever left it behind does not want to know.
        let _ = tell.send(copy(&runtime));
    })?;
    Ok(copying)
}

fn read(source: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match rustix::io::read(source, &mut *buffer) {
            Ok(length) => return Ok(length),
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
