//! Bytes both ways between a client and its target.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};

use super::Route;
use super::exchange::Exchange;
use super::raw_head::Recorded;
use crate::address::AddressClass;

/// The buffer of a direction, in bytes: at first, and at most while a transfer fills it each time.
const BUFFER: usize = 16 * 1024;
const MAX_BUFFER: usize = 64 * 1024;

/// A tunnel, which lasts until both directions are closed, one breaks, or the policy no longer allows it.
#[derive(Debug)]
pub(super) struct Tunnel {
    pub(super) client: End,
    pub(super) upstream: End,
    pub(super) route: Route,
    pub(super) exchange: Arc<Exchange>,
}

/// One end of a tunnel.
#[derive(Debug)]
pub(super) struct End {
    stream: TcpStream,
    /// What was read from the stream already.
    read_ahead: Bytes,
}

impl End {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self { stream, read_ahead: Bytes::new() }
    }

    /// The stream below a client's upgraded connection.
    pub(super) fn of_client(upgraded: Upgraded) -> Option<Self> {
        let parts = upgraded.downcast::<TokioIo<Recorded>>().ok()?;
        Some(Self { stream: parts.io.into_inner().into_inner(), read_ahead: parts.read_buf })
    }

    /// The stream below an upgraded connection to a server.
    pub(super) fn of_upstream(upgraded: Upgraded) -> Option<Self> {
        let parts = upgraded.downcast::<TokioIo<TcpStream>>().ok()?;
        Some(Self { stream: parts.io.into_inner(), read_ahead: parts.read_buf })
    }
}

impl Tunnel {
    pub(super) async fn run(self) {
        let Self { mut client, mut upstream, route, exchange } = self;
        let (from_client, to_client) = client.stream.split();
        let (from_upstream, to_upstream) = upstream.stream.split();
        let both = async {
            tokio::try_join!(
                pump(client.read_ahead, from_client, to_upstream, |bytes| exchange.sent_up(bytes)),
                pump(upstream.read_ahead, from_upstream, to_client, |bytes| exchange.sent_down(bytes)),
            )
        };
        tokio::select! {
            result = both => {
                if let Err(error) = result {
                    exchange.failed(error.to_string());
                }
            }
            reason = withdrawn(route) => exchange.failed(reason),
        }
    }
}

/// Moves bytes until the end of `from`, and passes the end on. It reads no faster than `to` takes.
async fn pump(read_ahead: Bytes, from: ReadHalf<'_>, mut to: WriteHalf<'_>, count: impl Fn(usize)) -> io::Result<()> {
    to.write_all(&read_ahead).await?;
    count(read_ahead.len());
    drop(read_ahead);
    loop {
        from.readable().await?;
        // An idle tunnel holds no buffer.
        let mut buffer = Vec::with_capacity(BUFFER);
        loop {
            buffer.clear();
            match from.try_read_buf(&mut buffer) {
                Ok(0) => {
                    // The other side may have closed meanwhile; its own direction tells.
                    let _ = to.shutdown().await;
                    return Ok(());
                }
                Ok(bytes) => {
                    to.write_all(&buffer).await?;
                    count(bytes);
                    if bytes == buffer.capacity() && bytes < MAX_BUFFER {
                        buffer.reserve(bytes * 2);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
    }
}

/// Waits until a change of the policy denies what it allowed, and says why.
async fn withdrawn(mut route: Route) -> String {
    while route.policy.changed().await.is_ok() {
        let address = route.address.ip();
        let class = AddressClass::here(address);
        let decision = route.policy.borrow_and_update().judge_in_class(&route.target, address, class);
        if !decision.is_allowed() {
            return format!("closed by a change of the policy: {}", decision.reason);
        }
    }
    std::future::pending().await
}
