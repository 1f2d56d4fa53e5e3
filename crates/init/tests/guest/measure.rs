//! What a warm exec costs beside a process that is spawned and waited for. Prints; budgets are for `cargo xtask bench`.

use crate::streams::StreamProcess;
use crate::support::{Guest, Outcome, Tree};
use loopbox_init::protocol::{Start, Status};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const RUNS: usize = 300;

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

#[tokio::test]
async fn a_warm_exec_beside_a_plain_spawn() {
    let mut plain = Vec::new();
    for _ in 0..RUNS {
        let begin = Instant::now();
        let mut command = Command::new("/bin/true");
        let output = command.env_clear().stdin(Stdio::null()).output().unwrap();
        plain.push(begin.elapsed());
        assert!(output.status.success());
    }
    let plain = median(plain);
    println!("spawn and wait: {plain:?}");
    for tree in Tree::all() {
        let guest = Guest::new(tree);
        let mut times = Vec::new();
        for _ in 0..RUNS {
            let begin = Instant::now();
            let outcome = guest.run(Start::new(["/bin/true"])).await;
            times.push(begin.elapsed());
            assert_eq!(outcome.exit.status, Status::Exited(0));
        }
        report(&format!("{tree:?}"), median(times), plain);
    }
    let stream = StreamProcess::new();
    let mut times = Vec::new();
    for _ in 0..RUNS {
        let begin = Instant::now();
        let outcome = Outcome::of(stream.guest.exec(Start::new(["/bin/true"])).unwrap()).await;
        times.push(begin.elapsed());
        assert_eq!(outcome.exit.status, Status::Exited(0));
    }
    report("stream", median(times), plain);
}

fn report(name: &str, exec: Duration, plain: Duration) {
    println!("{name}: {exec:?}, {:.2} of a spawn", exec.as_secs_f64() / plain.as_secs_f64());
}
