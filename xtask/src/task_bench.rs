//! stub
use crate::Result;
use clap::Args;
use xshell::Shell;
#[derive(Args)]
pub(crate) struct Options {
    /// Fewer samples
    #[arg(long)]
    quick: bool,
}
pub(crate) fn run(_sh: &Shell, options: &Options) -> Result<()> {
    println!("{}", options.quick);
    Ok(())
}
