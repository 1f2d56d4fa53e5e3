//! What idle sandboxes cost: their processes' proportional share of memory, and the time of a command beside many of them.

use std::fs;

use loopbox_core::{ExecRequest, SandboxName};
use serde_json::Value;

use crate::{Bench, Effort, Numbers, Result, exec};

pub(crate) async fn measure(bench: &Bench, effort: &Effort, numbers: &mut Numbers) -> Result<()> {
    let mut sandboxes = vec![used_sandbox(bench, 0).await?];
    let one = proportional_kib(bench, &sandboxes).await?;
    let exec_alone = exec::some(bench, &sandboxes[0], effort.execs / 2).await?;
    for index in 1..effort.sandboxes {
        sandboxes.push(used_sandbox(bench, index).await?);
    }
    let all = proportional_kib(bench, &sandboxes).await?;
    let exec_among_many = exec::some(bench, &sandboxes[0], effort.execs / 2).await?;
    for name in &sandboxes {
        bench.loopbox.remove(name).await?;
    }

    numbers.insert("sandboxes".into(), Value::from(effort.sandboxes));
    numbers.insert("memory_of_one_kib".into(), Value::from(one));
    numbers.insert("memory_of_each_further_kib".into(), Value::from((all - one) / (sandboxes.len() as u64 - 1)));
    exec_alone.report("exec_alone", numbers);
    exec_among_many.report("exec_among_many", numbers);
    Ok(())
}

/// A sandbox whose proxy has answered a request, with a refusal, and which is idle now.
async fn used_sandbox(bench: &Bench, index: usize) -> Result<SandboxName> {
    let name = bench.sandbox(&format!("bench-idle-{index}")).await?;
    let request =
        ["curl", "--silent", "--output", "/dev/null", "--write-out", "%{http_code}", "http://refused.invalid/"];
    let output = bench.loopbox.exec(&name, ExecRequest::new(request)).await?.output().await?;
    if output.stdout == b"403" { Ok(name) } else { Err(format!("a request through the proxy: {output:?}").into()) }
}

/// The sum over every process of these sandboxes.
async fn proportional_kib(bench: &Bench, sandboxes: &[SandboxName]) -> Result<u64> {
    let mut total = 0;
    for name in sandboxes {
        for pid in bench.loopbox.inspect(name).await?.pids {
            let file = format!("/proc/{pid}/smaps_rollup");
            let rollup = fs::read_to_string(&file).map_err(|error| format!("{file}: {error}"))?;
            let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:")).ok_or("no Pss")?;
            total += line.trim().trim_end_matches(" kB").parse::<u64>()?;
        }
    }
    Ok(total)
}
