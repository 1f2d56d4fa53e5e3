//! Putting guards in place while a sandbox runs: the host replaced what a mount lay on, or made something new.
//!
//! That takes entering the sandbox's namespaces, which only a process of one thread can: the helper executable's
//! `internal guard`.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use loopbox_init::sandbox::{Entry, IdMap, add_mounts, close_inherited};
use serde::{Deserialize, Serialize};

use crate::supervisor::control;

/// A few hundred entries at the most.
const MAX_ORDER: u64 = 4 * 1024 * 1024;

/// What the helper is told.
#[derive(Debug, Serialize, Deserialize)]
struct Order {
    /// Where the sandbox's sockets lie.
    run: PathBuf,
    ids: IdMap,
    entries: Vec<Entry>,
}

/// Puts mounts in place in the sandbox whose sockets lie in `run`, and waits for it.
pub(super) fn put(helper: &Path, run: PathBuf, ids: IdMap, entries: Vec<Entry>) -> io::Result<()> {
    let order = serde_json::to_vec(&Order { run, ids, entries })?;
    let mut child = Command::new(helper)
        .args(["internal", "guard"])
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let told = child.stdin.take().map_or(Ok(()), |mut stdin| stdin.write_all(&order));
    let output = child.wait_with_output()?;
    if output.status.success() {
        return told;
    }
    Err(io::Error::other(String::from_utf8_lossy(&output.stdout).into_owned()))
}

/// Puts further guards in place in a sandbox that runs. Called by the helper executable's `internal guard`, on the main
/// thread before there is any other; returns the process's exit code.
pub fn add_guards() -> i32 {
    close_inherited();
    let added = (|| {
        let mut order = Vec::new();
        io::stdin().take(MAX_ORDER).read_to_end(&mut order)?;
        let order: Order = serde_json::from_slice(&order)?;
        let namespaces = control::namespaces(&order.run)?;
        add_mounts(&namespaces, order.ids, &order.entries).map_err(io::Error::other)
    })();
    match added {
        Ok(()) => 0,
        Err(error) => {
            // Whoever waits for this process tells it; if nobody does, nobody needs it.
            let _gone = io::stdout().write_all(error.to_string().as_bytes());
            1
        }
    }
}
