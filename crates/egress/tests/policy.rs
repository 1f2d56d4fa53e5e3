//! The policy's semantics as tables.

#![allow(clippy::unwrap_used, reason = "a fixture that cannot be made fails the test")]

mod support;

use loopbox_egress::{
    AddressClass, CidrPattern, Decision, DefaultVerdict, HostPattern, NetworkPolicy, PatternErrorKind, Preset, Target,
    Verdict,
};
use support::{compiled, policy};

/// The judgement on a target that has this address.
fn judge(rules: &[&str], target: &str, address: &str) -> Decision {
    let target: Target = target.parse().unwrap();
    let policy = compiled(rules);
    let before = policy.judge_target(&target);
    let decision = policy.judge_address(&target, address.parse().unwrap());
    assert!(
        before.is_allowed() || !decision.is_allowed(),
        "{target} is denied before it is resolved and allowed after"
    );
    decision
}

/// A public address.
const PUBLIC: &str = "93.184.215.14";

#[test]
fn host_rules() {
    for (rules, target, allowed) in [
        // Nothing but the default.
        (&["allow"][..], "a.test:443", true),
        (&["allow"], "a.test:22", true),
        (&["deny"], "a.test:443", false),
        // An allow rule without a port covers 80 and 443, one with a port that port.
        (&["deny", "+a.test"], "a.test:80", true),
        (&["deny", "+a.test"], "a.test:443", true),
        (&["deny", "+a.test"], "a.test:22", false),
        (&["deny", "+a.test"], "a.test:8080", false),
        (&["deny", "+a.test:22"], "a.test:22", true),
        (&["deny", "+a.test:22"], "a.test:443", false),
        (&["deny", "+a.test", "+a.test:22"], "a.test:22", true),
        // It does not narrow what the default allows.
        (&["allow", "+a.test"], "a.test:22", true),
        // A block rule without a port covers every port.
        (&["allow", "-a.test"], "a.test:22", false),
        (&["allow", "-a.test:22"], "a.test:22", false),
        (&["allow", "-a.test:22"], "a.test:443", true),
        // An exact name is that name.
        (&["deny", "+a.test"], "b.a.test:443", false),
        (&["deny", "+a.test"], "xa.test:443", false),
        (&["deny", "+a.test"], "a.test.evil.test:443", false),
        // A suffix is its sub-domains, at any depth, and not itself.
        (&["deny", "+*.a.test"], "b.a.test:443", true),
        (&["deny", "+*.a.test"], "c.b.a.test:443", true),
        (&["deny", "+*.a.test"], "a.test:443", false),
        (&["deny", "+*.a.test"], "ba.test:443", false),
        (&["deny", "+*.a.test:8443"], "b.a.test:8443", true),
        (&["deny", "+*.a.test:8443"], "b.a.test:443", false),
        // A star is every name.
        (&["deny", "+*"], "a.test:443", true),
        (&["deny", "+*"], "a.test:22", false),
        (&["deny", "+*:443"], "a.test:443", true),
        (&["deny", "+*:443"], "a.test:80", false),
        (&["allow", "-*:22"], "a.test:22", false),
        (&["allow", "-*:22"], "a.test:443", true),
        // The most specific rule wins, whichever it is; of equals the block.
        (&["deny", "+a.test", "-*.test"], "a.test:443", true),
        (&["deny", "-a.test", "+*.test"], "a.test:443", false),
        (&["deny", "+*.b.test", "-*.test"], "a.b.test:443", true),
        (&["allow", "-*.b.test", "+*.test"], "a.b.test:443", false),
        (&["deny", "+a.test:443", "-a.test"], "a.test:443", true),
        (&["deny", "+a.test:443", "-a.test"], "a.test:80", false),
        (&["deny", "+a.test", "-a.test:443"], "a.test:443", false),
        (&["deny", "+a.test", "-a.test:443"], "a.test:80", true),
        (&["allow", "+a.test", "-a.test"], "a.test:443", false),
        (&["deny", "+*.test:443", "-a.test"], "a.test:443", false),
        (&["allow", "-*:443", "+a.test"], "a.test:443", true),
        (&["allow", "-*"], "a.test:443", false),
        // Case and the trailing dot do not matter.
        (&["deny", "+A.Test."], "a.TEST.:443", true),
        (&["allow", "-*.TEST."], "A.test.:443", false),
    ] {
        assert_eq!(judge(rules, target, PUBLIC).is_allowed(), allowed, "{rules:?} {target}");
    }
}

#[test]
fn addresses_as_targets_need_rules_of_their_own() {
    for (rules, target, allowed) in [
        (&["allow"][..], "93.184.215.14:22", true),
        (&["deny", "+*"], "93.184.215.14:443", false),
        (&["deny", "+*:443"], "[2606:4700::1]:443", false),
        (&["deny", "+93.184.215.14"], "93.184.215.14:443", true),
        (&["deny", "+93.184.215.14"], "93.184.215.14:22", false),
        (&["deny", "+93.184.215.14:22"], "93.184.215.14:22", true),
        (&["deny", "+93.184.215.14"], "[::ffff:93.184.215.14]:443", true),
        (&["deny", "+93.184.215.0/24"], "93.184.215.14:443", true),
        (&["deny", "+93.184.215.0/24"], "93.184.215.14:22", false),
        (&["deny", "+[2606:4700::1]:443"], "[2606:4700:0:0::1]:443", true),
        (&["deny", "+2606:4700::/32"], "[2606:4700::1]:443", true),
        (&["allow", "-93.184.215.0/24"], "93.184.215.14:443", false),
        (&["allow", "-93.184.215.14"], "93.184.215.14:443", false),
        // A star blocks addresses as well: a block may be wider than meant, never narrower.
        (&["allow", "-*"], "93.184.215.14:443", false),
        (&["allow", "-*:22"], "93.184.215.14:22", false),
        (&["allow", "-*", "+93.184.215.14"], "93.184.215.14:443", true),
        // Closed ranges open by an exact address or by a range.
        (&["allow"], "10.0.0.5:443", false),
        (&["deny", "+10.0.0.5:5432"], "10.0.0.5:5432", true),
        (&["deny", "+10.0.0.5:5432"], "10.0.0.6:5432", false),
        (&["deny", "+10.0.0.0/8"], "10.0.0.5:443", true),
        (&["allow", "+10.0.0.0/8"], "10.0.0.5:5432", false),
        (&["allow", "+10.0.0.0/8", "+10.0.0.5:5432"], "10.0.0.5:5432", true),
        (&["allow", "+10.0.0.0/8", "-10.0.0.5"], "10.0.0.5:443", false),
    ] {
        let parsed: Target = target.parse().unwrap();
        let decision = compiled(rules).judge_target(&parsed);
        assert_eq!(decision.is_allowed(), allowed, "{rules:?} {target}: {}", decision.reason);
    }
}

#[test]
fn a_name_and_its_address_must_both_be_allowed() {
    for (rules, target, address, allowed) in [
        // A rule for the name does not open a closed range, nor does the default.
        (&["deny", "+git.corp"][..], "git.corp:443", "10.0.0.5", false),
        (&["allow"], "git.corp:443", "10.0.0.5", false),
        (&["deny", "+git.corp:443"], "git.corp:443", "127.0.0.1", false),
        (&["deny", "+*"], "git.corp:443", "fd00::1", false),
        // A rule for the range does not allow the name.
        (&["deny", "+10.0.0.5/32"], "git.corp:443", "10.0.0.5", false),
        (&["deny", "+93.184.0.0/16"], "a.test:443", PUBLIC, false),
        // Both do, at the ports that the name's rule covers.
        (&["deny", "+git.corp", "+10.0.0.5/32"], "git.corp:443", "10.0.0.5", true),
        (&["deny", "+git.corp", "+10.0.0.5/32"], "git.corp:22", "10.0.0.5", false),
        (&["deny", "+git.corp:22", "+10.0.0.5/32"], "git.corp:22", "10.0.0.5", true),
        (&["deny", "+git.corp", "+10.0.0.5/32"], "git.corp:443", "10.0.0.6", false),
        // The default allows every port of public addresses only.
        (&["allow", "+10.0.0.0/8"], "git.corp:443", "10.0.0.5", true),
        (&["allow", "+10.0.0.0/8"], "git.corp:22", "10.0.0.5", false),
        (&["allow", "+93.184.0.0/16"], "a.test:22", PUBLIC, true),
        // A rule for the address itself is about the address as target, not about names that have it.
        (&["deny", "+git.corp", "+10.0.0.5"], "git.corp:443", "10.0.0.5", false),
        // A block of either kind wins over an allow of the other.
        (&["deny", "+a.test:443", "-93.184.0.0/16"], "a.test:443", PUBLIC, false),
        (&["deny", "+93.184.215.14/32", "-a.test"], "a.test:443", PUBLIC, false),
        (&["deny", "+a.test", "-93.184.215.14"], "a.test:443", PUBLIC, false),
        (&["deny", "+a.test", "-93.184.215.14:22"], "a.test:443", PUBLIC, true),
        // Within ranges the narrowest wins; of equals the block.
        (&["deny", "+git.corp", "+10.0.0.5/32", "-10.0.0.0/8"], "git.corp:443", "10.0.0.5", true),
        (&["deny", "+git.corp", "-10.0.0.5/32", "+10.0.0.0/8"], "git.corp:443", "10.0.0.5", false),
        (&["deny", "+git.corp", "+10.0.0.0/8", "-10.0.0.0/8"], "git.corp:443", "10.0.0.5", false),
        // IPv4 inside IPv6 is IPv4.
        (&["deny", "+git.corp", "+10.0.0.5/32"], "git.corp:443", "::ffff:10.0.0.5", true),
        (&["deny", "+git.corp", "+::ffff:10.0.0.0/104"], "git.corp:443", "10.0.0.5", true),
        (&["allow", "-93.184.0.0/16"], "a.test:443", "64:ff9b::93.184.215.14", false),
        (&["allow", "-93.184.215.14"], "a.test:443", "2002:5db8:d70e::1", false),
        (&["allow"], "a.test:443", "64:ff9b::93.184.215.14", true),
        (&["allow", "+10.0.0.0/8"], "a.test:443", "64:ff9b::10.0.0.5", false),
    ] {
        let decision = judge(rules, target, address);
        assert_eq!(decision.is_allowed(), allowed, "{rules:?} {target} {address}: {}", decision.reason);
    }
}

#[test]
fn metadata_services_open_by_their_exact_address_only() {
    for address in ["169.254.169.254", "169.254.170.2", "100.100.100.200", "168.63.129.16", "192.0.0.192"] {
        let target = format!("{address}:80");
        let range: String = format!("+{}/16", address.split('.').take(2).collect::<Vec<_>>().join(".") + ".0.0");
        for (rules, allowed) in [
            (&["allow"][..], false),
            (&["allow", "+0.0.0.0/0"], false),
            (&["allow", &range], false),
            (&["allow", &format!("+{address}/32")], true),
            (&["deny", &format!("+{address}")], true),
            (&["deny", &format!("+{address}/32"), &format!("-{address}")], false),
        ] {
            let decision = compiled(rules).judge_target(&target.parse().unwrap());
            assert_eq!(decision.is_allowed(), allowed, "{rules:?} {target}");
        }
        assert!(!judge(&["allow", "+metadata.test", &range], "metadata.test:80", address).is_allowed());
        assert!(!judge(&["allow", "+metadata.test"], "metadata.test:80", &format!("::ffff:{address}")).is_allowed());
        assert!(
            judge(&["allow", "+metadata.test", &format!("+{address}/32")], "metadata.test:80", address).is_allowed()
        );
    }
    assert!(!judge(&["allow", "+fd00:ec2::/32"], "metadata.test:80", "fd00:ec2::254").is_allowed());
    assert!(judge(&["allow", "+fd00:ec2::254/128"], "metadata.test:80", "fd00:ec2::254").is_allowed());
}

#[test]
fn the_hosts_loopback_opens_by_its_name_with_a_port() {
    for (rules, target, allowed) in [
        (&["allow"][..], "host.loopbox.internal:8080", false),
        (&["allow", "+*"], "host.loopbox.internal:443", false),
        (&["allow", "+*:8080"], "host.loopbox.internal:8080", false),
        (&["allow", "+*.internal:8080"], "host.loopbox.internal:8080", false),
        (&["allow", "+127.0.0.0/8"], "host.loopbox.internal:443", false),
        (&["allow", "+host.loopbox.internal"], "host.loopbox.internal:443", false),
        (&["deny", "+host.loopbox.internal:8080"], "host.loopbox.internal:8080", true),
        (&["deny", "+host.loopbox.internal:8080"], "HOST.LOOPBOX.INTERNAL.:8080", true),
        (&["deny", "+host.loopbox.internal:8080"], "host.loopbox.internal:8081", false),
        // Both names are the same place.
        (&["deny", "+host.loopbox.internal:8080"], "host.docker.internal:8080", true),
        (&["deny", "+host.docker.internal:8080"], "host.loopbox.internal:8080", true),
        (&["deny", "+host.docker.internal:8080", "-host.loopbox.internal:8080"], "host.docker.internal:8080", false),
        (&["deny", "+host.docker.internal:8080", "-127.0.0.1/32"], "host.docker.internal:8080", false),
        (&["deny", "+host.docker.internal:8080", "-*.internal"], "host.docker.internal:8080", true),
        (&["allow"], "x.host.loopbox.internal:8080", true),
    ] {
        let address = if target.starts_with("x.") { PUBLIC } else { "127.0.0.1" };
        assert_eq!(judge(rules, target, address).is_allowed(), allowed, "{rules:?} {target}");
    }
}

#[test]
fn classes_of_addresses() {
    use AddressClass::{CarrierNat, LinkLocal, Loopback, Metadata, Multicast, Private, Public, Reserved};
    for (address, class) in [
        ("8.8.8.8", Public),
        ("9.255.255.255", Public),
        ("11.0.0.0", Public),
        ("172.15.255.255", Public),
        ("172.32.0.0", Public),
        ("100.63.255.255", Public),
        ("100.128.0.0", Public),
        ("223.255.255.255", Public),
        ("0.0.0.0", Reserved),
        ("0.1.2.3", Reserved),
        ("10.255.255.255", Private),
        ("100.64.0.0", CarrierNat),
        ("100.127.255.255", CarrierNat),
        ("127.0.0.1", Loopback),
        ("127.255.255.255", Loopback),
        ("169.254.0.1", LinkLocal),
        ("169.254.169.254", Metadata),
        ("172.16.0.0", Private),
        ("172.31.255.255", Private),
        ("192.0.0.1", Reserved),
        ("192.0.2.1", Reserved),
        ("192.168.0.1", Private),
        ("198.18.0.1", Reserved),
        ("198.19.255.255", Reserved),
        ("198.51.100.1", Reserved),
        ("203.0.113.1", Reserved),
        ("224.0.0.1", Multicast),
        ("239.255.255.255", Multicast),
        ("240.0.0.1", Reserved),
        ("255.255.255.255", Reserved),
        ("2606:4700::1", Public),
        ("2001:4860:4860::8888", Public),
        ("::", Reserved),
        ("::1", Loopback),
        ("::7f00:1", Reserved),
        ("::ffff:127.0.0.1", Loopback),
        ("::ffff:8.8.8.8", Public),
        ("64:ff9b::8.8.8.8", Public),
        ("64:ff9b::10.0.0.1", Private),
        ("64:ff9b::169.254.169.254", Metadata),
        ("64:ff9b:1::8.8.8.8", Reserved),
        ("100::1", Reserved),
        ("2001::1", Reserved),
        ("2001:db8::1", Reserved),
        ("2002:7f00:1::", Loopback),
        ("2002:808:808::1", Public),
        ("2002:c0a8:1::1", Private),
        ("3fff::1", Reserved),
        ("4000::1", Reserved),
        ("fc00::1", Private),
        ("fd00:ec2::254", Metadata),
        ("fdff::1", Private),
        ("fe80::1", LinkLocal),
        ("fec0::1", Private),
        ("ff02::1", Multicast),
    ] {
        assert_eq!(AddressClass::of(address.parse().unwrap()), class, "{address}");
    }
}

#[test]
fn presets_allow_their_hosts_for_a_reason() {
    for preset in Preset::ALL {
        assert_eq!(preset.name().parse(), Ok(preset));
        let mut seen = std::collections::HashSet::new();
        for host in preset.hosts() {
            let pattern: HostPattern = host.pattern.parse().unwrap();
            assert_eq!(pattern.to_string(), host.pattern, "not in canonical form");
            assert!(!host.reason.is_empty() && seen.insert(host.pattern), "{}", host.pattern);
        }
    }
    for (rules, target, allowed) in [
        (&["deny", "@agents"][..], "api.anthropic.com:443", true),
        (&["deny", "@agents"], "api.openai.com:443", true),
        (&["deny", "@agents"], "api.anthropic.com:22", false),
        (&["deny", "@agents"], "registry.npmjs.org:443", false),
        (&["deny", "@dev"], "api.anthropic.com:443", true),
        (&["deny", "@dev"], "registry.npmjs.org:443", true),
        (&["deny", "@dev"], "github.com:22", true),
        (&["deny", "@dev", "-github.com"], "github.com:443", false),
        (&["allow", "@open"], "a.test:22", true),
        (&["deny", "@open"], "a.test:443", false),
        (&["allow", "@locked"], "a.test:443", false),
        (&["allow", "@locked", "+a.test"], "a.test:443", true),
    ] {
        assert_eq!(judge(rules, target, PUBLIC).is_allowed(), allowed, "{rules:?} {target}");
    }
    let decision = judge(&["deny", "@agents"], "api.anthropic.com:443", PUBLIC);
    assert_eq!(decision.rule.to_string(), "preset agents: allow api.anthropic.com");
    assert_eq!(decision.reason, "api.anthropic.com:443 is allowed by preset agents (claude: model requests)");
    assert_eq!(Preset::Open.implied_verdict(), DefaultVerdict::Allow);
    assert_eq!(Preset::Agents.implied_verdict(), DefaultVerdict::Deny);
}

#[test]
fn every_denial_has_a_reason_and_where_one_option_helps_names_it() {
    for (rules, target, address, rule, remedy) in [
        (&["deny"][..], "a.test:443", PUBLIC, "--policy deny", Some("--allow-host a.test:443")),
        (
            &["allow"],
            "a.test:443",
            "10.0.0.5",
            "built in: private addresses are closed",
            Some("--allow-cidr 10.0.0.5/32"),
        ),
        (
            &["allow"],
            "10.0.0.5:22",
            "10.0.0.5",
            "built in: private addresses are closed",
            Some("--allow-host 10.0.0.5:22"),
        ),
        (
            &["allow"],
            "host.docker.internal:80",
            "127.0.0.1",
            "built in: the host's loopback is closed",
            Some("--allow-host host.docker.internal:80"),
        ),
        (&["allow", "+10.0.0.0/8"], "a.test:22", "10.0.0.5", "--allow-cidr 10.0.0.0/8", Some("--allow-host a.test:22")),
        (&["allow", "-a.test"], "a.test:443", PUBLIC, "--block-host a.test", None),
        (&["allow", "-93.0.0.0/8"], "a.test:443", PUBLIC, "--block-cidr 93.0.0.0/8", None),
    ] {
        let decision = judge(rules, target, address);
        assert_eq!(decision.verdict, Verdict::Denied);
        assert_eq!(
            (decision.rule.to_string().as_str(), decision.remedy.as_deref()),
            (rule, remedy),
            "{rules:?} {target}"
        );
        assert!(decision.reason.len() > 10);
        // Typing the remedy does help.
        if let Some(remedy) = remedy {
            let (_, value) = remedy.split_once(' ').unwrap();
            let added = format!("+{value}");
            let rules: Vec<&str> = rules.iter().copied().chain([added.as_str()]).collect();
            assert!(judge(&rules, target, address).is_allowed(), "{rules:?} {target}");
        }
    }
}

#[test]
fn patterns_are_read_and_written_in_one_form() {
    for (text, canonical) in [
        ("Example.COM.", "example.com"),
        ("example.com:443", "example.com:443"),
        ("*.Example.com", "*.example.com"),
        ("*.example.com:8443", "*.example.com:8443"),
        ("*", "*"),
        ("*:443", "*:443"),
        ("my_host-1", "my_host-1"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("10.0.0.5", "10.0.0.5"),
        ("10.0.0.5:22", "10.0.0.5:22"),
        ("[2001:DB8::1]", "[2001:db8::1]"),
        ("[2001:db8:0::1]:22", "[2001:db8::1]:22"),
        ("[::ffff:10.0.0.5]", "10.0.0.5"),
    ] {
        let pattern: HostPattern = text.parse().unwrap();
        assert_eq!(pattern.to_string(), canonical);
        assert_eq!(canonical.parse(), Ok(pattern));
    }
    for (text, canonical) in [
        ("10.0.0.0/8", "10.0.0.0/8"),
        ("10.0.0.5", "10.0.0.5/32"),
        ("FD00::/8", "fd00::/8"),
        ("::1", "::1/128"),
        ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
        ("0.0.0.0/0", "0.0.0.0/0"),
    ] {
        let pattern: CidrPattern = text.parse().unwrap();
        assert_eq!(pattern.to_string(), canonical);
        assert_eq!(canonical.parse(), Ok(pattern));
    }
}

#[test]
fn what_is_no_pattern_is_told_with_the_value_and_the_remedy() {
    for (text, remedy) in [
        ("", "write a name"),
        ("a b", "write a name"),
        ("a..b", "write a name"),
        ("user@a.test", "write a name"),
        ("a.test/path", "write a name"),
        ("127.1", "write a name"),
        ("0x7f000001", "write a name"),
        ("*.0.0.1", "write a name"),
        ("1.2.3.4.5", "write a name"),
        ("bücher.example", "xn--"),
        ("::1", "[::1]"),
        ("::1:443", "[::1]"),
        ("[::1", "write HOST"),
        ("a.test:", "write HOST"),
        ("a.test:0", "write HOST"),
        ("a.test:65536", "write HOST"),
        ("a.test:+1", "write HOST"),
        ("a.test:http", "write HOST"),
        ("a.*", "write *.example.com"),
        ("a*.test", "write *.example.com"),
        ("**.test", "write *.example.com"),
        ("*.*.test", "write *.example.com"),
        ("https://a.test/", "leave out the scheme"),
        ("10.0.0.0/8", "--allow-cidr"),
    ] {
        let error = text.parse::<HostPattern>().unwrap_err();
        assert_eq!(error.value(), text);
        assert!(error.to_string().contains(&format!("{text:?}")), "{error}");
        assert!(error.remedy().contains(remedy) && error.to_string().ends_with(&error.remedy()), "{text}: {error}");
    }
    for (text, remedy) in [
        ("a.test", "write ADDRESS/PREFIX"),
        ("10.0.0.0/33", "write ADDRESS/PREFIX"),
        ("10.0/8", "write ADDRESS/PREFIX"),
        ("10.0.0.0/08x", "write ADDRESS/PREFIX"),
        ("10.0.0.5/8", "write 10.0.0.0/8 for the range, or 10.0.0.5 for the one address"),
    ] {
        let error = text.parse::<CidrPattern>().unwrap_err();
        assert!(error.value() == text && error.remedy().contains(remedy), "{text}: {error}");
    }
    assert_eq!("a:b".parse::<HostPattern>().unwrap_err().kind(), PatternErrorKind::Port);
    assert!("maybe".parse::<DefaultVerdict>().unwrap_err().to_string().contains("allow or deny"));
    assert!("all".parse::<Preset>().unwrap_err().to_string().contains("agents"));
}

#[test]
fn a_policy_is_data() {
    let policy = policy(&["deny", "@dev", "+a.test:22", "-*.evil.test", "+10.0.0.0/8", "-10.0.0.5/32"]);
    let json = serde_json::to_value(&policy).unwrap();
    assert_eq!(
        json,
        serde_json::json!({
            "policy": "deny",
            "preset": "dev",
            "allowHosts": ["a.test:22"],
            "blockHosts": ["*.evil.test"],
            "allowCidrs": ["10.0.0.0/8"],
            "blockCidrs": ["10.0.0.5/32"],
        })
    );
    assert_eq!(serde_json::from_value::<NetworkPolicy>(json).unwrap(), policy);
    assert_eq!(serde_json::from_str::<NetworkPolicy>("{}").unwrap(), NetworkPolicy::default());
    let error = serde_json::from_str::<NetworkPolicy>(r#"{"allowHosts": ["127.1"]}"#).unwrap_err();
    assert!(error.to_string().contains("127.1"), "{error}");
}
