//! Runs a test runner: shows its output as it comes and counts by its closing lines.

use std::io::{self, BufRead, BufReader};
use std::process::{Child, Command};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use crate::Result;
use crate::tally::{Runner, Tally};

/// Every runner limits each test, and says something after each; one that hangs all the same is ended after this.
const LONGEST_SILENCE: Duration = Duration::from_mins(15);

/// Runs `command` to its end. A runner that fails without a failed test counts as one failure.
pub(crate) fn run_counted(mut command: Command, runner: Runner) -> Result<Tally> {
    let words = command.get_args().map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ");
    println!("$ {} {words}", command.get_program().to_string_lossy());
    let (output, writer) = io::pipe()?;
    let mut child = command.stdout(writer.try_clone()?).stderr(writer).spawn()?;
    // The command holds our ends of the pipe, which would keep it open for ever.
    drop(command);

    let (sender, lines) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(output).split(b'\n').map_while(io::Result::ok) {
            if sender.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                return;
            }
        }
    });
    let mut tally = show_and_count(&mut child, &lines, runner)?;
    if !child.wait()?.success() && tally.failed == 0 {
        tally.failed += 1;
    }
    Ok(tally)
}

/// Ends with the output, or when the child has exited and nothing more comes: a process that a test left behind may
/// still hold the pipe.
fn show_and_count(child: &mut Child, lines: &Receiver<String>, runner: Runner) -> Result<Tally> {
    let mut tally = Tally::default();
    let mut last_sign = Instant::now();
    loop {
        match lines.recv_timeout(Duration::from_secs(1)) {
            Ok(line) => {
                println!("{line}");
                tally += runner.read(&line);
                last_sign = Instant::now();
            }
            Err(RecvTimeoutError::Timeout) if child.try_wait()?.is_none() => {
                if last_sign.elapsed() > LONGEST_SILENCE {
                    println!("killed: no sign of life for {} minutes", LONGEST_SILENCE.as_secs() / 60);
                    child.kill()?;
                    tally.failed += 1;
                }
            }
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return Ok(tally),
        }
    }
}
