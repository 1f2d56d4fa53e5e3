//! The hostile programs of `tests/hostile`: each succeeds without a sandbox, in a throwaway namespace, and none gets through
//! from inside one, as `agent` and as inner root.
//!
//! What a program tries, and what it needs, is said in the comment at its head (see [`program`]). Its effects are judged by
//! `witness`, which knows the world around it (see [`attack`]), not by its own word alone.

mod attack;
mod life;
mod program;
mod report;

use std::sync::Mutex;
use std::thread;

use attack::{Attacker, World};
use loopbox_tests::is_root;
use program::Program;
use report::{Line, Report};

/// As many attacks of one group run at a time.
const AT_ONCE: usize = 3;

#[test]
fn files_of_the_host_are_out_of_reach() {
    nothing_gets_through("files");
}

#[test]
fn mounts_stay_as_they_are() {
    nothing_gets_through("mounts");
}

#[test]
fn no_namespace_is_made_or_entered() {
    nothing_gets_through("namespaces");
}

#[test]
fn processes_of_the_host_are_out_of_reach() {
    nothing_gets_through("processes");
}

#[test]
fn the_kernel_is_out_of_reach() {
    nothing_gets_through("kernel");
}

#[test]
fn sockets_of_the_host_are_out_of_reach() {
    nothing_gets_through("sockets");
}

#[test]
fn the_network_of_the_host_is_out_of_reach() {
    nothing_gets_through("network");
}

#[test]
fn nothing_of_the_launcher_is_handed_down() {
    nothing_gets_through("environment");
}

#[test]
fn the_machine_keeps_its_identity_to_itself() {
    nothing_gets_through("identity");
}

#[test]
fn limits_hold() {
    nothing_gets_through("resources");
}

#[test]
fn the_hosts_git_executes_nothing_that_was_planted() {
    nothing_gets_through("git");
}

#[test]
fn the_repository_of_a_linked_worktree_executes_nothing_that_was_planted() {
    nothing_gets_through("worktree");
}

#[test]
fn guarded_files_stay_as_they_are() {
    nothing_gets_through("guards");
}

/// Every group is one of those above, so that no program is forgotten.
#[test]
fn every_group_is_tried() {
    let tried =
        ["environment", "files", "git", "guards", "identity", "kernel", "life", "mounts", "namespaces", "network"];
    let tried = tried.iter().chain(&["processes", "resources", "sockets", "worktree"]);
    assert_eq!(program::groups(), tried.map(ToString::to_string).collect::<Vec<_>>());
}

/// Runs every program of a group, without and in a sandbox, and reports on all of them.
fn nothing_gets_through(group: &str) {
    let world = World::build();
    let programs = Mutex::new(Program::of_group(group).into_iter());
    let report = Mutex::new(Report::default());
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(program) = { programs.lock().unwrap().next() } {
                    let line = attempt(&world, &program);
                    report.lock().unwrap().add(line);
                }
            });
        }
    });
    report.into_inner().unwrap().conclude(group);
}

fn attempt(world: &World, program: &Program) -> Line {
    let control = attack::without_sandbox(world, program);
    let agent = attack::in_sandbox(world, program, Attacker::Agent);
    let root =
        (is_root() && program.inner_root.is_none()).then(|| attack::in_sandbox(world, program, Attacker::InnerRoot));
    Line { program: program.clone(), control, inside: [Some(agent), root].into_iter().flatten().collect() }
}
