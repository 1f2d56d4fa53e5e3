//! A command in a warm sandbox, beside the same command without one and beside a sandbox made for each command.

use std::process::{Command, Stdio};
use std::time::Instant;

use loopbox_core::{ExecRequest, SandboxName};

use crate::samples::Samples;
use crate::{Bench, Effort, Numbers, Result};

const COMMAND: &str = "/bin/true";

pub(crate) async fn measure(bench: &Bench, effort: &Effort, numbers: &mut Numbers) -> Result<()> {
    let name = bench.sandbox("bench-exec").await?;
    let (mut ours, mut spawn, mut bwrap) = (Samples::default(), Samples::default(), Samples::default());
    for _ in 0..effort.execs / 10 {
        in_sandbox(bench, &name).await?;
        spawn_and_wait(Command::new(COMMAND))?;
    }
    for round in 0..effort.execs {
        let start = Instant::now();
        in_sandbox(bench, &name).await?;
        ours.since(start);

        let start = Instant::now();
        spawn_and_wait(Command::new(COMMAND))?;
        spawn.since(start);

        if round % 10 == 0 {
            let start = Instant::now();
            spawn_and_wait(one_shot_bwrap())?;
            bwrap.since(start);
        }
    }
    bench.loopbox.remove(&name).await?;
    ours.report("exec", numbers);
    spawn.report("spawn", numbers);
    bwrap.report("bwrap", numbers);
    Ok(())
}

/// The median of some execs, for comparison with another state of the machine.
pub(crate) async fn some(bench: &Bench, name: &SandboxName, count: usize) -> Result<Samples> {
    let mut samples = Samples::default();
    for _ in 0..count {
        let start = Instant::now();
        in_sandbox(bench, name).await?;
        samples.since(start);
    }
    Ok(samples)
}

async fn in_sandbox(bench: &Bench, name: &SandboxName) -> Result<()> {
    let output = bench.loopbox.exec(name, ExecRequest::new([COMMAND])).await?.output().await?;
    if output.exit_code == 0 { Ok(()) } else { Err(format!("{COMMAND} in a sandbox: {output:?}").into()) }
}

/// Both output streams are captured, as exec does.
fn spawn_and_wait(mut command: Command) -> Result<()> {
    let output = command.stdin(Stdio::null()).output()?;
    if output.status.success() { Ok(()) } else { Err(format!("{command:?}: {output:?}").into()) }
}

fn one_shot_bwrap() -> Command {
    let mut command = Command::new("bwrap");
    command.args(["--unshare-all", "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", COMMAND]);
    command
}
