//! A command, connected to our own input, output and signals until it ends.

use std::io;
use std::time::Duration;

use loopbox_core::{Error, Exec, ExecStatus, Result};

use super::pump::{self, Copying};
use super::raw::RawMode;
use super::signals::{Event, Signals};
use crate::exit;

/// How long what a command wrote may take to be read after a signal ended it.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Ending {
    /// What came of it.
    pub(crate) status: Option<ExecStatus>,
    /// The signal to us that ended it.
    pub(crate) signal: Option<u8>,
}

impl Ending {
    /// The exit code to end with ourselves: the command's, unless a signal told us to end.
    pub(crate) fn exit_code(&self) -> u8 {
        match (&self.signal, &self.status) {
            (Some(signal), _) => exit::signalled(*signal),
            (None, Some(status)) => u8::try_from(status.exit_code).unwrap_or(exit::FAILURE),
            (None, None) => exit::FAILURE,
        }
    }
}

/// Runs the command to its end. With `input` it reads what we read; with `keys` our terminal is handed over as well.
pub(crate) async fn attach(mut exec: Exec, input: bool, keys: bool) -> Result<Ending> {
    let mut signals = Signals::listen().map_err(doing("listening for signals"))?;
    let raw = keys.then(RawMode::enter).transpose().map_err(doing("setting up the terminal"))?;
    let pumps = Pumps::start(&mut exec, input).map_err(doing("copying input and output"))?;

    let mut signal = None;
    let waited = loop {
        tokio::select! {
            status = exec.wait() => break Some(status),
            event = signals.next() => match event {
                // Told twice: do not wait for its end. It ends with the connection.
                Event::End(_) if signal.is_some() => break None,
                Event::End(number) => {
                    signal = Some(number);
                    exec.cancel();
                }
                Event::Resized => resize(&exec),
                Event::Continued => {
                    if let Some(raw) = &raw {
                        raw.apply().map_err(doing("setting up the terminal"))?;
                    }
                    resize(&exec);
                }
            },
        }
    };
    let Some(waited) = waited else { return Ok(Ending { status: None, signal }) };
    // A reader of ours that does not read must not keep us from ending once we are told to.
    let told_already = signal.is_some();
    tokio::select! {
        copied = pumps.finish() => copied.map_err(doing("copying output"))?,
        number = signals.ending() => signal = Some(number),
        () = tokio::time::sleep(LAST_WORDS), if told_already => {}
    }
    match waited {
        Ok(status) => Ok(Ending { status: Some(status), signal }),
        Err(_) if signal.is_some() => Ok(Ending { status: None, signal }),
        Err(error) => Err(error),
    }
}

fn resize(exec: &Exec) {
    // The command may just have ended.
    let _ = exec.resize(super::size());
}

/// The copies of what the command writes; those of what it reads end with us.
struct Pumps(Vec<Copying>);

impl Pumps {
    fn start(exec: &mut Exec, input: bool) -> io::Result<Self> {
        let mut outputs = Vec::new();
        if let Some(stdout) = exec.take_stdout() {
            outputs.push(pump::output(stdout, io::stdout())?);
        }
        if let Some(stderr) = exec.take_stderr() {
            outputs.push(pump::output(stderr, io::stderr())?);
        }
        // A writer that is not used is dropped, which is the end of the command's input.
        if let Some(stdin) = exec.take_stdin().filter(|_| input) {
            pump::input(io::stdin(), stdin)?;
        }
        Ok(Self(outputs))
    }

    /// Waits for everything that was written. The streams come to their end with the command, also while others hold
    /// them.
    async fn finish(self) -> io::Result<()> {
        for output in self.0 {
            output.await.unwrap_or(Ok(()))?;
        }
        Ok(())
    }
}

fn doing(what: &'static str) -> impl Fn(io::Error) -> Error {
    move |error| Error::io(what, error)
}
