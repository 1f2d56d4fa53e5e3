//! Death at each step: every failpoint, and after it each way in which a later call may meet what is left.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::world::{Ended, World};

/// Who dies at a failpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dies {
    /// The process that made the call.
    Caller,
    /// Supervisor or init, before the caller was told that the sandbox is ready: the call fails.
    Inside,
    /// The process between supervisor and init, which there is only if the caller is root: the call fails.
    Between,
    /// Supervisor or init, afterwards: the call may succeed, and the sandbox is stopped.
    Later,
}

/// In what state the call under test finds the sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Before {
    Nothing,
    Running,
    Stopped,
    HalfMade,
}

/// Every failpoint, the call that meets it, what is there before, and who dies.
const STEPS: &[(&str, &str, Before, Dies)] = &[
    ("create.locked", "create", Before::Nothing, Dies::Caller),
    ("create.directory-made", "create", Before::Nothing, Dies::Caller),
    ("create.recorded", "create", Before::Nothing, Dies::Caller),
    ("create.claimed", "create", Before::Nothing, Dies::Caller),
    ("create.planned", "create", Before::Nothing, Dies::Caller),
    ("create.files-made", "create", Before::Nothing, Dies::Caller),
    ("create.cgroup-made", "create", Before::Nothing, Dies::Caller),
    ("create.guarded", "create", Before::Nothing, Dies::Caller),
    ("create.spawned", "create", Before::Nothing, Dies::Caller),
    ("create.started", "create", Before::Nothing, Dies::Caller),
    ("create.committed", "create", Before::Nothing, Dies::Caller),
    ("create.settings-written", "deny", Before::Running, Dies::Caller),
    ("network.recorded", "network", Before::Running, Dies::Caller),
    ("detach.ready", "detach", Before::Running, Dies::Caller),
    ("detach.asked", "detach", Before::Running, Dies::Caller),
    ("start.stopped", "exec", Before::Stopped, Dies::Caller),
    ("start.committed", "exec", Before::Stopped, Dies::Caller),
    ("stop.locked", "stop", Before::Running, Dies::Caller),
    ("stop.stopped", "stop", Before::Running, Dies::Caller),
    ("remove.locked", "remove", Before::Running, Dies::Caller),
    ("remove.recorded", "remove", Before::Running, Dies::Caller),
    ("remove.stopped", "remove", Before::Running, Dies::Caller),
    ("remove.discarded", "remove", Before::Running, Dies::Caller),
    ("remove.released", "remove", Before::Running, Dies::Caller),
    ("prune.cleared", "prune", Before::HalfMade, Dies::Caller),
    ("prune.released", "prune", Before::HalfMade, Dies::Caller),
    ("supervisor.instructed", "create", Before::Nothing, Dies::Inside),
    ("supervisor.detached", "create", Before::Nothing, Dies::Inside),
    ("supervisor.listening", "create", Before::Nothing, Dies::Inside),
    ("supervisor.sources-opened", "create", Before::Nothing, Dies::Inside),
    ("between.init-cloned", "create", Before::Nothing, Dies::Between),
    ("supervisor.init-cloned", "create", Before::Nothing, Dies::Inside),
    ("supervisor.maps-written", "create", Before::Nothing, Dies::Inside),
    ("supervisor.runtime-written", "create", Before::Nothing, Dies::Inside),
    ("supervisor.unprivileged", "create", Before::Nothing, Dies::Inside),
    ("supervisor.answered", "create", Before::Nothing, Dies::Later),
    ("supervisor.committed", "create", Before::Nothing, Dies::Later),
    ("init.started", "create", Before::Nothing, Dies::Inside),
    ("init.placed", "create", Before::Nothing, Dies::Inside),
    ("init.root-entered", "create", Before::Nothing, Dies::Inside),
    ("init.confined", "create", Before::Nothing, Dies::Inside),
    ("init.ready", "create", Before::Nothing, Dies::Later),
];

/// The steps of starting a sandbox, which a stopped one goes through again.
fn restarts() -> impl Iterator<Item = &'static (&'static str, &'static str, Before, Dies)> {
    const AGAIN: [&str; 5] =
        ["create.files-made", "create.cgroup-made", "create.guarded", "create.spawned", "create.started"];
    STEPS.iter().filter(|(step, ..)| {
        AGAIN.contains(step) || ["supervisor.", "between.", "init."].iter().any(|of| step.starts_with(of))
    })
}

#[test]
fn every_failpoint_is_in_the_table() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates");
    let mut in_sources = BTreeSet::new();
    for source in ["core/src", "init/src"] {
        collect_failpoints(&crates.join(source), &mut in_sources);
    }
    let in_table: BTreeSet<String> = STEPS.iter().map(|(step, ..)| (*step).to_owned()).collect();
    assert_eq!(in_sources, in_table);
}

fn collect_failpoints(dir: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(dir).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect_failpoints(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let calls = text.split("failpoint!(").skip(1).filter_map(|rest| rest.split_once(");"));
            found.extend(calls.filter_map(|(call, _)| Some(call.split('"').nth(1)?.to_owned())));
        }
    }
}

#[tokio::test]
async fn the_next_create_puts_everything_right() {
    for step in STEPS {
        let world = die_at(step).await;
        world.create().await;
        world.assert_works().await;
        assert!(world.loopbox.remove(&world.name).await.unwrap(), "{step:?}");
        tidy(&world, step).await;
        world.assert_nothing_left();
    }
}

#[tokio::test]
async fn list_shows_what_there_is_and_prune_removes_the_rest() {
    for step in STEPS {
        let world = die_at(step).await;
        for info in world.loopbox.list().await.unwrap() {
            assert_eq!(info.name, world.name, "{step:?}");
        }
        world.loopbox.prune().await.unwrap();
        // What is left now is a whole sandbox or none.
        if world.loopbox.exists(&world.name).await.unwrap() {
            world.assert_works().await;
            world.loopbox.remove(&world.name).await.unwrap();
        }
        world.assert_nothing_left();
    }
}

#[tokio::test]
async fn remove_puts_everything_right() {
    for step in STEPS {
        let world = die_at(step).await;
        world.loopbox.remove(&world.name).await.unwrap();
        assert!(!world.loopbox.exists(&world.name).await.unwrap(), "{step:?}");
        tidy(&world, step).await;
        world.assert_nothing_left();
    }
}

#[tokio::test]
async fn a_stopped_sandbox_survives_every_death_in_its_restart() {
    for step @ (name, _, _, dies) in restarts() {
        let world = World::new();
        world.create().await;
        world.sh("echo kept > ~/note").await;
        world.loopbox.stop(&world.name).await.unwrap();
        let ended = world.drive("exec", name);
        check(&world, step, *dies, &ended);
        if !matches!(ended, Ended::Well(_)) {
            // Nobody committed it, so that it ends by itself; until then it would take commands that end with it.
            world.wait_until_dead();
        }
        assert_eq!(world.sh("cat ~/note").await, "kept", "{step:?}");
        world.assert_works().await;
        world.loopbox.remove(&world.name).await.unwrap();
        world.assert_nothing_left();
    }
}

/// A world in which the call of that step has met its failpoint.
async fn die_at(step: &(&str, &str, Before, Dies)) -> World {
    let (name, verb, before, dies) = step;
    let world = World::new();
    match before {
        Before::Nothing => {}
        Before::Running => world.create().await,
        Before::Stopped => {
            world.create().await;
            world.loopbox.stop(&world.name).await.unwrap();
        }
        Before::HalfMade => {
            assert_eq!(world.drive("create", "create.started"), Ended::Killed);
        }
    }
    let ended = world.drive(verb, name);
    check(&world, step, *dies, &ended);
    world
}

fn check(world: &World, step: &(&str, &str, Before, Dies), dies: Dies, ended: &Ended) {
    let typed = |code: &str| ["BackendUnavailable", "Io", "SandboxDied"].contains(&code);
    match (dies, ended) {
        (Dies::Caller, Ended::Killed) | (Dies::Later, Ended::Well(_)) => {}
        (Dies::Between, Ended::Well(_)) if !rustix::process::geteuid().is_root() => {}
        (Dies::Inside | Dies::Between | Dies::Later, Ended::Failed { code, .. }) if typed(code) => {}
        _ => panic!("{step:?}: {ended:?}"),
    }
    if dies == Dies::Later {
        // A command that is started in a dying sandbox would die with it, and rightly.
        world.wait_until_dead();
    }
}

/// Of a remover that died after its work, only the trash is left, which nobody but prune looks at.
async fn tidy(world: &World, step: &(&str, &str, Before, Dies)) {
    if ["remove.discarded", "remove.released", "prune.cleared", "prune.released"].contains(&step.0) {
        world.loopbox.prune().await.unwrap();
    }
}
