//! What a warm exec costs beside a process that is spawned and waited for, both in turn. Prints; budgets are for
//! `cargo xtask bench`.

use crate::sandbox::Sandbox;
use crate::streams::StreamProcess;
use crate::support::{Guest, Outcome, Tree};
use loopbox_init::protocol::{Start, Status};
use loopbox_init::sandbox::Confinement;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const RUNS: usize = 300;

#[tokio::test]
async fn a_warm_exec_beside_a_plain_spawn() {
    for tree in Tree::all() {
        let guest = Guest::new(tree);
        measure(&format!("{tree:?}"), async || guest.run(Start::new(["/bin/true"])).await).await;
    }
    // The same in a whole sandbox, with the kernel's refusals on.
    let sandbox = Sandbox::new(&Confinement::default());
    measure("sandbox", async || sandbox.run(Start::new(["/bin/true"])).await).await;
    let stream = StreamProcess::new();
    measure("stream", async || Outcome::of(stream.guest.exec(Start::new(["/bin/true"])).unwrap()).await).await;
}

async fn measure(name: &str, exec: impl AsyncFn() -> Outcome) {
    let (mut spawns, mut execs) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        let begin = Instant::now();
        let output = Command::new("/bin/true").env_clear().stdin(Stdio::null()).output().unwrap();
        spawns.push(begin.elapsed());
        assert!(output.status.success());
        let begin = Instant::now();
        let outcome = exec().await;
        execs.push(begin.elapsed());
        assert_eq!(outcome.exit.status, Status::Exited(0));
    }
    let ([spawn_least, spawn], [exec_least, exec]) = (least_and_median(spawns), least_and_median(execs));
    let ratio = |exec: Duration, spawn: Duration| exec.as_secs_f64() / spawn.as_secs_f64();
    println!("{name}: median {exec:?}, {:.2} of a spawn ({spawn:?});", ratio(exec, spawn));
    println!("  least {exec_least:?}, {:.2} of a spawn ({spawn_least:?})", ratio(exec_least, spawn_least));
}

fn least_and_median(mut times: Vec<Duration>) -> [Duration; 2] {
    times.sort_unstable();
    [times[0], times[times.len() / 2]]
}
