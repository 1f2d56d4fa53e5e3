//! What a sandbox can reach.

use loopbox_core::{CreateOptions, DefaultVerdict, ErrorCode, HostPattern, NetworkOptions, SandboxName};
use loopbox_tests::{Bed, Service, on_every_backend};

on_every_backend!(a_policy_is_enforced_where_declared_and_unsupported_elsewhere);

fn policy(verdict: DefaultVerdict, allow: &[String]) -> NetworkOptions {
    let mut network = NetworkOptions::default();
    network.policy = Some(verdict);
    network.allow_hosts = Some(allow.iter().map(|host| host.parse::<HostPattern>().unwrap()).collect());
    network
}

fn network(network: NetworkOptions) -> impl FnOnce(&mut CreateOptions) {
    |options| options.network = Some(network)
}

/// Asks through the proxy that the environment names, without any tool but the shell. The status and the body.
async fn fetch(bed: &Bed, name: &SandboxName, host: &str) -> (u16, String) {
    let script = r#"
        proxy=${http_proxy#http://}; exec 3<>"/dev/tcp/${proxy%:*}/${proxy#*:}"
        printf 'GET http://%s/ HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n' "$1" "$1" >&3
        cat <&3"#;
    let output = bed.run(name, ["bash", "-c", script, "bash", host]).await;
    assert_eq!(output.exit_code, 0, "{}", output.text());
    let text = String::from_utf8(output.stdout).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no response: {text}"));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_else(|| panic!("{head}"));
    (status, body.to_owned())
}

#[tokio::test]
async fn there_is_only_loopback_and_no_route() {
    let bed = Bed::native();
    let service = Service::start("host").await;
    let name = bed.sandbox().await;
    let interfaces = bed.text(&name, "tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' '").await;
    assert_eq!(interfaces, "lo");
    assert_eq!(bed.text(&name, "tail -n +2 /proc/net/route").await, "");
    for (address, why) in [("192.0.2.1/80", "unreachable"), ("127.0.0.1", "refused")] {
        let target = if address.contains('/') { address.to_owned() } else { format!("{address}/{}", service.port) };
        let output = bed.sh(&name, &format!("exec 3<>/dev/tcp/{target}")).await;
        assert_ne!(output.exit_code, 0, "{target}");
        assert!(output.text().contains(why), "{target}: {}", output.text());
    }
}

#[tokio::test]
async fn localhost_is_the_sandboxes_own() {
    let bed = Bed::native();
    let name = bed.sandbox().await;
    let script = "coproc cat </dev/null; (echo hello | timeout 5 bash -c 'exec 3<>/dev/tcp/localhost/1' 2>&1); getent hosts localhost";
    let output = bed.sh(&name, script).await;
    assert!(output.text().contains("refused"), "{}", output.text());
    assert!(output.text().contains("127.0.0.1") || output.text().contains("::1"), "{}", output.text());
}

#[tokio::test]
async fn the_hosts_loopback_is_reached_by_a_rule_with_its_port_only() {
    let bed = Bed::native();
    let (service, other) = (Service::start("the service").await, Service::start("the other").await);
    let rules = [service.inner_name()];
    let name = bed.sandbox_with(network(policy(DefaultVerdict::Deny, &rules))).await;
    assert_eq!(fetch(&bed, &name, &service.inner_name()).await, (200, "the service".to_owned()));
    for closed in [other.inner_name(), format!("127.0.0.1:{}", service.port), format!("localhost:{}", service.port)] {
        assert_eq!(fetch(&bed, &name, &closed).await.0, 403, "{closed}");
    }
}

/// What programs do for https: a tunnel, judged by the same rules.
#[tokio::test]
async fn a_tunnel_is_opened_by_the_same_rules() {
    let bed = Bed::native();
    let (service, other) = (Service::start("the service").await, Service::start("the other").await);
    let name = bed.sandbox_with(network(policy(DefaultVerdict::Deny, &[service.inner_name()]))).await;
    let script = r#"
        proxy=${https_proxy#http://}; exec 3<>"/dev/tcp/${proxy%:*}/${proxy#*:}"
        printf 'CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n' "$1" "$1" >&3
        read -r _ status _ <&3; echo "$status"; [ "$status" = 200 ] || exit
        printf 'GET / HTTP/1.1\r\nHost: x\r\n\r\n' >&3; cat <&3"#;
    let tunnel = async |host: String| bed.run(&name, ["bash", "-c", script, "bash", &host]).await.text();
    let through = tunnel(service.inner_name()).await;
    assert!(through.starts_with("200\n") && through.ends_with("the service"), "{through}");
    assert_eq!(tunnel(other.inner_name()).await, "403\n");
    assert_eq!(tunnel("example.com:443".to_owned()).await, "403\n");
}

/// Also where public hosts are open, the host and its networks are not.
#[tokio::test]
async fn private_addresses_are_closed_by_default() {
    let bed = Bed::native();
    let service = Service::start("the service").await;
    let name = bed.sandbox_with(network(policy(DefaultVerdict::Allow, &[]))).await;
    let port = service.port;
    let names =
        ["127.0.0.1", "localhost", "host.loopbox.internal", "[::1]", "[::ffff:127.0.0.1]", "2130706433", "0.0.0.0"];
    for host in names.map(|host| format!("{host}:{port}")).iter().map(String::as_str).chain([
        "169.254.169.254",
        "10.0.0.1",
        "192.168.0.1",
    ]) {
        let (status, body) = fetch(&bed, &name, host).await;
        assert!(matches!(status, 400 | 403), "{host}: {status} {body}");
        assert!(!body.contains("the service"));
    }
}

#[tokio::test]
async fn a_refusal_says_why() {
    let bed = Bed::native();
    let name = bed.sandbox().await;
    let (status, body) = fetch(&bed, &name, "example.com").await;
    assert_eq!(status, 403);
    assert!(body.contains("example.com") && body.contains("--allow-host"), "{body}");
}

#[tokio::test]
async fn a_change_applies_at_once_and_survives_a_restart() {
    let bed = Bed::native();
    let service = Service::start("the service").await;
    let name = bed.sandbox().await;
    let host = service.inner_name();
    assert_eq!(fetch(&bed, &name, &host).await.0, 403);

    let mut options = NetworkOptions::default();
    options.allow_hosts = Some(vec![host.parse().unwrap()]);
    let changed = bed.loopbox.set_network(&name, options).await.unwrap();
    assert_eq!(changed.policy, DefaultVerdict::Deny, "what the options leave out stays");
    assert_eq!(fetch(&bed, &name, &host).await.0, 200);

    bed.loopbox.stop(&name).await.unwrap();
    assert_eq!(fetch(&bed, &name, &host).await.0, 200);

    let mut options = NetworkOptions::default();
    options.allow_hosts = Some(vec![]);
    bed.loopbox.set_network(&name, options).await.unwrap();
    assert_eq!(fetch(&bed, &name, &host).await.0, 403);
    assert!(bed.loopbox.inspect(&name).await.unwrap().network.allow_hosts.is_empty());

    bed.loopbox.stop(&name).await.unwrap();
    let mut options = NetworkOptions::default();
    options.allow_hosts = Some(vec![host.parse().unwrap()]);
    bed.loopbox.set_network(&name, options).await.unwrap();
    assert_eq!(fetch(&bed, &name, &host).await.0, 200, "also changed while it was stopped");
}

#[tokio::test]
async fn create_again_with_another_policy_applies_it() {
    let bed = Bed::native();
    let service = Service::start("the service").await;
    let name = bed.sandbox().await;
    let mut request = bed.request("bed");
    request.options.network = Some(policy(DefaultVerdict::Deny, &[service.inner_name()]));
    assert!(!bed.loopbox.create(request).await.unwrap().new);
    assert_eq!(fetch(&bed, &name, &service.inner_name()).await.0, 200);
}

#[tokio::test]
async fn decisions_are_logged() {
    let bed = Bed::native();
    let service = Service::start("the service").await;
    let name = bed.sandbox_with(network(policy(DefaultVerdict::Deny, &[service.inner_name()]))).await;
    fetch(&bed, &name, &service.inner_name()).await;
    fetch(&bed, &name, "refused.example").await;
    let log = std::fs::read_to_string(bed.loopbox.inspect(&name).await.unwrap().log.join("egress.log")).unwrap();
    assert!(log.lines().any(|line| line.contains("refused.example")), "{log}");
    assert!(log.lines().any(|line| line.contains("host.loopbox.internal")), "{log}");
}

async fn a_policy_is_enforced_where_declared_and_unsupported_elsewhere(bed: Bed) {
    let mut request = bed.request("with-policy");
    request.options.network = Some(policy(DefaultVerdict::Deny, &[]));
    let created = bed.loopbox.create(request).await;
    let name = bed.sandbox().await;
    let changed = bed.loopbox.set_network(&name, policy(DefaultVerdict::Deny, &[])).await;
    if bed.capabilities(&name).await.egress {
        assert_eq!(fetch(&bed, &created.unwrap().name, "example.com").await.0, 403);
        assert_eq!(changed.unwrap().policy, DefaultVerdict::Deny);
    } else {
        assert_eq!(created.unwrap_err().code(), ErrorCode::Unsupported);
        assert_eq!(changed.unwrap_err().code(), ErrorCode::Unsupported);
    }
}
