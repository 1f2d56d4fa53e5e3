//! The log of decisions.

#![allow(clippy::unwrap_used, reason = "a fixture that cannot be made fails the test")]

mod support;

use std::fs::{File, OpenOptions};
use std::sync::Arc;

use loopbox_egress::{DecisionLog, DecisionRecord, FileLog, Verdict};
use support::Fixture;

fn record(host: &str) -> DecisionRecord {
    DecisionRecord {
        time: "2026-01-02T03:04:05Z".parse().unwrap(),
        sandbox: "demo".into(),
        host: host.into(),
        port: 443,
        address: Some("[2606:4700::1]:443".parse().unwrap()),
        method: Some("CONNECT".into()),
        path: None,
        verdict: Verdict::Allowed,
        rule: "--policy allow".into(),
        reason: "no rule names it".into(),
        error: None,
        bytes_up: 1,
        bytes_down: 2,
        duration_ms: 3,
    }
}

fn open(path: &std::path::Path) -> File {
    OpenOptions::new().create(true).append(true).read(true).open(path).unwrap()
}

#[test]
fn a_record_is_a_line_of_json() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    FileLog::new(open(&path)).unwrap().record(&record("a.test"));
    FileLog::new(open(&path)).unwrap().record(&record("b.test"));
    let text = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        lines[0],
        "{\"time\":\"2026-01-02T03:04:05Z\",\"sandbox\":\"demo\",\"host\":\"a.test\",\"port\":443,\
         \"address\":\"[2606:4700::1]:443\",\"method\":\"CONNECT\",\"verdict\":\"allowed\",\"rule\":\"--policy allow\",\
         \"reason\":\"no rule names it\",\"bytesUp\":1,\"bytesDown\":2,\"durationMs\":3}"
    );
    assert_eq!(serde_json::from_str::<DecisionRecord>(lines[1]).unwrap(), record("b.test"));
}

#[test]
fn a_full_log_begins_anew() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    let log = FileLog::with_limit(open(&path), 1000).unwrap();
    for number in 0..50 {
        log.record(&record(&format!("host-{number}.test")));
        assert!(std::fs::metadata(&path).unwrap().len() <= 1000);
        let text = std::fs::read_to_string(&path).unwrap();
        let last: DecisionRecord = serde_json::from_str(text.lines().last().unwrap()).unwrap();
        assert_eq!(last.host, format!("host-{number}.test"));
    }
    // What another run left counts.
    let log = FileLog::with_limit(open(&path), 400).unwrap();
    log.record(&record("a.test"));
    assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 1);
}

#[test]
fn a_log_that_cannot_be_written_stops_nobody() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    std::fs::write(&path, "").unwrap();
    let log = FileLog::new(File::open(&path).unwrap()).unwrap();
    log.record(&record("a.test"));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "");
}

#[tokio::test]
async fn what_a_sandbox_says_cannot_reach_a_terminal_through_the_log() {
    let mut fixture = Fixture::new(&["deny"], &[]).await;
    let overlong = "x".repeat(5000);
    for path in ["/\u{9b}31m", "/\u{7f}", "/\u{202e}txt", &format!("/{overlong}")] {
        let answer = fixture.exchange(&format!("GET http://a.test{path} HTTP/1.1\r\nHost: x\r\n\r\n")).await;
        if answer.starts_with("HTTP/1.1 400 ") {
            continue;
        }
        let record = fixture.record().await;
        let path = record.path.unwrap();
        assert!(path.len() < 2000 && path.bytes().all(|byte| (0x20..0x7f).contains(&byte)), "{path:?}");
    }
    let bell = DecisionRecord { host: "\u{1b}[2J\u{7}\n".into(), ..record("") };
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    let log: Arc<dyn DecisionLog> = Arc::new(FileLog::new(open(&path)).unwrap());
    log.record(&bell);
    let text = std::fs::read(&path).unwrap();
    assert_eq!(text.iter().filter(|byte| byte.is_ascii_control()).count(), 1, "one newline at the end");
}
