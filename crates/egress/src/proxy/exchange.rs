//! The account of one request or tunnel, written to the log when it ends.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::Bytes;
use hyper::Method;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use jiff::Timestamp;

use super::Proxy;
use super::raw_head::Pause;
use crate::judge::Decision;
use crate::log::{DecisionRecord, harmless};

/// What is known about an exchange so far. Dropping it, however the exchange ends, writes its record.
#[derive(Debug)]
pub(super) struct Exchange {
    proxy: Arc<Proxy>,
    asked: Asked,
    time: Timestamp,
    begun: Instant,
    outcome: Mutex<Outcome>,
    up: AtomicU64,
    down: AtomicU64,
    bad_body: AtomicBool,
}

/// What the client asked for.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) method: Method,
    pub(super) path: Option<String>,
}

#[derive(Debug, Default)]
struct Outcome {
    decision: Option<Decision>,
    address: Option<SocketAddr>,
    error: Option<String>,
}

impl Exchange {
    pub(super) fn new(proxy: &Arc<Proxy>, asked: Asked) -> Arc<Self> {
        Arc::new(Self {
            proxy: Arc::clone(proxy),
            asked,
            time: Timestamp::now(),
            begun: Instant::now(),
            outcome: Mutex::default(),
            up: AtomicU64::new(0),
            down: AtomicU64::new(0),
            bad_body: AtomicBool::new(false),
        })
    }

    pub(super) fn decided(&self, decision: &Decision) {
        self.outcome(|outcome| outcome.decision = Some(decision.clone()));
    }

    pub(super) fn dialled(&self, address: SocketAddr) {
        self.outcome(|outcome| outcome.address = Some(address));
    }

    pub(super) fn failed(&self, error: String) {
        self.outcome(|outcome| outcome.error = Some(error));
    }

    pub(super) fn sent_up(&self, bytes: usize) {
        self.up.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(super) fn sent_down(&self, bytes: usize) {
        self.down.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Whether the client's body broke the protocol.
    pub(super) fn had_bad_body(&self) -> bool {
        self.bad_body.load(Ordering::Relaxed)
    }

    fn outcome(&self, change: impl FnOnce(&mut Outcome)) {
        change(&mut self.outcome.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let outcome = self.outcome.get_mut().unwrap_or_else(PoisonError::into_inner);
        // Without a decision there was nothing to decide: the request had no target.
        let Some(decision) = outcome.decision.take() else { return };
        let record = DecisionRecord {
            time: self.time,
            sandbox: self.proxy.config.sandbox.clone(),
            host: harmless(&self.asked.host),
            port: self.asked.port,
            address: outcome.address,
            method: Some(harmless(self.asked.method.as_str())),
            path: self.asked.path.as_deref().map(harmless),
            verdict: decision.verdict,
            rule: decision.rule.to_string(),
            reason: decision.reason,
            error: outcome.error.take(),
            bytes_up: *self.up.get_mut(),
            bytes_down: *self.down.get_mut(),
            duration_ms: u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX),
        };
        self.proxy.config.log.record(&record);
    }
}

/// A body that is counted on its way through; it is never collected.
#[derive(Debug)]
pub(super) struct Metered {
    body: Incoming,
    direction: Direction,
    exchange: Arc<Exchange>,
}

#[derive(Debug)]
enum Direction {
    /// Out of the sandbox; while the body lasts, heads are not recorded.
    Up(#[expect(dead_code, reason = "held for its drop")] Pause),
    Down,
}

impl Metered {
    pub(super) fn up(body: Incoming, pause: Pause, exchange: &Arc<Exchange>) -> Self {
        Self { body, direction: Direction::Up(pause), exchange: Arc::clone(exchange) }
    }

    pub(super) fn down(body: Incoming, exchange: &Arc<Exchange>) -> Self {
        Self { body, direction: Direction::Down, exchange: Arc::clone(exchange) }
    }
}

impl Body for Metered {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        let bytes = match &frame {
            Some(Ok(frame)) => frame.data_ref().map_or(0, Bytes::len),
            _ => 0,
        };
        match self.direction {
            Direction::Up(_) => {
                self.exchange.sent_up(bytes);
                if let Some(Err(error)) = &frame {
                    let broken_off = error.is_incomplete_message() || error.is_canceled() || error.is_closed();
                    self.exchange.bad_body.store(!broken_off, Ordering::Relaxed);
                }
            }
            Direction::Down => {
                self.exchange.sent_down(bytes);
                if let Some(Err(error)) = &frame {
                    self.exchange.failed(super::reply::with_causes(error));
                }
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
