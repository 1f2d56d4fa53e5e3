//! Deaths from outside while a sandbox is at rest, or in the middle of a command.

use std::io::{BufRead, BufReader};
use std::process::ChildStdout;
use std::time::Duration;

use loopbox_core::{DefaultVerdict, ErrorCode, Event, EventKind, ExecRequest, NetworkOptions, SandboxState};

use super::world::{Ended, Process, World, kill};

/// The death of one part is the death of all within this time.
const AT_ONCE: Duration = Duration::from_secs(1);

async fn state(world: &World) -> SandboxState {
    world.loopbox.inspect(&world.name).await.unwrap().state
}

/// A world whose sandbox has a note in its home and a command that never ends, which is given back by its host's id.
async fn at_work() -> (World, Process) {
    let world = World::new();
    world.create().await;
    world.sh("echo kept > ~/note").await;
    let command = ExecRequest::new(["bash", "-c", "echo started; exec sleep infinity"]);
    let detached = world.loopbox.exec_detached(&world.name, command).await.unwrap();
    let mut log = world.loopbox.log_follower(&world.name, &detached.id, true).await.unwrap();
    assert_eq!(log.next().await.unwrap().unwrap(), b"started\n");
    let processes = world.loopbox.processes(&world.name).await.unwrap();
    let sleeper = processes.iter().find(|process| process.command.ends_with("sleep infinity")).unwrap();
    let sleeper = Process::open(i32::try_from(sleeper.pid).unwrap(), "sleep".to_owned()).unwrap();
    (world, sleeper)
}

async fn assert_starts_again(world: &World) {
    assert_eq!(world.sh("cat ~/note").await, "kept");
    world.assert_works().await;
    assert!(world.loopbox.remove(&world.name).await.unwrap());
    world.assert_nothing_left();
}

#[tokio::test]
async fn a_killed_supervisor_takes_everything_with_it_and_the_next_exec_starts_anew() {
    let (world, sleeper) = at_work().await;
    let (supervisor, init) = world.pair();
    supervisor.kill();
    for process in [&supervisor, &init, &sleeper] {
        assert!(process.dies_within(AT_ONCE), "{process:?}");
    }
    assert_eq!(state(&world).await, SandboxState::Stopped);
    assert_starts_again(&world).await;
}

#[tokio::test]
async fn a_killed_init_takes_everything_with_it_and_the_death_is_reported() {
    let (world, sleeper) = at_work().await;
    let mut events = world.loopbox.events(true).unwrap();
    let (supervisor, init) = world.pair();
    init.kill();
    for process in [&init, &sleeper, &supervisor] {
        assert!(process.dies_within(AT_ONCE), "{process:?}");
    }
    let died = |event: &Event| event.kind == EventKind::Died && event.sandbox == world.name;
    let report = async { while !died(&events.next().await.unwrap().unwrap()) {} };
    tokio::time::timeout(AT_ONCE, report).await.unwrap();
    assert_eq!(state(&world).await, SandboxState::Stopped);
    assert_starts_again(&world).await;
}

#[tokio::test]
async fn an_exec_in_a_dying_sandbox_ends_well_or_with_the_word_that_it_died() {
    let world = World::new();
    world.create().await;
    for _ in 0..20 {
        let (supervisor, init) = world.pair();
        supervisor.kill();
        assert!(supervisor.dies_within(AT_ONCE));
        // Init is on its way out, and may or may not take the command.
        let output = world.loopbox.exec(&world.name, ExecRequest::new(["true"])).await.unwrap().output().await;
        match output {
            Ok(output) => assert_eq!(output.exit_code, 0),
            Err(error) => assert_eq!(error.code(), ErrorCode::SandboxDied, "{}", error.describe()),
        }
        assert!(init.dies_within(AT_ONCE));
        world.assert_works().await;
    }
    world.loopbox.remove(&world.name).await.unwrap();
    world.assert_nothing_left();
}

#[tokio::test]
async fn a_command_that_kills_everything_it_can_ends_itself_and_not_the_sandbox() {
    let (world, sleeper) = at_work().await;
    let (supervisor, init) = world.pair();
    let inside = world.sh("readlink /proc/self/ns/pid").await;
    let outside = std::fs::read_link("/proc/self/ns/pid").unwrap();
    assert_ne!(inside, outside.to_string_lossy(), "what follows would kill the test itself");
    let script = "test $(readlink /proc/self/ns/pid) = \"$1\" && kill -KILL -1";
    let exec = world.loopbox.exec(&world.name, ExecRequest::new(["bash", "-c", script, "-", &inside])).await.unwrap();
    // It kills all others, among them those that watch over it, and cannot kill itself with them.
    let output = exec.output().await;
    assert!(!output.is_ok_and(|output| output.timed_out));
    assert!(sleeper.dies_within(AT_ONCE));
    for process in [&supervisor, &init] {
        assert!(!process.dies_within(Duration::ZERO), "{process:?}");
    }
    assert_starts_again(&world).await;
}

#[tokio::test]
async fn a_command_whose_leader_is_killed_from_inside_ends_with_its_tree() {
    let world = World::new();
    world.create().await;
    let script = "sleep infinity & setsid sleep infinity & kill -KILL $$";
    let exec = world.loopbox.exec(&world.name, ExecRequest::new(["bash", "-c", script])).await.unwrap();
    let output = exec.output().await.unwrap();
    assert_eq!((output.exit_code, output.signal.as_deref()), (137, Some("SIGKILL")));
    world.assert_works().await;
    world.loopbox.remove(&world.name).await.unwrap();
    world.assert_nothing_left();
}

#[tokio::test]
async fn a_killed_callers_command_dies_with_its_whole_tree_and_no_other() {
    let (world, other) = at_work().await;
    let script = "setsid sleep infinity & sleep infinity & echo started; wait";
    let mut caller = world.call("exec", "-").args(["bash", "-c", script]).spawn().unwrap();
    assert_eq!(line(caller.stdout.as_mut().unwrap()), "started\n");
    let processes = world.loopbox.processes(&world.name).await.unwrap();
    let leader = processes.iter().find(|process| process.command.contains("echo started")).unwrap();
    let tree: Vec<_> = processes
        .iter()
        .filter(|process| process.pid == leader.pid || process.parent == leader.pid)
        .map(|process| Process::open(i32::try_from(process.pid).unwrap(), process.command.clone()).unwrap())
        .collect();
    assert_eq!(tree.len(), 3, "{processes:?}");
    kill(&mut caller);
    for process in &tree {
        assert!(process.dies_within(2 * AT_ONCE), "{process:?}");
    }
    assert!(!other.dies_within(Duration::ZERO));
    world.assert_works().await;
    world.loopbox.remove(&world.name).await.unwrap();
    world.assert_nothing_left();
}

#[tokio::test]
async fn a_supervisor_whose_caller_died_before_the_commit_ends_by_itself() {
    let world = World::new();
    assert_eq!(world.drive("create", "create.started"), Ended::Killed);
    world.wait_until_dead();
    assert_eq!(state_of_the_half_made(&world).await, None);
    world.loopbox.prune().await.unwrap();
    world.assert_nothing_left();
}

#[tokio::test]
async fn a_detached_command_outlives_the_caller_that_died_right_after_asking() {
    let world = World::new();
    world.create().await;
    assert_eq!(world.drive("detach", "detach.ready"), Ended::Killed);
    assert_eq!(world.loopbox.logs(&world.name).await.unwrap(), []);
    assert_eq!(world.drive("detach", "detach.asked"), Ended::Killed);
    let logs = world.loopbox.logs(&world.name).await.unwrap();
    assert_eq!(
        logs.iter().map(|log| (log.command.as_str(), log.exit_code)).collect::<Vec<_>>(),
        [("sleep infinity", None)]
    );
    world.loopbox.remove(&world.name).await.unwrap();
    world.assert_nothing_left();
}

async fn state_of_the_half_made(world: &World) -> Option<SandboxState> {
    world.loopbox.inspect(&world.name).await.ok().map(|info| info.state)
}

#[tokio::test]
async fn a_policy_whose_giver_died_before_telling_is_in_force_after_the_next_create() {
    for (verb, failpoint) in [("network", "network.recorded"), ("deny", "create.settings-written")] {
        let world = World::new();
        world.create().await;
        assert_eq!(world.drive(verb, failpoint), Ended::Killed);
        assert_eq!(world.loopbox.inspect(&world.name).await.unwrap().network.policy, DefaultVerdict::Deny);
        world.create().await;
        let request = r"exec 3<>/dev/tcp/127.100.0.1/61080
            printf 'GET http://example.invalid/ HTTP/1.1\r\nHost: example.invalid\r\n\r\n' >&3
            read -r line <&3; echo $line";
        assert!(world.sh(request).await.contains("403"), "{verb}");
        // The same by the call whose purpose it is.
        let mut options = NetworkOptions::default();
        options.policy = Some(DefaultVerdict::Deny);
        assert_eq!(world.loopbox.set_network(&world.name, options).await.unwrap().policy, DefaultVerdict::Deny);
        world.loopbox.remove(&world.name).await.unwrap();
        world.assert_nothing_left();
    }
}

fn line(stdout: &mut ChildStdout) -> String {
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line).unwrap();
    line
}
