//! What sandboxes are called, and when a request means the one that exists.

use std::collections::BTreeMap;
use std::time::Duration;

use loopbox_core::{AgentName, BackendId, CreateRequest, ErrorCode, LoopId, SandboxName};
use loopbox_tests::{Bed, shell};

#[tokio::test]
async fn the_sandbox_of_a_loop_has_exactly_the_documented_name() {
    let bed = Bed::native();
    let loop_id = LoopId::parse("loop-mlqojz0v-7nnrle").unwrap();
    let request = CreateRequest::for_loop(&loop_id, &shell(), bed.workspace()).unwrap();
    let created = bed.loopbox.create(request).await.unwrap();
    assert_eq!(created.name.as_str(), "loop-loop-mlqojz0v-7nnrle-shell");
    assert_eq!(bed.loopbox.inspect(&created.name).await.unwrap().loop_id, Some(loop_id));
}

#[tokio::test]
async fn a_name_that_does_not_fit_is_refused_before_anything_is_made() {
    let bed = Bed::native();
    let long = "a".repeat(200);
    for name in ["../x", "a;id", "", long.as_str(), "a/b", "a\nb", "-a"] {
        assert_eq!(SandboxName::parse(name).unwrap_err().code(), ErrorCode::InvalidName, "{name:?}");
        let workspace = bed.workspace();
        let output =
            bed.cli().args(["create", &format!("--name={name}"), "shell"]).arg(workspace).output().await.unwrap();
        assert_eq!(output.status.code(), Some(125), "{name:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.starts_with("loopbox: error[InvalidName]: "), "{name:?}: {said}");
    }
    assert!(!bed.state().exists());
}

#[tokio::test]
async fn sandboxes_are_listed_by_name() {
    let bed = Bed::host();
    for name in ["b2", "a9", "b1"] {
        bed.loopbox.create(bed.request(name)).await.unwrap();
    }
    let listed = bed.loopbox.list().await.unwrap();
    assert_eq!(listed.iter().map(|info| info.name.as_str()).collect::<Vec<_>>(), ["a9", "b1", "b2"]);
}

#[tokio::test]
async fn a_request_that_differs_in_its_identity_is_refused_and_the_field_named() {
    let bed = Bed::native();
    let name = bed.sandbox().await;
    let other = bed.dir().join("other");
    std::fs::create_dir(&other).unwrap();

    let workspace = CreateRequest::new(name.clone(), shell(), &other);
    let tool = CreateRequest::new(name.clone(), AgentName::parse("codex").unwrap(), bed.workspace());
    let mut backend = bed.request("bed");
    backend.options.backend = Some(BackendId::Host);
    let mut of_loop = bed.request("bed");
    of_loop.loop_id = Some(LoopId::parse("l1").unwrap());

    for (request, field) in [(workspace, "workDir"), (tool, "tool"), (backend, "backend"), (of_loop, "loopId")] {
        let error = bed.loopbox.create(request).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::SandboxExists, "{field}");
        assert!(error.message().contains(&format!("differs in {field}")), "{}", error.message());
        assert!(error.hint().unwrap().contains("loopbox rm bed"));
    }
    assert_eq!(bed.text(&name, "pwd").await, bed.workspace().to_str().unwrap(), "it is left as it was");
}

#[tokio::test]
async fn options_left_out_keep_what_exists_and_those_given_are_applied() {
    let bed = Bed::native();
    let name = bed
        .sandbox_with(|options| {
            options.ttl = Some(Duration::from_hours(2));
            options.env = Some(BTreeMap::from([("COLOUR".into(), "green".into())]));
        })
        .await;
    let before = bed.loopbox.inspect(&name).await.unwrap();

    bed.loopbox.create(CreateRequest::new(name.clone(), shell(), bed.workspace())).await.unwrap();
    let after = bed.loopbox.inspect(&name).await.unwrap();
    assert_eq!((&after.network, &after.env, after.created), (&before.network, &before.env, before.created));
    assert_eq!(bed.text(&name, "echo $COLOUR").await, "green");
    let lifetime = |info: &loopbox_core::SandboxInfo| info.expires.unwrap().duration_since(info.last_used).as_secs();
    assert_eq!(lifetime(&after), 7200);

    let mut request = CreateRequest::new(name.clone(), shell(), bed.workspace());
    request.options.env = Some(BTreeMap::from([("COLOUR".into(), "red".into())]));
    request.options.ttl = Some(Duration::from_mins(3));
    let again = bed.loopbox.create(request).await.unwrap();
    assert!(!again.new);
    assert_eq!(bed.text(&name, "echo $COLOUR").await, "red");
    assert_eq!(lifetime(&bed.loopbox.inspect(&name).await.unwrap()), 180);
}

#[tokio::test]
async fn the_same_workspace_by_another_path_is_the_same_sandbox() {
    let bed = Bed::native();
    bed.sandbox().await;
    let link = bed.dir().join("link");
    std::os::unix::fs::symlink(bed.workspace(), &link).unwrap();
    let mut request = bed.request("bed");
    request.workspace = link;
    assert!(!bed.loopbox.create(request).await.unwrap().new);
}
