//! The head of a request as it arrived, for what hyper does not tell.
//!
//! hyper drops a `Content-Length` that stands beside `Transfer-Encoding`. That is safe here, because requests are
//! written anew, but a client that sends both has either a fault or an intent, and is refused. So the bytes of a head
//! are kept until the request is answered, and read once more with hyper's own parser if the request is chunked.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::{io, mem};

use hyper::body::Incoming;
use hyper::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use hyper::{Request, http::HeaderMap};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::MAX_HEAD;

/// hyper's own limit.
const MAX_HEADERS: usize = 100;

/// The recording that a connection's stream writes and its service reads.
#[derive(Debug, Clone, Default)]
pub(super) struct RawHeads(Arc<Mutex<Recording>>);

#[derive(Debug, Default)]
struct Recording {
    paused: bool,
    bytes: Vec<u8>,
}

impl RawHeads {
    /// The bytes since recording began, and a pause: what follows belongs to the request's body.
    pub(super) fn take(&self) -> (Vec<u8>, Pause) {
        let bytes = self.with(|recording| {
            recording.paused = true;
            mem::take(&mut recording.bytes)
        });
        (bytes, Pause(self.clone()))
    }

    fn with<T>(&self, work: impl FnOnce(&mut Recording) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Recording goes on when this is dropped, which is when the request's body has been read or given up.
#[derive(Debug)]
pub(super) struct Pause(RawHeads);

impl Drop for Pause {
    fn drop(&mut self) {
        self.0.with(|recording| recording.paused = false);
    }
}

/// A stream whose heads are recorded.
#[derive(Debug)]
pub(super) struct Recorded {
    stream: TcpStream,
    heads: RawHeads,
}

impl Recorded {
    pub(super) fn new(stream: TcpStream, heads: RawHeads) -> Self {
        Self { stream, heads }
    }

    pub(super) fn into_inner(self) -> TcpStream {
        self.stream
    }
}

impl AsyncRead for Recorded {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        let read = &buffer.filled()[before..];
        self.heads.with(|recording| {
            if !recording.paused && recording.bytes.len() <= MAX_HEAD {
                recording.bytes.extend_from_slice(read);
            }
        });
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Recorded {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Refuses a chunked request that is anything but plainly chunked; others hyper has checked.
pub(super) fn check_framing(request: &Request<Incoming>, raw: &[u8]) -> Result<(), &'static str> {
    let headers = request.headers();
    if !headers.contains_key(TRANSFER_ENCODING) {
        return Ok(());
    }
    if !is_plainly_chunked(headers) {
        return Err("transfer codings other than one \"chunked\" are not forwarded");
    }
    let mut parsed = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut head = httparse::Request::new(&mut parsed);
    let complete = matches!(head.parse(raw), Ok(httparse::Status::Complete(_)));
    if complete && head.headers.iter().any(|header| header.name.eq_ignore_ascii_case(CONTENT_LENGTH.as_str())) {
        return Err("the request has both Content-Length and Transfer-Encoding");
    }
    // A chunked request that began before the one ahead of it was over was not recorded whole.
    if !complete || head.headers.len() != headers.len() || head.method != Some(request.method().as_str()) {
        return Err("a chunked request must not be sent before the previous one has been answered");
    }
    Ok(())
}

fn is_plainly_chunked(headers: &HeaderMap) -> bool {
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    let first = codings.next().is_some_and(|coding| coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked"));
    first && codings.next().is_none()
}
