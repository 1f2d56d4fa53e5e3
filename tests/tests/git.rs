//! Git in a sandbox: what agents do with it, in every kind of working tree, and what their operator then sees.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use loopbox_core::{GitIdentity, SandboxName};
use loopbox_tests::Bed;

/// A working tree as the workspace of a sandbox.
struct Tree {
    bed: Bed,
    name: SandboxName,
    /// The top of the working tree on the host.
    top: PathBuf,
    workspace: PathBuf,
}

/// The kinds of working trees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Clone,
    Worktree,
    Below(&'static str),
    WorktreeBelow(&'static str),
}

const KINDS: [Kind; 4] = [Kind::Clone, Kind::Worktree, Kind::Below("packages/a"), Kind::WorktreeBelow("packages/a")];

impl Tree {
    /// A tree on branch `main` that tracks `main` of a remote, which has a branch `other` as well.
    async fn new(kind: Kind) -> Self {
        let bed = bed();
        let (origin, clone) = (bed.dir().join("origin"), bed.dir().join("clone"));
        make_origin(&origin);
        git(bed.dir(), &["clone", "-q", "origin", "clone"]);
        let top = match kind {
            Kind::Clone | Kind::Below(_) => clone,
            Kind::Worktree | Kind::WorktreeBelow(_) => {
                git(&clone, &["checkout", "-q", "--detach"]);
                git(&clone, &["worktree", "add", "-q", "../tree", "main"]);
                bed.dir().join("tree")
            }
        };
        let workspace = match kind {
            Kind::Clone | Kind::Worktree => top.clone(),
            Kind::Below(part) | Kind::WorktreeBelow(part) => top.join(part),
        };
        git(&workspace, &["init", "-q", "--bare", "upstream.git"]);
        fs::write(workspace.join(".gitignore"), "upstream.git\nnode_modules\n").unwrap();
        git(&workspace, &["add", ".gitignore"]);
        commit(&workspace, "ignore");
        let mut request = bed.request("bed");
        request.workspace.clone_from(&workspace);
        let name = bed.loopbox.create(request).await.unwrap().name;
        Self { bed, name, top, workspace }
    }

    /// Runs a script inside that must succeed, and looks whether the host agrees with what it left.
    async fn inside(&self, script: &str) -> String {
        let text = self.bed.text(&self.name, script).await;
        self.agrees(script).await;
        text
    }

    /// Looks whether all that is there fits together.
    fn assert_sound(&self) {
        git(&self.top, &["fsck", "--strict", "--no-dangling"]);
    }

    async fn agrees(&self, after: &str) {
        let inside = self.bed.text(&self.name, "git rev-parse HEAD; git status --porcelain; git branch").await;
        let outside =
            ["rev-parse HEAD", "status --porcelain", "branch"].map(|call| self.outside(call).trim_end().to_owned());
        let outside: Vec<&str> = outside.iter().map(String::as_str).filter(|text| !text.is_empty()).collect();
        assert_eq!(inside, outside.join("\n"), "after {after}");
    }

    fn outside(&self, call: &str) -> String {
        git(&self.workspace, &call.split(' ').collect::<Vec<_>>())
    }
}

#[tokio::test]
async fn an_agent_looks_changes_and_commits() {
    for kind in KINDS {
        let tree = Tree::new(kind).await;
        assert_eq!(tree.inside("git status --porcelain").await, "", "{kind:?}");
        assert_eq!(tree.inside("echo new > fresh; git status --short").await, "?? fresh");
        assert!(tree.inside("git add fresh; git diff --cached").await.contains("+new"));
        tree.inside("git commit -q -m 'from inside'").await;
        let log = tree.inside("git log --format='%an <%ae> %s' -1").await;
        assert_eq!(log, "Ada \"L\" B <ada@example.org> from inside");
        assert_eq!(tree.outside("log --format=%s -1"), "from inside\n");
        assert_eq!(tree.outside("show HEAD:./fresh"), "new\n");
        tree.inside("echo more >> fresh; git commit -q -a -m more; git rm -q fresh; git commit -q -m gone").await;
        // Nothing that lies outside of the workspace was committed as deleted.
        assert_eq!(git(&tree.top, &["ls-files", "readme"]), "readme\n");
        tree.inside("git reset -q --hard HEAD~2; git show --stat").await;
        assert_eq!(fs::read_to_string(tree.workspace.join("fresh")).unwrap(), "new\n");
        tree.assert_sound();
    }
}

#[tokio::test]
async fn an_agent_works_on_branches() {
    for kind in KINDS {
        let tree = Tree::new(kind).await;
        tree.inside("git checkout -q -b mine && echo a > a && git add a && git commit -q -m a").await;
        tree.inside("git branch -m renamed").await;
        assert_eq!(tree.outside("symbolic-ref HEAD"), "refs/heads/renamed\n");
        tree.inside("git checkout -q main && git merge -q --no-edit --no-ff renamed").await;
        tree.inside("git checkout -q -b topic origin/other && git log --format=%s -1").await;
        assert_eq!(tree.outside("log --format=%s -1"), "other\n");
        tree.inside("git switch -q main && git merge -q --no-edit origin/other").await;
        tree.inside("git branch -D topic renamed && git tag -a v1 -m v1 && git pack-refs --all").await;
        assert_eq!(tree.outside("describe"), "v1\n");
        tree.inside("git worktree list").await;
        tree.inside("echo x >> a && git stash -q && git status --porcelain && git stash list | grep -q 'WIP on main'")
            .await;
        assert_eq!(tree.outside("stash list"), "", "each side has its own");
        tree.assert_sound();
        tree.inside("git stash pop -q && git checkout -q a").await;
        tree.inside(
            "git rebase -q origin/other && git cherry-pick --allow-empty HEAD~1 >/dev/null || git cherry-pick --skip",
        )
        .await;
    }
}

#[tokio::test]
async fn an_agent_pushes_to_a_remote_and_configures_it() {
    for kind in KINDS {
        let tree = Tree::new(kind).await;
        let before = tree.outside("config --local --list");
        tree.inside("git config --global safe.directory '*'; git remote add up \"$PWD/upstream.git\"").await;
        tree.inside("git push -q -u up main && git fetch -q up && git config user.note x").await;
        assert_eq!(tree.inside("git rev-parse --abbrev-ref main@{upstream}").await, "up/main");
        // It is the sandbox's own configuration; the commits are in the remote all the same.
        assert_eq!(tree.outside("config --local --list"), before);
        assert_eq!(git(&tree.workspace.join("upstream.git"), &["log", "--format=%s", "-1", "main"]), "ignore\n");
        tree.bed.loopbox.stop(&tree.name).await.unwrap();
        assert_eq!(tree.inside("git config user.note").await, "x", "it lives as long as the sandbox");
    }
}

#[tokio::test]
async fn both_sides_see_each_others_commits_and_changes() {
    for kind in KINDS {
        let tree = Tree::new(kind).await;
        fs::write(tree.workspace.join("outside"), "1").unwrap();
        git(&tree.workspace, &["add", "outside"]);
        tree.agrees("add outside").await;
        commit(&tree.workspace, "by the host");
        assert_eq!(tree.inside("git log --format=%s -1").await, "by the host");
        git(&tree.workspace, &["checkout", "-q", "-b", "hosts"]);
        git(&tree.workspace, &["pack-refs", "--all"]);
        git(&tree.workspace, &["config", "user.from", "the host"]);
        assert_eq!(tree.inside("git symbolic-ref HEAD; git config user.from").await, "refs/heads/hosts\nthe host");
        tree.inside("echo 2 > outside; git commit -q -a -m 'by the sandbox'").await;
        git(&tree.workspace, &["reset", "-q", "--hard", "HEAD~1"]);
        assert_eq!(tree.inside("cat outside; git log --format=%s -1").await, "1by the host");
    }
}

#[tokio::test]
async fn a_merge_that_one_side_begins_is_ended_by_the_other() {
    let tree = Tree::new(Kind::Clone).await;
    let diverge = "git checkout -q -b theirs && echo theirs > file && git add file && git commit -q -m theirs &&
        git checkout -q main && echo ours > file && git add file && git commit -q -m ours";
    tree.inside(diverge).await;
    assert_ne!(tree.bed.sh(&tree.name, "git merge theirs").await.exit_code, 0);
    tree.agrees("a conflict").await;
    assert!(tree.outside("status --porcelain").contains("AA file"));
    fs::write(tree.workspace.join("file"), "both\n").unwrap();
    git(&tree.workspace, &["add", "file"]);
    commit(&tree.workspace, "merged");
    assert_eq!(tree.outside("rev-list --parents -1 HEAD").split(' ').count(), 3);
    tree.agrees("the host's merge").await;
    assert!(!tree.inside("git status").await.contains("merging"));
    git(&tree.workspace, &["reset", "-q", "--hard", "HEAD~1"]);
    let merge = ["-c", "user.name=O", "-c", "user.email=o@example.org", "merge", "-q", "theirs"];
    Command::new("git").current_dir(&tree.workspace).args(merge).output().unwrap();
    tree.inside("echo all > file && git add file && git commit -q -m 'merged inside'").await;
    assert!(!tree.top.join(".git/MERGE_HEAD").exists());
    assert_eq!(tree.outside("rev-list --parents -1 HEAD").split(' ').count(), 3);
}

#[tokio::test]
async fn a_sparse_checkout_is_the_sandboxs_own() {
    let tree = Tree::new(Kind::Clone).await;
    tree.bed.text(&tree.name, "git sparse-checkout set packages/b && ! test -e packages/a/file").await;
    assert_eq!(tree.bed.text(&tree.name, "git status --porcelain").await, "");
    // The host is told what is the case: files are missing from its working tree.
    assert!(tree.outside("status --porcelain").contains(" D packages/a/file"));
    assert!(!tree.top.join(".git/info/sparse-checkout").exists());
    tree.bed.text(&tree.name, "git sparse-checkout disable").await;
    tree.agrees("sparse-checkout disable").await;
}

/// What `husky` does at `npm install`.
#[tokio::test]
async fn hooks_of_a_project_run_inside_only() {
    let tree = Tree::new(Kind::Clone).await;
    let script = "git config core.hooksPath .hooks/_ && mkdir -p .hooks/_ &&
        printf '#!/bin/sh\\necho ran >> hooked\\n' > .hooks/_/pre-commit && chmod +x .hooks/_/pre-commit &&
        printf 'hooked\\n.hooks\\n' >> .git/info/exclude && git commit -q --allow-empty -m hooked && cat hooked";
    assert_eq!(tree.bed.text(&tree.name, script).await, "ran");
    commit(&tree.workspace, "on the host");
    assert_eq!(fs::read_to_string(tree.workspace.join("hooked")).unwrap(), "ran\n", "it did not run once more");
    assert!(!tree.outside("config --local --list").contains("hookspath"));
}

#[tokio::test]
async fn npm_install_with_husky_works() {
    let tree = Tree::new(Kind::Clone).await;
    let package = tree.workspace.join("husky");
    fs::create_dir(&package).unwrap();
    fs::write(package.join("package.json"), r#"{"name":"husky","version":"9.0.0","bin":"bin.js"}"#).unwrap();
    let bin = "#!/usr/bin/env node\nconst { spawnSync } = require('child_process')\n\
        const r = spawnSync('git', ['config', 'core.hooksPath', '.husky/_'])\nprocess.exit(r.status)\n";
    fs::write(package.join("bin.js"), bin).unwrap();
    let manifest =
        r#"{"name":"p","version":"1.0.0","scripts":{"prepare":"husky"},"devDependencies":{"husky":"file:./husky"}}"#;
    fs::write(tree.workspace.join("package.json"), manifest).unwrap();
    tree.bed.text(&tree.name, "npm install --no-audit --no-fund --offline && git config core.hooksPath").await;
    assert!(!tree.outside("config --local --list").contains("hookspath"));
}

#[tokio::test]
async fn a_repository_without_commits_gets_its_first_one() {
    let bed = bed();
    git(&bed.workspace(), &["init", "-q", "-b", "main"]);
    let name = bed.sandbox().await;
    bed.text(&name, "echo x > file && git add . && git commit -q -m first").await;
    assert_eq!(git(&bed.workspace(), &["log", "--format=%s"]), "first\n");
    assert_eq!(git(&bed.workspace(), &["status", "--porcelain"]), "");
}

#[tokio::test]
async fn repositories_of_newer_forms_work() {
    for option in ["--object-format=sha256", "--ref-format=reftable"] {
        let bed = bed();
        git(&bed.workspace(), &["init", "-q", "-b", "main", option]);
        commit(&bed.workspace(), "first");
        let name = bed.sandbox().await;
        bed.text(&name, "echo x > file && git add . && git commit -q -m second && git checkout -q -b next").await;
        assert_eq!(git(&bed.workspace(), &["log", "--format=%s", "next"]), "second\nfirst\n", "{option}");
        assert_eq!(git(&bed.workspace(), &["status", "--porcelain"]), "", "{option}");
    }
}

#[tokio::test]
async fn refs_that_the_host_packs_while_a_command_runs_are_seen() {
    let tree = Tree::new(Kind::Clone).await;
    let script = "until test -e packed; do sleep 0.01; done; until git rev-parse -q --verify main; do sleep 0.05; done";
    let (bed, name) = (&tree.bed, &tree.name);
    let pack = async {
        git(&tree.workspace, &["pack-refs", "--all"]);
        fs::write(tree.workspace.join("packed"), "").unwrap();
    };
    let (output, ()) =
        loopbox_tests::within("refs that were packed", async { tokio::join!(bed.sh(name, script), pack) }).await;
    assert_eq!(output.exit_code, 0, "{}", output.text());
}

#[tokio::test]
async fn the_files_of_the_repository_belong_to_its_owner_afterwards() {
    use std::os::unix::fs::MetadataExt;
    for kind in [Kind::Clone, Kind::Worktree] {
        let tree = Tree::new(kind).await;
        tree.inside("echo new > file; git add file; git commit -q -m 'from inside'; git pack-refs --all").await;
        let owner = rustix::process::geteuid().as_raw();
        let mut directories = vec![tree.bed.dir().join("clone/.git")];
        while let Some(directory) = directories.pop() {
            for entry in fs::read_dir(directory).unwrap().map(|entry| entry.unwrap()) {
                assert_eq!(entry.metadata().unwrap().uid(), owner, "{}", entry.path().display());
                if entry.file_type().unwrap().is_dir() {
                    directories.push(entry.path());
                }
            }
        }
    }
}

#[tokio::test]
async fn a_workspace_that_is_given_by_a_link_is_the_same_repository() {
    let bed = bed();
    git(&bed.workspace(), &["init", "-q", "-b", "main"]);
    commit(&bed.workspace(), "first");
    std::os::unix::fs::symlink(bed.workspace(), bed.dir().join("link")).unwrap();
    let mut request = bed.request("bed");
    request.workspace = bed.dir().join("link");
    let name = bed.loopbox.create(request).await.unwrap().name;
    let script = format!("git config a.b c; cd {}; git config a.b; git status --porcelain", bed.workspace().display());
    assert_eq!(bed.text(&name, &script).await, "c");
    assert!(!git(&bed.workspace(), &["config", "--local", "--list"]).contains("a.b"));
}

#[tokio::test]
async fn without_an_identity_git_has_none() {
    let bed = Bed::native();
    git(&bed.workspace(), &["init", "-q"]);
    let name = bed.sandbox_with(|options| options.no_git_identity = true).await;
    assert_eq!(bed.sh(&name, "git config user.name || git config user.email").await.text(), "");
}

fn bed() -> Bed {
    Bed::with(|config| {
        config.git_identity = Some(GitIdentity { name: "Ada \"L\" B".into(), email: "ada@example.org".into() });
    })
}

/// A repository with two branches and files in several directories.
fn make_origin(at: &Path) {
    fs::create_dir(at).unwrap();
    git(at, &["init", "-q", "-b", "main"]);
    for file in ["readme", "packages/a/file", "packages/b/file"] {
        let path = at.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, file).unwrap();
    }
    git(at, &["add", "-A"]);
    commit(at, "first");
    git(at, &["checkout", "-q", "-b", "other"]);
    fs::write(at.join("packages/a/other"), "other").unwrap();
    git(at, &["add", "-A"]);
    commit(at, "other");
    git(at, &["checkout", "-q", "main"]);
}

fn commit(repository: &Path, subject: &str) {
    git(
        repository,
        &["-c", "user.name=O", "-c", "user.email=o@example.org", "commit", "-q", "--allow-empty", "-m", subject],
    );
}

/// The host's git, without anybody's configuration.
pub(crate) fn git(dir: &Path, arguments: &[&str]) -> String {
    let mut git = Command::new("git");
    git.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1").current_dir(dir).args(arguments);
    let output = git.output().expect("git on the host");
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
