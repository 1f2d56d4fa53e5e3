//! The scan of a whole workspace.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use loopbox_core::{Finding, FindingCode, SandboxName};
use loopbox_tests::{Bed, Watched, within};

async fn scan(bed: &Bed, name: &SandboxName) -> Vec<Finding> {
    within("a scan", bed.loopbox.scan(name)).await.unwrap()
}

fn about<'a>(findings: &'a [Finding], path: &Path) -> Option<&'a Finding> {
    findings.iter().find(|finding| finding.path.as_deref() == Some(path))
}

#[tokio::test]
async fn setuid_files_and_names_outside_are_told() {
    let bed = Bed::native();
    let outside = bed.dir().join("outside");
    fs::write(&outside, "x").unwrap();
    fs::hard_link(&outside, bed.workspace().join("linked")).unwrap();
    let name = bed.sandbox().await;
    bed.text(&name, "mkdir -p node_modules/a; touch node_modules/a/su; chmod u+s node_modules/a/su; touch b; ln b c")
        .await;
    let findings = scan(&bed, &name).await;
    let su = bed.workspace().join("node_modules/a/su");
    assert_eq!(about(&findings, &su).unwrap().code, FindingCode::Setuid);
    assert_eq!(fs::metadata(&su).unwrap().permissions().mode() & 0o7000, 0o4000, "nothing is taken away");
    assert_eq!(about(&findings, &bed.workspace().join("linked")).unwrap().code, FindingCode::HardLink);
    assert_eq!(findings.iter().filter(|finding| finding.code == FindingCode::HardLink).count(), 1, "{findings:?}");
    // `inspect` tells what the last scan found.
    let told = bed.loopbox.inspect(&name).await.unwrap().findings;
    assert!(findings.iter().all(|finding| told.contains(finding)));
}

#[tokio::test]
async fn names_that_are_not_unicode_hide_nothing() {
    let bed = Bed::native();
    let odd = std::ffi::OsStr::from_bytes(b"x\xff");
    fs::create_dir(bed.workspace().join(odd)).unwrap();
    fs::write(bed.workspace().join(odd).join(".envrc"), "the host's").unwrap();
    let name = bed.sandbox().await;
    bed.text(&name, r#"odd=$(printf 'y\377'); mkdir "$odd"; touch "$odd/.envrc" "$odd/su" su; chmod u+s "$odd/su" su"#)
        .await;
    let findings = scan(&bed, &name).await;
    assert_eq!(findings.iter().filter(|finding| finding.code == FindingCode::Setuid).count(), 2, "{findings:?}");
    assert!(!bed.workspace().join(std::ffi::OsStr::from_bytes(b"y\xff/.envrc")).exists());
    let told = bed.loopbox.inspect(&name).await.unwrap().findings;
    assert!(told.iter().any(|finding| finding.message.contains("/.envrc was made inside")), "{told:?}");
    fs::write(bed.workspace().join(odd).join(".envrc"), "changed").unwrap();
    scan(&bed, &name).await;
    assert!(bed.workspace().join(odd).join(".envrc").exists(), "what was there before is left alone");
}

#[tokio::test]
async fn a_directory_that_looks_like_a_repository_cannot_make_git_run_anything() {
    let bed = Bed::native();
    let name = bed.sandbox().await;
    bed.text(
        &name,
        "git init -q --bare lib/data && git -C lib/data config core.fsmonitor 'touch /tmp/ran'
         git init -q deep/er && printf '#!/bin/sh\\n' > deep/er/.git/hooks/post-checkout && chmod 755 deep/er/.git/hooks/post-checkout
         mkdir -p odd/x/objects odd/x/refs && echo 'ref: refs/heads/m' > odd/HEAD && echo x > odd/commondir
         printf '[core]\\nsshCommand = sh\\n' > odd/x/config",
    )
    .await;
    let findings = scan(&bed, &name).await;
    for offence in ["lib/data/config", "deep/er/.git/hooks/post-checkout", "odd/x/config"] {
        let path = bed.workspace().join(offence);
        let finding = about(&findings, &path).unwrap_or_else(|| panic!("{offence}: {findings:?}"));
        assert!(!path.exists(), "{offence}");
        assert!(finding.quarantine.as_ref().unwrap().exists());
    }
}

#[tokio::test]
async fn a_clone_made_inside_stays_as_it_is() {
    let bed = Bed::native();
    let name = bed.sandbox().await;
    bed.text(
        &name,
        "git init -q one && cd one && mkdir .vscode && echo x > .vscode/settings.json && git add . && git commit -qm x
         cd .. && git clone -q one two && git -C two remote add other https://example.org/x.git",
    )
    .await;
    let before = bed.text(&name, "find one two | sort").await;
    scan(&bed, &name).await;
    assert_eq!(bed.text(&name, "find one two | sort").await, before);
    assert_eq!(bed.text(&name, "git -C two status --short").await, "");
}

#[tokio::test]
async fn guarded_paths_deeper_in_the_tree_are_moved_if_they_were_made_inside() {
    let bed = Bed::native();
    let old = bed.workspace().join("old/.vscode");
    fs::create_dir_all(&old).unwrap();
    fs::write(old.join("tasks.json"), "host").unwrap();
    fs::write(bed.workspace().join("old/.envrc"), "host").unwrap();
    let name = bed.sandbox().await;
    scan(&bed, &name).await;
    bed.text(
        &name,
        "mkdir -p new/.vscode node_modules/p/.vscode; echo x > new/.vscode/tasks.json; echo x > new/.envrc
         echo changed > old/.envrc",
    )
    .await;
    let findings = scan(&bed, &name).await;
    for path in ["new/.vscode", "new/.envrc"] {
        let finding = about(&findings, &bed.workspace().join(path)).unwrap();
        assert!(finding.quarantine.is_some() && !bed.workspace().join(path).exists(), "{path}");
    }
    assert!(bed.workspace().join("node_modules/p/.vscode").exists(), "packages bring what they like");
    assert!(old.join("tasks.json").exists());
    let changed = about(&findings, &bed.workspace().join("old/.envrc")).unwrap();
    assert!(changed.quarantine.is_none() && bed.workspace().join("old/.envrc").exists());
}

#[tokio::test]
async fn a_repository_of_the_hosts_own_is_told_and_left_alone() {
    let bed = Bed::native();
    let config = bed.workspace().join("sub/.git/config");
    fs::create_dir_all(config.parent().unwrap()).unwrap();
    fs::write(&config, "[core]\n\tfsmonitor = watchman\n").unwrap();
    let name = bed.sandbox().await;
    let findings = scan(&bed, &name).await;
    assert!(about(&findings, &config).unwrap().quarantine.is_none());
    assert!(config.exists());
}

#[tokio::test]
async fn hostile_trees_are_scanned_to_their_end() {
    let bed = Bed::native();
    let name = bed.sandbox().await;
    bed.text(
        &name,
        "mkfifo fifo; ln -s / root; ln -s . self; mkdir -p .x/objects .x/refs; mkfifo .x/HEAD .x/config
         python3 -c 'import os
for _ in range(400): os.mkdir(\"d\"); os.chdir(\"d\")' && mkdir closed && touch closed/x && chmod 0 closed
         mkdir -p 'new
line/.vscode'",
    )
    .await;
    let findings = scan(&bed, &name).await;
    assert!(about(&findings, &bed.workspace().join("new\nline/.vscode")).unwrap().quarantine.is_some());
    assert!(findings.iter().any(|finding| finding.message.contains("scanned in part")), "{findings:?}");
    bed.text(&name, "chmod 755 closed").await;
}

#[tokio::test]
async fn a_removal_ends_with_a_scan() {
    let bed = Bed::native();
    let name = bed.sandbox().await;
    // The scan that follows a create may find the directory before there is a file in it.
    bed.text(&name, "mkdir -p a/.vscode; echo x > a/.vscode/tasks.json || true").await;
    assert!(bed.loopbox.remove(&name).await.unwrap());
    // The sweeper is a process of its own; what it has not done yet, prune does.
    bed.loopbox.prune().await.unwrap();
    within("the last scan", async {
        while bed.workspace().join("a/.vscode").exists() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(bed.loopbox.quarantines(&name).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_killed_scan_leaves_the_next_one_free() {
    let bed = Bed::native();
    for directory in 0..50 {
        let path = bed.workspace().join(directory.to_string());
        fs::create_dir(&path).unwrap();
        (0..200).for_each(|file| fs::write(path.join(file.to_string()), "").unwrap());
    }
    let name = bed.sandbox().await;
    let dir = bed.sandbox_dir(&name);
    let status = Command::new(loopbox_tests::helper()).args(["internal", "scan"]).arg(&dir).status().unwrap();
    assert!(status.success());
    let is_ours =
        |command: &[u8]| command.windows(dir.as_os_str().len()).any(|part| part == dir.as_os_str().as_encoded_bytes());
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|pid| pid.parse().ok()) else { continue };
        let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        if let Some(scanner) = is_ours(&command).then(|| Watched::by_pid(pid)).flatten() {
            scanner.kill();
        }
    }
    bed.text(&name, "touch su; chmod u+s su").await;
    let findings = scan(&bed, &name).await;
    assert!(about(&findings, &bed.workspace().join("su")).is_some());
    let looked_at = bed.read_json(&name, "findings.json")["lookedAt"].as_u64().unwrap();
    assert!(looked_at > 10_000, "{looked_at}");
}

#[tokio::test]
async fn exec_with_scan_tells_on_standard_error_and_keeps_the_exit_code() {
    let bed = Bed::native();
    let name = bed.sandbox().await;
    let args = [
        "exec",
        "--scan",
        name.as_str(),
        "--",
        "sh",
        "-c",
        "touch su; chmod u+s su; mkdir -p a/.idea; echo out; exit 7",
    ];
    let output = within("exec --scan", bed.cli().args(args).output()).await.unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(7), "{errors}");
    assert_eq!(output.stdout, b"out\n");
    assert!(errors.contains("finding: su is setuid"), "{errors}");
    assert!(errors.contains("a/.idea was made inside and moved out of the workspace"), "{errors}");
    let inspected = bed.cli().args(["inspect", name.as_str()]).output().await.unwrap();
    assert!(String::from_utf8(inspected.stdout).unwrap().contains("su is setuid"));
    let removed = bed.cli().args(["rm", name.as_str()]).output().await.unwrap();
    assert_eq!(removed.stdout, format!("{name}\n").as_bytes());
    assert!(String::from_utf8(removed.stderr).unwrap().contains("kept what was moved out of the workspace"));
}
