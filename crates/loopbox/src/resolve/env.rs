//! Variables from `-e` and `--env-file`, as docker reads them.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use loopbox_core::{Error, Result};

use crate::failure::invalid;
use crate::output;

/// One `-e`: `K=V` sets a value, `K` alone copies the caller's, if there is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum EnvArg {
    Set(OsString, OsString),
    Copy(OsString),
}

impl From<OsString> for EnvArg {
    fn from(text: OsString) -> Self {
        let bytes = text.as_bytes();
        match bytes.iter().position(|&byte| byte == b'=') {
            Some(at) => Self::Set(OsStr::from_bytes(&bytes[..at]).into(), OsStr::from_bytes(&bytes[at + 1..]).into()),
            None => Self::Copy(text),
        }
    }
}

impl EnvArg {
    /// The name and, unless the caller has none to copy, the value.
    fn resolve(self, caller: impl Fn(&OsStr) -> Option<OsString>) -> Result<Option<(OsString, OsString)>> {
        let (name, value) = match self {
            Self::Set(name, value) => (name, Some(value)),
            Self::Copy(name) => {
                let value = caller(&name);
                (name, value)
            }
        };
        if name.is_empty() {
            return Err(invalid("a variable without a name").with_hint("write -e NAME=VALUE or -e NAME"));
        }
        Ok(value.map(|value| (name, value)))
    }
}

/// All variables: files first, then flags, the later one wins.
pub(crate) fn variables(args: Vec<EnvArg>, files: &[PathBuf]) -> Result<BTreeMap<OsString, OsString>> {
    warn_of_visible_credentials(&args);
    let caller = |name: &OsStr| std::env::var_os(name);
    let mut all = BTreeMap::new();
    for file in files {
        for entry in read_file(file)? {
            all.extend(entry.resolve(caller)?);
        }
    }
    for arg in args {
        all.extend(arg.resolve(caller)?);
    }
    Ok(all)
}

/// As [`variables`], for what is recorded as text.
pub(crate) fn text_variables(args: Vec<EnvArg>, files: &[PathBuf]) -> Result<BTreeMap<String, String>> {
    let text = |value: OsString, name: &OsStr| {
        value.into_string().map_err(|_| invalid(format!("the variable {} is not UTF-8", name.display())))
    };
    variables(args, files)?
        .into_iter()
        .map(|(name, value)| Ok((text(name.clone(), &name)?, text(value, &name)?)))
        .collect()
}

fn read_file(path: &Path) -> Result<Vec<EnvArg>> {
    let bytes = std::fs::read(path).map_err(|error| Error::io(format!("reading {}", path.display()), error))?;
    parse_file(&bytes).map_err(|line| {
        invalid(format!("{}: line {line}: a variable's name holds no spaces", path.display()))
            .with_hint("write NAME=VALUE, or NAME to copy the caller's value; lines that begin with # are ignored")
    })
}

/// The variables of a file, or the number of the first line that is not one.
fn parse_file(bytes: &[u8]) -> Result<Vec<EnvArg>, usize> {
    let mut entries = Vec::new();
    for (index, line) in bytes.split(|&byte| byte == b'\n').enumerate() {
        let line = line.strip_suffix(b"\r").unwrap_or(line).trim_ascii_start();
        if line.is_empty() || line.starts_with(b"#") {
            continue;
        }
        let entry = EnvArg::from(OsString::from_vec(line.to_vec()));
        let (EnvArg::Set(name, _) | EnvArg::Copy(name)) = &entry;
        if name.as_bytes().iter().any(u8::is_ascii_whitespace) {
            return Err(index + 1);
        }
        entries.push(entry);
    }
    Ok(entries)
}

/// A value typed into the command line can be read by every process of the machine.
fn warn_of_visible_credentials(args: &[EnvArg]) {
    let typed = args.iter().find_map(|arg| match arg {
        EnvArg::Set(name, value) if !value.is_empty() && looks_like_a_credential(name) => Some(name),
        _ => None,
    });
    if let Some(name) = typed {
        let name = name.display();
        output::warning(
            format!("the value of {name} can be read in the process list while this runs"),
            Some(&format!("export {name} and pass -e {name} without the value")),
        );
    }
}

fn looks_like_a_credential(name: &OsStr) -> bool {
    const WORDS: [&str; 6] = ["TOKEN", "SECRET", "PASSWORD", "PASSWD", "CREDENTIAL", "KEY"];
    let name = name.to_string_lossy().to_ascii_uppercase();
    name.split('_').any(|part| WORDS.iter().any(|word| part == *word || part == format!("{word}S")))
        || name.contains("APIKEY")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(name: &str, value: &str) -> EnvArg {
        EnvArg::Set(name.into(), value.into())
    }

    #[test]
    fn a_value_may_hold_equals_signs_and_be_empty() {
        assert_eq!(EnvArg::from(OsString::from("A=b=c")), set("A", "b=c"));
        assert_eq!(EnvArg::from(OsString::from("A=")), set("A", ""));
        assert_eq!(EnvArg::from(OsString::from("A")), EnvArg::Copy("A".into()));
    }

    #[test]
    fn a_name_alone_copies_the_callers_value_if_there_is_one() {
        let caller = |name: &OsStr| (name == "HAS").then(|| OsString::from("it"));
        let resolved = EnvArg::Copy("HAS".into()).resolve(caller).unwrap();
        assert_eq!(resolved, Some(("HAS".into(), "it".into())));
        assert_eq!(EnvArg::Copy("HAS_NOT".into()).resolve(caller).unwrap(), None);
        assert!(set("", "x").resolve(caller).is_err());
    }

    #[test]
    fn a_file_is_read_as_docker_reads_it() {
        let text = b"# comment\n\nA=1 2 \r\n  B=x=y\nC\nD=#no comment";
        let expected = [set("A", "1 2 "), set("B", "x=y"), EnvArg::Copy("C".into()), set("D", "#no comment")];
        assert_eq!(parse_file(text), Ok(expected.to_vec()));
        assert_eq!(parse_file(b"A=1\nB C=2\n"), Err(2));
    }

    #[test]
    fn names_of_credentials() {
        for name in ["CLAUDE_CODE_OAUTH_TOKEN", "OPENAI_API_KEY", "db_password", "AWS_SECRET_ACCESS_KEY", "GH_TOKENS"] {
            assert!(looks_like_a_credential(OsStr::new(name)), "{name}");
        }
        for name in ["NODE_ENV", "KEYBOARD", "TOKENIZER", "MONKEY"] {
            assert!(!looks_like_a_credential(OsStr::new(name)), "{name}");
        }
    }
}
