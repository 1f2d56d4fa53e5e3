//! What the host would execute or obey in a workspace.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::PathBuf;

use loopbox_core::{ErrorCode, ExecRequest, Finding, FindingCode, SandboxName};
use loopbox_tests::{Bed, is_root};

async fn guarded(bed: &Bed, name: &SandboxName) -> Vec<Finding> {
    let findings = bed.loopbox.inspect(name).await.unwrap().findings;
    findings.into_iter().filter(|finding| finding.code == FindingCode::Guarded).collect()
}

/// The finding about that path of the workspace.
async fn about(bed: &Bed, name: &SandboxName, path: &str) -> Finding {
    let all = guarded(bed, name).await;
    let path = bed.workspace().join(path);
    let found = all.iter().find(|finding| finding.path.as_ref() == Some(&path));
    found.cloned().unwrap_or_else(|| panic!("nothing about {}: {all:?}", path.display()))
}

fn write(bed: &Bed, path: &str, content: &str) -> PathBuf {
    let path = bed.workspace().join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, content).unwrap();
    path
}

#[tokio::test]
async fn the_inside_has_its_own_copy_of_what_the_host_obeys() {
    let bed = Bed::native();
    let tasks = write(&bed, ".vscode/tasks.json", "host\n");
    let envrc = write(&bed, ".envrc", "host\n");
    let name = bed.sandbox().await;
    assert_eq!(bed.text(&name, "cat .vscode/tasks.json .envrc").await, "host\nhost");

    bed.text(&name, "echo inside > .vscode/tasks.json; echo inside > .envrc; echo new > .vscode/settings.json").await;
    assert_eq!(bed.text(&name, "cat .vscode/tasks.json .envrc").await, "inside\ninside");
    assert_eq!(fs::read_to_string(&tasks).unwrap(), "host\n");
    assert_eq!(fs::read_to_string(&envrc).unwrap(), "host\n");
    assert!(!bed.workspace().join(".vscode/settings.json").exists());

    let kept = about(&bed, &name, ".vscode").await.quarantine.unwrap();
    assert_eq!(fs::read_to_string(kept.join("tasks.json")).unwrap(), "inside\n");
    about(&bed, &name, ".envrc").await;

    // It is still there after a stop, and kept when the sandbox is removed.
    bed.loopbox.stop(&name).await.unwrap();
    assert_eq!(bed.text(&name, "cat .envrc").await, "inside");
    assert!(bed.loopbox.remove(&name).await.unwrap());
    let quarantines = bed.loopbox.quarantines(&name).await.unwrap();
    assert_eq!(quarantines.len(), 1);
    let findings = fs::read_to_string(quarantines[0].join("findings.jsonl")).unwrap();
    let kept = findings.lines().map(|line| serde_json::from_str::<Finding>(line).unwrap());
    let kept: Vec<PathBuf> = kept.filter_map(|finding| finding.quarantine).collect();
    assert_eq!(kept.len(), 2, "{findings}");
    assert!(kept.iter().all(|path| path.exists()), "{kept:?}");
    assert_eq!(fs::read_to_string(&tasks).unwrap(), "host\n");
}

#[tokio::test]
async fn guarded_paths_can_be_neither_renamed_nor_removed_nor_replaced() {
    let bed = Bed::native();
    write(&bed, ".vscode/tasks.json", "host");
    write(&bed, ".mcp.json", "host");
    write(&bed, ".hg/hgrc", "host");
    write(&bed, "rc", "host");
    symlink("rc", bed.workspace().join(".exrc")).unwrap();
    let name = bed.sandbox().await;
    for attempt in [
        "mv .vscode .vscode2",
        "rm -r .vscode",
        "mv .mcp.json x",
        "rm .mcp.json",
        "echo x > x && mv x .mcp.json",
        "ln -sf /etc/passwd .mcp.json",
        "mv .hg .hg2",
        "rm .exrc",
        "mv rc rc2",
    ] {
        let output = bed.sh(&name, attempt).await;
        assert_ne!(output.exit_code, 0, "{attempt}");
    }
    bed.text(&name, "echo inside > .hg/hgrc; echo inside > rc; echo inside > .exrc").await;
    for path in [".mcp.json", ".hg/hgrc", "rc", ".exrc"] {
        assert_eq!(fs::read_to_string(bed.workspace().join(path)).unwrap(), "host", "{path}");
    }
    assert!(fs::symlink_metadata(bed.workspace().join(".exrc")).unwrap().is_symlink());
}

#[tokio::test]
async fn what_is_made_where_nothing_was_is_moved_out_of_the_workspace() {
    let bed = Bed::native();
    let name = bed.sandbox().await;
    bed.text(
        &name,
        "mkdir -p .idea/deep; echo x > .idea/deep/y; ln -s /etc/passwd .mcp.json; mkfifo .envrc; echo x > .exrc
         mkdir .vscode; echo x > .vscode/tasks.json; chmod 0 .vscode; echo kept > README",
    )
    .await;
    let left: Vec<_> = fs::read_dir(bed.workspace()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["README"]);
    for path in [".idea", ".mcp.json", ".envrc", ".exrc", ".vscode"] {
        let kept = about(&bed, &name, path).await.quarantine.unwrap();
        assert!(fs::symlink_metadata(&kept).is_ok(), "{}", kept.display());
        assert!(kept.starts_with(bed.state()), "{}", kept.display());
    }
    // Nor does it stay when nobody waits for the command, or when something outlives it.
    bed.text(&name, "(while test ! -e go; do :; done; mkdir .idea; touch done) > /dev/null 2>&1 &").await;
    bed.text(&name, "touch go; while test ! -e done; do :; done").await;
    assert!(!bed.workspace().join(".idea").exists());
    bed.loopbox.exec_detached(&name, ExecRequest::new(["sh", "-c", "mkdir .zed; touch detached"])).await.unwrap();
    bed.text(&name, "while test ! -e detached; do :; done").await;
    assert!(!bed.workspace().join(".zed").exists());
}

/// A loop that puts back what is moved away, swaps it for links, and fills it meanwhile.
#[tokio::test]
async fn a_race_for_the_quarantine_leads_nowhere() {
    let bed = Bed::native();
    let outside = bed.dir().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("file"), "outside").unwrap();
    let name = bed.sandbox().await;
    let script = format!(
        "for i in 1 2 3; do (while test ! -e stop; do
             mkdir .idea; echo x > .idea/f; mv .idea x$$.$RANDOM; ln -s {outside} .idea; ln -sf {outside}/file .envrc
             rm -f .idea; echo x > .idea; rm -f .idea; done) > /dev/null 2>&1 & done",
        outside = outside.display()
    );
    bed.text(&name, &script).await;
    for _ in 0..20 {
        bed.text(&name, "true").await;
    }
    bed.text(&name, "touch stop").await;
    bed.loopbox.stop(&name).await.unwrap();
    assert!(fs::symlink_metadata(bed.workspace().join(".idea")).is_err());
    assert!(fs::symlink_metadata(bed.workspace().join(".envrc")).is_err());
    assert_eq!(fs::read_to_string(outside.join("file")).unwrap(), "outside");
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 1);
}

#[tokio::test]
async fn what_the_host_makes_stays_the_hosts() {
    let bed = Bed::native();
    let name = bed.sandbox().await;
    bed.text(&name, "true").await;
    let tasks = write(&bed, ".vscode/tasks.json", "host");
    // It is guarded from the next command on, without a restart.
    bed.text(&name, "echo inside > .vscode/tasks.json").await;
    assert_eq!(fs::read_to_string(&tasks).unwrap(), "host");
    bed.loopbox.stop(&name).await.unwrap();
    let envrc = write(&bed, ".envrc", "host");
    bed.text(&name, "echo inside > .envrc; echo inside > .vscode/tasks.json").await;
    assert_eq!(fs::read_to_string(&envrc).unwrap(), "host");
    assert_eq!(fs::read_to_string(&tasks).unwrap(), "host");
}

#[tokio::test]
async fn the_hosts_changes_come_in_unless_the_inside_made_its_own() {
    let bed = Bed::native();
    let tasks = write(&bed, ".vscode/tasks.json", "one");
    let mcp = write(&bed, ".mcp.json", "one");
    let name = bed.sandbox().await;
    fs::write(&tasks, "two, longer").unwrap();
    write(&bed, ".vscode/new.json", "new");
    fs::write(&mcp, "two, longer").unwrap();
    assert_eq!(bed.text(&name, "cat .vscode/tasks.json .vscode/new.json .mcp.json").await, "two, longernewtwo, longer");
    bed.text(&name, "echo inside > .vscode/tasks.json").await;
    fs::write(&tasks, "three").unwrap();
    assert_eq!(bed.text(&name, "cat .vscode/tasks.json").await, "inside");
    assert_eq!(fs::read_to_string(&tasks).unwrap(), "three");
}

#[tokio::test]
async fn the_directory_that_the_repository_names_for_hooks_is_guarded() {
    let bed = Bed::native();
    write(&bed, ".git/HEAD", "ref: refs/heads/main\n");
    write(&bed, ".git/config", "[core]\n\thooksPath = tools/hooks\n");
    let hook = write(&bed, "tools/hooks/pre-commit", "host");
    let name = bed.sandbox().await;
    bed.text(&name, "echo inside > tools/hooks/pre-commit; echo fine > tools/other").await;
    assert_ne!(bed.sh(&name, "mv tools tools2").await.exit_code, 0);
    assert_eq!(fs::read_to_string(&hook).unwrap(), "host");
    assert_eq!(fs::read_to_string(bed.workspace().join("tools/other")).unwrap(), "fine\n");
}

/// As `npm install` with husky does it.
#[tokio::test]
async fn tools_that_write_guarded_directories_work_inside() {
    let bed = Bed::native();
    let hook = write(&bed, ".husky/pre-commit", "npm test\n");
    fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).unwrap();
    let name = bed.sandbox().await;
    bed.text(
        &name,
        "mkdir -p .husky/_ && echo '*' > .husky/_/.gitignore && echo run > .husky/_/pre-commit.new
         mv .husky/_/pre-commit.new .husky/_/pre-commit && chmod 755 .husky/_/pre-commit && test -x .husky/pre-commit
         rm .husky/pre-commit && echo 'npm run lint' > .husky/pre-commit",
    )
    .await;
    assert_eq!(bed.text(&name, "cat .husky/pre-commit .husky/_/pre-commit").await, "npm run lint\nrun");
    assert_eq!(fs::read_to_string(&hook).unwrap(), "npm test\n");
    assert!(!bed.workspace().join(".husky/_").exists());
}

#[tokio::test]
async fn other_checkouts_of_claude_are_not_copied() {
    let bed = Bed::native();
    write(&bed, ".claude/worktrees/other/secret", "x");
    write(&bed, ".claude/settings.json", "{}");
    let name = bed.sandbox().await;
    assert_eq!(bed.text(&name, "cat .claude/settings.json; ls -A .claude/worktrees").await, "{}");
}

#[tokio::test]
async fn what_is_too_large_to_copy_is_read_only() {
    let bed = Bed::native();
    for number in 0..2100 {
        write(&bed, &format!(".direnv/lib/{number}"), "x");
    }
    let name = bed.sandbox().await;
    assert_eq!(bed.text(&name, "ls .direnv/lib | wc -l").await, "2100");
    assert_ne!(bed.sh(&name, "echo x > .direnv/lib/1").await.exit_code, 0);
    assert_ne!(bed.sh(&name, "mv .direnv d").await.exit_code, 0);
}

#[tokio::test]
async fn patterns_switch_guards_off() {
    let bed = Bed::native();
    let tasks = write(&bed, ".vscode/tasks.json", "host\n");
    let name = bed.sandbox_with(|options| options.guard_allow = Some(vec![".vscode".into(), ".env*".into()])).await;
    bed.text(&name, "echo inside > .vscode/tasks.json; echo inside > .envrc; echo inside > .mcp.json").await;
    assert_eq!(fs::read_to_string(&tasks).unwrap(), "inside\n");
    assert!(bed.workspace().join(".envrc").exists());
    assert!(!bed.workspace().join(".mcp.json").exists());

    for pattern in ["/etc", "../x", "", ".vscode/tasks.json"] {
        let mut request = bed.request("other");
        request.options.guard_allow = Some(vec![pattern.into()]);
        let error = bed.loopbox.create(request).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidArgument, "{pattern}");
        assert!(error.message().starts_with("guard.allow: "), "{}", error.message());
    }
    let mut request = bed.request(name.as_str());
    request.options.guard_allow = Some(Vec::new());
    let error = bed.loopbox.create(request).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::SandboxExists);
    assert!(error.message().contains("guard.allow"), "{}", error.message());
}

/// Editors and git replace files by renaming, under which a mount comes off.
#[tokio::test]
async fn a_file_that_the_host_replaces_is_guarded_again() {
    let bed = Bed::native();
    let envrc = write(&bed, ".envrc", "one\n");
    let tasks = write(&bed, ".vscode/tasks.json", "one\n");
    let name = bed.sandbox().await;
    assert_eq!(bed.text(&name, "cat .envrc .vscode/tasks.json").await, "one\none");
    for (round, seen) in [("two\n", "two"), ("three\n", "inside")] {
        let new = write(&bed, "new", round);
        fs::rename(new, &envrc).unwrap();
        fs::remove_dir_all(bed.workspace().join(".vscode")).unwrap();
        write(&bed, ".vscode/tasks.json", round);
        let both =
            bed.text(&name, "cat .envrc .vscode/tasks.json; echo inside | tee .envrc > .vscode/tasks.json").await;
        assert_eq!(both, format!("{seen}\n{seen}"), "the host's, unless the inside made its own");
        assert_ne!(bed.sh(&name, "mv .vscode v || rm .envrc").await.exit_code, 0);
        assert_eq!(fs::read_to_string(&envrc).unwrap(), round);
        assert_eq!(fs::read_to_string(&tasks).unwrap(), round);
    }
    assert!(guarded(&bed, &name).await.iter().all(|finding| !finding.message.contains("came off")));
    assert_eq!(fs::metadata(&envrc).unwrap().nlink(), 1);
}

#[tokio::test]
async fn a_workspace_that_was_closed_hides_nothing_that_was_made_in_it() {
    for mode in ["0000", "0311", "0555"] {
        let bed = Bed::native();
        let name = bed.sandbox().await;
        let evil =
            format!("mkdir .vscode sub; echo evil | tee .vscode/tasks.json sub/.envrc > .envrc; chmod {mode} sub .");
        bed.text(&name, &evil).await;
        fs::set_permissions(bed.workspace(), fs::Permissions::from_mode(0o755)).unwrap();
        assert!(!bed.workspace().join(".vscode").exists() && !bed.workspace().join(".envrc").exists(), "{mode}");
        bed.loopbox.scan(&name).await.unwrap();
        fs::set_permissions(bed.workspace().join("sub"), fs::Permissions::from_mode(0o755)).unwrap();
        // What nobody can pass through obeys nobody until it is opened.
        assert_eq!(bed.workspace().join("sub/.envrc").exists(), mode == "0000" && !is_root(), "{mode}");
        assert!(guarded(&bed, &name).await.len() >= 2, "{mode}");
    }
}
