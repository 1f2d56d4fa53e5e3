//! The proxy's own answers: short texts that say what happened and what to do.

use std::error::Error;
use std::fmt::Write as _;

use bytes::Bytes;
use http_body_util::{Either, Full};
use hyper::header::{CONNECTION, CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};

use super::exchange::Metered;
use crate::host::Target;
use crate::judge::Decision;
use crate::log::harmless;

/// A body on its way through, or a text of our own.
pub(super) type ReplyBody = Either<Metered, Full<Bytes>>;

/// Tells a program that the policy, not the server, answered.
const VERDICT: HeaderName = HeaderName::from_static("x-loopbox-verdict");

/// 403: the rule, the reason, and what the operator would type.
pub(super) fn denied(sandbox: &str, asked: &str, decision: &Decision) -> Response<ReplyBody> {
    let mut body =
        format!("loopbox: {} is denied\nrule: {}\nreason: {}\n", harmless(asked), decision.rule, decision.reason);
    let _ = match &decision.remedy {
        Some(remedy) => {
            writeln!(body, "to allow it, the operator would type: loopbox network proxy {sandbox} {remedy}")
        }
        None => writeln!(body, "to allow it, the operator would change that rule: loopbox network show {sandbox}"),
    };
    let mut response = text(StatusCode::FORBIDDEN, body);
    response.headers_mut().insert(VERDICT, HeaderValue::from_static("denied"));
    response
}

/// 502: the policy allowed it, and the server did not answer.
pub(super) fn unreachable(target: &Target, reason: &str) -> Response<ReplyBody> {
    let mut response =
        text(StatusCode::BAD_GATEWAY, format!("loopbox: {target} is allowed but did not answer\nreason: {reason}\n"));
    response.headers_mut().insert(VERDICT, HeaderValue::from_static("allowed"));
    response
}

/// 400: what was asked makes no sense here.
pub(super) fn bad_request(problem: &str) -> Response<ReplyBody> {
    text(StatusCode::BAD_REQUEST, format!("loopbox: {problem}\n"))
}

/// 400, and the end of the connection: where the next request begins is not certain.
pub(super) fn bad_framing(problem: &str) -> Response<ReplyBody> {
    let mut response = bad_request(problem);
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

pub(super) fn no_body() -> ReplyBody {
    Either::Right(Full::default())
}

/// An error and its causes in one line.
pub(super) fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let _ = write!(text, ": {error}");
        cause = error.source();
    }
    text
}

fn text(status: StatusCode, body: String) -> Response<ReplyBody> {
    let mut response = Response::new(Either::Right(Full::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}
