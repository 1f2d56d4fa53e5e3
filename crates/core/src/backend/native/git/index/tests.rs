use std::fs;
use std::path::Path;
use std::process::Command;

use proptest::prelude::*;

use super::*;

fn entry(path: &str) -> Entry {
    Entry {
        path: path.into(),
        stage: 0,
        mode: 0o100_644,
        object: vec![7; 20],
        seen: Seen { before_mode: [1; 24], after_mode: [2; 12] },
        assume_valid: false,
        skip_worktree: false,
        intent_to_add: false,
    }
}

fn index(version: u32, mut entries: Vec<Entry>) -> Index {
    entries.sort_by(|a, b| a.order().cmp(&b.order()));
    Index { version, hash: Hash::Sha1, entries, extensions: Vec::new() }
}

fn git(dir: &Path, arguments: &[&str]) -> Vec<u8> {
    let mut git = Command::new("git");
    git.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1").current_dir(dir).args(arguments);
    let output = git.args(["--"]).output().expect("git");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// Indexes that git wrote, in every form that it has.
fn real() -> Vec<(Vec<u8>, Hash)> {
    let mut found = Vec::new();
    for (format, hash) in [("sha1", Hash::Sha1), ("sha256", Hash::Sha256)] {
        let dir = tempfile::tempdir().unwrap();
        git(dir.path(), &["init", "-q", &format!("--object-format={format}")]);
        for name in ["a", "b/c", "b/d/e", "z\u{e4}", "units/x\\x2dy.slice"] {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, name).unwrap();
        }
        fs::write(dir.path().join("long".repeat(60)), "").unwrap();
        git(dir.path(), &["add", "-A"]);
        git(dir.path(), &["write-tree"]);
        fs::write(dir.path().join("later"), "").unwrap();
        for version in ["2", "3", "4"] {
            git(dir.path(), &["update-index", "--index-version", version]);
            found.push((fs::read(dir.path().join(".git/index")).unwrap(), hash));
            git(dir.path(), &["add", "-N", "later"]);
            git(dir.path(), &["update-index", "--skip-worktree", "a"]);
            found.push((fs::read(dir.path().join(".git/index")).unwrap(), hash));
        }
    }
    found
}

#[test]
fn what_git_wrote_is_accepted_and_written_as_git_did() {
    for (bytes, hash) in real() {
        let index = Index::parse(&bytes, hash).unwrap();
        index.check().unwrap();
        assert_eq!(index.to_bytes(), bytes);
    }
}

#[test]
fn git_reads_what_is_written() {
    let dir = tempfile::tempdir().unwrap();
    git(dir.path(), &["init", "-q"]);
    let mut hidden = entry("sub/b");
    hidden.assume_valid = true;
    let at = dir.path().join(".git/index");
    for version in [2, 3, 4] {
        let index = index(version, vec![entry("a"), hidden.clone(), entry("sub/c")]);
        fs::write(&at, index.clone().only_below(b"sub/").to_bytes()).unwrap();
        assert_eq!(git(dir.path(), &["ls-files", "-v"]), b"S a\nh sub/b\nH sub/c\n");
        fs::write(&at, index.without_claims(None).to_bytes()).unwrap();
        assert_eq!(git(dir.path(), &["ls-files", "-v"]), b"H a\nH sub/b\nH sub/c\n");
    }
}

#[test]
fn paths_that_the_host_must_not_write_are_refused() {
    let paths = [
        ".git/hooks/x",
        ".GIT/config",
        "a/.git/x",
        "../x",
        "a/../x",
        "./x",
        "a//b",
        "/etc/passwd",
        "a/",
        "git~1/x",
        "GIT~12",
        ".git /x",
        ".git.",
        ".g\u{200c}it/x",
        ".git::$INDEX_ALLOCATION/x",
        "a\\..\\b",
        "a\\.git\\x",
        "..",
        ".",
    ];
    for path in paths {
        assert!(index(2, vec![entry(path)]).check().is_err(), "{path}");
    }
    for path in [".gitignore", ".gitattributes", "git", "a.git/x", "...", "git~x", "x\\x2dy", ".github/x", "a b", "-x"]
    {
        assert_eq!(index(2, vec![entry(path)]).check(), Ok(()), "{path}");
    }
}

#[test]
fn forms_that_git_does_not_write_are_refused() {
    let mut odd = entry("x");
    odd.mode = 0o100_666;
    assert!(index(2, vec![odd]).check().is_err());
    let mut link = entry(".gitmodules");
    link.mode = SYMLINK;
    assert!(index(2, vec![link]).check().is_err());
    let mut directory = entry("d/");
    directory.mode = SPARSE_DIRECTORY;
    assert!(index(2, vec![directory.clone()]).check().is_err());
    directory.skip_worktree = true;
    assert_eq!(index(2, vec![directory]).check(), Ok(()));
    assert!(index(2, vec![entry("a"), entry("a/b")]).check().is_err(), "below a file");
    assert!(index(2, vec![entry("a"), entry("a-"), entry("a/b/c")]).check().is_err(), "below a file");
    assert!(index(2, vec![entry("a"), entry("a-"), entry("a-/b"), entry("b")]).check().is_err(), "below a file");
    assert_eq!(index(2, vec![entry("a"), entry("a-/b"), entry("a.b"), entry("aa/b")]).check(), Ok(()));
    for (extension, accepted) in [(b"link", false), (b"evil", false), (b"UNTR", true), (b"XYZW", true)] {
        let mut index = index(2, vec![]);
        index.extensions.push((*extension, vec![1, 2, 3]));
        assert_eq!(index.check().is_ok(), accepted);
        assert_eq!(index.without_claims(None).extensions, []);
    }
    let twice = Index { entries: vec![entry("a"), entry("a")], ..index(2, vec![]) };
    assert!(Index::parse(&twice.to_bytes(), Hash::Sha1).is_err());
}

#[test]
fn a_small_index_takes_no_large_memory() {
    // Each path is the one before and a letter, which version 4 stores as the letter.
    let paths = (1..6000).map(|length| entry(&"a".repeat(length)));
    let bytes = index(4, paths.collect()).to_bytes();
    assert!(bytes.len() < 6000 * 80);
    assert!(Index::parse(&bytes, Hash::Sha1).is_err(), "a path is too long");
    // 150 000 entries of nearly the longest path, each of which differs from the one before in eight letters.
    let long = "a".repeat(4000);
    let path = |number: u32| format!("{long}{number:08}");
    let mut bytes = index(4, vec![entry(&path(0))]).to_bytes();
    bytes.truncate(bytes.len() - Hash::Sha1.size());
    let fixed = bytes[12..12 + 62].to_vec();
    let count: u32 = 150_000;
    bytes[8..12].copy_from_slice(&count.to_be_bytes());
    for number in 1..count {
        bytes.extend(&fixed);
        write_varint(&mut bytes, 8);
        bytes.extend(format!("{number:08}\0").bytes());
    }
    bytes.extend([0; 20]);
    assert!(bytes.len() < 16 << 20);
    let refused = Index::parse(&bytes, Hash::Sha1).unwrap_err();
    assert!(refused.0.contains("longer paths"), "{refused}");
}

#[test]
fn many_directories_are_checked_in_one_go() {
    let directories = "d/".repeat(2000);
    let paths = (0..2000).map(|number| entry(&format!("{number:04}/{directories}f")));
    let large = index(2, paths.collect());
    let began = std::time::Instant::now();
    assert_eq!(large.check_nesting(), Ok(()));
    // Looking at each directory by itself takes a hundred times as long.
    assert!(began.elapsed() < std::time::Duration::from_secs(5), "{:?}", began.elapsed());
}

#[test]
fn what_the_host_knows_of_unchanged_files_is_kept_and_nothing_else_believed() {
    let host = index(2, vec![entry("changed"), entry("same")]);
    let mut changed = entry("changed");
    changed.object = vec![8; 20];
    let mut claims = entry("same");
    claims.seen = Seen { before_mode: [9; 24], after_mode: [9; 12] };
    claims.assume_valid = true;
    claims.skip_worktree = true;
    let out = index(2, vec![changed, entry("new"), claims]).without_claims(Some(&host));
    assert_eq!(out.entries[0].seen, Seen::default());
    assert_eq!(out.entries[1].seen, Seen::default());
    assert_eq!(out.entries[2], entry("same"));
}

proptest! {
    #[test]
    fn nothing_below_a_file_is_overlooked(paths in proptest::collection::btree_set("[a-b]{1,2}([/-][a-b]{1,2}){0,2}", 0..12)) {
        let below = |path: &String| paths.iter().any(|file| path.strip_prefix(file.as_str()).is_some_and(|rest| rest.starts_with('/')));
        let index = index(2, paths.iter().map(|path| entry(path)).collect());
        prop_assert_eq!(index.check().is_err(), paths.iter().any(below));
    }

    #[test]
    fn whatever_is_written_is_read_back(
        paths in proptest::collection::btree_set("[a-c]{1,3}(/[a-c]{1,200}){0,2}", 0..20),
        flags in proptest::collection::vec(any::<(bool, bool, bool)>(), 20),
        version in 2_u32..=4,
    ) {
        let entries = paths.iter().zip(flags).map(|(path, (assume_valid, skip_worktree, intent_to_add))| {
            Entry { assume_valid, skip_worktree, intent_to_add, ..entry(path) }
        });
        let index = index(version, entries.collect());
        let read = Index::parse(&index.to_bytes(), Hash::Sha1).unwrap();
        prop_assert_eq!(read.entries, index.entries);
    }

    #[test]
    fn no_mutation_of_a_real_index_is_too_much(
        which in 0_usize..12,
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in any::<Option<prop::sample::Index>>(),
        mended in any::<bool>(),
    ) {
        use std::sync::OnceLock;
        static REAL: OnceLock<Vec<(Vec<u8>, Hash)>> = OnceLock::new();
        let (bytes, hash) = &REAL.get_or_init(real)[which];
        let mut bytes = bytes.clone();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        if mended && let Some(end) = bytes.len().checked_sub(hash.size()) {
            let checksum = hash.of(&bytes[..end]);
            bytes.truncate(end);
            bytes.extend(checksum);
        }
        if let Ok(index) = Index::parse(&bytes, *hash)
            && index.check().is_ok()
        {
            // What is accepted stays acceptable in the form in which the host gets it.
            let out = index.without_claims(None).to_bytes();
            let out = Index::parse(&out, *hash).unwrap();
            prop_assert_eq!(out.check(), Ok(()));
            for entry in &out.entries {
                prop_assert!(!entry.path.split(|byte| *byte == b'/').any(|name| name.eq_ignore_ascii_case(b".git")));
            }
        }
    }
}
