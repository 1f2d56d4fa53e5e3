//! Absolute-form requests: judged one by one, written anew, streamed both ways.

use std::sync::Arc;

use http_body_util::Either;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::{HeaderValue, TRANSFER_ENCODING};
use hyper::http::uri::{Authority, PathAndQuery, Scheme, Uri};
use hyper::upgrade::OnUpgrade;
use hyper::{Request, Response, StatusCode, Version};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::exchange::{Asked, Exchange, Metered};
use super::raw_head::Pause;
use super::reply::{self, ReplyBody};
use super::tunnel::{End, Tunnel};
use super::{Connection, MAX_HEAD, Route, headers};
use crate::host::{Target, TargetError, parse_port};

const NOT_ABSOLUTE: &str = "this is a forward proxy, not a web server: ask for http://HOST/PATH, or CONNECT HOST:PORT \
                            (programs do so when http_proxy and https_proxy name it)";
const NOT_HTTP: &str = "only http:// is forwarded; for https:// a client uses CONNECT HOST:443";

impl Connection {
    pub(super) async fn forward(self: Arc<Self>, mut request: Request<Incoming>, pause: Pause) -> Response<ReplyBody> {
        let uri = request.uri().clone();
        let (Some(scheme), Some(authority)) = (uri.scheme(), uri.authority()) else {
            return reply::bad_request(NOT_ABSOLUTE);
        };
        if *scheme != Scheme::HTTP {
            return reply::bad_request(NOT_HTTP);
        }
        let parsed = target_of(authority);
        let (host, port) = match &parsed {
            Ok(target) => (target.host.to_string(), target.port),
            Err(_) => (authority.to_string(), 0),
        };
        let asked = Asked { host, port, method: request.method().clone(), path: Some(uri.path().to_owned()) };
        let exchange = Exchange::new(&self.proxy, asked);
        let target = match parsed {
            Ok(target) => target,
            Err(error) => return self.refuse(authority.as_str(), error, &exchange),
        };
        let reached = match self.reach(target, &exchange).await {
            Ok(reached) => reached,
            Err(answer) => return answer,
        };
        let protocol = headers::upgrade_protocol(request.headers());
        let client = protocol.is_some().then(|| hyper::upgrade::on(&mut request));
        let request = rewrite(request, &reached.route.target, protocol).map(|body| Metered::up(body, pause, &exchange));
        match self.send(reached.stream, request).await {
            Ok(response) => self.pass_back(response, client, reached.route, exchange),
            Err(_) if exchange.had_bad_body() => {
                exchange.failed("the request's body breaks the protocol".into());
                reply::bad_framing("the request's body breaks the protocol")
            }
            Err(error) => {
                let reason = reply::with_causes(&error);
                exchange.failed(reason.clone());
                reply::unreachable(&reached.route.target, &reason)
            }
        }
    }

    /// Sends one request on a connection of its own.
    async fn send(&self, stream: TcpStream, request: Request<Metered>) -> hyper::Result<Response<Incoming>> {
        let (mut sender, connection) =
            http1::Builder::new().max_buf_size(MAX_HEAD).handshake(TokioIo::new(stream)).await?;
        self.spawn(async move {
            // Its errors reach the request or the response's body.
            let _ = connection.with_upgrades().await;
        });
        sender.send_request(request).await
    }

    fn pass_back(
        self: Arc<Self>,
        mut response: Response<Incoming>,
        client: Option<OnUpgrade>,
        route: Route,
        exchange: Arc<Exchange>,
    ) -> Response<ReplyBody> {
        let protocol = headers::upgrade_protocol(response.headers());
        headers::strip_hop_by_hop(response.headers_mut());
        *response.version_mut() = Version::HTTP_11;
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            return response.map(|body| Either::Left(Metered::down(body, &exchange)));
        }
        let (Some(client), Some(protocol)) = (client, protocol) else {
            let reason = "the server changed the protocol unasked";
            exchange.failed(reason.into());
            return reply::unreachable(&route.target, reason);
        };
        headers::set_upgrade(response.headers_mut(), protocol);
        let upstream = hyper::upgrade::on(&mut response);
        let connection = Arc::clone(&self);
        self.spawn(async move {
            let Ok((client, upstream)) = tokio::try_join!(client, upstream) else { return };
            if let (Some(client), Some(upstream)) = (End::of_client(client), End::of_upstream(upstream)) {
                Tunnel { client, upstream, route, exchange }.run().await;
            }
            drop(connection);
        });
        response.map(|_| reply::no_body())
    }
}

/// The request as it goes on: to the target's own path, with the target's own Host, without this connection's headers.
fn rewrite(request: Request<Incoming>, target: &Target, protocol: Option<HeaderValue>) -> Request<Incoming> {
    let (mut parts, body) = request.into_parts();
    let chunked = parts.headers.contains_key(TRANSFER_ENCODING);
    let trailers = headers::takes_trailers(&parts.headers);
    headers::strip_hop_by_hop(&mut parts.headers);
    headers::set_host(&mut parts.headers, target);
    if chunked {
        parts.headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
    if let Some(protocol) = protocol {
        headers::set_upgrade(&mut parts.headers, protocol);
    }
    if trailers {
        headers::set_takes_trailers(&mut parts.headers);
    }
    let path = parts.uri.path_and_query().cloned();
    parts.uri = Uri::from(path.unwrap_or_else(|| PathAndQuery::from_static("/")));
    parts.version = Version::HTTP_11;
    Request::from_parts(parts, body)
}

/// The target of an absolute-form request; port 80 unless it names another.
fn target_of(authority: &Authority) -> Result<Target, TargetError> {
    let text = authority.as_str();
    let after_host = text.rfind(']').map_or(0, |bracket| bracket + 1);
    match text[after_host..].find(':') {
        None => Target::new(text, 80),
        Some(colon) => {
            let (host, port) = text.split_at(after_host + colon);
            Target::new(host, parse_port(&port[1..]).ok_or(TargetError::Port)?)
        }
    }
}
