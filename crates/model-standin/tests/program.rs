//! The `model-standin` program, as tests in other languages use it.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

#[test]
fn it_announces_its_address_and_serves() {
    let mut program = Program::start(&["--token", "t"]);
    let address = program.ready["address"].as_str().unwrap();
    assert_eq!(program.ready["baseUrl"], format!("http://{address}"));

    let mut stream = TcpStream::connect(address).unwrap();
    let request = "GET /v1/models HTTP/1.1\r\nhost: x\r\nx-api-key: u\r\n\r\n";
    stream.write_all(request.as_bytes()).unwrap();
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).unwrap();
    assert!(line.starts_with("HTTP/1.1 401 "), "{line}");
    assert!(program.child.try_wait().unwrap().is_none());
}

#[test]
fn a_story_file_that_is_no_story_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("story.json");
    std::fs::write(&path, "{\"steps\": []}").unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_model-standin")).arg("--story").arg(path).output().unwrap();
    assert!(!output.status.success());
    assert!(output.stdout.is_empty());
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("missing field `answer`"), "{told}");
}

struct Program {
    child: Child,
    ready: Value,
}

impl Program {
    fn start(arguments: &[&str]) -> Self {
        let mut child =
            Command::new(env!("CARGO_BIN_EXE_model-standin")).args(arguments).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ready = serde_json::from_str(&line).unwrap();
        Self { child, ready }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}
