//! Calls of several processes for one name at once.

use super::world::{Ended, World, ended};

#[tokio::test]
async fn racing_creates_stops_and_removes_end_with_one_sandbox_or_none() {
    let world = World::new();
    let racers: Vec<_> =
        ["3", "5", "7"].iter().map(|seed| world.call("race", seed).arg("200").spawn().unwrap()).collect();
    for racer in racers {
        let output = racer.wait_with_output().unwrap();
        assert_eq!(ended(&output), Ended::Well(200.into()));
    }
    assert!(
        world.processes().iter().filter(|process| process.part == "supervise").count() <= 1,
        "more than one sandbox"
    );
    world.create().await;
    world.assert_works().await;
    world.loopbox.remove(&world.name).await.unwrap();
    world.assert_nothing_left();
}

#[tokio::test]
async fn prune_takes_nothing_from_a_sandbox_that_is_being_made() {
    let world = World::new();
    for _ in 0..20 {
        let prunes = std::array::from_fn::<_, 3, _>(|_| world.call("prune", "-").spawn().unwrap());
        let create = world.call("create", "-").spawn().unwrap();
        for prune in prunes {
            assert!(matches!(ended(&prune.wait_with_output().unwrap()), Ended::Well(_)));
        }
        assert!(matches!(ended(&create.wait_with_output().unwrap()), Ended::Well(_)));
        if rustix::process::geteuid().is_root() {
            let claims = std::fs::read_dir(world.state().join("ids")).unwrap().count();
            assert_eq!(claims, 1, "the host's ids of a living sandbox are claimed");
        }
        world.assert_works().await;
        world.loopbox.remove(&world.name).await.unwrap();
    }
    world.assert_nothing_left();
}
