//! What is served to whom: routing, credentials, limits.

use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::{Body as _, Incoming};
use hyper::header::{AUTHORIZATION, UPGRADE};
use hyper::{HeaderMap, Method, Request, Response, StatusCode};
use serde::Deserialize;
use serde_json::Value;

use crate::conversation::{Entry, Move, next_move};
use crate::reply::{self, Chunks};
use crate::request_log::{LoggedRequest, RequestLog, header_pairs};
use crate::server::Accepted;
use crate::story::Story;
use crate::{anthropic, openai};

/// The largest request body, in bytes.
const MAX_BODY: usize = 32 << 20;

#[derive(Debug)]
pub(crate) struct Service {
    story: Story,
    accepted: Accepted,
    log: RequestLog,
    serial: AtomicU64,
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

enum Endpoint {
    Root,
    Messages,
    CountTokens,
    Responses,
    Models,
}

/// Which provider's words an answer uses.
#[derive(Debug, Clone, Copy)]
enum Dialect {
    Anthropic,
    OpenAi,
}

/// A status and what to say about it.
type Refusal = (StatusCode, String);

impl Service {
    pub(crate) fn new(story: Story, accepted: Accepted, log: RequestLog) -> Self {
        let serial = AtomicU64::new(1);
        Self { story, accepted, log, serial }
    }

    pub(crate) fn requests(&self) -> Vec<LoggedRequest> {
        self.log.snapshot()
    }

    pub(crate) async fn serve(&self, request: Request<Incoming>) -> Response<Chunks> {
        let (head, body) = request.into_parts();
        let arrived = Arrived {
            method: head.method,
            path: head.uri.path().to_owned(),
            headers: head.headers,
            body: whole(body).await,
        };
        let dialect = arrived.dialect();
        let response = self.answer(&arrived).unwrap_or_else(|(status, message)| dialect.error(status, &message));
        self.log.push(LoggedRequest {
            method: arrived.method.to_string(),
            path: head.uri.path_and_query().map_or_else(String::new, ToString::to_string),
            headers: header_pairs(&arrived.headers),
            body: arrived.json().unwrap_or(Value::Null),
            status: response.status().as_u16(),
        });
        response
    }

    fn answer(&self, arrived: &Arrived) -> Result<Response<Chunks>, Refusal> {
        if arrived.wants_websocket() {
            let message = "the stand-in speaks no WebSocket: use HTTP";
            return Err((StatusCode::UPGRADE_REQUIRED, message.to_owned()));
        }
        let endpoint = arrived.endpoint()?;
        if !matches!(endpoint, Endpoint::Root) && !self.accepted.admits(&arrived.headers) {
            return Err((StatusCode::UNAUTHORIZED, "invalid credential".to_owned()));
        }
        Ok(match endpoint {
            Endpoint::Root => reply::empty(StatusCode::OK),
            Endpoint::Messages => {
                let (request, length) = arrived.parse::<anthropic::Request>()?;
                let next = self.next_move(&request.conversation())?;
                request.answer(next, self.next_serial(), length)
            }
            Endpoint::CountTokens => {
                let (_, length) = arrived.parse::<anthropic::Request>()?;
                anthropic::token_count(length)
            }
            Endpoint::Responses => {
                let (request, length) = arrived.parse::<openai::Request>()?;
                let next = self.next_move(&request.conversation())?;
                request.answer(next, self.next_serial(), length)
            }
            Endpoint::Models => arrived.dialect().models(),
        })
    }

    fn next_move(&self, conversation: &[Entry]) -> Result<Move, Refusal> {
        next_move(conversation, &self.story).map_err(|error| bad_request(&error))
    }

    fn next_serial(&self) -> u64 {
        self.serial.fetch_add(1, Ordering::Relaxed)
    }
}

async fn whole(body: Incoming) -> Result<Bytes, BodyError> {
    // An announced length is judged before a byte is read, an unannounced one while reading.
    if body.size_hint().lower() > MAX_BODY as u64 {
        return Err(BodyError::TooLarge);
    }
    match Limited::new(body, MAX_BODY).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(BodyError::TooLarge),
        Err(_) => Err(BodyError::Broken),
    }
}

impl Arrived {
    fn endpoint(&self) -> Result<Endpoint, Refusal> {
        Ok(match (&self.method, self.path.as_str()) {
            (&Method::HEAD, "/") => Endpoint::Root,
            (&Method::POST, "/v1/messages") => Endpoint::Messages,
            (&Method::POST, "/v1/messages/count_tokens") => Endpoint::CountTokens,
            (&Method::POST, "/v1/responses") => Endpoint::Responses,
            (&Method::GET, "/v1/models") => Endpoint::Models,
            _ => {
                let message = "the stand-in does not serve this method and path";
                return Err((StatusCode::NOT_FOUND, message.to_owned()));
            }
        })
    }

    /// The body as a request of type `T`, and its length in bytes.
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
        let anthropic = self.headers.contains_key("anthropic-version") || self.path.starts_with("/v1/messages");
        if anthropic { Dialect::Anthropic } else { Dialect::OpenAi }
    }

    fn wants_websocket(&self) -> bool {
        self.headers.get(UPGRADE).is_some_and(|protocol| protocol.as_bytes().eq_ignore_ascii_case(b"websocket"))
    }
}

impl Dialect {
    fn error(self, status: StatusCode, message: &str) -> Response<Chunks> {
        match self {
            Self::Anthropic => anthropic::error(status, message),
            Self::OpenAi => openai::error(status, message),
        }
    }

    fn models(self) -> Response<Chunks> {
        match self {
            Self::Anthropic => anthropic::models(),
            Self::OpenAi => openai::models(),
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
        [bearer, text("x-api-key")].into_iter().flatten().any(|given| tokens.iter().any(|token| token == given))
    }
}

fn bad_request(error: &dyn std::error::Error) -> Refusal {
    let mut message = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        message = format!("{message}: {cause}");
        source = cause.source();
    }
    (StatusCode::BAD_REQUEST, message)
}
