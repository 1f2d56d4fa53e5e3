//! One loop from its beginning to its end: `loop HELPER STATE_DIR WORKSPACE`.

use std::io::Write;

use loopbox_core::{
    AgentName, Config, CreateOptions, CreateRequest, DefaultVerdict, ExecRequest, LoopId, Loopbox, NetworkOptions,
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let [helper, state_dir, workspace] = arguments.as_slice() else {
        return Err("usage: loop HELPER STATE_DIR WORKSPACE".into());
    };
    let mut config = Config::new(state_dir);
    config.helper = Some(helper.into()); // the `loopbox` executable
    let loopbox = Loopbox::new(config)?;

    let mut network = NetworkOptions::default();
    network.policy = Some(DefaultVerdict::Deny);
    let mut options = CreateOptions::default();
    options.network = Some(network);

    let loop_id = LoopId::parse("mlqojz0v-7nnrle")?;
    let request = CreateRequest::for_loop(&loop_id, &AgentName::parse("shell")?, workspace)?;
    let sandbox = loopbox.create(request.with_options(options)).await?;

    let exec = loopbox.exec(&sandbox.name, ExecRequest::new(["sh", "-c", "id && pwd"])).await?;
    let result = exec.output().await?;
    std::io::stdout().write_all(&result.stdout)?;
    assert_eq!(result.exit_code, 0);

    loopbox.destroy_loop(&loop_id).await?;
    Ok(())
}
