//! Patterns of guarded paths that a sandbox may write all the same (`guard.allow`, `--allow-write`).

use std::path::Path;

use super::list::GUARDED;
use crate::error::{Error, Result};

/// More patterns than anybody writes by hand.
const MAX_PATTERNS: usize = 256;

/// Refuses patterns that mean nothing, or less than whoever wrote them believes.
pub(crate) fn check(patterns: &[String]) -> Result<()> {
    if patterns.len() > MAX_PATTERNS {
        return Err(Error::invalid("guard.allow", patterns.len(), "at most 256 patterns are accepted"));
    }
    for pattern in patterns {
        let refuse = |why: &str| Err(Error::invalid("guard.allow", format!("{pattern:?}"), why));
        if pattern.is_empty() || pattern.contains('\0') || pattern.len() > 4096 {
            return refuse("is empty, too long or holds a NUL byte");
        }
        let hint = "write it relative to the workspace, as .vscode or **/.envrc";
        if pattern.starts_with('/') {
            return refuse("must be relative to the workspace").map_err(|error| error.with_hint(hint));
        }
        if segments(pattern).any(|part| part == "..") || segments(pattern).next().is_none() {
            return refuse("must name something within the workspace").map_err(|error| error.with_hint(hint));
        }
        let inside = |guarded: &&super::list::Guarded| {
            pattern.strip_prefix(guarded.path).is_some_and(|rest| rest.starts_with('/') && rest != "/" && rest != "/**")
        };
        if let Some(guarded) = GUARDED.iter().find(inside) {
            return refuse(&format!("{} is guarded as a whole, not file by file", guarded.path))
                .map_err(|error| error.with_hint(format!("allow '{}', or leave it guarded", guarded.path)));
        }
    }
    Ok(())
}

/// Whether a path, relative to the workspace, is one that may be written: a pattern names it, or something above it.
pub(crate) fn allows(patterns: &[String], path: &Path) -> bool {
    if patterns.is_empty() {
        return false;
    }
    let path = path.to_string_lossy();
    let path: Vec<&str> = segments(&path).collect();
    patterns.iter().any(|pattern| matches(&segments(pattern).collect::<Vec<_>>(), &path))
}

fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|part| !part.is_empty() && *part != ".")
}

fn matches(pattern: &[&str], path: &[&str]) -> bool {
    match (pattern, path) {
        // What lies below a named directory is named with it.
        ([], _) => true,
        ([only], []) => *only == "**",
        (_, []) => false,
        (["**", rest @ ..], [_, below @ ..]) => matches(rest, path) || matches(pattern, below),
        ([first, rest @ ..], [name, below @ ..]) => {
            segment_matches(first.as_bytes(), name.as_bytes()) && matches(rest, below)
        }
    }
}

/// `*` is any text and `?` any byte of one name. Backtracks to the last star only, so no pattern takes long.
fn segment_matches(pattern: &[u8], name: &[u8]) -> bool {
    let (mut at, mut seen) = (0, 0);
    let mut star = None;
    while seen < name.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, seen));
                at += 1;
            }
            Some(&byte) if byte == b'?' || Some(&byte) == name.get(seen) => {
                at += 1;
                seen += 1;
            }
            _ => match star {
                Some((place, from)) => {
                    at = place + 1;
                    seen = from + 1;
                    star = Some((place, seen));
                }
                None => return false,
            },
        }
    }
    pattern.get(at..).is_some_and(|rest| rest.iter().all(|byte| *byte == b'*'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_name_paths_and_what_lies_below() {
        let cases = [
            (".vscode", ".vscode", true),
            (".vscode/", ".vscode", true),
            (".vscode/**", ".vscode", true),
            (".vscode", ".vscode/tasks.json", true),
            (".vscode", "sub/.vscode", false),
            ("**/.vscode", "sub/.vscode", true),
            ("**/.vscode", ".vscode", true),
            ("packages/*/.envrc", "packages/a/.envrc", true),
            ("packages/*/.envrc", "packages/a/b/.envrc", false),
            ("**", "anything/at/all", true),
            (".v*e", ".vscode", true),
            (".v*x", ".vscode", false),
            (".mcp.jso?", ".mcp.json", true),
        ];
        for (pattern, path, expected) in cases {
            assert_eq!(allows(&[pattern.to_owned()], Path::new(path)), expected, "{pattern} {path}");
        }
    }

    #[test]
    fn patterns_without_meaning_are_refused() {
        for pattern in ["", "/etc", "../x", "a/../../x", "./", ".vscode/tasks.json", "a\0b"] {
            let error = check(&[pattern.to_owned()]).unwrap_err();
            assert_eq!(error.code(), crate::ErrorCode::InvalidArgument, "{pattern:?}");
        }
        assert!(check(&[".vscode".into(), "**/.envrc".into(), ".husky/".into(), ".claude/**".into()]).is_ok());
    }
}
