//! Names that callers choose, parsed once at the edge.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorCode, Result};

/// The longest sandbox name, so that it is valid on every backend (a DNS label).
const MAX_LEN: usize = 63;

/// The name of a sandbox: `[A-Za-z0-9][A-Za-z0-9.-]{0,61}[A-Za-z0-9]`, and not `default`.
///
/// The pattern is what Docker's two sandbox dialects both accept, so that one name works on every backend.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SandboxName(String);

impl SandboxName {
    /// Parses a name; what does not fit is refused, never cut.
    pub fn parse(name: impl AsRef<str>) -> Result<Self> {
        let name = name.as_ref();
        check(name, "sandbox name", 2)?;
        if name == "default" {
            return Err(invalid("sandbox name", name, "is reserved"));
        }
        Ok(Self(name.to_owned()))
    }

    /// The name of a loop's sandbox: exactly `loop-{loopId}-{tool}`.
    pub fn of_loop(loop_id: &LoopId, agent: &AgentName) -> Result<Self> {
        let name = format!("loop-{loop_id}-{agent}");
        Self::parse(&name).map_err(|error| {
            error.with_hint(format!(
                "the sandbox of a loop is named loop-{{loopId}}-{{tool}}; use a loop id of at most {} characters",
                MAX_LEN - "loop--".len() - agent.as_str().len()
            ))
        })
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The id of an agent loop, any text that makes a valid sandbox name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LoopId(String);

impl LoopId {
    /// Parses a loop id: the characters of a sandbox name.
    pub fn parse(id: impl AsRef<str>) -> Result<Self> {
        check(id.as_ref(), "loop id", 1)?;
        Ok(Self(id.as_ref().to_owned()))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The name of an agent: `claude`, `codex`, `shell`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AgentName(String);

impl AgentName {
    /// Parses the name of an agent for which there is a profile.
    pub fn parse(name: impl AsRef<str>) -> Result<Self> {
        let name = name.as_ref();
        if crate::agent::AgentProfile::find(name).is_some() {
            return Ok(Self(name.to_owned()));
        }
        let known: Vec<_> = crate::agent::AgentProfile::all().iter().map(|profile| profile.name).collect();
        Err(invalid("agent", name, "is not an agent that loopbox knows")
            .with_hint(format!("use one of: {}", known.join(", "))))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn check(name: &str, what: &str, min: usize) -> Result<()> {
    let inner = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '-';
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    if name.len() < min {
        return Err(invalid(what, name, &format!("needs at least {min} characters")));
    }
    if name.len() > MAX_LEN {
        return Err(invalid(what, name, &format!("has {} characters, at most {MAX_LEN} are allowed", name.len())));
    }
    if !name.chars().all(inner) || !edge(name.chars().next()) || !edge(name.chars().last()) {
        return Err(invalid(what, name, "may hold letters, digits, '.' and '-', with a letter or digit at each end"));
    }
    Ok(())
}

fn invalid(what: &str, value: &str, why: &str) -> Error {
    // A hostile or mistaken value may be huge or hold escape codes: show it shortened and escaped.
    let shown: String = value.chars().take(80).flat_map(char::escape_debug).collect();
    Error::new(ErrorCode::InvalidName, format!("{what} '{shown}' {why}"))
}

macro_rules! text_name {
    ($($name:ident),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = Error;
            fn try_from(text: String) -> Result<Self> {
                Self::parse(text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }
    )*};
}

text_name!(SandboxName, LoopId, AgentName);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_every_backend_accepts() {
        for name in ["ab", "a.b-c", "loop-loop-mlqojz0v-7nnrle-claude", &"a".repeat(63)] {
            assert_eq!(SandboxName::parse(name).unwrap().as_str(), name);
        }
    }

    #[test]
    fn names_that_are_refused() {
        for name in ["", "a", "../x", "a;id", "-a", "a-", ".a", "a_b", "ä1", "a b", "a\nb", "default", &"a".repeat(64)]
        {
            assert_eq!(SandboxName::parse(name).unwrap_err().code(), ErrorCode::InvalidName, "{name:?}");
        }
    }

    #[test]
    fn a_loop_id_too_long_for_a_name_is_refused_not_cut() {
        let agent = AgentName::parse("claude").unwrap();
        let longest = LoopId::parse("x".repeat(51)).unwrap();
        assert_eq!(SandboxName::of_loop(&longest, &agent).unwrap().as_str().len(), 63);
        let error = SandboxName::of_loop(&LoopId::parse("x".repeat(52)).unwrap(), &agent).unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidName);
        assert!(error.hint().unwrap().contains("at most 51 characters"));
    }

    #[test]
    fn the_doubled_prefix_is_right() {
        let name =
            SandboxName::of_loop(&LoopId::parse("loop-mlqojz0v-7nnrle").unwrap(), &AgentName::parse("codex").unwrap());
        assert_eq!(name.unwrap().as_str(), "loop-loop-mlqojz0v-7nnrle-codex");
    }

    #[test]
    fn an_unknown_agent_is_answered_with_the_known_ones() {
        let error = AgentName::parse("clod").unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidName);
        assert!(error.hint().unwrap().contains("claude, codex, shell"));
    }
}
