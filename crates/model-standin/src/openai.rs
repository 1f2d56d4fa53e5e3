//! The Responses API, as far as `codex` uses it.

use hyper::{Response, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::conversation::{Entry, Move, Outcome};
use crate::reply::{self, Chunks, Event, deltas, estimated_tokens};

/// The longest that codex lets one call wait for its command; what runs longer is asked for again.
const YIELD_MS: u64 = 30_000;

/// The part of a request that the stand-in understands.
#[derive(Debug, Deserialize)]
pub(crate) struct Request {
    model: String,
    input: Input,
    #[serde(default)]
    stream: bool,
    #[serde(default)]
    tools: Vec<Tool>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Input {
    Text(String),
    Items(Vec<Item>),
}

#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Item {
    Message {
        role: String,
        content: Content,
    },
    FunctionCallOutput {
        output: Output,
    },
    #[serde(other)]
    Other,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Content {
    Text(String),
    Parts(Vec<Part>),
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Output {
    Text(String),
    Parts(Vec<Part>),
}

#[derive(Debug, Deserialize)]
struct Part {
    #[serde(default)]
    text: String,
}

#[derive(Debug, Deserialize)]
struct Tool {
    #[serde(default)]
    name: String,
}

impl Request {
    pub(crate) fn conversation(&self) -> Vec<Entry> {
        let items = match &self.input {
            Input::Text(text) => return vec![Entry::Prompt(text.clone())],
            Input::Items(items) => items,
        };
        items
            .iter()
            .filter_map(|item| match item {
                Item::Message { role, content } if role == "user" => Some(Entry::Prompt(content.text())),
                Item::FunctionCallOutput { output } => Some(Entry::Done(output.outcome())),
                Item::Message { .. } | Item::Other => None,
            })
            .collect()
    }

    /// The answer to this request; `serial` makes its ids unique.
    pub(crate) fn answer(&self, next: Move, serial: u64, body_length: usize) -> Response<Chunks> {
        let item = self.item(next, serial);
        let finished = self.response("completed", &json!([item]), serial, body_length);
        if !self.stream {
            return reply::json(StatusCode::OK, &finished);
        }
        let started = self.response("in_progress", &json!([]), serial, body_length);
        let mut events = vec![
            ("response.created", json!({ "response": started })),
            ("response.output_item.added", json!({ "output_index": 0, "item": item })),
        ];
        events.extend(progress(&item));
        events.extend([
            ("response.output_item.done", json!({ "output_index": 0, "item": item })),
            ("response.completed", json!({ "response": finished })),
        ]);
        reply::events((0_u64..).zip(events).map(|(number, (name, mut data))| {
            data["sequence_number"] = Value::from(number);
            Event { name, data }
        }))
    }

    fn item(&self, next: Move, serial: u64) -> Value {
        match next {
            Move::Say(text) => message(&text, serial),
            Move::Do(step) if self.offers("exec_command") => {
                let arguments = json!({ "cmd": step.as_shell(), "yield_time_ms": YIELD_MS });
                call("exec_command", &arguments, serial)
            }
            Move::Await(session) if self.offers("write_stdin") => {
                let arguments = json!({ "session_id": session, "chars": "", "yield_time_ms": YIELD_MS });
                call("write_stdin", &arguments, serial)
            }
            Move::Do(_) | Move::Await(_) => message("The stand-in was offered no tool for its next step.", serial),
        }
    }

    fn offers(&self, tool: &str) -> bool {
        self.tools.iter().any(|offered| offered.name == tool)
    }

    fn response(&self, status: &str, output: &Value, serial: u64, body_length: usize) -> Value {
        let input_tokens = estimated_tokens(body_length);
        let output_tokens = estimated_tokens(output.to_string().len());
        json!({
            "id": format!("resp_standin_{serial}"),
            "object": "response",
            "status": status,
            "model": self.model,
            "output": output,
            "usage": {
                "input_tokens": input_tokens,
                "input_tokens_details": { "cached_tokens": 0 },
                "output_tokens": output_tokens,
                "output_tokens_details": { "reasoning_tokens": 0 },
                "total_tokens": input_tokens + output_tokens,
            },
        })
    }
}

/// The deltas of an item that is a message.
fn progress(item: &Value) -> Vec<(&'static str, Value)> {
    let Some(text) = item.pointer("/content/0/text").and_then(Value::as_str) else {
        return Vec::new();
    };
    deltas(text)
        .into_iter()
        .map(|piece| {
            let data = json!({
                "item_id": item["id"],
                "output_index": 0,
                "content_index": 0,
                "delta": piece,
            });
            ("response.output_text.delta", data)
        })
        .collect()
}

fn message(text: &str, serial: u64) -> Value {
    json!({
        "type": "message",
        "id": format!("msg_standin_{serial}"),
        "role": "assistant",
        "status": "completed",
        "content": [{ "type": "output_text", "text": text, "annotations": [] }],
    })
}

fn call(name: &str, arguments: &Value, serial: u64) -> Value {
    json!({
        "type": "function_call",
        "id": format!("fc_standin_{serial}"),
        "call_id": format!("call_standin_{serial}"),
        "name": name,
        "arguments": arguments.to_string(),
        "status": "completed",
    })
}

impl Content {
    fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Parts(parts) => joined(parts),
        }
    }
}

impl Output {
    /// codex reports in words above the command's own output.
    fn outcome(&self) -> Outcome {
        let report = match self {
            Self::Text(text) => text.clone(),
            Self::Parts(parts) => joined(parts),
        };
        for line in report.lines().take_while(|line| *line != "Output:") {
            if let Some(session) = line.strip_prefix("Process running with session ID ")
                && let Ok(session) = session.trim().parse()
            {
                return Outcome::Running(session);
            }
            if line == "Process exited with code 0" {
                return Outcome::Succeeded;
            }
        }
        Outcome::Failed(report)
    }
}

fn joined(parts: &[Part]) -> String {
    let texts: Vec<_> = parts.iter().map(|part| part.text.as_str()).collect();
    texts.join("\n")
}

pub(crate) fn models() -> Response<Chunks> {
    let model = json!({ "id": "standin", "object": "model", "created": 0, "owned_by": "model-standin" });
    reply::json(StatusCode::OK, &json!({ "object": "list", "data": [model] }))
}

/// An error in this provider's shape.
pub(crate) fn error(status: StatusCode, message: &str) -> Response<Chunks> {
    let code = match status {
        StatusCode::UNAUTHORIZED => json!("invalid_api_key"),
        _ => Value::Null,
    };
    let body = json!({
        "error": {
            "message": message,
            "type": "invalid_request_error",
            "param": null,
            "code": code,
        },
    });
    reply::json(status, &body)
}
