//! Which paths may be in an index.

/// Characters that HFS+ leaves out when it compares names.
const IGNORED_BY_HFS: [std::ops::RangeInclusive<char>; 5] = [
    '\u{200c}'..='\u{200f}',
    '\u{202a}'..='\u{202e}',
    '\u{206a}'..='\u{206f}',
    '\u{feff}'..='\u{feff}',
    '\u{00ad}'..='\u{00ad}',
];

/// Why that path may not be there, if it may not.
pub(in super::super) fn problem(path: &[u8], symlink: bool) -> Option<&'static str> {
    if path.is_empty() || path.starts_with(b"/") || path.contains(&0) {
        return Some("which is no path of a working tree");
    }
    // A backslash separates elsewhere, so what lies between two must be harmless too. The name itself is fine: systemd
    // units have them.
    for name in path.split(|byte| matches!(byte, b'/' | b'\\')) {
        if matches!(name, b"." | b"..") {
            return Some("which leads elsewhere");
        }
        if name.is_empty() && !path.contains(&b'\\') {
            return Some("which is no path of a working tree");
        }
        if is_git(name) {
            return Some("which is a part of the repository itself");
        }
    }
    let last = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    (symlink && stands_for(last, ".gitmodules")).then_some("which git does not follow through a link")
}

/// Whether some file system takes that name for `.git`.
fn is_git(name: &[u8]) -> bool {
    if stands_for(name, ".git") {
        return true;
    }
    // The short name that Windows gives it.
    let name = without_stream(name);
    name.split_at_checked(4).is_some_and(|(start, number)| {
        start.eq_ignore_ascii_case(b"git~") && !number.is_empty() && number.iter().all(u8::is_ascii_digit)
    })
}

fn stands_for(name: &[u8], wanted: &str) -> bool {
    let text = String::from_utf8_lossy(name);
    let seen: String = text.chars().filter(|c| !IGNORED_BY_HFS.iter().any(|ignored| ignored.contains(c))).collect();
    without_stream(seen.as_bytes()).eq_ignore_ascii_case(wanted.as_bytes())
}

/// NTFS leaves out dots and spaces at the end, and knows what follows a colon as a part of the same file.
fn without_stream(name: &[u8]) -> &[u8] {
    let name = name.split(|byte| *byte == b':').next().unwrap_or_default();
    let end = name.iter().rposition(|byte| !matches!(byte, b' ' | b'.')).map_or(0, |last| last + 1);
    &name[..end]
}

/// Whether `git check-ref-format` accepts that as a part of a ref's name.
pub(in super::super) fn is_ref_component(name: &str) -> bool {
    let forbidden = |c: char| c.is_ascii_control() || matches!(c, ' ' | '~' | '^' | ':' | '?' | '*' | '[' | '\\');
    !name.is_empty()
        && !name.starts_with('.')
        && std::path::Path::new(name).extension().is_none_or(|extension| extension != "lock")
        && !name.ends_with('.')
        && !name.contains("..")
        && !name.contains("@{")
        && !name.contains(forbidden)
}
