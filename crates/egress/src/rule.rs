//! Rules as they are judged and shown.

use std::fmt;
use std::net::IpAddr;

use crate::address::AddressClass;
use crate::host::{Host, HostError, Target};
use crate::pattern::{CidrPattern, HostPattern, Hosts};
use crate::policy::DefaultVerdict;
use crate::preset::Preset;

/// The rule that decided.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rule {
    /// A rule for hosts.
    Host {
        /// What it does.
        action: Action,
        /// What it is about.
        pattern: HostPattern,
        /// Who made it.
        origin: Origin,
    },
    /// A rule for addresses.
    Cidr {
        /// What it does.
        action: Action,
        /// What it is about.
        pattern: CidrPattern,
    },
    /// No rule named the host.
    Default(DefaultVerdict),
    /// The address belongs to a range that is closed unless a rule opens it.
    Closed(AddressClass),
    /// The host's loopback is closed unless a rule names it with the port.
    HostLoopback,
    /// What was asked for is no host.
    NotAHost(HostError),
}

/// What a rule does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// It allows.
    Allow,
    /// It blocks.
    Block,
}

/// Who made a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// The operator, in the policy's lists.
    Operator,
    /// A preset.
    Preset {
        /// Which.
        preset: Preset,
        /// Why the rule is in it.
        reason: &'static str,
    },
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host { action, pattern, origin: Origin::Operator } => write!(f, "--{action}-host {pattern}"),
            Self::Host { action, pattern, origin: Origin::Preset { preset, .. } } => {
                write!(f, "preset {preset}: {action} {pattern}")
            }
            Self::Cidr { action, pattern } => write!(f, "--{action}-cidr {pattern}"),
            Self::Default(verdict) => write!(f, "--policy {verdict}"),
            Self::Closed(class) => write!(f, "built in: {class} addresses are closed"),
            Self::HostLoopback => f.write_str("built in: the host's loopback is closed"),
            Self::NotAHost(_) => f.write_str("built in: only names and plain addresses are hosts"),
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Allow => "allow",
            Self::Block => "block",
        })
    }
}

/// A host rule in the form that is searched.
#[derive(Debug, Clone)]
pub(crate) struct HostRule {
    pub(crate) action: Action,
    pub(crate) pattern: HostPattern,
    pub(crate) origin: Origin,
}

/// How narrow a rule is; greater wins. Of equals, the block comes last and so is the maximum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Specificity {
    hosts: HostSpecificity,
    names_port: bool,
    blocks: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum HostSpecificity {
    Any,
    /// By the number of labels of the suffix.
    Below(usize),
    Exactly,
}

impl HostRule {
    pub(crate) fn specificity(&self) -> Specificity {
        Specificity {
            hosts: match &self.pattern.hosts {
                Hosts::Any => HostSpecificity::Any,
                Hosts::Below(suffix) => HostSpecificity::Below(suffix.split('.').count()),
                Hosts::Exactly(_) => HostSpecificity::Exactly,
            },
            names_port: self.pattern.port.is_some(),
            blocks: self.action == Action::Block,
        }
    }

    pub(crate) fn covers(&self, target: &Target) -> bool {
        self.covers_host(&target.host) && self.covers_port(target)
    }

    /// Whether the rule is about the host, at whatever port.
    ///
    /// An allow rule with a star is about names: an address needs a rule of its own. A block may be wider than meant,
    /// never narrower, so a star blocks addresses too.
    pub(crate) fn covers_host(&self, host: &Host) -> bool {
        match (&self.pattern.hosts, host) {
            (Hosts::Exactly(exactly), host) => exactly.is_same_place(host),
            (Hosts::Any, Host::Name(_)) => true,
            (Hosts::Any, Host::Address(_) | Host::HostLoopback(_)) => self.action == Action::Block,
            (Hosts::Below(suffix), host) => {
                let reach = self.action == Action::Block || matches!(host, Host::Name(_));
                reach && host.name().is_some_and(|name| is_below(name, suffix))
            }
        }
    }

    fn covers_port(&self, target: &Target) -> bool {
        match (self.pattern.port, self.action) {
            (Some(port), _) => port == target.port,
            (None, Action::Block) => true,
            (None, Action::Allow) => !matches!(target.host, Host::HostLoopback(_)) && is_web_port(target.port),
        }
    }

    /// Whether the rule blocks this address, whatever name led to it.
    pub(crate) fn blocks_address(&self, address: IpAddr, port: u16) -> bool {
        self.action == Action::Block
            && self.pattern.hosts == Hosts::Exactly(Host::Address(address))
            && self.pattern.port.is_none_or(|own| own == port)
    }

    pub(crate) fn as_rule(&self) -> Rule {
        Rule::Host { action: self.action, pattern: self.pattern.clone(), origin: self.origin }
    }
}

/// The ports that an allow rule without a port covers.
pub(crate) fn is_web_port(port: u16) -> bool {
    matches!(port, 80 | 443)
}

fn is_below(name: &str, suffix: &str) -> bool {
    name.strip_suffix(suffix).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
}
