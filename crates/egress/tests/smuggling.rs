//! Requests that two parsers might read differently, and limits.

#![allow(clippy::unwrap_used, reason = "a fixture that cannot be made fails the test")]

mod support;

use support::{Fixture, Server};

async fn fixture(server: &Server) -> Fixture {
    Fixture::new(&["deny", &format!("+host.loopbox.internal:{}", server.port)], &[]).await
}

/// A request whose headers and body are given.
fn post(server: &Server, rest: &str) -> String {
    format!("POST http://host.loopbox.internal:{}/ HTTP/1.1\r\nHost: x\r\n{rest}", server.port)
}

#[tokio::test]
async fn ambiguous_lengths_are_400_and_the_end_of_the_connection() {
    let server = Server::new().await;
    let fixture = fixture(&server).await;
    let smuggled = "GET http://host.loopbox.internal/ HTTP/1.1\r\nHost: x\r\n\r\n";
    for rest in [
        format!("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{smuggled}"),
        format!("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n{smuggled}"),
        format!("transfer-encoding: chunked\r\ncontent-length: 0\r\n\r\n0\r\n\r\n{smuggled}"),
        format!("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{smuggled}"),
        format!("Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n{smuggled}"),
        format!("Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n{smuggled}"),
        format!("Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n{smuggled}"),
        format!("Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n{smuggled}"),
        format!("Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n{smuggled}"),
        format!("Content-Length: 5\r\nContent-Length: 6\r\n\r\nbody!{smuggled}"),
        format!("Content-Length: 5, 6\r\n\r\nbody!{smuggled}"),
        format!("Content-Length: +5\r\n\r\nbody!{smuggled}"),
        format!("Content-Length: -1\r\n\r\n{smuggled}"),
        format!("Content-Length: 0x5\r\n\r\nbody!{smuggled}"),
        format!("Content-Length: 5 5\r\n\r\nbody!{smuggled}"),
        format!("X: 1\r\n folded\r\n\r\n{smuggled}"),
        format!("X\r\n\r\n{smuggled}"),
        format!("X: a\0b\r\n\r\n{smuggled}"),
        format!("X: a\rContent-Length: 5\r\n\r\n{smuggled}"),
    ] {
        let mut client = fixture.client().await;
        client.send(&post(&server, &rest)).await;
        let answer = client.rest().await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{rest:?}: {answer}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{rest:?}: {answer}");
    }
    assert!(!server.was_reached().await);
}

#[tokio::test]
async fn bad_chunks_are_400_and_never_reach_the_server_whole() {
    let server = Server::new().await;
    let fixture = fixture(&server).await;
    for body in [
        "z\r\n",
        "-1\r\n",
        "5\r\nhelloX",
        "5 x\r\nhello\r\n",
        "ffffffffffffffffff\r\n",
        "1\nab",
        "0\r\nbad trailer\r\n\r\n",
    ] {
        let mut client = fixture.client().await;
        client.send(&post(&server, &format!("Transfer-Encoding: chunked\r\n\r\n{body}"))).await;
        let mut upstream = server.accept().await;
        let answer = client.rest().await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{body:?}: {answer}");
        assert!(!upstream.rest().await.ends_with("0\r\n\r\n"), "{body:?} was ended as if it were whole");
    }
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order_and_each_judged() {
    let server = Server::new().await;
    let mut fixture = fixture(&server).await;
    let allowed = post(&server, "Content-Length: 2\r\n\r\nhi");
    let mut client = fixture.client().await;
    client.send(&format!("{allowed}GET http://other.test/ HTTP/1.1\r\nHost: x\r\n\r\n{allowed}")).await;
    for expected in ["HTTP/1.1 200 ", "HTTP/1.1 403 ", "HTTP/1.1 200 "] {
        if expected.contains("200") {
            let mut upstream = server.accept().await;
            upstream.head().await;
            assert_eq!(upstream.bytes(2).await, "hi");
            upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
        }
        let answer = client.response().await;
        assert!(answer.starts_with(expected), "{answer}");
    }
    let hosts = [fixture.record().await.host, fixture.record().await.host, fixture.record().await.host];
    assert_eq!(hosts, ["host.loopbox.internal", "other.test", "host.loopbox.internal"]);
}

#[tokio::test]
async fn a_chunked_request_behind_an_unanswered_one_is_refused() {
    let server = Server::new().await;
    let fixture = fixture(&server).await;
    let chunked = post(&server, "Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n");
    let mut client = fixture.client().await;
    client.send(&format!("{chunked}{chunked}")).await;
    let mut upstream = server.accept().await;
    upstream.head().await;
    assert_eq!(upstream.bytes(12).await, "2\r\nhi\r\n0\r\n\r\n");
    upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    assert!(client.response().await.starts_with("HTTP/1.1 200 "));
    assert!(client.rest().await.starts_with("HTTP/1.1 400 "));
    assert!(!server.was_reached().await);
}

#[tokio::test]
async fn a_host_header_cannot_name_another_server() {
    let server = Server::new().await;
    let fixture = fixture(&server).await;
    let mut client = fixture.client().await;
    client.send(&post(&server, "Host: evil.test\r\nX-Forwarded-Host: kept\r\nConnection: host\r\n\r\n")).await;
    let head = server.accept().await.head().await;
    assert_eq!(head.to_ascii_lowercase().matches("\r\nhost:").count(), 1, "{head}");
    assert!(head.contains(&format!("host: host.loopbox.internal:{}\r\n", server.port)), "{head}");
}

#[tokio::test]
async fn heads_have_a_limit() {
    let server = Server::new().await;
    let fixture = fixture(&server).await;
    for rest in [
        format!("X: {}\r\n\r\n", "x".repeat(64 * 1024)),
        format!("{}\r\n", "X: y\r\n".repeat(101)),
        // A head that never ends.
        format!("X: {}", "x".repeat(66 * 1024)),
    ] {
        let mut client = fixture.client().await;
        client.send(&post(&server, &rest)).await;
        let head = client.head().await;
        assert!(head.starts_with("HTTP/1.1 431 "), "{head}");
    }
    assert!(!server.was_reached().await);

    let mut client = fixture.client().await;
    client.send(&post(&server, &format!("X: {}\r\n\r\n", "x".repeat(60 * 1024)))).await;
    assert!(server.accept().await.head().await.len() > 60 * 1024);
}

#[tokio::test]
async fn a_server_cannot_smuggle_an_answer_either() {
    let server = Server::new().await;
    let fixture = fixture(&server).await;
    let mut client = fixture.client().await;
    client.send(&post(&server, "Content-Length: 0\r\n\r\n")).await;
    let mut upstream = server.accept().await;
    upstream.head().await;
    upstream
        .send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
        .await;
    assert!(client.response().await.ends_with("\r\n\r\nok"));
    client.send("GET http://other.test/ HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(client.response().await.starts_with("HTTP/1.1 403 "));
}
