//! The Messages API, as far as `claude` uses it.

use hyper::{Response, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::conversation::{Entry, Move, Outcome};
use crate::reply::{self, Chunks, Event, deltas, estimated_tokens};
use crate::story::Step;

/// The part of a request that the stand-in understands.
#[derive(Debug, Deserialize)]
pub(crate) struct Request {
    model: String,
    messages: Vec<Message>,
    #[serde(default)]
    stream: bool,
    #[serde(default)]
    tools: Vec<Tool>,
}

#[derive(Debug, Deserialize)]
struct Message {
    role: Role,
    content: Content,
}

#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Role {
    User,
    Assistant,
    System,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Content {
    Text(String),
    Blocks(Vec<Block>),
}

#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Block {
    Text {
        text: String,
    },
    ToolResult {
        #[serde(default)]
        content: Value,
        #[serde(default)]
        is_error: Option<bool>,
    },
    #[serde(other)]
    Other,
}

#[derive(Debug, Deserialize)]
struct Tool {
    name: String,
}

impl Request {
    pub(crate) fn conversation(&self) -> Vec<Entry> {
        self.messages
            .iter()
            .filter(|message| message.role == Role::User)
            .flat_map(|message| message.content.entries())
            .collect()
    }

    /// The answer to this request; `serial` makes its ids unique.
    pub(crate) fn answer(&self, next: Move, serial: u64, body_length: usize) -> Response<Chunks> {
        let block = self.block(next, serial);
        let stop_reason = match block {
            Answer::ToolUse { .. } => "tool_use",
            Answer::Text(_) => "end_turn",
        };
        let input_tokens = estimated_tokens(body_length);
        let message = |content: Value, stop_reason: Value, output_tokens: usize| {
            json!({
                "id": format!("msg_standin_{serial}"),
                "type": "message",
                "role": "assistant",
                "model": self.model,
                "content": content,
                "stop_reason": stop_reason,
                "stop_sequence": null,
                "usage": {
                    "input_tokens": input_tokens,
                    "cache_creation_input_tokens": 0,
                    "cache_read_input_tokens": 0,
                    "output_tokens": output_tokens,
                },
            })
        };
        if !self.stream {
            let whole = message(json!([block.whole()]), json!(stop_reason), block.output_tokens());
            return reply::json(StatusCode::OK, &whole);
        }
        let mut events = vec![
            event("message_start", json!({ "message": message(json!([]), Value::Null, 1) })),
            event("content_block_start", json!({ "index": 0, "content_block": block.start() })),
            event("ping", json!({})),
        ];
        events.extend(
            block.deltas().into_iter().map(|delta| event("content_block_delta", json!({ "index": 0, "delta": delta }))),
        );
        events.extend([
            event("content_block_stop", json!({ "index": 0 })),
            event(
                "message_delta",
                json!({
                    "delta": { "stop_reason": stop_reason, "stop_sequence": null },
                    "usage": { "output_tokens": block.output_tokens() },
                }),
            ),
            event("message_stop", json!({})),
        ]);
        reply::events(events)
    }

    fn block(&self, next: Move, serial: u64) -> Answer {
        let (name, input) = match next {
            Move::Say(text) => return Answer::Text(text),
            Move::Do(Step::Write { path, content }) if self.offers("Write") => {
                ("Write", json!({ "file_path": path, "content": content }))
            }
            Move::Do(step) if self.offers("Bash") => {
                let input = json!({ "command": step.as_shell(), "description": "A step of the story" });
                ("Bash", input)
            }
            // A side request without tools (a title, a summary) or a session that denies them.
            Move::Do(_) | Move::Await(_) => {
                return Answer::Text("The stand-in was offered no tool for its next step.".to_owned());
            }
        };
        Answer::ToolUse { id: format!("toolu_standin_{serial}"), name, input }
    }

    fn offers(&self, tool: &str) -> bool {
        self.tools.iter().any(|offered| offered.name == tool)
    }
}

/// The one content block of an answer.
#[derive(Debug)]
enum Answer {
    Text(String),
    ToolUse { id: String, name: &'static str, input: Value },
}

impl Answer {
    fn whole(&self) -> Value {
        match self {
            Self::Text(text) => json!({ "type": "text", "text": text }),
            Self::ToolUse { id, name, input } => {
                json!({ "type": "tool_use", "id": id, "name": name, "input": input })
            }
        }
    }

    /// The block before its deltas.
    fn start(&self) -> Value {
        match self {
            Self::Text(_) => json!({ "type": "text", "text": "" }),
            Self::ToolUse { id, name, .. } => {
                json!({ "type": "tool_use", "id": id, "name": name, "input": {} })
            }
        }
    }

    fn deltas(&self) -> Vec<Value> {
        match self {
            Self::Text(text) => {
                deltas(text).into_iter().map(|piece| json!({ "type": "text_delta", "text": piece })).collect()
            }
            Self::ToolUse { input, .. } => deltas(&input.to_string())
                .into_iter()
                .map(|piece| json!({ "type": "input_json_delta", "partial_json": piece }))
                .collect(),
        }
    }

    fn output_tokens(&self) -> usize {
        match self {
            Self::Text(text) => estimated_tokens(text.len()),
            Self::ToolUse { input, .. } => estimated_tokens(input.to_string().len()),
        }
    }
}

impl Content {
    /// Text beside tool results is a reminder that claude adds, not a prompt.
    fn entries(&self) -> Vec<Entry> {
        let blocks = match self {
            Self::Text(text) => return vec![Entry::Prompt(text.clone())],
            Self::Blocks(blocks) => blocks,
        };
        let outcomes: Vec<_> = blocks.iter().filter_map(Block::outcome).collect();
        if !outcomes.is_empty() {
            return outcomes.into_iter().map(Entry::Done).collect();
        }
        let texts: Vec<_> = blocks
            .iter()
            .filter_map(|block| match block {
                Block::Text { text } => Some(text.as_str()),
                Block::ToolResult { .. } | Block::Other => None,
            })
            .collect();
        vec![Entry::Prompt(texts.join("\n"))]
    }
}

impl Block {
    fn outcome(&self) -> Option<Outcome> {
        let Self::ToolResult { content, is_error } = self else {
            return None;
        };
        Some(if *is_error == Some(true) { Outcome::Failed(plain_text(content)) } else { Outcome::Succeeded })
    }
}

fn plain_text(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn event(name: &'static str, data: Value) -> Event {
    Event { name, data }
}

pub(crate) fn token_count(body_length: usize) -> Response<Chunks> {
    let count = json!({ "input_tokens": estimated_tokens(body_length) });
    reply::json(StatusCode::OK, &count)
}

pub(crate) fn models() -> Response<Chunks> {
    let model = json!({
        "type": "model",
        "id": "claude-standin",
        "display_name": "Stand-in",
        "created_at": "2026-01-01T00:00:00Z",
    });
    let list = json!({
        "data": [model],
        "has_more": false,
        "first_id": "claude-standin",
        "last_id": "claude-standin",
    });
    reply::json(StatusCode::OK, &list)
}

/// An error in this provider's shape.
pub(crate) fn error(status: StatusCode, message: &str) -> Response<Chunks> {
    let kind = match status {
        StatusCode::UNAUTHORIZED => "authentication_error",
        StatusCode::NOT_FOUND => "not_found_error",
        StatusCode::PAYLOAD_TOO_LARGE => "request_too_large",
        _ => "invalid_request_error",
    };
    let body = json!({
        "type": "error",
        "error": { "type": kind, "message": message },
        "request_id": null,
    });
    reply::json(status, &body)
}
