//! The policy's judgement, with its reason.
//!
//! A connection is judged twice: by its target before a name is resolved ([`CompiledPolicy::judge_target`]: a name
//! that is not allowed is not even looked up, since the question itself would carry data out), and by each address
//! before it is dialled ([`CompiledPolicy::judge_address`]). Both must allow.

use std::fmt::Write as _;
use std::net::IpAddr;

use crate::address::{AddressClass, embedded_v4};
use crate::host::{Host, HostError, Target};
use crate::pattern::CidrPattern;
use crate::policy::{DefaultVerdict, NetworkPolicy};
use crate::preset::Preset;
use crate::rule::{Action, HostRule, Origin, Rule, is_web_port};

/// What is to happen, the rule that decided, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// What is to happen.
    pub verdict: Verdict,
    /// The rule that decided.
    pub rule: Rule,
    /// One sentence for people.
    pub reason: String,
    /// The option that would allow it, such as `--allow-host example.com:443`, where one option would.
    pub remedy: Option<String>,
}

/// What is to happen to a connection or request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It goes on.
    Allowed,
    /// It does not.
    Denied,
}

impl Decision {
    /// Whether the verdict is [`Verdict::Allowed`].
    pub fn is_allowed(&self) -> bool {
        self.verdict == Verdict::Allowed
    }

    /// The decision on what is no host.
    pub fn not_a_host(error: HostError) -> Self {
        Self::denied(Rule::NotAHost(error), error.to_string(), None)
    }

    fn allowed(rule: Rule, reason: String) -> Self {
        Self { verdict: Verdict::Allowed, rule, reason, remedy: None }
    }

    fn denied(rule: Rule, reason: String, remedy: Option<String>) -> Self {
        Self { verdict: Verdict::Denied, rule, reason, remedy }
    }
}

/// A policy with its preset's rules in place, ready to judge.
#[derive(Debug, Clone)]
pub struct CompiledPolicy {
    default: DefaultVerdict,
    hosts: Vec<HostRule>,
    cidrs: Vec<(Action, CidrPattern)>,
}

impl CompiledPolicy {
    /// Compiles a policy.
    pub fn new(policy: &NetworkPolicy) -> Self {
        let default = match policy.preset {
            Some(Preset::Locked) => DefaultVerdict::Deny,
            _ => policy.policy,
        };
        let operator = |action: Action, patterns: &[_]| -> Vec<HostRule> {
            let rule =
                |pattern: &crate::HostPattern| HostRule { action, pattern: pattern.clone(), origin: Origin::Operator };
            patterns.iter().map(rule).collect()
        };
        let mut hosts = operator(Action::Allow, &policy.allow_hosts);
        hosts.extend(operator(Action::Block, &policy.block_hosts));
        if let Some(preset) = policy.preset {
            // Every preset's patterns parse; a test holds them to it.
            hosts.extend(preset.hosts().filter_map(|host| {
                let origin = Origin::Preset { preset, reason: host.reason };
                Some(HostRule { action: Action::Allow, pattern: host.pattern.parse().ok()?, origin })
            }));
        }
        let allow = policy.allow_cidrs.iter().map(|pattern| (Action::Allow, *pattern));
        let block = policy.block_cidrs.iter().map(|pattern| (Action::Block, *pattern));
        Self { default, hosts, cidrs: allow.chain(block).collect() }
    }

    /// Judges a target before its name is resolved. For an address this is the whole judgement.
    pub fn judge_target(&self, target: &Target) -> Decision {
        match &target.host {
            Host::Address(address) => self.judge_address(target, *address),
            Host::Name(_) | Host::HostLoopback(_) => self.judge_name(target),
        }
    }

    /// Judges an address that the target's host has. The answer includes that of [`judge_target`](Self::judge_target).
    pub fn judge_address(&self, target: &Target, address: IpAddr) -> Decision {
        self.judge_in_class(target, address, AddressClass::of(address))
    }

    /// As [`judge_address`](Self::judge_address), with what this machine knows about the address.
    pub(crate) fn judge_in_class(&self, target: &Target, address: IpAddr, class: AddressClass) -> Decision {
        let address = address.to_canonical();
        if let Some(decision) = self.blocked_address(target, address) {
            return decision;
        }
        match &target.host {
            Host::Address(_) => self.judge_literal(target, address, class),
            Host::HostLoopback(_) => self.judge_name(target),
            Host::Name(_) => {
                let by_name = self.judge_name(target);
                match class {
                    AddressClass::Public => by_name,
                    _ if by_name.is_allowed() => self.judge_closed(target, address, class, by_name),
                    _ => by_name,
                }
            }
        }
    }

    fn judge_name(&self, target: &Target) -> Decision {
        match (self.host_rule(target), &target.host) {
            (Some(rule), _) if rule.action == Action::Block => blocked_host(target, rule),
            (Some(rule), _) => allowed_host(target, rule),
            (None, Host::HostLoopback(_)) => Decision::denied(
                Rule::HostLoopback,
                format!(
                    "{} is the host's own loopback, reachable only by a rule that names it with the port",
                    target.host
                ),
                Some(format!("--allow-host {target}")),
            ),
            (None, _) => self.by_default(target),
        }
    }

    fn judge_literal(&self, target: &Target, address: IpAddr, class: AddressClass) -> Decision {
        match self.host_rule(target) {
            Some(rule) if rule.action == Action::Block => return blocked_host(target, rule),
            Some(rule) => return allowed_host(target, rule),
            None => {}
        }
        let opened = self.opening(address, class);
        match (opened, class) {
            (Some(pattern), _) if is_web_port(target.port) => Decision::allowed(
                Rule::Cidr { action: Action::Allow, pattern },
                format!("{address} is in the allowed range {pattern}"),
            ),
            (_, AddressClass::Public) => self.by_default(target),
            (Some(pattern), _) => Decision::denied(
                Rule::Cidr { action: Action::Allow, pattern },
                format!("{pattern} is allowed at ports 80 and 443; port {} needs a rule of its own", target.port),
                Some(format!("--allow-host {target}")),
            ),
            (None, _) => Decision::denied(
                Rule::Closed(class),
                format!("{address} is a {class} address, closed unless a rule names it"),
                Some(format!("--allow-host {target}")),
            ),
        }
    }

    /// A name that is allowed and leads to an address that is not public.
    fn judge_closed(&self, target: &Target, address: IpAddr, class: AddressClass, by_name: Decision) -> Decision {
        let Some(pattern) = self.opening(address, class) else {
            return Decision::denied(
                Rule::Closed(class),
                format!(
                    "{} has the {class} address {address}, which a rule for the name alone does not open",
                    target.host
                ),
                Some(format!("--allow-cidr {}", CidrPattern::from(address))),
            );
        };
        match by_name.rule {
            Rule::Default(_) if !is_web_port(target.port) => Decision::denied(
                Rule::Cidr { action: Action::Allow, pattern },
                format!("{pattern} is allowed at ports 80 and 443; port {} needs a rule of its own", target.port),
                Some(format!("--allow-host {target}")),
            ),
            Rule::Default(_) => Decision::allowed(
                Rule::Cidr { action: Action::Allow, pattern },
                format!("{address} is in the allowed range {pattern}"),
            ),
            rule => {
                Decision::allowed(rule, format!("{}, and {address} is in the allowed range {pattern}", by_name.reason))
            }
        }
    }

    fn by_default(&self, target: &Target) -> Decision {
        let rule = Rule::Default(self.default);
        match self.default {
            DefaultVerdict::Allow => {
                Decision::allowed(rule, format!("no rule names {target}, and the policy is allow"))
            }
            DefaultVerdict::Deny => {
                let mut reason = format!("no rule allows {target}, and the policy is deny");
                if let Some(near) = self.allows_other_ports(target) {
                    let _ = write!(reason, "; {} covers {}", near.as_rule(), ports(near));
                }
                Decision::denied(rule, reason, Some(format!("--allow-host {target}")))
            }
        }
    }

    /// The narrowest rule about the target.
    fn host_rule(&self, target: &Target) -> Option<&HostRule> {
        self.hosts.iter().filter(|rule| rule.covers(target)).max_by_key(|rule| rule.specificity())
    }

    /// The narrowest rule that would allow the host at another port.
    fn allows_other_ports(&self, target: &Target) -> Option<&HostRule> {
        let about = |rule: &&HostRule| rule.action == Action::Allow && rule.covers_host(&target.host);
        self.hosts.iter().filter(about).max_by_key(|rule| rule.specificity())
    }

    /// The narrowest range around the address; of equals the block.
    fn cidr_rule(&self, address: IpAddr) -> Option<(Action, CidrPattern)> {
        let narrowest = self.cidrs.iter().filter(|(_, pattern)| pattern.contains(address));
        narrowest.max_by_key(|(action, pattern)| (pattern.prefix_len(), *action == Action::Block)).copied()
    }

    fn blocked_address(&self, target: &Target, address: IpAddr) -> Option<Decision> {
        // A block holds for the IPv4 address to which a translator would carry it as well.
        let embedded = match address {
            IpAddr::V6(v6) => embedded_v4(v6).map(IpAddr::V4),
            IpAddr::V4(_) => None,
        };
        for address in [Some(address), embedded].into_iter().flatten() {
            if let Some((Action::Block, pattern)) = self.cidr_rule(address) {
                return Some(Decision::denied(
                    Rule::Cidr { action: Action::Block, pattern },
                    format!("{address} is in the blocked range {pattern}"),
                    None,
                ));
            }
            // For an address as target the narrowest host rule decides, which may allow one port of a blocked address.
            let by_name = !matches!(target.host, Host::Address(literal) if literal == address);
            let rule = self.hosts.iter().find(|rule| by_name && rule.blocks_address(address, target.port));
            if let Some(rule) = rule {
                return Some(blocked_host(target, rule));
            }
        }
        None
    }

    /// The range that opens a closed address. A metadata service is opened by its exact address only.
    fn opening(&self, address: IpAddr, class: AddressClass) -> Option<CidrPattern> {
        match self.cidr_rule(address) {
            Some((Action::Allow, pattern)) if class != AddressClass::Metadata || pattern.is_one_address() => {
                Some(pattern)
            }
            _ => None,
        }
    }
}

fn allowed_host(target: &Target, rule: &HostRule) -> Decision {
    let reason = match rule.origin {
        Origin::Operator => format!("{target} is allowed by the rule for {}", rule.pattern),
        Origin::Preset { preset, reason } => format!("{target} is allowed by preset {preset} ({reason})"),
    };
    Decision::allowed(rule.as_rule(), reason)
}

fn blocked_host(target: &Target, rule: &HostRule) -> Decision {
    Decision::denied(rule.as_rule(), format!("{target} is blocked by the rule for {}", rule.pattern), None)
}

fn ports(rule: &HostRule) -> String {
    match rule.pattern.port {
        Some(port) => format!("port {port} only"),
        None => "ports 80 and 443 only".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_public_address_of_this_host_is_closed_like_a_private_one() {
        let judge = |allow_cidrs: &[&str], target: &str| {
            let allow_cidrs = allow_cidrs.iter().map(|range| range.parse().unwrap()).collect();
            let policy = CompiledPolicy::new(&NetworkPolicy { allow_cidrs, ..NetworkPolicy::default() });
            let address = "93.184.215.14".parse().unwrap();
            policy.judge_in_class(&target.parse().unwrap(), address, AddressClass::ThisHost)
        };
        for target in ["a.test:443", "93.184.215.14:443"] {
            assert_eq!(judge(&[], target).rule, Rule::Closed(AddressClass::ThisHost));
            assert!(judge(&["93.184.215.14/32"], target).is_allowed());
        }
    }
}
