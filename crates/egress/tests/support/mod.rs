//! A proxy, a fixture internet on loopback, and clients that speak bytes.

#![allow(dead_code, reason = "every test file uses its own part")]
#![allow(clippy::unwrap_used, reason = "a fixture that cannot be made fails the test")]

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use loopbox_egress::{
    CompiledPolicy, DecisionLog, DecisionRecord, NetworkPolicy, Proxy, ProxyConfig, Resolve, ResolveFuture,
};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Records kept in the order in which their exchanges ended.
#[derive(Debug)]
pub(crate) struct Records(mpsc::UnboundedSender<DecisionRecord>);

impl DecisionLog for Records {
    fn record(&self, record: &DecisionRecord) {
        let _ = self.0.send(record.clone());
    }
}

/// A resolver that knows what the test told it, and what it was asked.
#[derive(Debug, Default)]
pub(crate) struct Names {
    pub(crate) known: HashMap<String, Vec<IpAddr>>,
    pub(crate) asked: Mutex<Vec<String>>,
}

impl Resolve for Names {
    fn resolve<'a>(&'a self, name: &'a str) -> ResolveFuture<'a> {
        Box::pin(async move {
            self.asked.lock().unwrap().push(name.to_owned());
            self.known.get(name).cloned().ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "no such name"))
        })
    }
}

pub(crate) struct Fixture {
    pub(crate) address: SocketAddr,
    pub(crate) policy: watch::Sender<Arc<CompiledPolicy>>,
    pub(crate) names: Arc<Names>,
    pub(crate) records: mpsc::UnboundedReceiver<DecisionRecord>,
    pub(crate) shutdown: CancellationToken,
    pub(crate) serving: JoinHandle<()>,
}

/// A policy of rules as users write them: `deny`, `+host`, `-host`, and with a slash, ranges.
pub(crate) fn policy(rules: &[&str]) -> NetworkPolicy {
    let mut policy = NetworkPolicy::default();
    for rule in rules {
        match rule.split_at(1) {
            ("+", range) if range.contains('/') => policy.allow_cidrs.push(range.parse().unwrap()),
            ("-", range) if range.contains('/') => policy.block_cidrs.push(range.parse().unwrap()),
            ("+", host) => policy.allow_hosts.push(host.parse().unwrap()),
            ("-", host) => policy.block_hosts.push(host.parse().unwrap()),
            ("@", preset) => policy.preset = Some(preset.parse().unwrap()),
            _ => policy.policy = rule.parse().unwrap(),
        }
    }
    policy
}

pub(crate) fn compiled(rules: &[&str]) -> Arc<CompiledPolicy> {
    Arc::new(CompiledPolicy::new(&policy(rules)))
}

impl Fixture {
    /// A proxy under these rules. Every name ending in `.test` of `names` leads to 127.0.0.1.
    pub(crate) async fn new(rules: &[&str], names: &[&str]) -> Self {
        let known = names.iter().map(|name| ((*name).to_owned(), vec![Ipv4Addr::LOCALHOST.into()])).collect();
        Self::with_names(rules, known).await
    }

    pub(crate) async fn with_names(rules: &[&str], known: HashMap<String, Vec<IpAddr>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (policy, receiver) = watch::channel(compiled(rules));
        let (sender, records) = mpsc::unbounded_channel();
        let names = Arc::new(Names { known, asked: Mutex::default() });
        let proxy = Arc::new(Proxy::new(ProxyConfig {
            sandbox: "demo".into(),
            policy: receiver,
            resolver: Arc::clone(&names) as Arc<dyn Resolve>,
            log: Arc::new(Records(sender)),
        }));
        let shutdown = CancellationToken::new();
        let serving = tokio::spawn(proxy.serve(listener, shutdown.clone()));
        Self { address, policy, names, records, shutdown, serving }
    }

    pub(crate) async fn client(&self) -> Client {
        Client { stream: BufReader::new(TcpStream::connect(self.address).await.unwrap()) }
    }

    /// Sends one request on a connection of its own and returns all that comes back.
    pub(crate) async fn exchange(&self, request: &str) -> String {
        let mut client = self.client().await;
        client.send(request).await;
        client.response().await
    }

    pub(crate) async fn record(&mut self) -> DecisionRecord {
        self.records.recv().await.unwrap()
    }
}

/// A client or a server's end of a connection, in bytes.
pub(crate) struct Client {
    pub(crate) stream: BufReader<TcpStream>,
}

impl Client {
    pub(crate) async fn send(&mut self, text: &str) {
        self.stream.get_mut().write_all(text.as_bytes()).await.unwrap();
    }

    /// A head with its empty line.
    pub(crate) async fn head(&mut self) -> String {
        let mut head = String::new();
        loop {
            let read = self.stream.read_line(&mut head).await.unwrap();
            if read == 0 || head.ends_with("\r\n\r\n") {
                return head;
            }
        }
    }

    pub(crate) async fn bytes(&mut self, count: usize) -> String {
        let mut bytes = vec![0; count];
        self.stream.read_exact(&mut bytes).await.unwrap();
        String::from_utf8(bytes).unwrap()
    }

    /// What comes until the other side ends the stream.
    pub(crate) async fn rest(&mut self) -> String {
        let mut rest = Vec::new();
        self.stream.read_to_end(&mut rest).await.unwrap();
        String::from_utf8(rest).unwrap()
    }

    /// A response with a Content-Length, or without a body.
    pub(crate) async fn response(&mut self) -> String {
        let head = self.head().await;
        let length = header(&head, "content-length").map_or(0, |length| length.parse().unwrap());
        let body = self.bytes(length).await;
        head + &body
    }

    pub(crate) async fn end(&mut self) {
        self.stream.get_mut().shutdown().await.unwrap();
    }
}

/// A header's value; names in any case.
pub(crate) fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let head = head.split("\r\n\r\n").next().unwrap();
    head.lines().skip(1).find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

/// A listener that plays a server; the test accepts and answers by hand.
pub(crate) struct Server {
    listener: TcpListener,
    pub(crate) port: u16,
}

impl Server {
    pub(crate) async fn new() -> Self {
        Self::at("127.0.0.1", 0).await
    }

    pub(crate) async fn at(address: &str, port: u16) -> Self {
        let listener = TcpListener::bind((address, port)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        Self { listener, port }
    }

    pub(crate) async fn accept(&self) -> Client {
        let (stream, _) = self.listener.accept().await.unwrap();
        Client { stream: BufReader::new(stream) }
    }

    /// Whether a connection is waiting that nobody accepted.
    pub(crate) async fn was_reached(&self) -> bool {
        std::future::poll_fn(|cx| std::task::Poll::Ready(self.listener.poll_accept(cx).is_ready())).await
    }
}
