//! Absolute-form requests through the proxy.

#![allow(clippy::unwrap_used, reason = "a fixture that cannot be made fails the test")]

mod support;

use support::{Fixture, Server, compiled, header};

/// Rules that open one fixture server by name: the name at its port, and the address it has.
fn rules(port: u16) -> [String; 3] {
    ["deny".into(), format!("+allowed.test:{port}"), "+127.0.0.1/32".into()]
}

async fn fixture(server: &Server) -> Fixture {
    let rules = rules(server.port);
    let rules: Vec<&str> = rules.iter().map(String::as_str).collect();
    Fixture::new(&rules, &["allowed.test", "other.test"]).await
}

#[tokio::test]
async fn an_allowed_request_is_written_anew_and_logged() {
    let server = Server::new().await;
    let mut fixture = fixture(&server).await;
    let port = server.port;
    let mut client = fixture.client().await;
    client
        .send(&format!(
            "GET http://ALLOWED.test.:{port}/a/b?token=x HTTP/1.1\r\nHost: other.test\r\nProxy-Connection: keep-alive\r\n\
             Proxy-Authorization: Basic eA==\r\nConnection: x-private, keep-alive\r\nX-Private: 1\r\nKeep-Alive: 5\r\n\
             TE: gzip\r\nX-Kept: 2\r\n\r\n"
        ))
        .await;
    let mut upstream = server.accept().await;
    let head = upstream.head().await;
    assert!(head.starts_with("GET /a/b?token=x HTTP/1.1\r\n"), "{head}");
    assert_eq!(header(&head, "host"), Some(format!("allowed.test:{port}").as_str()));
    assert_eq!(header(&head, "x-kept"), Some("2"));
    for gone in ["proxy-connection", "proxy-authorization", "connection", "x-private", "keep-alive", "te"] {
        assert_eq!(header(&head, gone), None, "{gone} went on");
    }
    upstream
        .send(
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close, x-hop\r\nX-Hop: 1\r\nProxy-Authenticate: Basic\r\n\
             X-Kept: 3\r\n\r\nok",
        )
        .await;
    let response = client.response().await;
    assert!(response.starts_with("HTTP/1.1 200 OK\r\n") && response.ends_with("\r\n\r\nok"), "{response}");
    assert_eq!(header(&response, "x-kept"), Some("3"));
    for gone in ["connection", "x-hop", "proxy-authenticate"] {
        assert_eq!(header(&response, gone), None, "{gone} came back");
    }
    let record = fixture.record().await;
    assert_eq!((record.sandbox.as_str(), record.host.as_str(), record.port), ("demo", "allowed.test", port));
    assert_eq!(record.address.unwrap().to_string(), format!("127.0.0.1:{port}"));
    assert_eq!((record.method.as_deref(), record.path.as_deref()), (Some("GET"), Some("/a/b")));
    assert_eq!(record.rule, format!("--allow-host allowed.test:{port}"));
    assert_eq!((record.bytes_up, record.bytes_down), (0, 2));
}

#[tokio::test]
async fn each_request_of_a_kept_alive_connection_is_judged_by_itself() {
    let server = Server::new().await;
    let mut fixture = fixture(&server).await;
    let port = server.port;
    let mut client = fixture.client().await;
    for body in ["first", "third"] {
        client.send(&format!("GET http://allowed.test:{port}/ HTTP/1.1\r\nHost: allowed.test:{port}\r\n\r\n")).await;
        let mut upstream = server.accept().await;
        upstream.head().await;
        upstream.send(&format!("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n{body}")).await;
        assert!(client.response().await.ends_with(body));
        assert_eq!(fixture.record().await.host, "allowed.test");

        client.send(&format!("GET http://other.test:{port}/ HTTP/1.1\r\nHost: allowed.test:{port}\r\n\r\n")).await;
        let refusal = client.response().await;
        assert!(refusal.starts_with("HTTP/1.1 403 "), "{refusal}");
        let record = fixture.record().await;
        assert_eq!((record.host.as_str(), record.rule.as_str()), ("other.test", "--policy deny"));
        assert_eq!(record.address, None);
    }
    assert!(!server.was_reached().await);
    assert_eq!(*fixture.names.asked.lock().unwrap(), ["allowed.test", "allowed.test"], "a denied name is not resolved");
}

#[tokio::test]
async fn a_denial_says_which_rule_and_what_the_operator_would_type() {
    let fixture = Fixture::new(&["deny", "+allowed.test"], &[]).await;
    let refusal = fixture.exchange("GET http://allowed.test:8080/ HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert_eq!(header(&refusal, "x-loopbox-verdict"), Some("denied"));
    let body = refusal.split("\r\n\r\n").nth(1).unwrap();
    assert_eq!(
        body,
        "loopbox: allowed.test:8080 is denied\n\
         rule: --policy deny\n\
         reason: no rule allows allowed.test:8080, and the policy is deny; --allow-host allowed.test covers ports 80 and 443 only\n\
         to allow it, the operator would type: loopbox network proxy demo --allow-host allowed.test:8080\n"
    );
    let fixture = Fixture::new(&["allow", "-*.test"], &[]).await;
    let refusal = fixture.exchange("GET http://blocked.test/ HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(refusal.contains("rule: --block-host *.test\n"), "{refusal}");
    assert!(refusal.ends_with("the operator would change that rule: loopbox network show demo\n"), "{refusal}");
}

#[tokio::test]
async fn what_is_no_request_to_a_proxy_is_explained() {
    let fixture = Fixture::new(&["allow"], &[]).await;
    for (request, word) in [
        ("GET / HTTP/1.1\r\nHost: allowed.test\r\n\r\n", "forward proxy"),
        ("OPTIONS * HTTP/1.1\r\nHost: allowed.test\r\n\r\n", "forward proxy"),
        ("GET https://allowed.test/ HTTP/1.1\r\nHost: allowed.test\r\n\r\n", "CONNECT"),
        ("GET ftp://allowed.test/ HTTP/1.1\r\nHost: allowed.test\r\n\r\n", "CONNECT"),
        ("GET http://allowed.test:0/ HTTP/1.1\r\nHost: allowed.test\r\n\r\n", "port"),
        ("CONNECT allowed.test HTTP/1.1\r\nHost: allowed.test\r\n\r\n", "port"),
    ] {
        let answer = fixture.exchange(request).await;
        assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains(word), "{request}: {answer}");
    }
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_a_502_with_the_reason() {
    let server = Server::new().await;
    let mut fixture = fixture(&server).await;
    let request = format!("GET http://allowed.test:{}/ HTTP/1.1\r\nHost: x\r\n\r\n", server.port);
    let mut client = fixture.client().await;
    client.send(&request).await;
    drop(server.accept().await);
    let answer = client.response().await;
    assert!(answer.starts_with("HTTP/1.1 502 "), "{answer}");
    assert_eq!(header(&answer, "x-loopbox-verdict"), Some("allowed"));
    assert!(fixture.record().await.error.is_some());

    drop(server);
    let answer = fixture.exchange(&request).await;
    assert!(answer.starts_with("HTTP/1.1 502 ") && answer.contains("refused"), "{answer}");
    assert!(fixture.record().await.error.unwrap().contains("refused"));
}

#[tokio::test]
async fn a_name_that_does_not_resolve_is_a_502() {
    let mut fixture = Fixture::new(&["allow"], &[]).await;
    let answer = fixture.exchange("GET http://missing.test/ HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 502 ") && answer.contains("no such name"), "{answer}");
    let record = fixture.record().await;
    assert!(record.error.unwrap().contains("resolve"));
    assert_eq!(record.rule, "--policy allow");
}

#[tokio::test]
async fn the_hosts_loopback_is_reached_by_a_rule_that_names_it_with_the_port() {
    let server = Server::new().await;
    let port = server.port;
    let fixture = Fixture::new(&["allow"], &[]).await;
    let request = format!("GET http://host.docker.internal:{port}/ HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(fixture.exchange(&request).await.starts_with("HTTP/1.1 403 "));
    fixture.policy.send(compiled(&["deny", &format!("+host.loopbox.internal:{port}")])).unwrap();
    let mut client = fixture.client().await;
    client.send(&request).await;
    let mut upstream = server.accept().await;
    assert_eq!(header(&upstream.head().await, "host"), Some(format!("host.docker.internal:{port}").as_str()));
    upstream.send("HTTP/1.1 204 No Content\r\n\r\n").await;
    assert!(client.response().await.starts_with("HTTP/1.1 204 "));
    assert!(fixture.names.asked.lock().unwrap().is_empty(), "the host's loopback is not a matter of DNS");
}

#[tokio::test]
async fn events_are_streamed_as_they_come() {
    let server = Server::new().await;
    let mut fixture = fixture(&server).await;
    let mut client = fixture.client().await;
    client.send(&format!("GET http://allowed.test:{}/events HTTP/1.1\r\nHost: x\r\n\r\n", server.port)).await;
    let mut upstream = server.accept().await;
    upstream.head().await;
    upstream.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n").await;
    let head = client.head().await;
    assert_eq!(header(&head, "transfer-encoding"), Some("chunked"));
    for event in ["data: 1\n\n", "data: 2\n\n", "data: 3\n\n"] {
        // The next event is sent only when this one has arrived, so nothing can have been held back.
        let chunk = format!("9\r\n{event}\r\n");
        upstream.send(&chunk).await;
        assert_eq!(client.bytes(chunk.len()).await, chunk);
    }
    upstream.send("0\r\n\r\n").await;
    assert_eq!(client.bytes(5).await, "0\r\n\r\n");
    assert_eq!(fixture.record().await.bytes_down, 27);
}

#[tokio::test]
async fn uploads_are_streamed_as_they_come() {
    let server = Server::new().await;
    let mut fixture = fixture(&server).await;
    let mut client = fixture.client().await;
    client
        .send(&format!(
            "POST http://allowed.test:{}/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n",
            server.port
        ))
        .await;
    let mut upstream = server.accept().await;
    let head = upstream.head().await;
    assert_eq!(header(&head, "transfer-encoding"), Some("chunked"));
    assert_eq!(header(&head, "content-length"), None);
    for part in ["one", "two"] {
        client.send(&format!("3\r\n{part}\r\n")).await;
        assert_eq!(upstream.bytes(8).await, format!("3\r\n{part}\r\n"));
    }
    client.send("0\r\n\r\n").await;
    assert_eq!(upstream.bytes(5).await, "0\r\n\r\n");
    upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    assert!(client.response().await.starts_with("HTTP/1.1 200 "));
    assert_eq!(fixture.record().await.bytes_up, 6);

    // The connection goes on after a chunked request, and with another one.
    client
        .send(&format!(
            "POST http://allowed.test:{}/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            server.port
        ))
        .await;
    let mut upstream = server.accept().await;
    upstream.head().await;
    upstream.send("HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n").await;
    assert!(client.response().await.starts_with("HTTP/1.1 201 "));
}

#[tokio::test]
async fn a_content_length_stays_one() {
    let server = Server::new().await;
    let fixture = fixture(&server).await;
    let mut client = fixture.client().await;
    client
        .send(&format!("PUT http://allowed.test:{}/ HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody", server.port))
        .await;
    let mut upstream = server.accept().await;
    let head = upstream.head().await;
    assert_eq!((header(&head, "content-length"), header(&head, "transfer-encoding")), (Some("4"), None));
    assert_eq!(upstream.bytes(4).await, "body");
}

#[tokio::test]
async fn head_keeps_the_length_and_has_no_body() {
    let server = Server::new().await;
    let fixture = fixture(&server).await;
    let mut client = fixture.client().await;
    for _ in 0..2 {
        client.send(&format!("HEAD http://allowed.test:{}/ HTTP/1.1\r\nHost: x\r\n\r\n", server.port)).await;
        let mut upstream = server.accept().await;
        assert!(upstream.head().await.starts_with("HEAD / HTTP/1.1\r\n"));
        upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n").await;
        let head = client.head().await;
        assert_eq!(header(&head, "content-length"), Some("1234"));
    }
}

#[tokio::test]
async fn a_client_that_waits_for_100_continue_sends_its_body_only_if_allowed() {
    let server = Server::new().await;
    let fixture = fixture(&server).await;
    let expecting = |host: &str| {
        let port = server.port;
        format!("POST http://{host}:{port}/ HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n")
    };
    let mut client = fixture.client().await;
    client.send(&expecting("other.test")).await;
    assert!(client.head().await.starts_with("HTTP/1.1 403 "));

    let mut client = fixture.client().await;
    client.send(&expecting("allowed.test")).await;
    let mut upstream = server.accept().await;
    upstream.head().await;
    assert_eq!(client.head().await, "HTTP/1.1 100 Continue\r\n\r\n");
    client.send("body").await;
    assert_eq!(upstream.bytes(4).await, "body");
    upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    assert!(client.response().await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn trailers_go_both_ways() {
    let server = Server::new().await;
    let fixture = fixture(&server).await;
    let mut client = fixture.client().await;
    client
        .send(&format!(
            "POST http://allowed.test:{}/ HTTP/1.1\r\nHost: x\r\nTE: trailers\r\nConnection: TE\r\nTrailer: x-sum\r\n\
             Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nx-sum: 1\r\n\r\n",
            server.port
        ))
        .await;
    let mut upstream = server.accept().await;
    let head = upstream.head().await;
    assert_eq!(header(&head, "te"), Some("trailers"));
    let body = "1\r\na\r\n0\r\nx-sum: 1\r\n\r\n";
    assert_eq!(upstream.bytes(body.len()).await, body);
    upstream
        .send("HTTP/1.1 200 OK\r\nTrailer: x-sum\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nb\r\n0\r\nx-sum: 2\r\n\r\n")
        .await;
    client.head().await;
    let body = "1\r\nb\r\n0\r\nx-sum: 2\r\n\r\n";
    assert_eq!(client.bytes(body.len()).await, body);
}

#[tokio::test]
async fn a_websocket_over_plain_http_becomes_a_tunnel() {
    let server = Server::new().await;
    let mut fixture = fixture(&server).await;
    let mut client = fixture.client().await;
    client
        .send(&format!(
            "GET http://allowed.test:{}/ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Key: k\r\n\r\n",
            server.port
        ))
        .await;
    let mut upstream = server.accept().await;
    let head = upstream.head().await;
    assert_eq!((header(&head, "upgrade"), header(&head, "sec-websocket-key")), (Some("websocket"), Some("k")));
    // The first bytes of the new protocol come with the answer.
    upstream
        .send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: a\r\n\r\nhi")
        .await;
    let head = client.head().await;
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    assert_eq!((header(&head, "upgrade"), header(&head, "sec-websocket-accept")), (Some("websocket"), Some("a")));
    assert_eq!(client.bytes(2).await, "hi");
    client.send("ping").await;
    assert_eq!(upstream.bytes(4).await, "ping");
    client.end().await;
    assert_eq!(upstream.rest().await, "");
    upstream.send("bye").await;
    drop(upstream);
    assert_eq!(client.rest().await, "bye");
    let record = fixture.record().await;
    assert_eq!((record.bytes_up, record.bytes_down), (4, 5));
}

#[tokio::test]
async fn a_refused_upgrade_is_an_ordinary_answer() {
    let server = Server::new().await;
    let fixture = fixture(&server).await;
    let mut client = fixture.client().await;
    client
        .send(&format!(
            "GET http://allowed.test:{}/ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
            server.port
        ))
        .await;
    let mut upstream = server.accept().await;
    upstream.head().await;
    upstream.send("HTTP/1.1 426 Upgrade Required\r\nContent-Length: 2\r\n\r\nno").await;
    let answer = client.response().await;
    assert!(answer.starts_with("HTTP/1.1 426 ") && answer.ends_with("no"), "{answer}");
}

#[tokio::test]
async fn a_client_that_leaves_is_left_upstream_too() {
    let server = Server::new().await;
    let mut fixture = fixture(&server).await;
    let mut client = fixture.client().await;
    client.send(&format!("GET http://allowed.test:{}/ HTTP/1.1\r\nHost: x\r\n\r\n", server.port)).await;
    let mut upstream = server.accept().await;
    upstream.head().await;
    drop(client);
    assert_eq!(upstream.rest().await, "");
    assert_eq!(fixture.record().await.host, "allowed.test");
}

#[tokio::test]
async fn shutdown_drops_every_connection_and_ends_serving() {
    let server = Server::new().await;
    let fixture = fixture(&server).await;
    let mut client = fixture.client().await;
    client.send(&format!("GET http://allowed.test:{}/ HTTP/1.1\r\nHost: x\r\n\r\n", server.port)).await;
    let mut upstream = server.accept().await;
    upstream.head().await;
    fixture.shutdown.cancel();
    fixture.serving.await.unwrap();
    assert_eq!(client.rest().await, "");
    assert_eq!(upstream.rest().await, "");
}
