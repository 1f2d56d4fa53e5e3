//! Create: idempotent, safe when processes race, and nothing left of what failed.

use std::fs;
use std::path::Path;

use loopbox_core::{AgentName, BackendId, CreateRequest, ErrorCode, SandboxState};
use loopbox_tests::{Bed, on_every_backend, within};
use serde_json::json;
use tokio::task::JoinSet;

on_every_backend!(
    creating_twice_finds_the_first,
    racing_tasks_end_with_one_sandbox,
    every_handle_on_the_state_directory_sees_the_sandbox,
    what_a_crashed_create_left_is_cleared_by_the_next,
);

async fn creating_twice_finds_the_first(bed: Bed) {
    let first = bed.loopbox.create(bed.request("bed")).await.unwrap();
    let second = bed.loopbox.create(bed.request("bed")).await.unwrap();
    assert_eq!((first.new, second.new), (true, false));
    assert_eq!((second.name, second.backend), (first.name, first.backend));
    assert_eq!(bed.loopbox.list().await.unwrap().len(), 1);
}

async fn racing_tasks_end_with_one_sandbox(bed: Bed) {
    let mut racing = JoinSet::new();
    for _ in 0..8 {
        let (loopbox, request) = (bed.loopbox.clone(), bed.request("bed"));
        racing.spawn(async move { loopbox.create(request).await.unwrap().new });
    }
    let made = racing.join_all().await;
    assert_eq!(made.iter().filter(|&&new| new).count(), 1);
    assert_eq!(bed.loopbox.list().await.unwrap().len(), 1);
}

#[tokio::test]
async fn racing_processes_end_with_one_sandbox() {
    let bed = Bed::native();
    let mut racing = JoinSet::new();
    for _ in 0..6 {
        let mut create = bed.cli();
        create.args(["create", "-q", "--policy", "deny", "--name", "bed", "shell"]).arg(bed.workspace());
        racing.spawn(async move { create.output().await.unwrap() });
    }
    for output in within("racing creates", racing.join_all()).await {
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.stdout, b"bed\n");
    }
    let listed = bed.loopbox.list().await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].state, SandboxState::Running);
    let name = &listed[0].name;
    assert_eq!(bed.loopbox.processes(name).await.unwrap().len(), 1, "its init and nothing else");
}

/// The planner makes it, the implementor works in it, the cleaner removes it: no call needs another's process.
async fn every_handle_on_the_state_directory_sees_the_sandbox(bed: Bed) {
    let name = bed.sandbox().await;
    let implementor = bed.another(|_| {});
    let exec = implementor.exec(&name, loopbox_core::ExecRequest::new(["sh", "-c", "exit 9"])).await.unwrap();
    assert_eq!(exec.output().await.unwrap().exit_code, 9);
    let shown = bed.cli().args(["ls", "-q"]).output().await.unwrap();
    assert_eq!(shown.stdout, b"bed\n");
    let removed = bed.cli().args(["rm", "bed"]).output().await.unwrap();
    assert!(removed.status.success(), "{}", String::from_utf8_lossy(&removed.stderr));
    assert!(!bed.loopbox.exists(&name).await.unwrap());
}

async fn what_a_crashed_create_left_is_cleared_by_the_next(bed: Bed) {
    let name = bed.sandbox().await;
    let record = bed.read_json(&name, "record.json");
    bed.loopbox.remove(&name).await.unwrap();

    for phase in [None, Some("creating"), Some("removing")] {
        let dir = bed.sandbox_dir(&name);
        fs::create_dir(&dir).unwrap();
        fs::write(dir.join("left-over"), "").unwrap();
        if let Some(phase) = phase {
            let mut record = record.clone();
            record["phase"] = json!(phase);
            bed.write_json(&name, "record.json", &record);
        }
        assert!(!bed.loopbox.exists(&name).await.unwrap(), "{phase:?}");
        let created = bed.loopbox.create(bed.request("bed")).await.unwrap();
        assert!(created.new, "{phase:?}");
        assert!(!dir.join("left-over").exists());
        assert_eq!(bed.sh(&name, "exit 3").await.exit_code, 3);
        assert!(bed.loopbox.remove(&name).await.unwrap());
    }
}

#[tokio::test]
async fn nothing_is_left_of_a_create_that_failed() {
    let bed = Bed::with(|config| config.host_path = "/nonexistent".into());
    let mut request = bed.request("bed");
    request.agent = AgentName::parse("claude").unwrap();
    let error = bed.loopbox.create(request).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::AgentNotFound);
    assert!(error.hint().unwrap().contains("npm install -g @anthropic-ai/claude-code"));
    assert_nothing_is_left(bed.state());
}

#[tokio::test]
async fn an_executable_that_cannot_play_supervisor_is_told_and_nothing_is_left() {
    for helper in ["/nonexistent/loopbox", "/bin/false"] {
        let bed = Bed::with(|config| config.helper = Some(helper.into()));
        let error = bed.loopbox.create(bed.request("bed")).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::BackendUnavailable, "{}", error.describe());
        assert!(error.message().contains(helper));
        assert_nothing_is_left(bed.state());
    }
    let bed = Bed::with(|config| config.helper_sha256 = Some([7; 32]));
    let error = bed.loopbox.create(bed.request("bed")).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::BackendUnavailable, "{}", error.describe());
    assert_nothing_is_left(bed.state());
}

#[tokio::test]
async fn the_state_directory_must_be_absolute_and_its_path_may_be_long() {
    let error = loopbox_core::Loopbox::new(loopbox_core::Config::new("relative")).unwrap_err();
    assert_eq!(error.code(), ErrorCode::InvalidArgument);

    // Longer than a socket's address can be.
    let bed = Bed::with(|config| config.state_dir = config.state_dir.join("d".repeat(120)).join("e".repeat(120)));
    let name = bed.sandbox().await;
    assert_eq!(bed.text(&name, "echo here").await, "here");
}

/// State is nobody else's to read: tokens, policies and the private home lie there.
#[tokio::test]
async fn state_is_the_callers_own() {
    use std::os::unix::fs::PermissionsExt;
    let bed = Bed::native();
    let name = bed.sandbox().await;
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    for dir in [bed.state(), &bed.state().join("sandboxes"), &bed.state().join("locks"), &bed.sandbox_dir(&name)] {
        assert_eq!(mode(dir), 0o700, "{}", dir.display());
    }
    let files =
        |dir: &Path| fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file());
    for file in files(&bed.sandbox_dir(&name)).chain(files(bed.state())) {
        assert_eq!(mode(&file) & 0o077, 0, "{}", file.display());
    }
}

#[tokio::test]
async fn what_the_default_backend_is_can_be_configured() {
    let bed = Bed::with(|config| config.backend = Some(BackendId::Host));
    let name = loopbox_core::SandboxName::parse("bed").unwrap();
    let request = CreateRequest::new(name, loopbox_tests::shell(), bed.workspace());
    let created = bed.loopbox.create(request).await.unwrap();
    assert_eq!(created.backend, BackendId::Host);
    assert!(created.notices.iter().any(|notice| notice.contains("nothing is isolated")), "{:?}", created.notices);
}

/// Directories of the registry may exist; nothing that stands for a sandbox may.
fn assert_nothing_is_left(state: &Path) {
    for part in ["sandboxes", "ids"] {
        let left: Vec<_> = fs::read_dir(state.join(part)).into_iter().flatten().flatten().map(|e| e.path()).collect();
        assert!(left.is_empty(), "left over: {left:?}");
    }
}
