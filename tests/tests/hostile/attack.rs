//! One attack: the stage it is aimed at, the way in which it is started, and what came of it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Mutex;

use loopbox_tests::{Bed, cli_of, helper, is_root};
use tempfile::TempDir;

use super::program::{self, Program};

/// Makes the sandbox, runs the attack in it, and waits for the scan of what it left in the workspace.
const IN_SANDBOX: &str = r#"
helper=$1 user=$2 sandbox=$3 flags=$4
shift 4
[ "$sandbox" = shared ] || "$helper" create -q --name "$sandbox" $flags shell "$HOSTILE_STAGE/workspace" || exit 125
"$helper" exec -u "$user" --timeout 40s -e HOSTILE_STAGE -e HOSTILE_HOST_PIDNS -e HOSTILE_VICTIM -e HOSTILE_ABSTRACT \
    -e HOSTILE_PORT -e HOSTILE_UDP_PORT -e HOSTILE_HOSTNAME -e HOSTILE_MACHINE_ID -e HOSTILE_HOST_USER "$sandbox" "$@"
code=$?
[ ! -e "$HOSTILE_STAGE/host-uses.sh" ] || "$helper" exec --scan "$sandbox" true 2>&1 | sed 's/^/scan: /'
exit $code
"#;

/// The name of the sandbox that is shared.
const SHARED: &str = "shared";

/// Who attacks from inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Attacker {
    Agent,
    InnerRoot,
}

impl Attacker {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::InnerRoot => "root",
        }
    }
}

/// What all attacks of a group need: the built programs, and a stage to copy.
#[derive(Debug)]
pub(super) struct World {
    built: PathBuf,
    stage: TempDir,
    /// The state directory of all sandboxes, and the stage of those that share one.
    bed: Bed,
    /// Whether the shared sandbox exists. It is attacked by one at a time.
    shared: Mutex<bool>,
}

/// What an attack did.
#[derive(Debug, Clone)]
pub(super) struct Outcome {
    /// Its exit code, 128 and more for a signal.
    pub(super) exit: i32,
    /// What the witness saw happen outside, as words.
    pub(super) harm: Vec<String>,
    /// Everything that was printed.
    pub(super) output: String,
}

impl World {
    pub(super) fn build() -> Self {
        let built = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("hostile");
        run(Command::new(program::dir().join("build.sh")).arg(&built));
        let stage = tempfile::tempdir().unwrap();
        run(Command::new(program::dir().join("common/stage.sh")).arg(stage.path()));
        Self { built, stage, bed: Bed::native(), shared: Mutex::default() }
    }

    /// A fresh stage in an existing directory, with the programs in its workspace.
    pub(super) fn furnish(&self, dir: &Path, program: &Program) {
        run(Command::new("cp").arg("-a").arg(format!("{}/.", self.stage.path().display())).arg(dir));
        let attack = dir.join("workspace/attack");
        fs::create_dir(&attack).unwrap();
        fs::copy(self.built.join("hostile"), attack.join("hostile")).unwrap();
        if program.is_script {
            fs::copy(program::dir().join("common/hostile.sh"), attack.join("hostile.sh")).unwrap();
            fs::copy(program::dir().join(&program.name).with_extension("sh"), attack.join("script.sh")).unwrap();
        }
        if program.judged_outside {
            fs::copy(program::dir().join("common/host-uses.sh"), dir.join("host-uses.sh")).unwrap();
        }
        if let Some(script) = &program.prepare {
            // What only root can prepare is tried by root only.
            let mut prepare = Command::new("sh");
            prepare.args(["-euc", script]).current_dir(dir).env("PATH", path_to(&attack));
            let prepared = prepare.env("HOSTILE_PROGRAMS", program::dir()).output();
            assert!(prepared.unwrap().status.success() || !is_root(), "{}: {script}", program.name);
        }
    }

    /// `witness` on that stage; a command is to follow.
    pub(super) fn witness(&self, mode: &str, stage: &Path) -> Vec<String> {
        let witness = self.built.join("witness");
        [witness.to_str().unwrap(), mode, stage.to_str().unwrap(), "--"].map(str::to_owned).to_vec()
    }
}

/// The attack without a sandbox: in a throwaway namespace, where it shall succeed.
pub(super) fn without_sandbox(world: &World, program: &Program) -> Outcome {
    let stage = tempfile::tempdir().unwrap();
    world.furnish(stage.path(), program);
    let mut argv =
        ["unshare", "--fork", "--pid", "--mount", "--net", "--uts", "--ipc", "--mount-proc", "--kill-child"].to_vec();
    if !is_root() {
        argv.push("--map-root-user");
    }
    let mut argv: Vec<String> = argv.into_iter().map(str::to_owned).collect();
    argv.extend(world.witness("control", stage.path()));
    argv.extend(command(program, &stage.path().join("workspace/attack")));
    witnessed(world, &argv, stage.path(), program)
}

/// The attack in a sandbox.
pub(super) fn in_sandbox(world: &World, program: &Program, attacker: Attacker) -> Outcome {
    if !program.needs_a_sandbox_of_its_own() {
        let mut shared = world.shared.lock().unwrap();
        if !*shared {
            *shared = true;
            let workspace = world.bed.workspace();
            world.furnish(world.bed.dir(), program);
            run(cli_of(&helper(), world.bed.state()).args(["create", "-q", "--name", SHARED, "shell"]).arg(workspace));
        }
        return in_sandbox_named(world, world.bed.dir(), SHARED, program, attacker);
    }
    let stage = tempfile::tempdir().unwrap();
    world.furnish(stage.path(), program);
    let name = format!("{}-{}", program.name.replace(['/', '_'], "-"), attacker.name());
    let outcome = in_sandbox_named(world, stage.path(), &name, program, attacker);
    run(cli_of(&helper(), world.bed.state()).args(["rm", "-f", &name]));
    outcome
}

fn in_sandbox_named(world: &World, stage: &Path, name: &str, program: &Program, attacker: Attacker) -> Outcome {
    let mut argv = world.witness("host", stage);
    let helper = helper();
    let script = ["bash", "-c", IN_SANDBOX, "attack", helper.to_str().unwrap(), attacker.name(), name];
    argv.extend(script.map(str::to_owned));
    argv.push(program.create.join(" "));
    argv.extend(command(program, &stage.join("workspace/attack")));
    witnessed(world, &argv, stage, program)
}

/// How the attack is started, wherever that is.
pub(super) fn command(program: &Program, attack: &Path) -> Vec<String> {
    if program.is_script {
        vec!["sh".to_owned(), attack.join("script.sh").to_str().unwrap().to_owned()]
    } else {
        vec![attack.join("hostile").to_str().unwrap().to_owned(), program.name.clone()]
    }
}

fn witnessed(world: &World, argv: &[String], stage: &Path, program: &Program) -> Outcome {
    let mut command = Command::new(&argv[0]);
    command.args(&argv[1..]).current_dir(stage.join("workspace")).envs(environment(stage, world.bed.state()));
    command.stdin(if program.reads_a_file {
        let file = fs::OpenOptions::new().read(true).write(true).open(stage.join("home/.bashrc")).unwrap();
        Stdio::from(file)
    } else {
        Stdio::null()
    });
    let output = command.output().unwrap_or_else(|error| panic!("{argv:?}: {error}"));
    Outcome::read(&output, &program.name)
}

/// The environment of a launcher: the programs' addresses are added by the witness.
pub(super) fn environment(stage: &Path, state_dir: &Path) -> Vec<(&'static str, String)> {
    let namespace = fs::read_link("/proc/self/ns/pid").unwrap();
    let machine = fs::read_to_string("/etc/machine-id").unwrap_or_default();
    vec![
        ("HOSTILE_HOST_PIDNS", namespace.to_str().unwrap().to_owned()),
        ("HOSTILE_MACHINE_ID", machine.trim().to_owned()),
        ("LOOPBOX_STATE_DIR", state_dir.to_str().unwrap().to_owned()),
        ("HOME", stage.join("home").to_str().unwrap().to_owned()),
        ("PATH", path_to(&stage.join("workspace/attack"))),
    ]
}

/// The system's own commands, and the programs in that directory.
fn path_to(attack: &Path) -> String {
    format!("/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:{}", attack.display())
}

impl Outcome {
    /// The last line that the witness wrote.
    fn read(output: &Output, name: &str) -> Self {
        let printed = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let line = printed.lines().rev().find_map(|line| line.strip_prefix("witness: exit="));
        let line = line.unwrap_or_else(|| panic!("{name}: no word of the witness: {} {printed}", output.status));
        assert!(!line.contains("error="), "{name}: {line}");
        let (exit, harm) = line.split_once(" harm=").unwrap();
        let harm = harm.split(',').filter(|word| !word.is_empty()).map(str::to_owned).collect();
        Self { exit: exit.parse().unwrap(), harm, output: printed }
    }
}

fn run(command: &mut Command) {
    let output: io::Result<Output> = command.stdin(Stdio::null()).output();
    let output = output.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
