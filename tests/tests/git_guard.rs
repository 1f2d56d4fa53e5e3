//! What the host's git executes or believes cannot be planted from inside, whatever is done to the sandbox's own git
//! directory, and whoever dies in the middle.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use loopbox_core::{CreateOptions, ErrorCode, ExecRequest, FindingCode, GitIdentity, SandboxName};
use loopbox_tests::{Bed, helper};

use crate::git::git;

/// A clone with two commits on `main`, and a linked worktree of it on `side`.
struct Repository {
    bed: Bed,
    clone: PathBuf,
    tree: PathBuf,
}

impl Repository {
    fn new() -> Self {
        let bed = Bed::with(|config| {
            config.git_identity = Some(GitIdentity { name: "A".into(), email: "a@example.org".into() });
        });
        let (clone, tree) = (bed.dir().join("clone"), bed.dir().join("tree"));
        fs::create_dir(&clone).unwrap();
        git(&clone, &["init", "-q", "-b", "main"]);
        for (key, value) in [("user.name", "O"), ("user.email", "o@example.org")] {
            git(&clone, &["config", key, value]);
        }
        for name in ["one", "two"] {
            fs::write(clone.join(name), name).unwrap();
            git(&clone, &["add", name]);
            git(&clone, &["commit", "-q", "-m", name]);
        }
        git(&clone, &["worktree", "add", "-q", "-b", "side", "../tree"]);
        Self { bed, clone, tree }
    }

    async fn sandbox(&self, workspace: &Path) -> SandboxName {
        self.sandbox_with(workspace, |_| {}).await
    }

    async fn sandbox_with(&self, workspace: &Path, change: impl FnOnce(&mut CreateOptions)) -> SandboxName {
        let mut request = self.bed.request("bed");
        request.workspace = workspace.to_owned();
        change(&mut request.options);
        self.bed.loopbox.create(request).await.unwrap().name
    }

    /// What of the repository nobody inside may change, and a sum of it.
    fn kept(&self) -> String {
        let script = "find config hooks info description worktrees objects/info -type f ! -name HEAD ! -name index \
            ! -path '*/logs/*' ! -name ORIG_HEAD ! -name COMMIT_EDITMSG | sort | xargs sha256sum; ls -a";
        let output = Command::new("sh").args(["-c", script]).current_dir(self.clone.join(".git")).output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap()
    }

    async fn findings(&self, name: &SandboxName) -> Vec<String> {
        let findings = self.bed.loopbox.inspect(name).await.unwrap().findings;
        findings
            .into_iter()
            .filter(|finding| finding.code == FindingCode::Guarded)
            .map(|finding| finding.message)
            .collect()
    }
}

/// Ways to plant something in a git directory `$G`, and the one of a linked worktree `$O`.
const PLANTS: [&str; 14] = [
    "echo '[core] fsmonitor = touch owned' >> $G/config",
    "git config core.fsmonitor 'touch owned'; git config --worktree core.fsmonitor 'touch owned'",
    "printf '#!/bin/sh\\ntouch owned\\n' > $G/hooks/post-checkout; chmod +x $G/hooks/post-checkout",
    "mkdir -p $G/hooks2; mv $G/hooks $G/hooks3; mv $G/hooks2 $G/hooks",
    "rm -f $G/config; ln -s /tmp/config $G/config",
    "echo '[core] fsmonitor = touch owned' > $O/config.worktree",
    "echo /tmp > $O/commondir; echo /tmp > $O/gitdir",
    "echo '*.c filter=x' > $G/info/attributes",
    "mkdir -p $G/modules/x; echo '[core] fsmonitor = touch owned' > $G/modules/x/config",
    "mkdir -p $G/worktrees/tree; echo /tmp > $G/worktrees/tree/commondir",
    "mkdir -p $G/objects/info; echo /etc > $G/objects/info/alternates",
    "mv $G $G.2 || mv $W/.git $W/.git2",
    "rm -f $W/.git; echo 'gitdir: /tmp' > $W/.git",
    "echo x > $G/../planted",
];

#[tokio::test]
async fn nothing_that_is_planted_inside_reaches_the_host() {
    let repository = Repository::new();
    let before = repository.kept();
    for workspace in [&repository.clone, &repository.tree] {
        let name = repository.sandbox(workspace).await;
        let common = repository.clone.join(".git");
        let own = if workspace == &repository.tree { common.join("worktrees/tree") } else { common.clone() };
        for plant in PLANTS {
            let script = format!("G={} O={} W={}; {plant}", common.display(), own.display(), workspace.display());
            repository.bed.sh(&name, &script).await;
            assert_eq!(repository.kept(), before, "{plant}");
        }
        git(workspace, &["commit", "-q", "--allow-empty", "-m", "by the host"]);
        git(workspace, &["checkout", "-q", "--detach"]);
        git(workspace, &["checkout", "-q", "-"]);
        assert!(!workspace.join("owned").exists());
        let pointer = fs::read_to_string(repository.tree.join(".git")).unwrap();
        assert_eq!(pointer, format!("gitdir: {}\n", common.join("worktrees/tree").display()));
        repository.bed.loopbox.remove(&name).await.unwrap();
        fs::remove_file(repository.clone.join("planted")).ok();
    }
}

/// A mount over a file is gone as soon as the host renames another over it.
#[tokio::test]
async fn a_host_that_writes_its_configuration_all_the_time_is_never_beaten_to_it() {
    let repository = Repository::new();
    let (bed, clone) = (&repository.bed, &repository.clone);
    let name = repository.sandbox(clone).await;
    let hostile = "until test -e stop; do
        for f in config config.lock hooks/post-commit config.worktree commondir gitdir HEAD.lock; do
            echo '[core] fsmonitor = owned' > .git/$f
            mv .git/$f .git/config; ln -f .git/config .git/$f; mv .git .git2
        done 2>/dev/null
    done";
    let host = async {
        for round in 0..150 {
            let (clone, value) = (clone.clone(), round.to_string());
            tokio::task::spawn_blocking(move || git(&clone, &["config", "x.y", &value])).await.unwrap();
        }
        fs::write(clone.join("stop"), "").unwrap();
    };
    tokio::join!(bed.sh(&name, hostile), host);
    let config = fs::read_to_string(clone.join(".git/config")).unwrap();
    assert!(config.contains("y = 149") && !config.contains("owned"), "{config}");
    for name in ["hooks/post-commit", "config.worktree", "commondir", "gitdir", "config.lock"] {
        assert!(!clone.join(".git").join(name).exists(), "{name}");
    }
    assert!(!clone.join(".git2").exists());
}

#[tokio::test]
async fn an_index_with_paths_outside_of_the_tree_stays_inside() {
    for evil in [".git/hooks/x", "../outside/xx", "a/../../../x"] {
        let repository = Repository::new();
        let (bed, clone) = (&repository.bed, &repository.clone);
        let name = repository.sandbox(clone).await;
        let index = fs::read(clone.join(".git/index")).unwrap();
        fs::write(clone.join("hostile"), hostile_index(bed.dir(), evil)).unwrap();
        bed.text(&name, "cp hostile .git/index").await;
        assert_eq!(fs::read(clone.join(".git/index")).unwrap(), index, "{evil}");
        assert!(repository.findings(&name).await.iter().any(|finding| finding.contains(".git/index")), "{evil}");
        bed.text(&name, "rm .git/index && git reset -q && git status").await;
        git(clone, &["reset", "-q", "--hard"]);
    }
}

/// An index with one entry, of that path.
fn hostile_index(dir: &Path, path: &str) -> Vec<u8> {
    let scratch = dir.join("scratch");
    fs::create_dir_all(&scratch).unwrap();
    git(&scratch, &["init", "-q"]);
    let decoy: String = path.chars().map(|c| if c.is_alphanumeric() { c } else { 'z' }).collect();
    fs::write(scratch.join(&decoy), "").unwrap();
    git(&scratch, &["add", &decoy]);
    let mut index = fs::read(scratch.join(".git/index")).unwrap();
    let at = index.windows(decoy.len()).position(|window| window == decoy.as_bytes()).unwrap();
    index[at..at + path.len()].copy_from_slice(path.as_bytes());
    let end = index.len() - 20;
    // Git accepts an index without a checksum.
    index[end..].fill(0);
    index
}

#[tokio::test]
async fn an_index_cannot_hide_what_was_changed() {
    let repository = Repository::new();
    let (bed, clone) = (&repository.bed, &repository.clone);
    let name = repository.sandbox(clone).await;
    let hide = "echo evil > one; git update-index --assume-unchanged one; echo evil > two; git update-index --skip-worktree two;
        git add -N . ; echo new > three; git add three; test -z \"$(git diff --name-only)\"";
    bed.text(&name, hide).await;
    assert_eq!(git(clone, &["diff", "--name-only"]), "one\ntwo\n");
    // The files look as the index says that they did, but their content is another.
    bed.text(
        &name,
        "git update-index --no-assume-unchanged one; git update-index --no-skip-worktree two; git checkout -q one two",
    )
    .await;
    let forge = "touch -d 2020-01-01 one; git update-index --really-refresh; printf two > one.new; cat one.new > one;
        printf evi > one; touch -d 2020-01-01 one; git add three; git status --porcelain one";
    bed.text(&name, forge).await;
    assert!(git(clone, &["status", "--porcelain"]).contains(" M one"));
}

#[tokio::test]
async fn refs_that_git_would_not_write_stay_inside() {
    let repository = Repository::new();
    let (bed, clone) = (&repository.bed, &repository.clone);
    let name = repository.sandbox(clone).await;
    let head = git(clone, &["rev-parse", "HEAD"]).trim().to_owned();
    for (file, line) in [
        ("packed-refs", format!("{head} refs/heads/../../config")),
        ("packed-refs", format!("{head} HEAD")),
        ("HEAD", "ref: ../../outside".to_owned()),
        ("HEAD", "ref: refs/tags/../heads/x".to_owned()),
        ("MERGE_HEAD", "$(touch owned)".to_owned()),
    ] {
        let before = fs::read(clone.join(".git").join(file)).ok();
        bed.text(&name, &format!("cp .git/{file} .git/saved; echo '{line}' > .git/{file}; true")).await;
        assert_eq!(fs::read(clone.join(".git").join(file)).ok(), before, "{line}");
        assert!(repository.findings(&name).await.iter().any(|finding| finding.contains(file)), "{line}");
        bed.text(&name, &format!("rm -f .git/{file}")).await;
        bed.text(&name, "git status").await;
    }
}

#[tokio::test]
async fn nothing_in_the_place_of_a_private_file_makes_the_host_wait_or_read_elsewhere() {
    for make in ["ln -s /etc/passwd $F", "ln -s ../../two $F", "mkfifo $F", "mkdir -p $F/x", "touch $F; chmod 0 $F"] {
        let repository = Repository::new();
        let (bed, clone) = (&repository.bed, &repository.clone);
        let name = repository.sandbox(clone).await;
        let before = (repository.kept(), fs::read(clone.join(".git/index")).unwrap());
        let script = format!(
            "for F in .git/HEAD .git/index .git/packed-refs .git/config .git/MERGE_HEAD; do rm -f $F; {make}; done;
            rm -rf .git/hooks .git/info; for F in .git/hooks .git/info; do {make}; done"
        );
        bed.sh(&name, &script).await;
        assert_eq!((repository.kept(), fs::read(clone.join(".git/index")).unwrap()), before, "{make}");
        git(clone, &["config", "x.y", "z"]);
        fs::write(clone.join(".git/hooks/pre-commit"), "").unwrap();
        fs::write(clone.join(".git/info/exclude"), "").unwrap();
        assert_eq!(bed.text(&name, "git config x.y; git status --porcelain").await, "z", "{make}");
        assert!(clone.join(".git/hooks/pre-commit").is_file());
    }
}

/// The host's git follows a link that is a log, and appends what it does.
#[tokio::test]
async fn links_among_refs_do_not_last_and_logs_are_the_sandboxes_own() {
    let repository = Repository::new();
    let (bed, clone) = (&repository.bed, &repository.clone);
    let victim = bed.dir().join("victim");
    fs::write(&victim, "").unwrap();
    let name = repository.sandbox(clone).await;
    let plant = format!(
        "for L in .git/logs/HEAD .git/logs/refs/heads/main .git/refs/heads/evil .git/objects/pack/multi-pack-index; do
            rm -f $L; ln -s {} $L; done; mkfifo .git/refs/heads/wait; mkdir .git/refs/heads/deep;
            ln -s /tmp .git/refs/heads/deep/er",
        victim.display()
    );
    bed.text(&name, &plant).await;
    git(clone, &["commit", "-q", "--allow-empty", "-m", "by the host"]);
    git(clone, &["branch", "deep/er/branch"]);
    assert_eq!(fs::read_to_string(&victim).unwrap(), "");
    assert_eq!(repository.findings(&name).await.iter().filter(|finding| finding.contains("removed")).count(), 4);
}

#[tokio::test]
async fn what_both_sides_change_is_not_lost() {
    let repository = Repository::new();
    let (bed, clone) = (&repository.bed, &repository.clone);
    let name = repository.sandbox(clone).await;
    let script =
        "echo inside > inside; git add inside; git pack-refs --all; touch ready; until test -e go; do sleep 0.01; done";
    let host = async {
        while !clone.join("ready").exists() {
            tokio::task::yield_now().await;
        }
        fs::write(clone.join("outside"), "").unwrap();
        git(clone, &["add", "outside"]);
        // What the sandbox packed is the host's to see soon, not only once the command has ended.
        while !Command::new("git")
            .args(["rev-parse", "-q", "--verify", "main"])
            .current_dir(clone)
            .output()
            .unwrap()
            .status
            .success()
        {
            tokio::task::yield_now().await;
        }
        git(clone, &["branch", "hosts"]);
        git(clone, &["pack-refs", "--all"]);
        fs::write(clone.join("go"), "").unwrap();
    };
    let (output, ()) = loopbox_tests::within("both sides", async { tokio::join!(bed.sh(&name, script), host) }).await;
    assert_eq!(output.exit_code, 0, "{}", output.text());
    assert_eq!(git(clone, &["diff", "--cached", "--name-only"]), "outside\n", "the host's is kept");
    assert_eq!(
        git(clone, &["for-each-ref", "--format=%(refname)"]),
        "refs/heads/hosts\nrefs/heads/main\nrefs/heads/side\n"
    );
    let findings = bed.loopbox.inspect(&name).await.unwrap().findings;
    let kept = findings.into_iter().find_map(|finding| finding.quarantine).expect("the sandbox's index is kept");
    let kept = fs::read(kept).unwrap();
    assert!(kept.windows(6).any(|window| window == b"inside"));
    assert_eq!(bed.text(&name, "git diff --cached --name-only; git branch --list hosts").await, "outside\n  hosts");
}

#[tokio::test]
async fn another_repository_in_the_place_of_the_first_is_noticed() {
    let repository = Repository::new();
    let (bed, clone) = (&repository.bed, &repository.clone);
    let name = repository.sandbox(clone).await;
    fs::rename(clone.join(".git"), bed.dir().join("old")).unwrap();
    git(clone, &["init", "-q", "-b", "fresh"]);
    let error = bed.exec(&name, ExecRequest::new(["true"])).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::WorkspaceChanged);
    assert!(error.message().contains("no longer the git directory") && error.hint().is_some(), "{error}");
    bed.loopbox.stop(&name).await.unwrap();
    assert_eq!(bed.text(&name, "git symbolic-ref HEAD").await, "refs/heads/fresh");
    assert!(repository.findings(&name).await.iter().any(|finding| finding.contains("replaced by another repository")));
}

#[tokio::test]
async fn what_the_operator_allows_is_the_sandboxs_as_well() {
    let plants = "git config a.b c; printf '#!/bin/sh\\n' > .git/hooks/pre-push; mkdir -p .git/modules; touch .git/modules/x; true";
    for (pattern, config, hooks, modules) in [
        (".git/config", true, false, false),
        (".git/hooks/", false, true, false),
        (".git/modules/**", false, false, true),
        (".git", true, true, true),
        (".git/**", true, true, true),
    ] {
        let repository = Repository::new();
        let (bed, clone) = (&repository.bed, &repository.clone);
        fs::create_dir(clone.join(".git/modules")).unwrap();
        let name = repository.sandbox_with(clone, |options| options.guard_allow = Some(vec![pattern.into()])).await;
        bed.text(&name, plants).await;
        assert_eq!(git(clone, &["config", "--local", "--list"]).contains("a.b=c"), config, "{pattern}");
        assert_eq!(clone.join(".git/hooks/pre-push").exists(), hooks, "{pattern}");
        assert_eq!(clone.join(".git/modules/x").exists(), modules, "{pattern}");
    }
}

#[tokio::test]
async fn a_pointer_that_is_replaced_is_put_right() {
    let repository = Repository::new();
    let (bed, tree) = (&repository.bed, &repository.tree);
    let pointer = fs::read_to_string(tree.join(".git")).unwrap();
    let name = repository.sandbox(tree).await;
    let script = "until test -e go; do sleep 0.01; done; rm -f .git; mkdir -p evil; echo 'gitdir: evil' > .git";
    let host = async {
        // As `git worktree repair` does; the mount inside is gone with the old file.
        fs::write(tree.join("new"), &pointer).unwrap();
        fs::rename(tree.join("new"), tree.join(".git")).unwrap();
        fs::write(tree.join("go"), "").unwrap();
    };
    tokio::join!(bed.sh(&name, script), host);
    assert_eq!(fs::read_to_string(tree.join(".git")).unwrap(), pointer);
    git(tree, &["status"]);
}

/// Where a process may die while it puts files in place.
const STEPS: [&str; 9] = [
    "incoming-made",
    "incoming-locked",
    "incoming-renamed",
    "outgoing-made",
    "outgoing-locked",
    "outgoing-renamed",
    "merged-outside",
    "merged-inside",
    "compared",
];

#[tokio::test]
async fn whoever_dies_in_between_loses_nothing() {
    for step in STEPS {
        let mut died = false;
        for _attempt in 0..9 {
            // Whether both sides pack their refs before somebody looks is a matter of luck.
            died = dies(step).await;
            if died {
                break;
            }
        }
        assert!(died, "{step} is never reached");
    }
}

/// Lets a process die at that step, if it gets there, and looks whether all is well in the end.
async fn dies(step: &str) -> bool {
    let repository = Repository::new();
    let (bed, clone) = (&repository.bed, &repository.clone);
    let name = repository.sandbox(clone).await;
    bed.text(&name, "git branch before && git pack-refs --all").await;
    git(clone, &["config", "x.y", "z"]);
    fs::write(clone.join(".git/info/exclude"), "began\ngo\n").unwrap();
    let failpoint = bed.sandbox_dir(&name).join("git/failpoint");
    fs::write(&failpoint, step).unwrap();
    let script = "git checkout -q -b mine && echo x > new && git add new && git commit -q -m mine &&
        git branch -D before && git pack-refs --all; : > began; until test -e go; do sleep 0.01; done";
    let mut driver = Command::new(env!("CARGO_BIN_EXE_fault-driver"));
    driver.arg("exec").arg(bed.state()).arg(helper()).arg(clone).arg(name.as_str());
    let mut driver = driver.args(["-", "bash", "-c", script]).spawn().unwrap();
    let ended = loop {
        if let Some(status) = driver.try_wait().unwrap() {
            break status;
        }
        if clone.join("began").exists() && !clone.join("go").exists() {
            git(clone, &["branch", "hosts", "main"]);
            git(clone, &["pack-refs", "--all"]);
            fs::write(clone.join("go"), "").unwrap();
        }
        tokio::task::yield_now().await;
    };
    fs::remove_file(&failpoint).unwrap();
    fs::write(clone.join("go"), "").unwrap();
    // A git of the host's that finds a lock waits for somebody to remove it, so none stays after the next call.
    if !clone.join("new").exists() {
        git(clone, &["branch", "hosts", "main"]);
        bed.text(&name, script).await;
    }
    bed.text(&name, "true").await;
    let refs = git(clone, &["for-each-ref", "--format=%(refname:short)"]);
    assert_eq!(refs, "hosts\nmain\nmine\nside\n", "{step}");
    assert_eq!(git(clone, &["symbolic-ref", "--short", "HEAD"]), "mine\n", "{step}");
    assert_eq!(git(clone, &["status", "--porcelain"]), "", "{step}");
    assert_eq!(
        bed.text(&name, "git config x.y; git status --porcelain; ! ls -A .git | grep lock").await,
        "z",
        "{step}"
    );
    let left: Vec<_> = fs::read_dir(clone.join(".git")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    let ours = |name: &&std::ffi::OsString| name.to_string_lossy().contains("lo");
    assert_eq!(left.iter().filter(ours).collect::<Vec<_>>(), ["logs"], "{step}");
    ended.signal() == Some(9)
}

#[tokio::test]
async fn links_among_refs_are_removed_whatever_the_inside_closes() {
    let repository = Repository::new();
    let name = repository.sandbox(&repository.clone).await;
    let victim = repository.bed.dir().join("victim");
    fs::write(&victim, "kept").unwrap();
    let plant = format!(
        "odd=$(printf 'x\\377'); ln -s {0} .git/refs/heads/link; ln -s {0} \"$PWD/.git/refs/heads/$odd\"
         chmod 0 .git/info .git/refs/heads .git",
        victim.display()
    );
    repository.bed.text(&name, &plant).await;
    let heads = fs::read_dir(repository.clone.join(".git/refs/heads")).unwrap().map(|entry| entry.unwrap().path());
    let links: Vec<PathBuf> = heads.filter(|path| path.is_symlink()).collect();
    assert_eq!(links, Vec::<PathBuf>::new());
    git(&repository.clone, &["checkout", "-q", "-b", "other"]);
    assert_eq!(fs::read_to_string(&victim).unwrap(), "kept");
    assert_eq!(repository.findings(&name).await.len(), 2);
    assert_eq!(
        repository.bed.text(&name, "chmod 755 .git .git/refs/heads; git symbolic-ref HEAD").await.trim(),
        "refs/heads/other"
    );
}

#[tokio::test]
async fn a_repository_deeper_in_the_workspace_cannot_be_exchanged() {
    let bed = Bed::native();
    let workspace = bed.workspace();
    fs::create_dir_all(workspace.join("sub/hooks")).unwrap();
    git(&workspace, &["init", "-q", "--separate-git-dir", "sub/data"]);
    git(&workspace, &["config", "core.hooksPath", "sub/hooks"]);
    fs::write(workspace.join("sub/hooks/pre-commit"), "#!/bin/sh\n").unwrap();
    fs::write(workspace.join("file"), "x").unwrap();
    git(&workspace, &["add", "file"]);
    let name = bed.sandbox().await;
    let evil = "mv sub old && cp -r old sub; rmdir sub; git config core.fsmonitor 'touch owned'
        echo evil >> sub/hooks/pre-commit; echo x > sub/other; git status > /dev/null; rm -f owned; ls -a sub | tr '\\n' ' '";
    let seen = bed.text(&name, &format!("{{ {evil}; }} 2> /dev/null")).await;
    assert!(seen.contains("data") && seen.contains("other"), "{seen}");
    git(&workspace, &["status"]);
    assert!(!workspace.join("owned").exists());
    assert_eq!(fs::read_to_string(workspace.join("sub/hooks/pre-commit")).unwrap(), "#!/bin/sh\n");
    assert!(workspace.join("sub/other").exists(), "the rest is the workspace's own");
}
