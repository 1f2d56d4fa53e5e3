//! What goes back: a JSON document or a stream of server-sent events.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};
use serde_json::Value;

/// A response body of ready chunks, each sent by itself.
#[derive(Debug, Default)]
pub(crate) struct Chunks(VecDeque<Bytes>);

/// An event of a stream: its name, which both APIs repeat as `type` in the data, and the data.
#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) name: &'static str,
    pub(crate) data: Value,
}

pub(crate) fn json(status: StatusCode, body: &Value) -> Response<Chunks> {
    let chunk = Bytes::from(body.to_string());
    respond(status, "application/json", VecDeque::from([chunk]))
}

pub(crate) fn empty(status: StatusCode) -> Response<Chunks> {
    let mut response = Response::new(Chunks::default());
    *response.status_mut() = status;
    response
}

pub(crate) fn events(events: impl IntoIterator<Item = Event>) -> Response<Chunks> {
    let chunks = events
        .into_iter()
        .map(|Event { name, mut data }| {
            data["type"] = Value::from(name);
            Bytes::from(format!("event: {name}\ndata: {data}\n\n"))
        })
        .collect();
    let mut response = respond(StatusCode::OK, "text/event-stream; charset=utf-8", chunks);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

/// Splits a text as a model's stream would, so that readers meet more than one delta.
pub(crate) fn deltas(text: &str) -> Vec<&str> {
    const PIECE: usize = 24;
    let mut pieces = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (piece, tail) = rest.split_at(rest.ceil_char_boundary(PIECE));
        pieces.push(piece);
        rest = tail;
    }
    pieces
}

/// Tokens by the rule of thumb of four bytes each.
pub(crate) fn estimated_tokens(bytes: usize) -> usize {
    bytes / 4 + 1
}

fn respond(status: StatusCode, mime: &'static str, chunks: VecDeque<Bytes>) -> Response<Chunks> {
    let mut response = Response::new(Chunks(chunks));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(mime));
    response
}

impl Body for Chunks {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.pop_front().map(|chunk| Ok(Frame::data(chunk))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        // A single chunk has a length; a stream goes out chunked.
        match self.0.len() {
            0 => SizeHint::with_exact(0),
            1 => SizeHint::with_exact(self.0[0].len() as u64),
            _ => SizeHint::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deltas_join_to_the_text_and_never_cut_a_character() {
        let text = "ä€🦀 and a long enough tail to need several pieces ".repeat(3);
        let pieces = deltas(&text);
        assert!(pieces.len() > 3);
        assert_eq!(pieces.concat(), text);
        assert!(deltas("").is_empty());
    }
}
