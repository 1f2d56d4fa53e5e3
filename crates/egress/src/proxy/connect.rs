//! CONNECT: a tunnel to the target.

use std::sync::Arc;

use hyper::body::Incoming;
use hyper::http::uri::Authority;
use hyper::{Request, Response};

use super::Connection;
use super::exchange::{Asked, Exchange};
use super::reply::{self, ReplyBody};
use super::tunnel::{End, Tunnel};
use crate::host::Target;

impl Connection {
    pub(super) async fn connect(self: Arc<Self>, mut request: Request<Incoming>) -> Response<ReplyBody> {
        let Some(authority) = request.uri().authority().map(Authority::as_str) else {
            return reply::bad_request("CONNECT needs HOST:PORT");
        };
        let parsed: Result<Target, _> = authority.parse();
        let (host, port) = match &parsed {
            Ok(target) => (target.host.to_string(), target.port),
            Err(_) => (authority.to_owned(), 0),
        };
        let asked = Asked { host, port, method: request.method().clone(), path: None };
        let exchange = Exchange::new(&self.proxy, asked);
        let target = match parsed {
            Ok(target) => target,
            Err(error) => return self.refuse(authority, error, &exchange),
        };
        let reached = match self.reach(target, &exchange).await {
            Ok(reached) => reached,
            Err(answer) => return answer,
        };
        let upgrade = hyper::upgrade::on(&mut request);
        let connection = Arc::clone(&self);
        self.spawn(async move {
            let Ok(client) = upgrade.await else { return };
            if let Some(client) = End::of_client(client) {
                Tunnel { client, upstream: End::new(reached.stream), route: reached.route, exchange }.run().await;
            }
            drop(connection);
        });
        Response::new(reply::no_body())
    }
}
