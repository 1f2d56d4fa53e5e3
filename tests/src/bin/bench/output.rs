//! Much output of a command in a sandbox, beside the same command into a plain pipe.

use std::fs;
use std::io::Read;
use std::process::{Command, Stdio};
use std::time::Instant;

use loopbox_core::{ExecRequest, SandboxName};
use serde_json::Value;
use tokio::io::AsyncReadExt;

use crate::samples::Samples;
use crate::{Bench, Effort, Numbers, Result};

const ROUNDS: usize = 5;
const BUFFER_BYTES: usize = 64 << 10;

pub(crate) async fn measure(bench: &Bench, effort: &Effort, numbers: &mut Numbers) -> Result<()> {
    let name = bench.sandbox("bench-output").await?;
    let argv = ["/usr/bin/head".to_owned(), "-c".into(), effort.output_bytes.to_string(), "/dev/zero".into()];
    let (mut ours, mut pipe) = (Samples::default(), Samples::default());
    let memory_before = resident_bytes()?;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        expect(effort.output_bytes, from_sandbox(bench, &name, &argv).await?)?;
        ours.since(start);

        let start = Instant::now();
        expect(effort.output_bytes, from_pipe(&argv)?)?;
        pipe.since(start);
    }
    let grown = resident_bytes()?.saturating_sub(memory_before);
    bench.loopbox.remove(&name).await?;

    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let megabytes = (effort.output_bytes >> 20) as f64;
    numbers.insert("output_mib_s".into(), Value::from((megabytes / ours.median_seconds()).round()));
    numbers.insert("pipe_mib_s".into(), Value::from((megabytes / pipe.median_seconds()).round()));
    numbers.insert("output_peak_growth_kib".into(), Value::from(grown >> 10));
    Ok(())
}

async fn from_sandbox(bench: &Bench, name: &SandboxName, argv: &[String]) -> Result<u64> {
    let mut exec = bench.loopbox.exec(name, ExecRequest::new(argv)).await?;
    let mut stdout = exec.take_stdout().ok_or("no standard output")?;
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut total = 0;
    loop {
        match stdout.read(&mut buffer).await? {
            0 => break,
            read => total += read as u64,
        }
    }
    exec.wait().await?;
    Ok(total)
}

fn from_pipe(argv: &[String]) -> Result<u64> {
    let mut child = Command::new(&argv[0]).args(&argv[1..]).stdout(Stdio::piped()).spawn()?;
    let mut stdout = child.stdout.take().ok_or("no standard output")?;
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut total = 0;
    loop {
        match stdout.read(&mut buffer)? {
            0 => break,
            read => total += read as u64,
        }
    }
    child.wait()?;
    Ok(total)
}

fn expect(expected: u64, read: u64) -> Result<()> {
    if read == expected { Ok(()) } else { Err(format!("{read} bytes of {expected} arrived").into()) }
}

/// The most memory that this process ever held.
fn resident_bytes() -> Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? << 10)
}
