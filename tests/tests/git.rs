//! Git in a sandbox: in a plain clone and in a linked worktree.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use loopbox_core::{GitIdentity, SandboxName};
use loopbox_tests::Bed;

#[tokio::test]
async fn a_plain_repository_works_and_its_commits_are_seen_outside() {
    let bed = bed();
    git(&bed.workspace(), &["init", "-q", "-b", "main"]);
    commit(&bed.workspace(), "first");
    let name = bed.sandbox().await;
    work(&bed, &name, &bed.workspace()).await;
}

#[tokio::test]
async fn a_linked_worktree_works_and_its_commits_are_seen_in_the_repository() {
    let (bed, repository) = worktree();
    let name = bed.sandbox().await;
    work(&bed, &name, &bed.workspace()).await;
    let branch = git(&repository, &["log", "--format=%s", "side"]);
    assert_eq!(branch, "from inside\nfirst\n");
}

/// What the host's own git executes or believes cannot be planted through a worktree.
#[tokio::test]
async fn the_repository_of_a_linked_worktree_keeps_its_configuration_and_hooks() {
    let (bed, repository) = worktree();
    let name = bed.sandbox().await;
    let common = repository.join(".git");
    let before = fs::read_to_string(common.join("config")).unwrap();
    for attempt in [
        "echo '[core] fsmonitor = touch owned' >> $G/config",
        "echo exit > $G/hooks/post-checkout",
        "mkdir -p $G/hooks2 && mv $G/hooks2 $G/hooks",
        "rm -f $G/config",
        "echo x > $G/HEAD",
        "echo x > $G/info/exclude",
        "echo /etc > $G/../planted",
    ] {
        let script = format!("G='{}'; {attempt}", common.display());
        assert_ne!(bed.sh(&name, &script).await.exit_code, 0, "{attempt}");
    }
    assert_eq!(fs::read_to_string(common.join("config")).unwrap(), before);
    assert!(!common.join("hooks/post-checkout").exists());
    assert!(!repository.join("planted").exists());
    assert_eq!(fs::read_to_string(common.join("HEAD")).unwrap(), "ref: refs/heads/main\n");
}

#[tokio::test]
async fn the_files_of_the_repository_belong_to_its_owner_afterwards() {
    use std::os::unix::fs::MetadataExt;
    let (bed, repository) = worktree();
    let name = bed.sandbox().await;
    work(&bed, &name, &bed.workspace()).await;
    let owner = rustix::process::geteuid().as_raw();
    let mut directories = vec![repository.join(".git")];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap().map(|entry| entry.unwrap()) {
            assert_eq!(entry.metadata().unwrap().uid(), owner, "{}", entry.path().display());
            if entry.file_type().unwrap().is_dir() {
                directories.push(entry.path());
            }
        }
    }
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

/// A bed whose workspace is a linked worktree, on branch `side`, of the repository that is returned.
fn worktree() -> (Bed, PathBuf) {
    let bed = bed();
    let repository = bed.dir().join("repository");
    fs::create_dir(&repository).unwrap();
    git(&repository, &["init", "-q", "-b", "main"]);
    commit(&repository, "first");
    fs::remove_dir(bed.workspace()).unwrap();
    git(&repository, &["worktree", "add", "-q", "-b", "side", bed.workspace().to_str().unwrap()]);
    (bed, repository)
}

/// What an agent does: look, change, commit; then what its operator sees.
async fn work(bed: &Bed, name: &SandboxName, tree: &Path) {
    assert_eq!(bed.text(name, "git status --porcelain").await, "");
    assert_eq!(bed.text(name, "echo new > file; git status --porcelain").await, "?? file");
    bed.text(name, "git add file && git commit -q -m 'from inside'").await;
    let log = bed.text(name, "git log --format='%an <%ae> %s'").await;
    assert_eq!(log.lines().next(), Some("Ada \"L\" B <ada@example.org> from inside"));
    assert_eq!(git(tree, &["log", "--format=%s"]), "from inside\nfirst\n");
    assert_eq!(git(tree, &["show", "HEAD:file"]), "new\n");
    assert_eq!(git(tree, &["status", "--porcelain"]), "");
}

fn commit(repository: &Path, subject: &str) {
    git(
        repository,
        &["-c", "user.name=O", "-c", "user.email=o@example.org", "commit", "-q", "--allow-empty", "-m", subject],
    );
}

/// The host's git, without anybody's configuration.
fn git(dir: &Path, arguments: &[&str]) -> String {
    let mut git = Command::new("git");
    git.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1").current_dir(dir).args(arguments);
    let output = git.output().expect("git on the host");
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
