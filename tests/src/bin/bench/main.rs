//! `bench HELPER [--quick]`: measures sandboxes beside what stands for the same without one, in one run, and prints the
//! numbers as JSON. `cargo xtask bench` sets them against the budgets.
//!
//! What is compared is measured alternately, sample by sample, so that whatever else the machine does meets both sides.
#![forbid(unsafe_code)]

mod exec;
mod lifecycle;
mod memory;
mod output;
mod samples;

use std::error::Error;
use std::io::Write;
use std::path::PathBuf;

use loopbox_core::{
    AgentName, Config, CreateOptions, CreateRequest, DefaultVerdict, Loopbox, NetworkOptions, SandboxName,
};
use serde_json::{Map, Value};
use tempfile::TempDir;

type Result<T, E = Box<dyn Error>> = std::result::Result<T, E>;

/// The numbers by name; the name ends with the unit.
type Numbers = Map<String, Value>;

/// How often things are tried.
struct Effort {
    execs: usize,
    lives: usize,
    output_bytes: u64,
    sandboxes: usize,
}

const FULL: Effort = Effort { execs: 1000, lives: 100, output_bytes: 1 << 30, sandboxes: 200 };
const QUICK: Effort = Effort { execs: 100, lives: 20, output_bytes: 64 << 20, sandboxes: 20 };

/// A state directory with nothing in it and an empty workspace, both gone at the end.
struct Bench {
    loopbox: Loopbox,
    state: TempDir,
    workspace: TempDir,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let mut arguments = std::env::args_os().skip(1);
    let helper = arguments.next().ok_or("usage: bench HELPER [--quick]")?;
    let effort = if arguments.next().is_some_and(|flag| flag == "--quick") { QUICK } else { FULL };

    let bench = Bench::new(helper.into())?;
    let outcome = bench.measure(&effort).await;
    bench.loopbox.reset().await?;
    writeln!(std::io::stdout(), "{}", serde_json::to_string_pretty(&outcome?)?)?;
    Ok(())
}

impl Bench {
    fn new(helper: PathBuf) -> Result<Self> {
        let state = tempfile::tempdir()?;
        let mut config = Config::new(state.path());
        config.helper = Some(helper);
        Ok(Self { loopbox: Loopbox::new(config)?, state, workspace: tempfile::tempdir()? })
    }

    async fn measure(&self, effort: &Effort) -> Result<Numbers> {
        let mut numbers = Numbers::new();
        // Memory first: nothing else may share the executable's pages.
        memory::measure(self, effort, &mut numbers).await?;
        exec::measure(self, effort, &mut numbers).await?;
        lifecycle::measure(self, effort, &mut numbers).await?;
        output::measure(self, effort, &mut numbers).await?;
        Ok(numbers)
    }

    /// A running sandbox without network.
    async fn sandbox(&self, name: &str) -> Result<SandboxName> {
        let mut network = NetworkOptions::default();
        network.policy = Some(DefaultVerdict::Deny);
        let mut options = CreateOptions::default();
        options.network = Some(network);
        let request = CreateRequest::new(SandboxName::parse(name)?, AgentName::parse("shell")?, self.workspace.path());
        Ok(self.loopbox.create(request.with_options(options)).await?.name)
    }
}
