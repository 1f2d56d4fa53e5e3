//! A sandbox's beginning and end, beside the writes to disk that they contain.

use std::fs::{self, File};
use std::path::Path;
use std::time::Instant;

use loopbox_core::ExecRequest;

use crate::samples::Samples;
use crate::{Bench, Effort, Numbers, Result};

pub(crate) async fn measure(bench: &Bench, effort: &Effort, numbers: &mut Numbers) -> Result<()> {
    let (mut create, mut destroy, mut durable_write) = (Samples::default(), Samples::default(), Samples::default());
    for round in 0..effort.lives {
        let start = Instant::now();
        let name = bench.sandbox(&format!("bench-life-{round}")).await?;
        let output = bench.loopbox.exec(&name, ExecRequest::new(["/bin/echo", "here"])).await?.output().await?;
        create.since(start);
        if output.stdout != b"here\n" {
            return Err(format!("the first command of a sandbox: {output:?}").into());
        }

        let start = Instant::now();
        bench.loopbox.remove(&name).await?;
        destroy.since(start);

        let start = Instant::now();
        write_durably(bench.state.path())?;
        durable_write.since(start);
    }
    create.report("create_to_output", numbers);
    destroy.report("destroy", numbers);
    durable_write.report("durable_write", numbers);
    Ok(())
}

/// Write, fsync, rename, fsync of the directory: how a record is stored.
fn write_durably(directory: &Path) -> Result<()> {
    let (new, stored) = (directory.join("bench.new"), directory.join("bench"));
    fs::write(&new, "{}")?;
    File::open(&new)?.sync_all()?;
    fs::rename(new, stored)?;
    File::open(directory)?.sync_all()?;
    Ok(())
}
