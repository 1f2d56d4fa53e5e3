//! HEAD and its kin, and packed refs: what is accepted of them, and how two changes become one.

use std::collections::BTreeMap;

use super::index::{Hash, Refused, is_ref_component};

/// Refs by name.
pub(super) type Refs = BTreeMap<String, Packed>;

/// What a line of packed refs says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Packed {
    object: String,
    /// What a tag points to, if the line says so.
    peeled: Option<String>,
}

/// Whether that is what `git symbolic-ref HEAD` or a detached head would be.
pub(super) fn check_head(text: &[u8], hash: Hash) -> Result<(), Refused> {
    let text = std::str::from_utf8(text).unwrap_or_default();
    let line = text.strip_suffix('\n').unwrap_or(text);
    let branch = line.strip_prefix("ref: refs/heads/").is_some_and(is_ref_path);
    if branch || is_object(line, hash) { Ok(()) } else { Err(Refused("names neither a branch nor a commit".into())) }
}

/// Whether that is nothing but object ids, a line each.
pub(super) fn check_objects(text: &[u8], hash: Hash) -> Result<(), Refused> {
    let text = std::str::from_utf8(text).unwrap_or_default();
    let mut lines = text.lines().peekable();
    if lines.peek().is_some() && lines.all(|line| is_object(line, hash)) {
        Ok(())
    } else {
        Err(Refused("is not a list of commits".into()))
    }
}

fn is_object(text: &str, hash: Hash) -> bool {
    text.len() == 2 * hash.size() && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn is_ref_path(path: &str) -> bool {
    path.len() < 4096 && path.split('/').all(is_ref_component)
}

/// Reads packed refs; every line must be one that git writes.
pub(super) fn parse_packed(bytes: &[u8], hash: Hash) -> Result<Refs, Refused> {
    let refuse = |line: usize| Refused(format!("has a line that git did not write: {}", line + 1));
    let text = std::str::from_utf8(bytes).map_err(|_| Refused("is not text".into()))?;
    let mut refs = Refs::new();
    let mut last: Option<&str> = None;
    for (number, line) in text.split_terminator('\n').enumerate() {
        if line.starts_with('#') {
            continue;
        }
        if let Some(peeled) = line.strip_prefix('^') {
            let tag = last.take().and_then(|last| refs.get_mut(last)).ok_or_else(|| refuse(number))?;
            if !is_object(peeled, hash) {
                return Err(refuse(number));
            }
            tag.peeled = Some(peeled.to_owned());
            continue;
        }
        let (object, name) = line.split_once(' ').ok_or_else(|| refuse(number))?;
        let valid = is_object(object, hash) && name.strip_prefix("refs/").is_some_and(is_ref_path);
        if !valid || refs.contains_key(name) {
            return Err(refuse(number));
        }
        refs.insert(name.to_owned(), Packed { object: object.to_owned(), peeled: None });
        last = Some(name);
    }
    Ok(refs)
}

/// Writes packed refs. The header does not promise that all tags are peeled, so git looks where nothing is said.
pub(super) fn write_packed(refs: &Refs) -> Vec<u8> {
    let mut text = String::from("# pack-refs with: sorted \n");
    for (name, packed) in refs {
        text.push_str(&packed.object);
        text.push(' ');
        text.push_str(name);
        text.push('\n');
        if let Some(peeled) = &packed.peeled {
            text.push('^');
            text.push_str(peeled);
            text.push('\n');
        }
    }
    text.into_bytes()
}

/// What the refs are, whatever a file says beside; absent if there are none, as if there were no file.
pub(super) fn digest(refs: &Refs) -> Option<String> {
    use sha2::{Digest, Sha256};
    let mut digest = Sha256::new();
    for (name, packed) in refs {
        digest.update(format!("{} {name}\n", packed.object));
    }
    (!refs.is_empty()).then(|| crate::fs::to_hex(&digest.finalize()))
}

/// The host's refs with what the sandbox changed in its own since both were `base`; and the refs that both changed, of
/// which the host's are kept.
pub(super) fn merge(base: &Refs, host: &Refs, sandbox: &Refs) -> (Refs, Vec<String>) {
    let object = |refs: &Refs, name: &str| refs.get(name).map(|packed| packed.object.clone());
    let mut merged = host.clone();
    let mut conflicts = Vec::new();
    for name in base.keys().chain(sandbox.keys().filter(|name| !base.contains_key(*name))) {
        let (was, is, wanted) = (object(base, name), object(host, name), object(sandbox, name));
        if wanted == was || wanted == is {
            continue;
        }
        if is != was {
            conflicts.push(name.clone());
            continue;
        }
        match wanted {
            // What a tag of the sandbox's points to is for git to find out.
            Some(object) => drop(merged.insert(name.clone(), Packed { object, peeled: None })),
            None => drop(merged.remove(name)),
        }
    }
    (merged, conflicts)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn refs(pairs: &[(&str, char)]) -> Refs {
        pairs
            .iter()
            .map(|(name, object)| {
                (format!("refs/heads/{name}"), Packed { object: object.to_string().repeat(40), peeled: None })
            })
            .collect()
    }

    #[test]
    fn changes_of_both_sides_become_one() {
        let base = refs(&[("a", '1'), ("b", '1'), ("c", '1'), ("d", '1')]);
        let host = refs(&[("a", '2'), ("b", '1'), ("c", '2'), ("d", '1'), ("h", '5')]);
        let sandbox = refs(&[("a", '1'), ("b", '3'), ("c", '3'), ("s", '4')]);
        let (merged, conflicts) = merge(&base, &host, &sandbox);
        assert_eq!(merged, refs(&[("a", '2'), ("b", '3'), ("c", '2'), ("h", '5'), ("s", '4')]));
        assert_eq!(conflicts, ["refs/heads/c"]);
        assert_eq!(merge(&base, &merged, &merged), (merged.clone(), vec![]), "once more changes nothing");
    }

    #[test]
    fn lines_that_git_does_not_write_are_refused() {
        let object = "a".repeat(40);
        let good = format!("# pack-refs with: peeled\n{object} refs/heads/a\n{object} refs/tags/t\n^{object}\n");
        assert_eq!(parse_packed(good.as_bytes(), Hash::Sha1).unwrap().len(), 2);
        for line in [
            format!("{object} HEAD"),
            format!("{object} refs/heads/../../config"),
            format!("{object} refs/heads/a.lock"),
            format!("{object} refs/heads/a b"),
            format!("{object} refs/heads/"),
            format!("{object}\trefs/heads/a"),
            format!("{object}0 refs/heads/a"),
            format!("^{object}"),
            format!("{object} refs/heads/a\n{object} refs/heads/a"),
            "x".to_owned(),
            String::new(),
        ] {
            assert!(parse_packed(format!("{line}\n").as_bytes(), Hash::Sha1).is_err(), "{line}");
        }
    }

    #[test]
    fn heads_are_branches_or_commits() {
        let commit = "0123456789".repeat(4);
        for good in ["ref: refs/heads/main\n", "ref: refs/heads/a/b", &commit] {
            assert_eq!(check_head(good.as_bytes(), Hash::Sha1), Ok(()), "{good}");
        }
        for bad in
            ["ref: refs/heads/../../x", "ref: refs/tags/x", "ref: /etc/passwd", "", "ref: refs/heads/a\nb", "abc"]
        {
            assert!(check_head(bad.as_bytes(), Hash::Sha1).is_err(), "{bad}");
        }
        assert!(check_head(commit.as_bytes(), Hash::Sha256).is_err());
        assert_eq!(check_objects(format!("{commit}\n{commit}\n").as_bytes(), Hash::Sha1), Ok(()));
        for bad in ["", "x\n", "\n"] {
            assert!(check_objects(bad.as_bytes(), Hash::Sha1).is_err());
        }
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_much(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            drop(parse_packed(&bytes, Hash::Sha1));
            drop(check_head(&bytes, Hash::Sha1));
            drop(check_objects(&bytes, Hash::Sha256));
        }

        #[test]
        fn what_is_written_is_read(names in proptest::collection::btree_set("[a-z]{1,5}(/[a-z]{1,5})?", 0..9)) {
            let names: Vec<(&str, char)> = names.iter().map(|name| (name.as_str(), '7')).collect();
            let refs = refs(&names);
            prop_assert_eq!(parse_packed(&write_packed(&refs), Hash::Sha1).unwrap(), refs);
        }
    }
}
