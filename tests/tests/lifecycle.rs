//! Stopped and started again, after whatever stopped it; and what survives.

use std::time::Duration;

use loopbox_core::{ErrorCode, EventKind, ExecInput, ExecRequest, LoopId, SandboxName, SandboxState};
use loopbox_tests::{Bed, Watched, on_every_backend, shell, within};
use serde_json::{Value, json};

on_every_backend!(
    stop_and_start_work_where_declared_and_are_unsupported_elsewhere,
    a_loop_is_destroyed_by_its_id_and_never_by_names,
    destroying_what_does_not_exist_is_fine,
);

/// Leaves something in every place that a sandbox can write to.
const LEAVE: &str = "echo home > ~/kept; echo var > /var/tmp/kept; echo tmp > /tmp/lost; echo run > kept-in-workspace";

async fn stop_and_start_work_where_declared_and_are_unsupported_elsewhere(bed: Bed) {
    let name = bed.sandbox().await;
    if !bed.capabilities(&name).await.stop_start {
        assert_eq!(bed.loopbox.stop(&name).await.unwrap_err().code(), ErrorCode::Unsupported);
        return;
    }
    let mut request = ExecRequest::new(["cat"]);
    request.stdin = ExecInput::Stream;
    let mut running = bed.loopbox.exec(&name, request).await.unwrap();
    bed.text(&name, LEAVE).await;
    let pids = bed.loopbox.inspect(&name).await.unwrap().pids;
    assert!(pids.len() >= 3, "supervisor, init and a command: {pids:?}");
    let processes: Vec<Watched> = pids.into_iter().filter_map(Watched::by_pid).collect();

    bed.loopbox.stop(&name).await.unwrap();
    assert!(!processes.iter().any(Watched::lives), "stop comes back when everything is dead");
    let error = within("the end of a command", running.wait()).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::SandboxDied, "never disguised as the command's exit code");
    let info = bed.loopbox.inspect(&name).await.unwrap();
    assert_eq!((info.state, info.pids), (SandboxState::Stopped, vec![]));
    assert!(bed.loopbox.exists(&name).await.unwrap());
    assert!(bed.loopbox.processes(&name).await.unwrap().is_empty());
    bed.loopbox.stop(&name).await.unwrap();

    bed.loopbox.start(&name).await.unwrap();
    assert_eq!(bed.loopbox.inspect(&name).await.unwrap().state, SandboxState::Running);
    bed.loopbox.start(&name).await.unwrap();
    assert_kept(&bed, &name).await;
}

async fn assert_kept(bed: &Bed, name: &SandboxName) {
    assert_eq!(bed.text(name, "cat ~/kept /var/tmp/kept kept-in-workspace").await, "home\nvar\nrun");
    assert_ne!(bed.sh(name, "test -e /tmp/lost").await.exit_code, 0);
}

#[tokio::test]
async fn a_stopped_sandbox_is_started_by_exec_and_by_create() {
    let bed = Bed::native();
    let name = bed.sandbox().await;
    bed.text(&name, LEAVE).await;
    bed.loopbox.stop(&name).await.unwrap();
    assert_kept(&bed, &name).await;
    bed.loopbox.stop(&name).await.unwrap();
    assert!(!bed.loopbox.create(bed.request("bed")).await.unwrap().new);
    assert_eq!(bed.loopbox.inspect(&name).await.unwrap().state, SandboxState::Running);
    assert_kept(&bed, &name).await;
}

#[tokio::test]
async fn racing_commands_start_a_stopped_sandbox_once() {
    let bed = Bed::native();
    let name = bed.sandbox().await;
    bed.loopbox.stop(&name).await.unwrap();
    let mut racing = tokio::task::JoinSet::new();
    for n in 0..6 {
        let mut exec = bed.cli();
        exec.args(["exec", "bed", "sh", "-c", &format!("readlink /proc/self/ns/pid; exit {n}")]);
        racing.spawn(async move { (n, exec.output().await.unwrap()) });
    }
    let mut namespaces = std::collections::BTreeSet::new();
    for (n, output) in within("racing commands", racing.join_all()).await {
        assert_eq!(output.status.code(), Some(n), "{}", String::from_utf8_lossy(&output.stderr));
        namespaces.insert(output.stdout);
    }
    assert_eq!(namespaces.len(), 1, "all ran in one sandbox");
}

#[tokio::test]
async fn a_layer_over_the_system_is_private_and_kept() {
    let bed = Bed::native();
    let name = bed.sandbox().await;
    if !bed.capabilities(&name).await.root_user {
        // Nobody inside may write there.
        assert_ne!(bed.sh(&name, "touch /usr/local/bin/mine").await.exit_code, 0);
        return;
    }
    let install = || {
        let mut request =
            ExecRequest::new(["sh", "-c", "echo kept > /usr/local/share/of-the-sandbox && rm /usr/bin/env"]);
        request.user = loopbox_core::User::Root;
        request
    };
    assert_eq!(bed.exec(&name, install()).await.unwrap().text(), "");
    assert!(!std::path::Path::new("/usr/local/share/of-the-sandbox").exists());
    bed.loopbox.stop(&name).await.unwrap();
    assert_eq!(
        bed.text(&name, "cat /usr/local/share/of-the-sandbox; ls /usr/bin/env || echo gone").await,
        "kept\ngone"
    );
}

/// Nothing runs, and the numbers of the processes mean others now.
#[tokio::test]
async fn after_a_reboot_it_is_stopped_and_starts_again() {
    let bed = Bed::native();
    let name = bed.sandbox().await;
    bed.text(&name, LEAVE).await;
    let bystander = tokio::process::Command::new("sleep").arg("1000").kill_on_drop(true).spawn().unwrap();
    let bystander_id = bystander.id().unwrap();
    let runtime = bed.read_json(&name, "runtime.json");
    bed.loopbox.stop(&name).await.unwrap();

    let stale = |boot: Option<&str>| {
        let mut stale: Value = runtime.clone();
        for process in ["supervisor", "init"] {
            stale[process]["pid"] = json!(bystander_id);
            if let Some(boot) = boot {
                stale[process]["bootId"] = json!(boot);
            }
        }
        stale
    };
    // Another boot; and the same boot, in which the number was given to another process.
    for boot in [Some("6f2a1c9e-0000-4000-8000-000000000000"), None] {
        bed.write_json(&name, "runtime.json", &stale(boot));
        assert_eq!(bed.loopbox.inspect(&name).await.unwrap().state, SandboxState::Stopped);
        assert_eq!(bed.loopbox.inspect(&name).await.unwrap().pids, Vec::<u32>::new());
        assert!(bed.loopbox.prune().await.unwrap().removed.is_empty());
        assert_kept(&bed, &name).await;
        bed.loopbox.stop(&name).await.unwrap();
    }
    assert!(Watched::by_pid(bystander_id).unwrap().lives(), "nothing is killed that our own records do not name");
}

#[tokio::test]
async fn the_death_of_init_or_supervisor_stops_it_and_is_told() {
    let bed = Bed::native();
    let name = bed.sandbox().await;
    for victim in [1, 0] {
        let mut events = bed.loopbox.events(true).unwrap();
        let pids = bed.loopbox.inspect(&name).await.unwrap().pids;
        let processes: Vec<Watched> = pids.into_iter().filter_map(Watched::by_pid).collect();
        processes[victim].kill();
        if victim == 1 {
            let died = async { while events.next().await.unwrap().unwrap().kind != EventKind::Died {} };
            within("the event of its death", died).await;
        }
        for process in processes {
            process.end().await;
        }
        assert_eq!(bed.loopbox.inspect(&name).await.unwrap().state, SandboxState::Stopped);
        assert_eq!(bed.sh(&name, "exit 5").await.exit_code, 5, "the next exec starts it again");
    }
}

#[tokio::test]
async fn a_command_in_a_sandbox_that_is_removed_is_told_that_it_died() {
    let bed = Bed::native();
    let name = bed.sandbox().await;
    let exec = bed.loopbox.exec(&name, ExecRequest::new(["bash", "-c", "echo begun; exec sleep 1000"])).await.unwrap();
    let loopbox = bed.loopbox.clone();
    let (outcome, removed) =
        within("the end of both", async { tokio::join!(exec.output(), loopbox.remove(&name)) }).await;
    assert!(removed.unwrap());
    assert_eq!(outcome.unwrap_err().code(), ErrorCode::SandboxDied);
}

async fn a_loop_is_destroyed_by_its_id_and_never_by_names(bed: Bed) {
    let id = LoopId::parse("l1").unwrap();
    let create = |name: &str, loop_id: Option<&LoopId>| {
        let mut request = bed.request(name);
        request.loop_id = loop_id.cloned();
        bed.loopbox.create(request)
    };
    create("loop-l1-shell", Some(&id)).await.unwrap();
    create("of-any-name", Some(&id)).await.unwrap();
    create("loop-l1-claude", None).await.unwrap();
    create("loop-l1-x-shell", Some(&LoopId::parse("l1-x").unwrap())).await.unwrap();

    let names = |names: &[SandboxName]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(names(&bed.loopbox.destroy_loop(&id).await.unwrap()), ["loop-l1-shell", "of-any-name"]);
    assert!(bed.loopbox.destroy_loop(&id).await.unwrap().is_empty(), "idempotent");
    let left: Vec<_> = bed.loopbox.list().await.unwrap().into_iter().map(|info| info.name).collect();
    assert_eq!(names(&left), ["loop-l1-claude", "loop-l1-x-shell"]);
}

async fn destroying_what_does_not_exist_is_fine(bed: Bed) {
    assert!(bed.loopbox.destroy_loop(&LoopId::parse("nobody").unwrap()).await.unwrap().is_empty());
    assert!(!bed.loopbox.remove(&SandboxName::parse("nobody").unwrap()).await.unwrap());
    assert!(bed.loopbox.reset().await.unwrap().is_empty());
}

/// `ls` and `rm` work on every sandbox, also when its agent has been uninstalled since.
#[tokio::test]
async fn a_sandbox_whose_agent_is_gone_is_listed_and_removed() {
    let bed = Bed::native();
    let name = bed.sandbox().await;
    bed.loopbox.stop(&name).await.unwrap();
    let elsewhere = bed.another(|config| {
        config.host_path = "/nonexistent".into();
        config.helper = Some("/nonexistent".into());
    });
    assert_eq!(elsewhere.list().await.unwrap().len(), 1);
    assert_eq!(elsewhere.inspect(&name).await.unwrap().agent.name, shell());
    assert!(elsewhere.remove(&name).await.unwrap());
}

#[tokio::test]
async fn a_lifetime_of_zero_is_for_ever() {
    let bed = Bed::native();
    let name = bed.sandbox_with(|options| options.ttl = Some(Duration::ZERO)).await;
    assert_eq!(bed.loopbox.inspect(&name).await.unwrap().expires, None);
    let day = bed.loopbox.create(bed.request("day")).await.unwrap().name;
    let info = bed.loopbox.inspect(&day).await.unwrap();
    assert_eq!(info.expires.unwrap().duration_since(info.last_used).as_hours(), 24, "the default");
}
