//! `bench`: measures sandboxes beside what other tools need, in one run, and sets the numbers against the budgets.

use clap::Args;
use serde_json::Value;
use xshell::{Shell, cmd};

use crate::{Result, root, task_npm};

#[derive(Args)]
pub(crate) struct Options {
    /// A tenth of the samples: to see that it works
    #[arg(long)]
    quick: bool,
}

pub(crate) fn run(sh: &Shell, options: &Options) -> Result<()> {
    cmd!(sh, "cargo build --release -p loopbox -p loopbox-tests --bin loopbox --bin bench").run()?;
    task_npm::run(sh)?;
    let quick = options.quick.then_some("--quick");
    let iterations = if options.quick { "50" } else { "500" };
    let helper = root().join("target/release/loopbox");
    let rust: Value = serde_json::from_str(&cmd!(sh, "target/release/bench {helper} {quick...}").read()?)?;
    let node: Value = serde_json::from_str(&cmd!(sh, "node npm/loopbox/bench/exec.mjs {iterations}").read()?)?;
    println!("{}", cmd!(sh, "uname -srm").quiet().read()?);
    print_table(&rows(&rust, &node)?);
    Ok(())
}

/// One line of the table: what was reached, what it is measured against, and whether the budget holds.
struct Row {
    what: String,
    ours: String,
    beside: String,
    measure: String,
    bar: String,
    met: bool,
}

/// The budgets of docs/performance.md.
fn rows(rust: &Value, node: &Value) -> Result<Vec<Row>> {
    let [exec, spawn, bwrap] =
        [rust.number("exec_p50_us")?, rust.number("spawn_p50_us")?, rust.number("bwrap_p50_us")?];
    let [node_exec, node_spawn] = [node["exec"].number("p50Ms")? * 1e3, node["spawn"].number("p50Ms")? * 1e3];
    let [create, destroy] = [rust.number("create_to_output_p50_us")?, rust.number("destroy_p50_us")?];
    let write = rust.number("durable_write_p50_us")?;
    let [one, each] = [rust.number("memory_of_one_kib")?, rust.number("memory_of_each_further_kib")?];
    let [alone, among] = [rust.number("exec_alone_p50_us")?, rust.number("exec_among_many_p50_us")?];
    let [output, pipe] = [rust.number("output_mib_s")?, rust.number("pipe_mib_s")?];
    let sandboxes = rust.number("sandboxes")?;
    Ok(vec![
        Row::at_most("warm exec from Rust", exec, "spawn and wait", spawn, 1.2),
        Row::at_most("warm exec from Rust", exec, "bwrap for each command", bwrap, 0.25),
        Row::at_most("warm exec from Node", node_exec, "child_process.spawn", node_spawn, 0.9),
        Row::within("create to the first command's end", create, 15_000.0, 3.0, write),
        Row::within("destroy", destroy, 10_000.0, 2.0, write),
        Row::memory("memory of one idle sandbox", one, 6.0),
        Row::memory(&format!("memory of each further one, of {sandboxes}"), each, 3.0),
        Row::at_most(&format!("warm exec beside {sandboxes} sandboxes"), among, "beside none", alone, 1.5),
        Row {
            what: "output of a command".into(),
            ours: format!("{output} MiB/s"),
            beside: format!("plain pipe {pipe} MiB/s"),
            measure: format!("× {:.2}", output / pipe),
            bar: "≥ × 0.7".into(),
            met: output / pipe >= 0.7,
        },
    ])
}

impl Row {
    /// A time as a multiple of another one.
    fn at_most(what: &str, ours: f64, beside: &str, theirs: f64, bar: f64) -> Self {
        let ratio = ours / theirs;
        Self {
            what: what.into(),
            ours: milliseconds(ours),
            beside: format!("{beside} {}", milliseconds(theirs)),
            measure: format!("× {ratio:.2}"),
            bar: format!("≤ × {bar}"),
            met: ratio <= bar,
        }
    }

    /// A time that may exceed its bar by that many durable writes to this machine's disk.
    fn within(what: &str, ours: f64, bar: f64, writes: f64, write: f64) -> Self {
        Self {
            what: what.into(),
            ours: milliseconds(ours),
            beside: format!("a durable write {}", milliseconds(write)),
            measure: format!("− {writes} writes = {}", milliseconds(ours - writes * write)),
            bar: format!("≤ {}", milliseconds(bar)),
            met: ours <= bar + writes * write,
        }
    }

    fn memory(what: &str, kib: f64, bar_mib: f64) -> Self {
        let mib = kib / 1024.0;
        Self {
            what: what.into(),
            ours: format!("{mib:.1} MiB"),
            beside: String::new(),
            measure: String::new(),
            bar: format!("≤ {bar_mib} MiB"),
            met: mib <= bar_mib,
        }
    }
}

fn milliseconds(micros: f64) -> String {
    format!("{:.2} ms", micros / 1000.0)
}

/// As a table that can go into a document.
fn print_table(rows: &[Row]) {
    println!("| what (median) | loopbox | beside | measure | budget | met |\n|---|---|---|---|---|---|");
    for Row { what, ours, beside, measure, bar, met } in rows {
        println!("| {what} | {ours} | {beside} | {measure} | {bar} | {} |", if *met { "yes" } else { "no" });
    }
}

/// A number of the measurements, or an error that names it.
trait Number {
    fn number(&self, name: &str) -> Result<f64>;
}

impl Number for Value {
    fn number(&self, name: &str) -> Result<f64> {
        self[name].as_f64().ok_or_else(|| format!("the measurements lack {name}: {self}").into())
    }
}
