//! What outlives a sandbox: nothing, whichever way it ends.

use std::path::Path;
use std::process::{Command, Stdio};

use loopbox_core::{ExecRequest, SandboxName};
use loopbox_tests::{Bed, Watched, within};
use tokio::io::{AsyncBufReadExt, BufReader};

use super::attack::{self, World};
use super::program::Program;

/// How a sandbox ends.
#[derive(Debug, Clone, Copy)]
enum End {
    Destroyed,
    SupervisorKilled,
}

#[tokio::test]
async fn nothing_outlives_a_sandbox() {
    let world = World::build();
    for program in Program::of_group("life") {
        control(&world, &program);
        for end in [End::Destroyed, End::SupervisorKilled] {
            in_sandbox(&world, &program, end).await;
        }
    }
}

/// Without a sandbox, the processes outlive the program that is ended.
fn control(world: &World, program: &Program) {
    let stage = tempfile::tempdir().unwrap();
    world.furnish(stage.path(), program);
    // The shell is what a sandbox without a process namespace would be: it ends what it started.
    let script = r#"
        coproc "$@"
        read -r line <&"${COPROC[0]}"
        until grep -qsa "$HOSTILE_MARK" /proc/[0-9]*/cmdline; do :; done
        kill -KILL "$COPROC_PID"; wait
        grep -qsa "$HOSTILE_MARK" /proc/[0-9]*/cmdline && echo survived"#;
    let mut command = Command::new("unshare");
    command.args(["--fork", "--pid", "--mount", "--net", "--mount-proc", "--kill-child"]);
    if !loopbox_tests::is_root() {
        command.arg("--map-root-user");
    }
    command.args(["bash", "-c", script, "control"]).args(attack::command(program, &attack_dir(stage.path())));
    command.current_dir(stage.path().join("workspace")).envs(attack::environment(stage.path(), stage.path()));
    let output = command.env("HOSTILE_MARK", "hostile-survivor").stdin(Stdio::null()).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "survived\n", "{}: {output:?}", program.name);
}

async fn in_sandbox(world: &World, program: &Program, end: End) {
    let bed = Bed::native();
    world.furnish(bed.dir(), program);
    let name = bed.sandbox().await;
    let mark = format!("hostile{}", bed.dir().file_name().unwrap().to_str().unwrap());
    let mut request = ExecRequest::new(attack::command(program, &attack_dir(bed.dir())));
    request.env.insert("HOSTILE_MARK".into(), mark.clone().into());
    for (key, value) in attack::environment(bed.dir(), bed.state()) {
        request.env.insert(key.into(), value.into());
    }
    let mut exec = bed.loopbox.exec(&name, request).await.unwrap();
    let mut line = String::new();
    within("its start", BufReader::new(exec.take_stdout().unwrap()).read_line(&mut line)).await.unwrap();
    assert_eq!(line, "ready\n", "{}", program.name);
    let survivors = within("its survivors", tokio::task::spawn_blocking(move || named(&mark))).await.unwrap();
    finish(&bed, &name, end).await;
    for survivor in survivors {
        survivor.end().await;
    }
    let mark = format!("hostile{}", bed.dir().file_name().unwrap().to_str().unwrap());
    assert!(Watched::named(&mark).is_empty(), "{} outlives a sandbox that is {end:?}", program.name);
}

async fn finish(bed: &Bed, name: &SandboxName, end: End) {
    match end {
        End::Destroyed => {
            bed.loopbox.remove(name).await.unwrap();
        }
        End::SupervisorKilled => {
            let supervisor = bed.loopbox.inspect(name).await.unwrap().pids[0];
            Watched::by_pid(supervisor).expect("a supervisor").kill();
        }
    }
}

/// The processes of that name, as soon as there are any.
fn named(mark: &str) -> Vec<Watched> {
    loop {
        let found = Watched::named(mark);
        if !found.is_empty() {
            return found;
        }
        std::thread::yield_now();
    }
}

fn attack_dir(stage: &Path) -> std::path::PathBuf {
    stage.join("workspace/attack")
}
