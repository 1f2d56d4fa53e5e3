//! The server: one thread, one listener on 127.0.0.1, routing, credentials, limits.

use std::convert::Infallible;
use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;

use bytes::Bytes;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, UPGRADE};
use hyper::service::service_fn;
use hyper::{HeaderMap, Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::Deserialize;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::conversation::{Entry, next_move};
use crate::reply::{self, Chunks};
use crate::request_log::{LoggedRequest, RequestLog, header_pairs};
use crate::story::Story;
use crate::{anthropic, openai};

/// The largest request body, in bytes.
const MAX_BODY: usize = 32 << 20;

/// How the server behaves. The default: any free port, the default [`Story`], any credential.
#[derive(Debug, Default)]
pub struct Options {
    /// The port on 127.0.0.1; 0 takes a free one.
    pub port: u16,
    /// What the agent is told to do when its prompt brings no story.
    pub story: Story,
    /// Who is let in.
    pub accepted: Accepted,
    /// Where each request is written as a line of JSON, besides being kept in memory.
    pub log_file: Option<File>,
}

/// Which credentials (`Authorization: Bearer …` or `x-api-key`) open the API; others get 401.
#[derive(Debug, Default, Clone)]
pub enum Accepted {
    /// Any, and none.
    #[default]
    Any,
    /// One of these.
    Tokens(Vec<String>),
}

/// A running server; dropping it ends it and closes its connections.
#[derive(Debug)]
pub struct ModelStandin {
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<Infallible>>,
    thread: Option<JoinHandle<()>>,
}

impl ModelStandin {
    /// Starts a server on a thread of its own. Fails when the port is taken or the system has no
    /// thread or descriptor left.
    pub fn start(options: Options) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, options.port)))?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            story: options.story,
            accepted: options.accepted,
            log: RequestLog::new(options.log_file),
            serial: AtomicU64::new(1),
        });
        let (stop, stopped) = oneshot::channel();
        let served = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("model-standin".to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    tokio::select! {
                        () = accept(listener, served) => {}
                        _ = stopped => {}
                    }
                });
            })?;
        Ok(Self {
            address,
            shared,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://127.0.0.1:PORT`: claude's `ANTHROPIC_BASE_URL`; codex needs `/v1` behind it.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The last 1000 requests that were answered, oldest first.
    pub fn requests(&self) -> Vec<LoggedRequest> {
        self.shared.log.snapshot()
    }

    /// Serves until the process ends.
    pub fn wait(mut self) {
        self.join();
    }

    fn join(&mut self) {
        if let Some(thread) = self.thread.take() {
            // Its only way to fail is a panic, which has been reported already.
            let _ = thread.join();
        }
    }
}

impl Drop for ModelStandin {
    fn drop(&mut self) {
        self.stop = None;
        self.join();
    }
}

#[derive(Debug)]
struct Shared {
    story: Story,
    accepted: Accepted,
    log: RequestLog,
    serial: AtomicU64,
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        // A refused accept (a client gone already, descriptors used up) must not end the server.
        let Ok((stream, _)) = listener.accept().await else {
            tokio::task::yield_now().await;
            continue;
        };
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let shared = Arc::clone(&shared);
                async move { Ok::<_, Infallible>(shared.serve(request).await) }
            });
            // An error ends this connection only; what matters of it is in the request log.
            let _ = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

/// A request in whole.
struct Arrived {
    method: Method,
    path: String,
    headers: HeaderMap,
    body: Result<Bytes, BodyError>,
}

enum BodyError {
    TooLarge,
    Broken,
}

/// Which provider's words an answer uses.
#[derive(Debug, Clone, Copy)]
enum Dialect {
    Anthropic,
    OpenAi,
}

impl Shared {
    async fn serve(&self, request: Request<Incoming>) -> Response<Chunks> {
        let (head, body) = request.into_parts();
        let body = match Limited::new(body, MAX_BODY).collect().await {
            Ok(body) => Ok(body.to_bytes()),
            Err(error) if error.is::<LengthLimitError>() => Err(BodyError::TooLarge),
            Err(_) => Err(BodyError::Broken),
        };
        let arrived = Arrived {
            method: head.method,
            path: head.uri.path().to_owned(),
            headers: head.headers,
            body,
        };
        let response = self.route(&arrived);
        self.log.push(LoggedRequest {
            method: arrived.method.to_string(),
            path: head
                .uri
                .path_and_query()
                .map_or_else(String::new, ToString::to_string),
            headers: header_pairs(&arrived.headers),
            body: arrived.json().unwrap_or(Value::Null),
            status: response.status().as_u16(),
        });
        response
    }

    fn route(&self, arrived: &Arrived) -> Response<Chunks> {
        let dialect = arrived.dialect();
        if arrived.wants_websocket() {
            let message = "the stand-in speaks no WebSocket: use HTTP";
            return dialect.error(StatusCode::UPGRADE_REQUIRED, message);
        }
        if arrived.method == Method::HEAD && arrived.path == "/" {
            return reply::empty(StatusCode::OK);
        }
        let handler = match (&arrived.method, arrived.path.as_str()) {
            (&Method::POST, "/v1/messages") => Self::messages,
            (&Method::POST, "/v1/messages/count_tokens") => Self::count_tokens,
            (&Method::POST, "/v1/responses") => Self::responses,
            (&Method::GET, "/v1/models") => Self::models,
            _ => {
                let message = "the stand-in does not serve this method and path";
                return dialect.error(StatusCode::NOT_FOUND, message);
            }
        };
        if !self.accepted.admits(&arrived.headers) {
            return dialect.error(StatusCode::UNAUTHORIZED, "invalid credential");
        }
        handler(self, arrived).unwrap_or_else(|(status, message)| dialect.error(status, &message))
    }

    fn messages(&self, arrived: &Arrived) -> Result<Response<Chunks>, Refusal> {
        let (request, length) = arrived.parse::<anthropic::Request>()?;
        let next = self.next_move(&request.conversation())?;
        Ok(request.answer(next, self.next_serial(), length))
    }

    fn responses(&self, arrived: &Arrived) -> Result<Response<Chunks>, Refusal> {
        let (request, length) = arrived.parse::<openai::Request>()?;
        let next = self.next_move(&request.conversation())?;
        Ok(request.answer(next, self.next_serial(), length))
    }

    fn count_tokens(&self, arrived: &Arrived) -> Result<Response<Chunks>, Refusal> {
        let (_, length) = arrived.parse::<anthropic::Request>()?;
        Ok(anthropic::token_count(length))
    }

    fn models(&self, arrived: &Arrived) -> Result<Response<Chunks>, Refusal> {
        Ok(match arrived.dialect() {
            Dialect::Anthropic => anthropic::models(),
            Dialect::OpenAi => openai::models(),
        })
    }

    fn next_move(&self, conversation: &[Entry]) -> Result<crate::conversation::Move, Refusal> {
        next_move(conversation, &self.story).map_err(|error| bad_request(&error))
    }

    fn next_serial(&self) -> u64 {
        self.serial.fetch_add(1, Ordering::Relaxed)
    }
}

/// A status and what to say about it.
type Refusal = (StatusCode, String);

fn bad_request(error: &dyn std::error::Error) -> Refusal {
    let mut message = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        message = format!("{message}: {cause}");
        source = cause.source();
    }
    (StatusCode::BAD_REQUEST, message)
}

impl Arrived {
    fn parse<T: for<'a> Deserialize<'a>>(&self) -> Result<(T, usize), Refusal> {
        let bytes = match &self.body {
            Ok(bytes) => bytes,
            Err(BodyError::TooLarge) => {
                let message = format!("the body is larger than {MAX_BODY} bytes");
                return Err((StatusCode::PAYLOAD_TOO_LARGE, message));
            }
            Err(BodyError::Broken) => {
                return Err((StatusCode::BAD_REQUEST, "the body ended early".to_owned()));
            }
        };
        let request = serde_json::from_slice(bytes).map_err(|error| bad_request(&error))?;
        Ok((request, bytes.len()))
    }

    fn json(&self) -> Option<Value> {
        serde_json::from_slice(self.body.as_ref().ok()?).ok()
    }

    fn dialect(&self) -> Dialect {
        let anthropic =
            self.headers.contains_key("anthropic-version") || self.path.starts_with("/v1/messages");
        if anthropic {
            Dialect::Anthropic
        } else {
            Dialect::OpenAi
        }
    }

    fn wants_websocket(&self) -> bool {
        self.headers
            .get(UPGRADE)
            .is_some_and(|protocol| protocol.as_bytes().eq_ignore_ascii_case(b"websocket"))
    }
}

impl Dialect {
    fn error(self, status: StatusCode, message: &str) -> Response<Chunks> {
        match self {
            Self::Anthropic => anthropic::error(status, message),
            Self::OpenAi => openai::error(status, message),
        }
    }
}

impl Accepted {
    fn admits(&self, headers: &HeaderMap) -> bool {
        let Self::Tokens(tokens) = self else {
            return true;
        };
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let bearer = text(AUTHORIZATION.as_str()).and_then(|value| value.strip_prefix("Bearer "));
        [bearer, text("x-api-key")]
            .into_iter()
            .flatten()
            .any(|given| tokens.iter().any(|token| token == given))
    }
}
