//! CONNECT tunnels through the proxy.

#![allow(clippy::unwrap_used, reason = "a fixture that cannot be made fails the test")]

mod support;

use std::collections::HashMap;
use std::net::IpAddr;

use loopbox_egress::Verdict;
use support::{Client, Fixture, Server, compiled, header};
use tokio::io::AsyncWriteExt;

async fn tunnel(fixture: &Fixture, server: &Server) -> (Client, Client) {
    let mut client = fixture.client().await;
    client.send(&format!("CONNECT host.loopbox.internal:{} HTTP/1.1\r\nHost: x\r\n\r\n", server.port)).await;
    let upstream = server.accept().await;
    let head = client.head().await;
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    assert_eq!((header(&head, "content-length"), header(&head, "transfer-encoding")), (None, None));
    (client, upstream)
}

async fn open_to(server: &Server) -> Fixture {
    Fixture::new(&["deny", &format!("+host.loopbox.internal:{}", server.port)], &[]).await
}

#[tokio::test]
async fn each_direction_is_closed_by_itself_and_bytes_are_counted() {
    let server = Server::new().await;
    let mut fixture = open_to(&server).await;
    let (mut client, mut upstream) = tunnel(&fixture, &server).await;
    client.send("question").await;
    client.end().await;
    assert_eq!(upstream.rest().await, "question");
    upstream.send("a longer answer").await;
    upstream.end().await;
    assert_eq!(client.rest().await, "a longer answer");
    let record = fixture.record().await;
    assert_eq!((record.method.as_deref(), record.path.as_deref()), (Some("CONNECT"), None));
    assert_eq!((record.bytes_up, record.bytes_down, record.verdict), (8, 15, Verdict::Allowed));
    assert_eq!(record.error, None);
}

#[tokio::test]
async fn the_server_may_close_its_direction_first() {
    let server = Server::new().await;
    let fixture = open_to(&server).await;
    let (mut client, mut upstream) = tunnel(&fixture, &server).await;
    upstream.send("greeting").await;
    upstream.end().await;
    assert_eq!(client.rest().await, "greeting");
    client.send("still here").await;
    assert_eq!(upstream.bytes(10).await, "still here");
}

#[tokio::test]
async fn bytes_sent_before_the_answer_are_not_lost() {
    let server = Server::new().await;
    let fixture = open_to(&server).await;
    let mut client = fixture.client().await;
    client.send(&format!("CONNECT host.loopbox.internal:{} HTTP/1.1\r\nHost: x\r\n\r\nearly", server.port)).await;
    let mut upstream = server.accept().await;
    assert_eq!(upstream.bytes(5).await, "early");
    assert!(client.head().await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn many_bytes_pass_unchanged_while_the_reader_lags() {
    const SIZE: usize = 8 * 1024 * 1024;
    let server = Server::new().await;
    let mut fixture = open_to(&server).await;
    let (client, mut upstream) = tunnel(&fixture, &server).await;
    let sent: String = "every byte its own".chars().cycle().take(SIZE).collect();
    let expected = sent.clone();
    let sending = tokio::spawn(async move {
        let mut client = client;
        client.stream.get_mut().write_all(sent.as_bytes()).await.unwrap();
        client
    });
    assert!(upstream.bytes(SIZE).await == expected, "bytes were lost or changed");
    drop(sending.await.unwrap());
    drop(upstream);
    assert_eq!(fixture.record().await.bytes_up, SIZE as u64);
}

#[tokio::test]
async fn a_denied_tunnel_leaves_the_connection_usable() {
    let server = Server::new().await;
    let mut fixture = open_to(&server).await;
    let mut client = fixture.client().await;
    client.send("CONNECT example.test:443 HTTP/1.1\r\nHost: x\r\n\r\n").await;
    let refusal = client.response().await;
    assert!(refusal.starts_with("HTTP/1.1 403 "), "{refusal}");
    assert!(refusal.contains("loopbox network proxy demo --allow-host example.test:443"), "{refusal}");
    assert_eq!(fixture.record().await.verdict, Verdict::Denied);
    client.send(&format!("CONNECT host.loopbox.internal:{} HTTP/1.1\r\nHost: x\r\n\r\n", server.port)).await;
    server.accept().await;
    assert!(client.head().await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn loopback_is_refused_in_every_spelling() {
    let server = Server::new().await;
    let port = server.port;
    let names = ["localhost", "rebound.test", "mapped.test"];
    let mut known: HashMap<String, Vec<IpAddr>> =
        names.iter().map(|name| ((*name).to_owned(), vec!["127.0.0.1".parse().unwrap()])).collect();
    known.insert("mapped.test".into(), vec!["::ffff:127.0.0.1".parse().unwrap(), "64:ff9b::7f00:1".parse().unwrap()]);
    let mut fixture = Fixture::with_names(&["allow", "+*", &format!("+*:{port}")], known).await;
    for host in [
        "127.0.0.1",
        "127.0.0.1.",
        "127.1",
        "127.0.1",
        "2130706433",
        "0x7f000001",
        "0x7f.0.0.1",
        "0X7F.1",
        "017700000001",
        "0177.0.0.1",
        "127.0.0.01",
        "127.255.255.254",
        "0",
        "0.0.0.0",
        "0x",
        "[::1]",
        "[::]",
        "[0:0:0:0:0:0:0:1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::127.0.0.1]",
        "[64:ff9b::127.0.0.1]",
        "[2002:7f00:1::]",
        "localhost",
        "LOCALHOST.",
        "rebound.test",
        "mapped.test",
    ] {
        for request in [
            format!("CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n"),
            format!("GET http://{host}:{port}/ HTTP/1.1\r\nHost: x\r\n\r\n"),
        ] {
            let answer = fixture.exchange(&request).await;
            assert!(answer.starts_with("HTTP/1.1 403 "), "{request}{answer}");
            let record = fixture.record().await;
            assert_eq!((record.verdict, record.address), (Verdict::Denied, None), "{host}");
        }
    }
    assert!(!server.was_reached().await);
}

#[tokio::test]
async fn what_looks_like_an_allowed_host_is_not_one() {
    let server = Server::new().await;
    let port = server.port;
    let rules =
        ["deny".into(), format!("+allowed.test:{port}"), format!("+*.allowed.test:{port}"), "+127.0.0.0/8".into()];
    let rules: Vec<&str> = rules.iter().map(String::as_str).collect();
    let fixture = Fixture::new(&rules, &["evilallowed.test", "allowed.test.evil.test", "evil.test"]).await;
    for host in [
        "evilallowed.test",
        "allowed.test.evil.test",
        "allowed.test@evil.test",
        "allowed.test:80@evil.test",
        "allowed.test%2eevil.test",
        "allowed.test..",
        "-.evil.test",
    ] {
        for request in [
            format!("CONNECT {host}:{port} HTTP/1.1\r\nHost: allowed.test\r\n\r\n"),
            format!("GET http://{host}:{port}/ HTTP/1.1\r\nHost: allowed.test:{port}\r\n\r\n"),
        ] {
            let answer = fixture.exchange(&request).await;
            assert!(answer.starts_with("HTTP/1.1 40"), "{request}{answer}");
        }
    }
    assert!(!server.was_reached().await);
    assert!(fixture.names.asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn only_permitted_addresses_of_a_name_are_dialled() {
    let server = Server::new().await;
    let port = server.port;
    let forbidden = Server::at("127.0.0.2", port).await;
    let addresses = ["10.0.0.1", "::1", "127.0.0.2", "127.0.0.1"].map(|address| address.parse().unwrap()).to_vec();
    let known = HashMap::from([("many.test".to_owned(), addresses)]);
    let mut fixture = Fixture::with_names(&["deny", &format!("+many.test:{port}"), "+127.0.0.1/32"], known).await;
    let mut client = fixture.client().await;
    client.send(&format!("CONNECT many.test:{port} HTTP/1.1\r\nHost: x\r\n\r\n")).await;
    server.accept().await;
    assert!(client.head().await.starts_with("HTTP/1.1 200 "));
    drop(client);
    assert!(!forbidden.was_reached().await);
    assert_eq!(fixture.record().await.address.unwrap().to_string(), format!("127.0.0.1:{port}"));
}

#[tokio::test]
async fn a_change_of_policy_holds_at_once_and_closes_tunnels_it_denies() {
    let server = Server::new().await;
    let other = Server::new().await;
    let mut fixture = open_to(&server).await;
    let (mut client, mut upstream) = tunnel(&fixture, &server).await;

    let both = [format!("+host.loopbox.internal:{}", server.port), format!("+host.loopbox.internal:{}", other.port)];
    fixture.policy.send(compiled(&["deny", &both[0], &both[1]])).unwrap();
    let (mut kept, mut kept_upstream) = tunnel(&fixture, &other).await;
    client.send("x").await;
    assert_eq!(upstream.bytes(1).await, "x", "a tunnel that is still allowed goes on");

    fixture.policy.send(compiled(&["deny", &both[1]])).unwrap();
    assert_eq!(upstream.rest().await, "");
    assert_eq!(client.rest().await, "");
    let record = fixture.record().await;
    assert!(record.error.unwrap().starts_with("closed by a change of the policy: "));
    kept.send("y").await;
    assert_eq!(kept_upstream.bytes(1).await, "y");
    let request = format!("CONNECT host.loopbox.internal:{} HTTP/1.1\r\nHost: x\r\n\r\n", server.port);
    assert!(fixture.exchange(&request).await.starts_with("HTTP/1.1 403 "));
}
