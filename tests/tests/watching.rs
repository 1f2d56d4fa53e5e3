//! What is told about sandboxes: events, processes, the machine.

use loopbox_core::{BackendId, CheckStatus, EventKind, Events, ExecInput, ExecRequest, Isolation, SandboxState};
use loopbox_tests::{Bed, on_every_backend, within};

on_every_backend!(events_tell_what_happened_in_order, inspect_tells_what_a_sandbox_is);

async fn kinds(mut events: Events) -> Vec<(String, EventKind)> {
    let mut kinds = Vec::new();
    while let Some(event) = events.next().await {
        let event = event.unwrap();
        kinds.push((event.sandbox.to_string(), event.kind));
    }
    kinds
}

async fn events_tell_what_happened_in_order(bed: Bed) {
    let name = bed.sandbox().await;
    bed.loopbox.create(bed.request("bed")).await.unwrap();
    let mut expected = vec![EventKind::Created];
    if bed.capabilities(&name).await.stop_start {
        bed.loopbox.stop(&name).await.unwrap();
        bed.loopbox.stop(&name).await.unwrap();
        bed.run(&name, ["true"]).await;
        expected.extend([EventKind::Stopped, EventKind::Started]);
    }
    bed.loopbox.remove(&name).await.unwrap();
    bed.loopbox.remove(&name).await.unwrap();
    expected.push(EventKind::Removed);
    let expected: Vec<_> = expected.into_iter().map(|kind| ("bed".to_owned(), kind)).collect();
    assert_eq!(kinds(bed.loopbox.events(false).unwrap()).await, expected);
}

#[tokio::test]
async fn a_follower_hears_of_other_processes() {
    let bed = Bed::host();
    let mut events = bed.loopbox.events(true).unwrap();
    let mut create = bed.cli();
    create.args(["create", "-q", "--backend=host", "--name=bed", "shell"]).arg(bed.workspace());
    assert!(create.status().await.unwrap().success());
    let event = within("the event", events.next()).await.unwrap().unwrap();
    assert_eq!((event.sandbox.as_str(), event.kind), ("bed", EventKind::Created));
}

async fn inspect_tells_what_a_sandbox_is(bed: Bed) {
    let name = bed.sandbox().await;
    let info = bed.loopbox.inspect(&name).await.unwrap();
    assert_eq!((info.name, info.backend, info.state), (name.clone(), bed.backend, SandboxState::Running));
    assert_eq!(info.agent.name.as_str(), "shell");
    assert!(info.created <= info.last_used && Some(info.last_used) < info.expires);
    assert_eq!(info.capabilities.isolation == Isolation::None, bed.backend == BackendId::Host);
    assert_eq!(
        info.findings.iter().any(|finding| finding.message.contains("nothing is isolated")),
        bed.backend == BackendId::Host
    );

    let shown = bed.cli().args(["inspect", "--json", "bed"]).output().await.unwrap();
    let shown: serde_json::Value = serde_json::from_slice(&shown.stdout).unwrap();
    for field in ["name", "agent", "workspace", "backend", "state", "created", "lastUsed", "expires", "pids", "limits"]
    {
        assert!(!shown[field].is_null(), "{field}");
    }
}

#[tokio::test]
async fn processes_are_told_with_their_ids_on_both_sides() {
    let bed = Bed::native();
    let name = bed.sandbox().await;
    let mut request = ExecRequest::new(["bash", "-c", "echo $$; exec -a 'two words\u{1b}[31m' cat"]);
    request.stdin = ExecInput::Stream;
    let mut exec = bed.loopbox.exec(&name, request).await.unwrap();
    let mut inner = String::new();
    let mut stdout = tokio::io::BufReader::new(exec.take_stdout().unwrap());
    tokio::io::AsyncBufReadExt::read_line(&mut stdout, &mut inner).await.unwrap();

    // It has announced itself, and may be on its way into the program of another name.
    let found = within("the process by its name", async {
        loop {
            let processes = bed.loopbox.processes(&name).await.unwrap();
            assert_eq!(processes[0].inner_pid, Some(1), "init comes first: {processes:?}");
            if let Some(found) = processes.into_iter().find(|process| process.command.starts_with("two words")) {
                return found;
            }
        }
    });
    let found = found.await;
    assert_eq!(found.inner_pid, Some(inner.trim().parse().unwrap()));
    assert_eq!(found.command, "two words\u{fffd}[31m", "nothing steers the operator's terminal");
    let pids = bed.loopbox.inspect(&name).await.unwrap().pids;
    assert!(pids.contains(&found.pid), "{pids:?}");
    assert!(pids.iter().all(|pid| std::path::Path::new(&format!("/proc/{pid}")).exists()), "{pids:?}");
    assert!(bed.loopbox.list().await.unwrap().iter().any(|info| info.name == name));
}

#[tokio::test]
async fn the_doctor_tries_a_sandbox_and_leaves_nothing() {
    let bed = Bed::native();
    let report = bed.loopbox.doctor().await;
    assert_eq!(report.backend, Some(BackendId::Native), "{report:#?}");
    assert!(report.checks.iter().all(|check| check.status != CheckStatus::Fail), "{report:#?}");
    assert!(report.checks.iter().filter(|check| check.status != CheckStatus::Ok).all(|check| check.remedy.is_some()));
    assert!(bed.loopbox.list().await.unwrap().is_empty());
}
