//! Signals that we get while a command runs.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// What a signal means for the command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    /// End it. The number is the signal's.
    End(u8),
    /// Our terminal has another size.
    Resized,
    /// We were stopped and go on.
    Continued,
}

#[derive(Debug)]
pub(crate) struct Signals {
    ending: Vec<(u8, Signal)>,
    resized: Signal,
    continued: Signal,
}

const SIGCONT: i32 = 18;

impl Signals {
    /// Listens from now on. What our caller had us ignore (as nohup does) stays ignored.
    pub(crate) fn listen() -> io::Result<Self> {
        let ignored = ignored_signals();
        let kinds = [SignalKind::hangup(), SignalKind::interrupt(), SignalKind::quit(), SignalKind::terminate()];
        let mut ending = Vec::new();
        for kind in kinds {
            let number = u8::try_from(kind.as_raw_value()).unwrap_or(u8::MAX);
            if ignored & (1 << (number - 1)) == 0 {
                ending.push((number, signal(kind)?));
            }
        }
        Ok(Self {
            ending,
            resized: signal(SignalKind::window_change())?,
            continued: signal(SignalKind::from_raw(SIGCONT))?,
        })
    }

    /// The next signal. Nothing is lost when this is dropped and called again.
    pub(crate) async fn next(&mut self) -> Event {
        let ending = &mut self.ending;
        let ended = std::future::poll_fn(|context| {
            for (number, signal) in ending.iter_mut() {
                if signal.poll_recv(context).is_ready() {
                    return std::task::Poll::Ready(*number);
                }
            }
            std::task::Poll::Pending
        });
        tokio::select! {
            number = ended => Event::End(number),
            _ = self.resized.recv() => Event::Resized,
            _ = self.continued.recv() => Event::Continued,
        }
    }

    /// The next signal that tells us to end.
    pub(crate) async fn ending(&mut self) -> u8 {
        loop {
            if let Event::End(number) = self.next().await {
                return number;
            }
        }
    }
}

/// The set of signals that this process ignores, bit 0 for signal 1. Empty where the system does not tell.
fn ignored_signals() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}
