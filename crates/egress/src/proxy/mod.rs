//! The HTTP/1.1 forward proxy of one sandbox.
//!
//! ```text
//! listener ─▶ connection ─▶ request ─┬─ CONNECT ───────▶ dial ─▶ tunnel of bytes
//!  (limit)    (hyper, raw            ├─ http://… ──────▶ dial ─▶ forward, or tunnel after an upgrade
//!              heads kept)           └─ anything else ─▶ 400
//! ```
//!
//! hyper reads and writes every message; what goes on is written anew from what was understood, so two parsers
//! cannot disagree about where a request ends. An upstream connection carries one request.

mod connect;
mod exchange;
mod forward;
mod headers;
mod raw_head;
mod reply;
mod tunnel;

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::dial::{DialError, Dialed, dial};
use crate::host::{Target, TargetError};
use crate::judge::{CompiledPolicy, Decision};
use crate::log::DecisionLog;
use crate::resolver::Resolve;
use exchange::Exchange;
use raw_head::{RawHeads, Recorded};
use reply::ReplyBody;

/// Largest head of a message, in bytes.
const MAX_HEAD: usize = 64 * 1024;
/// Connections of clients at once, tunnels among them. Further ones wait to be accepted.
const MAX_CONNECTIONS: usize = 1024;
/// How long a client may take to send a head, and to begin the next one.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// Pause after the kernel refused to accept, which it does when descriptors run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What a [`Proxy`] works with.
#[derive(Debug)]
pub struct ProxyConfig {
    /// The sandbox's name, for the log and for what the operator would type.
    pub sandbox: String,
    /// The policy in force. A new value holds from the next request on and closes tunnels that it does not allow.
    pub policy: watch::Receiver<Arc<CompiledPolicy>>,
    /// How names become addresses.
    pub resolver: Arc<dyn Resolve>,
    /// Where decisions are recorded.
    pub log: Arc<dyn DecisionLog>,
}

/// The forward proxy of one sandbox, which may serve several listeners.
#[derive(Debug)]
pub struct Proxy {
    config: ProxyConfig,
    connections: Arc<Semaphore>,
}

impl Proxy {
    /// A proxy that serves nobody yet.
    pub fn new(config: ProxyConfig) -> Self {
        Self { config, connections: Arc::new(Semaphore::new(MAX_CONNECTIONS)) }
    }

    /// Serves a listener until `shutdown`, then drops every connection and returns when all are gone.
    pub async fn serve(self: Arc<Self>, listener: TcpListener, shutdown: CancellationToken) {
        let tasks = TaskTracker::new();
        let accepting = async {
            loop {
                let Ok(permit) = Arc::clone(&self.connections).acquire_owned().await else { return };
                let Ok((stream, _)) = listener.accept().await else {
                    drop(permit);
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                };
                let connection = Arc::new(Connection {
                    proxy: Arc::clone(&self),
                    heads: RawHeads::default(),
                    tasks: tasks.clone(),
                    shutdown: shutdown.clone(),
                    _permit: permit,
                });
                connection.spawn(Arc::clone(&connection).run(stream));
            }
        };
        shutdown.run_until_cancelled(accepting).await;
        tasks.close();
        tasks.wait().await;
    }
}

/// A client's connection. It counts against the limit until the last of its tasks, tunnels included, is done.
#[derive(Debug)]
struct Connection {
    proxy: Arc<Proxy>,
    heads: RawHeads,
    tasks: TaskTracker,
    shutdown: CancellationToken,
    _permit: OwnedSemaphorePermit,
}

impl Connection {
    /// Runs a part of the connection's work until it is done or the proxy is shut down.
    fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let shutdown = self.shutdown.clone();
        self.tasks.spawn(async move {
            shutdown.run_until_cancelled(work).await;
        });
    }

    async fn run(self: Arc<Self>, stream: TcpStream) {
        let _ = stream.set_nodelay(true);
        let stream = TokioIo::new(Recorded::new(stream, self.heads.clone()));
        let service = service_fn(move |request| {
            let connection = Arc::clone(&self);
            async move { Ok::<_, Infallible>(connection.answer(request).await) }
        });
        let serving = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            .max_header_size(MAX_HEAD)
            .max_buf_size(MAX_HEAD)
            .auto_date_header(false)
            .serve_connection(stream, service)
            .with_upgrades();
        // A client that breaks off or breaks the protocol concerns nobody else; hyper has answered it.
        let _ = serving.await;
    }

    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Response<ReplyBody> {
        let (raw, pause) = self.heads.take();
        if let Err(problem) = raw_head::check_framing(&request, &raw) {
            return reply::bad_framing(problem);
        }
        drop(raw);
        if request.method() == Method::CONNECT {
            self.connect(request).await
        } else {
            self.forward(request, pause).await
        }
    }

    /// Judges and dials, and answers the client itself if nothing comes of it.
    async fn reach(&self, target: Target, exchange: &Exchange) -> Result<Reached, Response<ReplyBody>> {
        let config = &self.proxy.config;
        let mut receiver = config.policy.clone();
        let policy = Arc::clone(&receiver.borrow_and_update());
        exchange.decided(&policy.judge_target(&target));
        match dial(&policy, &*config.resolver, &target).await {
            Ok(Dialed { stream, address, decision }) => {
                exchange.decided(&decision);
                exchange.dialled(address);
                Ok(Reached { stream, route: Route { target, address, policy: receiver } })
            }
            Err(DialError::Denied(decision)) => {
                exchange.decided(&decision);
                Err(reply::denied(&config.sandbox, &target.to_string(), &decision))
            }
            Err(error) => {
                if let DialError::Connect { address, decision, .. } = &error {
                    exchange.decided(decision);
                    exchange.dialled(*address);
                }
                let reason = reply::with_causes(&error);
                exchange.failed(reason.clone());
                Err(reply::unreachable(&target, &reason))
            }
        }
    }

    /// Answers a request whose target is none. A bad host is a denial, since it may be an attempt at an address.
    fn refuse(&self, asked: &str, error: TargetError, exchange: &Exchange) -> Response<ReplyBody> {
        match error {
            TargetError::Host(error) => {
                let decision = Decision::not_a_host(error);
                exchange.decided(&decision);
                reply::denied(&self.proxy.config.sandbox, asked, &decision)
            }
            TargetError::Port => reply::bad_request(&format!("{asked:?} is no target: {error}")),
        }
    }
}

/// A connection to a target.
#[derive(Debug)]
struct Reached {
    stream: TcpStream,
    route: Route,
}

/// Where a connection leads, and the policy since the target was judged.
#[derive(Debug)]
struct Route {
    target: Target,
    address: SocketAddr,
    policy: watch::Receiver<Arc<CompiledPolicy>>,
}

#[cfg(test)]
mod tests {
    use std::io;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::log::DecisionRecord;
    use crate::policy::NetworkPolicy;
    use crate::resolver::ResolveFuture;

    #[derive(Debug)]
    struct Nothing;

    impl Resolve for Nothing {
        fn resolve<'a>(&'a self, _name: &'a str) -> ResolveFuture<'a> {
            Box::pin(async { Err(io::ErrorKind::NotFound.into()) })
        }
    }

    impl DecisionLog for Nothing {
        fn record(&self, _record: &DecisionRecord) {}
    }

    /// A proxy's address, with room for so many connections.
    async fn serving(connections: usize) -> SocketAddr {
        let (_, policy) = watch::channel(Arc::new(CompiledPolicy::new(&NetworkPolicy::default())));
        let config =
            ProxyConfig { sandbox: "demo".into(), policy, resolver: Arc::new(Nothing), log: Arc::new(Nothing) };
        let proxy = Proxy { config, connections: Arc::new(Semaphore::new(connections)) };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(Arc::new(proxy).serve(listener, CancellationToken::new()));
        address
    }

    async fn ask(stream: &mut TcpStream) {
        stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    }

    async fn answer(stream: &mut TcpStream) -> Vec<u8> {
        let mut answer = vec![0; 12];
        stream.read_exact(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn connections_beyond_the_limit_wait_for_one_to_end() {
        let address = serving(1).await;
        let mut first = TcpStream::connect(address).await.unwrap();
        ask(&mut first).await;
        answer(&mut first).await;
        let mut second = TcpStream::connect(address).await.unwrap();
        ask(&mut second).await;
        // The first connection is still served, with answers that come after the second one asked.
        ask(&mut first).await;
        answer(&mut first).await;
        let none = second.try_read(&mut [0; 1]).unwrap_err();
        assert_eq!(none.kind(), io::ErrorKind::WouldBlock);
        drop(first);
        assert_eq!(answer(&mut second).await, b"HTTP/1.1 400");
    }

    /// The clock stands still but when everybody waits; then it jumps to the next timer.
    #[tokio::test(start_paused = true)]
    async fn a_head_that_does_not_come_ends_the_connection() {
        let address = serving(1).await;
        let begun = tokio::time::Instant::now();
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nHost:").await.unwrap();
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).await.unwrap();
        assert_eq!(begun.elapsed().as_secs(), HEAD_TIMEOUT.as_secs());
    }
}
