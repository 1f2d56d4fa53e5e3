//! The policy against a reference that is slow, plain and written from the rules' description alone.

#![allow(clippy::unwrap_used, reason = "a fixture that cannot be made fails the test")]

mod support;

use std::net::{IpAddr, Ipv4Addr};

use loopbox_egress::{AddressClass, CompiledPolicy, DefaultVerdict, Host, NetworkPolicy, Target};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

const LOOPBACK_NAMES: [&str; 2] = ["host.loopbox.internal", "host.docker.internal"];

/// How well a pattern fits: nothing if not at all, else greater for narrower.
fn fit(pattern: &str, host: &str, port: u16, blocks: bool) -> Option<(usize, bool)> {
    let (name, own_port) = match pattern.rsplit_once(':') {
        Some((name, own)) if !own.contains(']') => (name, Some(own.parse::<u16>().unwrap())),
        _ => (pattern, None),
    };
    let literal = host.starts_with('[') || host.parse::<Ipv4Addr>().is_ok();
    let loopback = LOOPBACK_NAMES.contains(&host);
    let narrow = if name == "*" {
        if (literal || loopback) && !blocks {
            return None;
        }
        0
    } else if let Some(suffix) = name.strip_prefix('*') {
        if literal || (loopback && !blocks) || !host.ends_with(suffix) {
            return None;
        }
        suffix.matches('.').count()
    } else if name == host || (loopback && LOOPBACK_NAMES.contains(&name)) {
        1000
    } else {
        return None;
    };
    let at_port = match own_port {
        Some(own) => own == port,
        None => blocks || (!loopback && (port == 80 || port == 443)),
    };
    at_port.then_some((narrow, own_port.is_some()))
}

/// The bits of an address, as text.
fn bits(address: IpAddr) -> String {
    match address {
        IpAddr::V4(v4) => format!("{:032b}", u32::from(v4)),
        IpAddr::V6(v6) => format!("{:0128b}", u128::from(v6)),
    }
}

fn in_range(range: &str, address: IpAddr) -> Option<usize> {
    let (base, prefix) = range.split_once('/').unwrap();
    let prefix: usize = prefix.parse().unwrap();
    let base = bits(base.parse().unwrap());
    let address = bits(address);
    (base.len() == address.len() && base[..prefix] == address[..prefix]).then_some(prefix)
}

#[derive(PartialEq, Clone, Copy)]
enum Answer {
    Allow,
    Block,
    Silent,
}

/// Which of two lists has the narrower match; the second wins a tie.
fn narrower<T: Ord>(allow: Option<T>, block: Option<T>) -> Answer {
    match (allow, block) {
        (None, None) => Answer::Silent,
        (Some(allow), Some(block)) if allow > block => Answer::Allow,
        (Some(_), None) => Answer::Allow,
        _ => Answer::Block,
    }
}

fn strings<T: ToString>(list: &[T]) -> Vec<String> {
    list.iter().map(ToString::to_string).collect()
}

fn reference(policy: &NetworkPolicy, target: &Target, address: IpAddr) -> bool {
    let host = target.host.to_string();
    let port = target.port;
    let address = address.to_canonical();
    let literal = matches!(target.host, Host::Address(_));
    let loopback = LOOPBACK_NAMES.contains(&host.as_str());
    let best = |list: &[_], blocks| strings(list).iter().filter_map(|rule| fit(rule, &host, port, blocks)).max();
    let by_host = narrower(best(&policy.allow_hosts, false), best(&policy.block_hosts, true));
    let range = |list: &[_], address| strings(list).iter().filter_map(|rule| in_range(rule, address)).max();
    let by_range = narrower(range(&policy.allow_cidrs, address), range(&policy.block_cidrs, address));

    if by_host == Answer::Block || by_range == Answer::Block {
        return false;
    }
    // A name does not lead to an address that is blocked as a host.
    let as_host = match address {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => format!("[{v6}]"),
    };
    let exactly = |rule: &String| rule == &as_host || rule == &format!("{as_host}:{port}");
    if !literal && strings(&policy.block_hosts).iter().any(exactly) {
        return false;
    }
    if loopback {
        return by_host == Answer::Allow;
    }
    let web = port == 80 || port == 443;
    if AddressClass::of(address) == AddressClass::Public {
        return by_host == Answer::Allow
            || policy.policy == DefaultVerdict::Allow
            || (literal && by_range == Answer::Allow && web);
    }
    if literal && by_host == Answer::Allow {
        return true;
    }
    let exact = range(&policy.allow_cidrs, address) == Some(bits(address).len());
    let opened = by_range == Answer::Allow && (AddressClass::of(address) != AddressClass::Metadata || exact);
    let named = by_host == Answer::Allow || (web && (literal || policy.policy == DefaultVerdict::Allow));
    opened && named
}

fn host() -> impl Strategy<Value = &'static str> {
    select(vec![
        "a.test",
        "b.a.test",
        "c.b.a.test",
        "test",
        "ba.test",
        "host.loopbox.internal",
        "host.docker.internal",
        "93.184.215.14",
        "10.0.0.5",
        "169.254.169.254",
        "[2606:4700::1]",
        "[fd00:ec2::254]",
        "[::1]",
    ])
}

fn host_pattern() -> impl Strategy<Value = String> {
    let wild = select(vec!["*", "*.test", "*.a.test", "*.b.a.test", "*.internal"]);
    let port = select(vec!["", "", ":80", ":443", ":22"]);
    (prop_oneof![host(), wild], port).prop_map(|(host, port)| format!("{host}{port}"))
}

fn range() -> impl Strategy<Value = &'static str> {
    select(vec![
        "0.0.0.0/0",
        "::/0",
        "10.0.0.0/8",
        "10.0.0.0/24",
        "10.0.0.5/32",
        "93.184.0.0/16",
        "93.184.215.14/32",
        "169.254.0.0/16",
        "169.254.169.254/32",
        "127.0.0.0/8",
        "fd00::/8",
        "fd00:ec2::254/128",
        "2606:4700::/32",
    ])
}

fn address() -> impl Strategy<Value = IpAddr> {
    let listed = select(vec![
        "93.184.215.14",
        "93.184.1.1",
        "10.0.0.5",
        "10.0.0.6",
        "10.1.0.0",
        "127.0.0.1",
        "169.254.169.254",
        "169.254.1.1",
        "::ffff:10.0.0.5",
        "2606:4700::1",
        "fd00:ec2::254",
        "fd00::1",
        "::1",
    ]);
    listed.prop_map(|address| address.parse().unwrap())
}

fn parsed<T: std::str::FromStr<Err: std::fmt::Debug>>(list: &[impl AsRef<str>]) -> Vec<T> {
    list.iter().map(|text| text.as_ref().parse().unwrap()).collect()
}

prop_compose! {
    fn any_policy()(
        deny in any::<bool>(),
        allow_hosts in vec(host_pattern(), 0..4),
        block_hosts in vec(host_pattern(), 0..3),
        allow_cidrs in vec(range(), 0..4),
        block_cidrs in vec(range(), 0..3),
    ) -> NetworkPolicy {
        NetworkPolicy {
            policy: if deny { DefaultVerdict::Deny } else { DefaultVerdict::Allow },
            preset: None,
            allow_hosts: parsed(&allow_hosts),
            block_hosts: parsed(&block_hosts),
            allow_cidrs: parsed(&allow_cidrs),
            block_cidrs: parsed(&block_cidrs),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_policy_agrees_with_the_reference(
        policy in any_policy(),
        host in host(),
        port in select(vec![80, 443, 22, 8080]),
        address in address(),
    ) {
        let target = Target::new(host, port).unwrap();
        let address = match target.host {
            Host::Address(literal) => literal,
            Host::HostLoopback(_) => Ipv4Addr::LOCALHOST.into(),
            Host::Name(_) => address,
        };
        let compiled = CompiledPolicy::new(&policy);
        let decision = compiled.judge_address(&target, address);
        prop_assert_eq!(decision.is_allowed(), reference(&policy, &target, address), "{:?}", decision);
        if decision.is_allowed() {
            prop_assert!(compiled.judge_target(&target).is_allowed(), "denied before it is resolved");
        }
    }

    #[test]
    fn a_pattern_is_what_it_prints(pattern in "[*]?[.]?[a-cA-C0-9_.:\\[\\]-]{0,12}") {
        if let Ok(parsed) = pattern.parse::<loopbox_egress::HostPattern>() {
            prop_assert_eq!(parsed.to_string().parse(), Ok(parsed));
        }
    }

    #[test]
    fn no_text_makes_the_parsers_panic(text in any::<String>()) {
        let _ = text.parse::<loopbox_egress::HostPattern>();
        let _ = text.parse::<loopbox_egress::CidrPattern>();
        let _ = text.parse::<Target>();
    }

    #[test]
    fn what_the_system_reads_as_an_address_is_no_name(number in any::<u32>(), form in 0..6) {
        let [a, b, c, d] = number.to_be_bytes();
        let text = match form {
            0 => format!("{number}"),
            1 => format!("{number:#x}"),
            2 => format!("0{number:o}"),
            3 => format!("{a}.{}", number & 0x00ff_ffff),
            4 => format!("{a:#x}.{b:#x}.{c:#x}.{d:#x}"),
            _ => format!("0{a:o}.{b}.{}", number & 0xffff),
        };
        prop_assert!(text.parse::<Host>().is_err(), "{}", text);
    }
}
