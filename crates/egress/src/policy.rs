//! The egress policy as data.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::pattern::{CidrPattern, HostPattern, PatternError};
use crate::preset::Preset;

/// What a sandbox may reach. The default allows public addresses and nothing else.
///
/// Serialised in camelCase; absent fields have their defaults.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct NetworkPolicy {
    /// The verdict on hosts that no rule names.
    pub policy: DefaultVerdict,
    /// A named set of rules, in addition to the lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preset: Option<Preset>,
    /// Hosts that are allowed; without a port, at ports 80 and 443.
    pub allow_hosts: Vec<HostPattern>,
    /// Hosts that are blocked; without a port, at every port.
    pub block_hosts: Vec<HostPattern>,
    /// Address ranges that are open.
    pub allow_cidrs: Vec<CidrPattern>,
    /// Address ranges that are blocked, at every port.
    pub block_cidrs: Vec<CidrPattern>,
}

/// The verdict on hosts that no rule names.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DefaultVerdict {
    /// Public addresses are reachable, at every port.
    #[default]
    Allow,
    /// Nothing is reachable.
    Deny,
}

impl fmt::Display for DefaultVerdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
        })
    }
}

impl FromStr for DefaultVerdict {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        match text {
            "allow" => Ok(Self::Allow),
            "deny" => Ok(Self::Deny),
            _ => Err(PatternError::policy(text)),
        }
    }
}
