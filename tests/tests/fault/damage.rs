//! What is on disk is not what was written: after a reboot, after a disk error, after an update and a return from it.

use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use loopbox_core::{ErrorCode, LoopId, SandboxState};
use serde_json::{Value, json};

use super::world::{Process, World, kill};

fn write(world: &World, file: &str, content: &[u8]) {
    fs::write(world.sandbox().join(file), content).unwrap();
}

/// A `runtime.json` of which nothing runs any more, although a process of that number does.
fn stale(runtime: &Value, pid: u32, change: impl Fn(&mut Value)) -> Vec<u8> {
    let mut stale = runtime.clone();
    for part in ["supervisor", "init"] {
        stale[part]["pid"] = pid.into();
        change(&mut stale[part]);
    }
    stale.to_string().into_bytes()
}

#[tokio::test]
async fn a_process_that_got_the_number_of_a_dead_one_is_left_alone() {
    let mut bystander = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let alive = Process::open(i32::try_from(bystander.id()).unwrap(), "cat".to_owned()).unwrap();
    let stat = fs::read_to_string(format!("/proc/{}/stat", bystander.id())).unwrap();
    let start_time: u64 = stat.rsplit_once(") ").unwrap().1.split(' ').nth(19).unwrap().parse().unwrap();
    let another_start = |part: &mut Value| part["startTime"] = (start_time - 1).into();
    let another_boot = |part: &mut Value| {
        part["startTime"] = start_time.into();
        part["bootId"] = "00000000-0000-0000-0000-000000000000".into();
    };
    for change in [&another_start as &dyn Fn(&mut Value), &another_boot] {
        let world = World::new();
        world.create().await;
        let runtime = world.runtime();
        world.loopbox.stop(&world.name).await.unwrap();
        let file = stale(&runtime, bystander.id(), change);
        write(&world, "runtime.json", &file);
        assert_eq!(world.loopbox.inspect(&world.name).await.unwrap().state, SandboxState::Stopped);
        assert_eq!(world.loopbox.processes(&world.name).await.unwrap(), []);
        world.loopbox.stop(&world.name).await.unwrap();
        write(&world, "runtime.json", &file);
        world.assert_works().await;
        world.loopbox.stop(&world.name).await.unwrap();
        write(&world, "runtime.json", &file);
        world.loopbox.remove(&world.name).await.unwrap();
        world.assert_nothing_left();
    }
    assert!(!alive.dies_within(Duration::ZERO), "a stranger was killed");
    kill(&mut bystander);
}

#[tokio::test]
async fn a_sandbox_that_runs_and_is_not_written_down_is_still_ended() {
    for damage in [&b"garbage"[..], b"", b"{}", b"[1,2", b"\xff\xfe"] {
        let world = World::new();
        world.create().await;
        world.sh("echo kept > ~/note").await;
        let (supervisor, init) = world.pair();
        write(&world, "runtime.json", damage);
        assert_eq!(world.sh("cat ~/note").await, "kept");
        for process in [&supervisor, &init] {
            assert!(process.dies_within(Duration::ZERO), "the sandbox was started beside itself");
        }
        world.assert_works().await;
        write(&world, "runtime.json", damage);
        world.loopbox.stop(&world.name).await.unwrap();
        assert_eq!(world.processes().len(), 0);
        world.assert_works().await;
        write(&world, "runtime.json", damage);
        world.loopbox.remove(&world.name).await.unwrap();
        world.assert_nothing_left();
    }
}

#[tokio::test]
async fn a_damaged_record_is_an_error_that_hides_no_other_sandbox_and_can_be_removed() {
    for damage in [&b"garbage"[..], b"", b"{\"schema\":2", b"{\"schema\":2}", b"null", b"\xff\xfe"] {
        let world = World::new();
        world.create().await;
        write(&world, "record.json", damage);
        let error = world.loopbox.create(world.request()).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::Io, "{}", error.describe());
        assert!(error.hint().unwrap().contains("loopbox rm -f"));
        assert_eq!(world.loopbox.inspect(&world.name).await.unwrap_err().code(), ErrorCode::Io);
        assert_eq!(world.loopbox.list().await.unwrap(), []);
        world.loopbox.prune().await.unwrap();
        assert_eq!(world.loopbox.destroy_loop(&LoopId::parse("another").unwrap()).await.unwrap(), []);
        // Prune does not remove what it cannot read, nor what that may have claimed; whoever asks by name means it.
        assert!(!world.processes().is_empty());
        if rustix::process::geteuid().is_root() {
            assert_eq!(fs::read_dir(world.state().join("ids")).unwrap().count(), 1);
        }
        world.loopbox.remove(&world.name).await.unwrap();
        world.create().await;
        world.assert_works().await;
        world.loopbox.remove(&world.name).await.unwrap();
        world.loopbox.prune().await.unwrap();
        world.assert_nothing_left();
    }
}

#[tokio::test]
async fn a_newer_record_is_not_touched_by_any_call() {
    let world = World::new();
    world.create().await;
    let path = world.sandbox().join("record.json");
    let ours = fs::read(&path).unwrap();
    let mut newer: Value = serde_json::from_slice(&ours).unwrap();
    newer["schema"] = 99.into();
    fs::write(&path, newer.to_string()).unwrap();
    let name = &world.name;
    assert_eq!(world.loopbox.create(world.request()).await.unwrap_err().code(), ErrorCode::StateTooNew);
    assert_eq!(world.loopbox.stop(name).await.unwrap_err().code(), ErrorCode::StateTooNew);
    assert_eq!(world.loopbox.remove(name).await.unwrap_err().code(), ErrorCode::StateTooNew);
    world.loopbox.prune().await.unwrap();
    assert_eq!(fs::read(&path).unwrap(), newer.to_string().into_bytes());
    // The version that wrote it finds everything as it was.
    fs::write(&path, ours).unwrap();
    world.assert_works().await;
    world.loopbox.remove(name).await.unwrap();
    world.assert_nothing_left();
}

#[tokio::test]
async fn half_of_a_directory_is_no_sandbox_and_is_pruned() {
    let world = World::new();
    world.create().await;
    world.loopbox.remove(&world.name).await.unwrap();
    for part in ["home", "layer/usr/upper", "run"] {
        fs::create_dir_all(world.sandbox().join(part)).unwrap();
        assert_eq!(world.loopbox.list().await.unwrap(), []);
        assert!(!world.loopbox.exists(&world.name).await.unwrap());
        assert_eq!(world.loopbox.prune().await.unwrap().removed, std::slice::from_ref(&world.name));
        world.assert_nothing_left();
    }
    fs::create_dir_all(world.sandbox().join("home")).unwrap();
    world.create().await;
    world.assert_works().await;
    world.loopbox.remove(&world.name).await.unwrap();
    world.assert_nothing_left();
}

#[tokio::test]
async fn files_that_were_being_written_by_dying_processes_are_cleared_away() {
    let world = World::new();
    world.create().await;
    for file in [".record.json.0123456789ab", ".runtime.json.0123456789ab"] {
        write(&world, file, b"{\"sch");
    }
    world.loopbox.stop(&world.name).await.unwrap();
    world.assert_works().await;
    world.loopbox.remove(&world.name).await.unwrap();
    world.assert_nothing_left();
}

#[tokio::test]
async fn a_half_emptied_trash_is_emptied_by_prune() {
    let world = World::new();
    world.create().await;
    world.loopbox.remove(&world.name).await.unwrap();
    world.assert_nothing_left();
    let trash = world.state().join("trash").join("victim-0123");
    fs::create_dir_all(trash.join("layer/usr/work/work")).unwrap();
    fs::write(trash.join("egress.log"), "").unwrap();
    world.loopbox.prune().await.unwrap();
    world.assert_nothing_left();
}

#[tokio::test]
async fn after_a_reboot_the_sandbox_is_stopped_and_starts_again() {
    let world = World::new();
    world.create().await;
    world.sh("echo kept > ~/note").await;
    let mut runtime = world.runtime();
    for process in world.processes() {
        process.kill();
    }
    world.wait_until_dead();
    for part in ["supervisor", "init"] {
        runtime[part]["bootId"] = json!("00000000-0000-0000-0000-000000000000");
    }
    write(&world, "runtime.json", runtime.to_string().as_bytes());
    assert_eq!(world.loopbox.list().await.unwrap().first().unwrap().state, SandboxState::Stopped);
    assert_eq!(world.sh("cat ~/note").await, "kept");
    world.assert_works().await;
    world.loopbox.remove(&world.name).await.unwrap();
    world.assert_nothing_left();
}
