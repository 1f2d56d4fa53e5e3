//! Names and addresses as a client or an operator writes them, parsed once.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// Longest name DNS can carry, in bytes without the trailing dot.
const MAX_NAME: usize = 253;
/// Longest label of a name, in bytes.
const MAX_LABEL: usize = 63;

/// Whom a client wants to reach.
///
/// Names are lower-case and without a trailing dot; addresses are canonical (IPv4 inside `::ffff:0:0/96` is IPv4).
/// A text that a resolver might read as an address but that is not written as one (`127.1`, `0x7f000001`,
/// `2130706433`, `0177.0.0.1`) is no host at all, so it cannot slip past the address rules as a name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Host {
    /// A name to be resolved.
    Name(String),
    /// An address, which is not resolved.
    Address(IpAddr),
    /// The loopback of the host that the sandbox runs on.
    HostLoopback(HostLoopbackAlias),
}

/// The two names of the host's loopback.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HostLoopbackAlias {
    /// `host.loopbox.internal`
    Loopbox,
    /// `host.docker.internal`
    Docker,
}

impl HostLoopbackAlias {
    /// The name itself.
    pub fn name(self) -> &'static str {
        match self {
            Self::Loopbox => "host.loopbox.internal",
            Self::Docker => "host.docker.internal",
        }
    }
}

impl Host {
    /// Whether both name the same place: the two aliases of the host's loopback do.
    pub(crate) fn is_same_place(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::HostLoopback(_), Self::HostLoopback(_)) => true,
            _ => self == other,
        }
    }

    /// The host as a name, if it has one.
    pub(crate) fn name(&self) -> Option<&str> {
        match self {
            Self::Name(name) => Some(name),
            Self::HostLoopback(alias) => Some(alias.name()),
            Self::Address(_) => None,
        }
    }
}

impl FromStr for Host {
    type Err = HostError;

    fn from_str(text: &str) -> Result<Self, HostError> {
        if let Some(inner) = text.strip_prefix('[') {
            let inner = inner.strip_suffix(']').ok_or(HostError::NotAName)?;
            let address: Ipv6Addr = inner.parse().map_err(|_| HostError::NotAnAddress)?;
            return Ok(Self::Address(IpAddr::V6(address).to_canonical()));
        }
        if text.parse::<Ipv6Addr>().is_ok() {
            return Err(HostError::BareIpv6);
        }
        let text = text.strip_suffix('.').unwrap_or(text);
        if let Ok(address) = text.parse::<Ipv4Addr>() {
            return Ok(Self::Address(address.into()));
        }
        let name = parse_name(text)?;
        Ok(match name.as_str() {
            "host.loopbox.internal" => Self::HostLoopback(HostLoopbackAlias::Loopbox),
            "host.docker.internal" => Self::HostLoopback(HostLoopbackAlias::Docker),
            _ => Self::Name(name),
        })
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Address(IpAddr::V4(address)) => write!(f, "{address}"),
            Self::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
            Self::HostLoopback(alias) => f.write_str(alias.name()),
        }
    }
}

/// Lower-cases a name and checks that it can be one. The trailing dot is already gone.
pub(crate) fn parse_name(text: &str) -> Result<String, HostError> {
    if text.is_empty() || text.len() > MAX_NAME {
        return Err(HostError::NotAName);
    }
    if !text.is_ascii() {
        return Err(HostError::NotAscii);
    }
    for label in text.split('.') {
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if label.is_empty() || label.len() > MAX_LABEL || !label.bytes().all(legal) {
            return Err(HostError::NotAName);
        }
    }
    if ends_in_number(text) {
        return Err(HostError::NumberAsName);
    }
    Ok(text.to_ascii_lowercase())
}

/// Whether resolvers would take the text for an IPv4 address in one of its odd spellings.
fn ends_in_number(text: &str) -> bool {
    let last = text.rsplit('.').next().unwrap_or(text);
    let hex = last.strip_prefix("0x").or_else(|| last.strip_prefix("0X"));
    match hex {
        Some(digits) => digits.bytes().all(|byte| byte.is_ascii_hexdigit()),
        None => last.bytes().all(|byte| byte.is_ascii_digit()),
    }
}

/// Why a text is not a [`Host`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HostError {
    /// It breaks the grammar of names: empty, too long, or with characters that names do not have.
    #[error("it is not a host name")]
    NotAName,
    /// It has brackets and no IPv6 address inside.
    #[error("there is no IPv6 address in the brackets")]
    NotAnAddress,
    /// It is an IPv6 address without brackets.
    #[error("an IPv6 address is written in brackets")]
    BareIpv6,
    /// It is a number where a name or a dotted address should be.
    #[error("it is neither a name nor an address in its usual form (such as 192.0.2.1)")]
    NumberAsName,
    /// It holds characters outside ASCII.
    #[error("a name with other than ASCII letters is written in its xn-- form")]
    NotAscii,
}

/// A host and the port to reach it at.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Target {
    /// Whom to reach.
    pub host: Host,
    /// The TCP port, never 0.
    pub port: u16,
}

impl Target {
    /// The target of `host` and `port`; port 0 is none.
    pub fn new(host: &str, port: u16) -> Result<Self, TargetError> {
        if port == 0 {
            return Err(TargetError::Port);
        }
        Ok(Self { host: host.parse()?, port })
    }
}

impl FromStr for Target {
    type Err = TargetError;

    /// Parses `HOST:PORT`, with an IPv6 address in brackets.
    fn from_str(text: &str) -> Result<Self, TargetError> {
        let (host, port) = text.rsplit_once(':').ok_or(TargetError::Port)?;
        Self::new(host, parse_port(port).ok_or(TargetError::Port)?)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// A port in plain decimal digits; `u16::from_str` would take a sign too.
pub(crate) fn parse_port(text: &str) -> Option<u16> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok().filter(|port| *port != 0)
}

/// Why a text is not a [`Target`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TargetError {
    /// The host is none.
    #[error(transparent)]
    Host(#[from] HostError),
    /// The port is missing, 0, or no number up to 65535.
    #[error("it needs a port from 1 to 65535")]
    Port,
}
