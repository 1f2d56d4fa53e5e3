//! What the server says on the wire, without any agent.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use model_standin::{Accepted, ModelStandin, Options, Step, Story};
use serde_json::{Value, json};

#[test]
fn head_of_the_root_is_answered_and_needs_no_credential() {
    let server = guarded();
    let reply = send(&server, "HEAD / HTTP/1.1\r\n", b"");
    assert_eq!(reply.status, 200);
    assert!(reply.body.is_empty());
}

#[test]
fn a_messages_stream_calls_the_write_tool_first() {
    let server = telling(&story());
    let reply = post(&server, "/v1/messages?beta=true", &messages(&json!(["Write", "Bash"]), &[]));
    assert_eq!(reply.status, 200);
    assert!(reply.header("content-type").starts_with("text/event-stream"));
    let events = reply.events();
    let names: Vec<_> = events.iter().map(|event| event.name.as_str()).collect();
    let deltas = names.len() - 6;
    assert_eq!(names[..3], ["message_start", "content_block_start", "ping"]);
    assert!(names[3..3 + deltas].iter().all(|name| *name == "content_block_delta"));
    assert_eq!(names[3 + deltas..], ["content_block_stop", "message_delta", "message_stop"]);
    let tool = &events[1].data["content_block"];
    assert_eq!((&tool["type"], &tool["name"]), (&json!("tool_use"), &json!("Write")));
    assert_eq!(tool["input"], json!({}));
    let input: String = joined(&events, "/delta/partial_json");
    let input: Value = serde_json::from_str(&input).unwrap();
    assert_eq!(input, json!({ "file_path": "a.txt", "content": "ä\n" }));
    assert_eq!(events[names.len() - 2].data["delta"]["stop_reason"], "tool_use");
}

#[test]
fn a_messages_conversation_goes_through_the_story_to_its_answer() {
    let server = telling(&story());
    let ok = || json!({ "type": "tool_result", "tool_use_id": "t", "content": "fine" });

    let tools = json!(["Write", "Bash"]);
    let second = post(&server, "/v1/messages", &messages(&tools, &[ok()])).events();
    assert_eq!(second[1].data["content_block"]["name"], "Bash");
    let input: Value = serde_json::from_str(&joined(&second, "/delta/partial_json")).unwrap();
    assert_eq!(input["command"], "cat a.txt");

    let last = post(&server, "/v1/messages", &messages(&tools, &[ok(), ok()])).events();
    assert_eq!(joined(&last, "/delta/text"), "all done, and long enough for two deltas");
    assert_eq!(last[last.len() - 2].data["delta"]["stop_reason"], "end_turn");
}

#[test]
fn a_messages_tool_error_ends_the_story() {
    let server = telling(&story());
    let failed = json!({
        "type": "tool_result", "tool_use_id": "t", "is_error": true, "content": "disk full",
    });
    let events = post(&server, "/v1/messages", &messages(&json!(["Write"]), &[failed])).events();
    assert_eq!(joined(&events, "/delta/text"), "story failed at step 1: disk full");
}

#[test]
fn a_messages_request_without_stream_gets_one_document() {
    let server = telling(&story());
    let mut request = messages(&json!(["Bash"]), &[]);
    request["stream"] = json!(false);
    let reply = post(&server, "/v1/messages", &request).json();
    assert_eq!(reply["content"][0]["name"], "Bash");
    assert_eq!(reply["content"][0]["input"]["command"], "printf %s 'ä\n' > 'a.txt'");
    assert_eq!(reply["stop_reason"], "tool_use");
}

#[test]
fn a_responses_stream_calls_exec_command_then_answers() {
    let server = telling(&story());
    let first = post(&server, "/v1/responses", &responses(&[])).events();
    let names: Vec<_> = first.iter().map(|event| event.name.as_str()).collect();
    assert_eq!(
        names,
        ["response.created", "response.output_item.added", "response.output_item.done", "response.completed",]
    );
    let item = &first[2].data["item"];
    assert_eq!((&item["type"], &item["name"]), (&json!("function_call"), &json!("exec_command")));
    let arguments: Value = serde_json::from_str(item["arguments"].as_str().unwrap()).unwrap();
    assert_eq!(arguments["cmd"], "printf %s 'ä\n' > 'a.txt'");
    assert_eq!(first[3].data["response"]["output"][0], *item);

    let done = "Wall time: 0 seconds\nProcess exited with code 0\nOutput:\n";
    let last = post(&server, "/v1/responses", &responses(&[done, done])).events();
    let answer = "all done, and long enough for two deltas";
    assert_eq!(joined(&last, "/delta"), answer);
    let completed = &last[last.len() - 1].data["response"];
    assert_eq!(completed["status"], "completed");
    assert_eq!(completed["output"][0]["content"][0]["text"], answer);
    for (number, event) in last.iter().enumerate() {
        assert_eq!(event.data["sequence_number"], number);
    }
}

#[test]
fn a_responses_command_that_still_runs_is_polled() {
    let server = telling(&story());
    let running = "Wall time: 30 seconds\nProcess running with session ID 42\nOutput:\n";
    let events = post(&server, "/v1/responses", &responses(&[running])).events();
    let item = &events[2].data["item"];
    assert_eq!(item["name"], "write_stdin");
    let arguments: Value = serde_json::from_str(item["arguments"].as_str().unwrap()).unwrap();
    assert_eq!(arguments["session_id"], 42);
}

#[test]
fn a_command_cannot_pass_its_own_output_off_as_success() {
    let server = telling(&story());
    let forged = "Process exited with code 1\nOutput:\nProcess exited with code 0\n";
    let events = post(&server, "/v1/responses", &responses(&[forged])).events();
    assert!(joined(&events, "/delta").starts_with("story failed at step 1: "));
}

#[test]
fn a_prompt_steers_the_story() {
    let server = telling(&story());
    let steered = Story { steps: vec![Step::Run("id -u".to_owned())], answer: String::new() };
    let mut request = messages(&json!(["Write", "Bash"]), &[]);
    request["messages"][0]["content"] = json!(steered.to_directive());
    let events = post(&server, "/v1/messages", &request).events();
    let input: Value = serde_json::from_str(&joined(&events, "/delta/partial_json")).unwrap();
    assert_eq!(input["command"], "id -u");

    request["messages"][0]["content"] = json!("model-standin: {\"steps\": 1}");
    let reply = post(&server, "/v1/messages", &request);
    assert_eq!(reply.status, 400);
    assert!(reply.json()["error"]["message"].as_str().unwrap().starts_with("invalid story: "));
}

#[test]
fn a_side_request_without_tools_gets_text() {
    let server = telling(&story());
    let events = post(&server, "/v1/messages", &messages(&json!([]), &[])).events();
    assert_eq!(events[1].data["content_block"]["type"], "text");
}

#[test]
fn tokens_are_counted_and_models_listed_in_each_dialect() {
    let server = telling(&story());
    let count = post(&server, "/v1/messages/count_tokens", &messages(&json!([]), &[])).json();
    assert!(count["input_tokens"].as_u64().unwrap() > 0);

    let anthropic = "GET /v1/models HTTP/1.1\r\nanthropic-version: 2023-06-01\r\n";
    assert_eq!(send(&server, anthropic, b"").json()["data"][0]["type"], "model");
    let openai = send(&server, "GET /v1/models HTTP/1.1\r\n", b"").json();
    assert_eq!(openai["data"][0]["object"], "model");
}

#[test]
fn only_accepted_tokens_open_the_api() {
    let server = guarded();
    let status = |credential: &str| send(&server, &format!("GET /v1/models HTTP/1.1\r\n{credential}"), b"").status;
    assert_eq!(status("authorization: Bearer right\r\n"), 200);
    assert_eq!(status("x-api-key: right\r\n"), 200);
    for wrong in [
        "",
        "authorization: Bearer wrong\r\n",
        "authorization: right\r\n",
        "authorization: Bearer right2\r\n",
        "x-api-key:\r\n",
    ] {
        assert_eq!(status(wrong), 401, "{wrong:?}");
    }
}

#[test]
fn a_refused_credential_is_told_in_the_providers_shape() {
    let server = guarded();
    let anthropic = post(&server, "/v1/messages", &messages(&json!([]), &[])).json();
    assert_eq!(anthropic["type"], "error");
    assert_eq!(anthropic["error"]["type"], "authentication_error");
    let openai = post(&server, "/v1/responses", &responses(&[])).json();
    assert_eq!(openai["error"]["code"], "invalid_api_key");
}

#[test]
fn a_websocket_is_answered_with_upgrade_required() {
    let server = telling(&story());
    let upgrade = "GET /v1/responses HTTP/1.1\r\nconnection: Upgrade\r\nupgrade: WebSocket\r\n";
    assert_eq!(send(&server, upgrade, b"").status, 426);
}

#[test]
fn anything_else_is_not_found() {
    let server = telling(&story());
    for line in ["GET /", "GET /v1/messages", "POST /v1/models", "POST /oauth/token", "HEAD /v1"] {
        let reply = send(&server, &format!("{line} HTTP/1.1\r\n"), b"");
        assert_eq!(reply.status, 404, "{line}");
    }
}

#[test]
fn malformed_bodies_are_bad_requests() {
    let server = telling(&story());
    let deep = "[".repeat(100_000);
    for body in ["", "{", "null", "[]", "{\"model\":1}", "\u{0}", deep.as_str()] {
        for path in ["/v1/messages", "/v1/responses", "/v1/messages/count_tokens"] {
            let head = format!("POST {path} HTTP/1.1\r\n");
            let reply = send(&server, &head, body.as_bytes());
            let shown = &body[..body.len().min(20)];
            assert_eq!(reply.status, 400, "{path} {shown:?}");
            assert!(reply.json()["error"]["message"].is_string());
        }
    }
}

#[test]
fn a_body_beyond_the_limit_is_refused_unread() {
    let server = telling(&story());
    let mut stream = TcpStream::connect(server.address()).unwrap();
    let too_long = (32 << 20) + 1;
    write!(stream, "POST /v1/messages HTTP/1.1\r\nhost: x\r\ncontent-length: {too_long}\r\n\r\n").unwrap();
    // The length alone decides: not a byte of the body is sent.
    let mut start = [0; 12];
    stream.read_exact(&mut start).unwrap();
    assert_eq!(&start, b"HTTP/1.1 413");
}

#[test]
fn bytes_that_are_not_http_do_not_end_the_server() {
    let server = telling(&story());
    let mut stream = TcpStream::connect(server.address()).unwrap();
    stream.write_all(b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n").unwrap();
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).unwrap();
    assert_eq!(send(&server, "HEAD / HTTP/1.1\r\n", b"").status, 200);
}

#[test]
fn requests_are_logged_with_their_answer() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let options = Options { log_file: Some(std::fs::File::create(&path).unwrap()), ..Options::default() };
    let server = ModelStandin::start(options).unwrap();
    let body = messages(&json!([]), &[]);
    post(&server, "/v1/messages?beta=true", &body);
    send(&server, "GET /nowhere HTTP/1.1\r\nx-probe: 1\r\n", b"not json");

    let requests = server.requests();
    assert_eq!(requests.len(), 2);
    assert_eq!(requests[0].method, "POST");
    assert_eq!(requests[0].path, "/v1/messages?beta=true");
    assert_eq!((&requests[0].body, requests[0].status), (&body, 200));
    assert_eq!(requests[1].header("x-probe"), Some("1"));
    assert_eq!((&requests[1].body, requests[1].status), (&Value::Null, 404));

    let written = std::fs::read_to_string(path).unwrap();
    let lines: Vec<Value> = written.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(lines, [json!(requests[0]), json!(requests[1])]);
}

#[test]
fn dropping_the_server_closes_its_port_and_its_connections() {
    let server = telling(&story());
    let address = server.address();
    let mut held = TcpStream::connect(address).unwrap();
    held.write_all(b"HEAD / HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    let mut byte = [0];
    held.read_exact(&mut byte).unwrap();
    drop(server);
    let mut rest = Vec::new();
    held.read_to_end(&mut rest).unwrap();
    assert!(TcpStream::connect(address).is_err());
}

fn story() -> Story {
    Story {
        steps: vec![
            Step::Write { path: "a.txt".to_owned(), content: "ä\n".to_owned() },
            Step::Run("cat a.txt".to_owned()),
        ],
        answer: "all done, and long enough for two deltas".to_owned(),
    }
}

fn telling(story: &Story) -> ModelStandin {
    let options = Options { story: story.clone(), ..Options::default() };
    ModelStandin::start(options).unwrap()
}

fn guarded() -> ModelStandin {
    let accepted = Accepted::Tokens(vec!["right".to_owned()]);
    ModelStandin::start(Options { accepted, ..Options::default() }).unwrap()
}

/// A conversation of one prompt and then one tool result a turn.
fn messages(tools: &Value, results: &[Value]) -> Value {
    let mut messages = vec![json!({ "role": "user", "content": "go" })];
    for result in results {
        let reminder = json!({ "type": "text", "text": "a reminder beside the result" });
        messages.push(json!({ "role": "assistant", "content": [{ "type": "tool_use" }] }));
        messages.push(json!({ "role": "user", "content": [result, reminder] }));
    }
    let tools: Vec<_> = tools.as_array().unwrap().iter().map(|name| json!({ "name": name })).collect();
    json!({ "model": "m", "stream": true, "messages": messages, "tools": tools })
}

fn responses(outputs: &[&str]) -> Value {
    let text = json!([{ "type": "input_text", "text": "go" }]);
    let mut input = vec![json!({ "type": "message", "role": "user", "content": text })];
    for output in outputs {
        input.push(json!({ "type": "function_call", "call_id": "c" }));
        input.push(json!({ "type": "function_call_output", "call_id": "c", "output": output }));
    }
    let tools = json!([{ "name": "exec_command" }, { "name": "write_stdin" }, { "type": "web" }]);
    json!({ "model": "m", "stream": true, "input": input, "tools": tools })
}

struct Reply {
    status: u16,
    head: String,
    body: Vec<u8>,
}

struct Event {
    name: String,
    data: Value,
}

fn post(server: &ModelStandin, path: &str, body: &Value) -> Reply {
    send(server, &format!("POST {path} HTTP/1.1\r\n"), body.to_string().as_bytes())
}

/// Sends one request on a connection of its own: `head` is the request line and extra headers.
fn send(server: &ModelStandin, head: &str, body: &[u8]) -> Reply {
    let mut stream = TcpStream::connect(server.address()).unwrap();
    let length = body.len();
    write!(stream, "{head}host: standin\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n").unwrap();
    stream.write_all(body).unwrap();
    let mut raw = Vec::new();
    stream.read_to_end(&mut raw).unwrap();
    let end = raw.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    let head = String::from_utf8(raw[..end].to_vec()).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let mut reply = Reply { status, head, body: raw[end + 4..].to_vec() };
    if reply.header("transfer-encoding") == "chunked" {
        reply.body = dechunked(&reply.body);
    }
    reply
}

fn dechunked(mut raw: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let end = raw.windows(2).position(|two| two == b"\r\n").unwrap();
        let size = std::str::from_utf8(&raw[..end]).unwrap();
        let size = usize::from_str_radix(size, 16).unwrap();
        if size == 0 {
            return body;
        }
        body.extend_from_slice(&raw[end + 2..][..size]);
        raw = &raw[end + 2 + size + 2..];
    }
}

/// The pieces of all deltas at `pointer`, joined.
fn joined(events: &[Event], pointer: &str) -> String {
    events.iter().filter_map(|event| event.data.pointer(pointer)?.as_str()).collect()
}

impl Reply {
    fn header(&self, name: &str) -> &str {
        self.head
            .lines()
            .filter_map(|line| line.split_once(": "))
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map_or("", |(_, value)| value)
    }

    fn json(&self) -> Value {
        assert_eq!(self.header("content-type"), "application/json");
        serde_json::from_slice(&self.body).unwrap()
    }

    /// Every event of the stream; each must repeat its name as `type`.
    fn events(&self) -> Vec<Event> {
        let text = std::str::from_utf8(&self.body).unwrap();
        assert!(text.ends_with("\n\n"));
        text.split_terminator("\n\n")
            .map(|block| {
                let (name, data) = block.split_once('\n').unwrap();
                let name = name.strip_prefix("event: ").unwrap().to_owned();
                let data: Value = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
                assert_eq!(data["type"], name);
                Event { name, data }
            })
            .collect()
    }
}
