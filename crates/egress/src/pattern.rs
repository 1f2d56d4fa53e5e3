//! Patterns of rules: hosts with an optional port, and address ranges.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::{IpNet, Ipv4Net};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::host::{Host, HostError, parse_name, parse_port};

/// Which hosts a rule is about: `HOST`, `HOST:PORT`, `*.SUFFIX` (sub-domains only), `*`, each with an optional port.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HostPattern {
    pub(crate) hosts: Hosts,
    pub(crate) port: Option<u16>,
}

/// The host part of a [`HostPattern`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Hosts {
    Any,
    /// Every name that ends in a dot and this.
    Below(String),
    Exactly(Host),
}

impl HostPattern {
    /// The port the pattern names, if it names one.
    pub fn port(&self) -> Option<u16> {
        self.port
    }
}

impl FromStr for HostPattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        let fail = |kind| PatternError { value: text.to_owned(), kind };
        if text.contains("://") {
            return Err(fail(PatternErrorKind::Url));
        }
        if text.parse::<IpNet>().is_ok() {
            return Err(fail(PatternErrorKind::RangeAsHost));
        }
        let (host, port) = split_port(text).map_err(fail)?;
        let hosts = if host == "*" {
            Hosts::Any
        } else if let Some(suffix) = host.strip_prefix("*.") {
            let suffix = suffix.strip_suffix('.').unwrap_or(suffix);
            if suffix.contains('*') {
                return Err(fail(PatternErrorKind::Wildcard));
            }
            Hosts::Below(parse_name(suffix).map_err(|error| fail(PatternErrorKind::Host(error)))?)
        } else if host.contains('*') {
            return Err(fail(PatternErrorKind::Wildcard));
        } else {
            Hosts::Exactly(host.parse().map_err(|error| fail(PatternErrorKind::Host(error)))?)
        };
        Ok(Self { hosts, port })
    }
}

/// Splits off `:PORT`; the colons inside the brackets of an IPv6 address are none.
fn split_port(text: &str) -> Result<(&str, Option<u16>), PatternErrorKind> {
    let after_host = text.rfind(']').map_or(0, |bracket| bracket + 1);
    let Some(colon) = text[after_host..].find(':') else { return Ok((text, None)) };
    let (host, port) = text.split_at(after_host + colon);
    match parse_port(&port[1..]) {
        Some(port) => Ok((host, Some(port))),
        None if text.parse::<IpAddr>().is_ok() => Err(PatternErrorKind::Host(HostError::BareIpv6)),
        None => Err(PatternErrorKind::Port),
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.hosts {
            Hosts::Any => f.write_str("*")?,
            Hosts::Below(suffix) => write!(f, "*.{suffix}")?,
            Hosts::Exactly(host) => write!(f, "{host}")?,
        }
        match self.port {
            Some(port) => write!(f, ":{port}"),
            None => Ok(()),
        }
    }
}

/// A range of addresses: `ADDRESS/PREFIX`, or one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CidrPattern(IpNet);

impl CidrPattern {
    pub(crate) fn contains(self, address: IpAddr) -> bool {
        self.0.contains(&address)
    }

    pub(crate) fn prefix_len(self) -> u8 {
        self.0.prefix_len()
    }

    /// Whether the range is one address.
    pub(crate) fn is_one_address(self) -> bool {
        self.0.prefix_len() == self.0.max_prefix_len()
    }
}

impl From<IpAddr> for CidrPattern {
    /// The range of one address.
    fn from(address: IpAddr) -> Self {
        Self(IpNet::from(address.to_canonical()))
    }
}

impl FromStr for CidrPattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        let fail = |kind| PatternError { value: text.to_owned(), kind };
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(address.into());
        }
        let range: IpNet = text.parse().map_err(|_| fail(PatternErrorKind::Range))?;
        if range.trunc() != range {
            return Err(fail(PatternErrorKind::HostBits { range: range.trunc(), address: range.addr() }));
        }
        Ok(Self(unmapped(range)))
    }
}

/// A range inside `::ffff:0:0/96` as the IPv4 range it is, because addresses are judged in that form.
fn unmapped(range: IpNet) -> IpNet {
    let IpNet::V6(v6) = range else { return range };
    let Some(v4) = v6.addr().to_ipv4_mapped() else { return range };
    let Some(prefix) = v6.prefix_len().checked_sub(96) else { return range };
    Ipv4Net::new(v4, prefix).map_or(range, IpNet::V4)
}

impl fmt::Display for CidrPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A text that is no pattern: its value, why, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{value:?} is not a network rule: {kind}; {}", .kind.remedy())]
pub struct PatternError {
    value: String,
    kind: PatternErrorKind,
}

impl PatternError {
    pub(crate) fn policy(value: &str) -> Self {
        Self { value: value.to_owned(), kind: PatternErrorKind::Policy }
    }

    pub(crate) fn preset(value: &str) -> Self {
        Self { value: value.to_owned(), kind: PatternErrorKind::Preset }
    }

    /// The text as it was given.
    pub fn value(&self) -> &str {
        &self.value
    }

    /// What is wrong with it.
    pub fn kind(&self) -> PatternErrorKind {
        self.kind
    }

    /// What to write instead.
    pub fn remedy(&self) -> String {
        self.kind.remedy()
    }
}

/// Why a text is no pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PatternErrorKind {
    /// The host part is none.
    #[error("{0}")]
    Host(HostError),
    /// The part after the colon is no port.
    #[error("its port is not a number from 1 to 65535")]
    Port,
    /// A star somewhere else than as the whole first label.
    #[error("a star stands alone or before the first dot")]
    Wildcard,
    /// A URL where a host should be.
    #[error("it is a URL")]
    Url,
    /// An address range where a host should be.
    #[error("it is an address range")]
    RangeAsHost,
    /// Not an address range.
    #[error("it is not an address range")]
    Range,
    /// Neither `allow` nor `deny`.
    #[error("there is no such policy")]
    Policy,
    /// Not the name of a preset.
    #[error("there is no such preset")]
    Preset,
    /// A range whose address has bits below its prefix.
    #[error("the address has bits beyond the prefix")]
    HostBits {
        /// The range that the prefix gives.
        range: IpNet,
        /// The address as it was given.
        address: IpAddr,
    },
}

impl PatternErrorKind {
    fn remedy(self) -> String {
        match self {
            Self::Host(HostError::BareIpv6) => "write it as [::1] or [::1]:443".into(),
            Self::Host(HostError::NotAscii) => "write the name as DNS carries it, such as xn--bcher-kva.example".into(),
            Self::Host(_) => {
                "write a name (example.com), an address (192.0.2.1, [2001:db8::1]), *.example.com or *".into()
            }
            Self::Port => "write HOST or HOST:PORT, such as example.com:443".into(),
            Self::Wildcard => "write *.example.com for the sub-domains, or * for every name".into(),
            Self::Url => "leave out the scheme and the path: example.com or example.com:443".into(),
            Self::RangeAsHost => "use --allow-cidr or --block-cidr for ranges".into(),
            Self::Range => "write ADDRESS/PREFIX, such as 10.0.0.0/8 or fd00::/8, or one address".into(),
            Self::Policy => "write allow or deny".into(),
            Self::Preset => "write open, agents, dev or locked".into(),
            Self::HostBits { range, address } => {
                format!("write {range} for the range, or {address} for the one address")
            }
        }
    }
}

macro_rules! serde_as_string {
    ($($pattern:ty),*) => {$(
        impl Serialize for $pattern {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $pattern {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}

serde_as_string!(HostPattern, CidrPattern);
