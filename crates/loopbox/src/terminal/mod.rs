//! Our side of a command's input and output.
//!
//! ```text
//!   our stdin ──▶ thread ──▶ exec's input
//!  our stdout ◀── thread ◀── exec's output (with a terminal: everything)
//!  our stderr ◀── thread ◀── exec's errors
//!     signals ──▶ attach: cancel, resize, and the end
//! ```

mod attach;
mod pump;
mod raw;
mod signals;

use std::io::{self, IsTerminal as _};

use loopbox_core::{Error, TtySize};

pub(crate) use attach::{Ending, attach};

use crate::failure::Result;

/// Waits for a signal that tells us to end, and gives its number.
pub(crate) async fn told_to_end() -> Result<u8> {
    let mut signals = signals::Signals::listen().map_err(|error| Error::io("listening for signals", error))?;
    Ok(signals.ending().await)
}

/// Whether a person sits at both ends.
pub(crate) fn is_interactive() -> bool {
    stdin_is_terminal() && io::stdout().is_terminal()
}

/// Whether keys can be read.
pub(crate) fn stdin_is_terminal() -> bool {
    io::stdin().is_terminal()
}

/// The size of our terminal, or the customary one where there is none.
pub(crate) fn size() -> TtySize {
    let ours = [rustix::termios::tcgetwinsize(io::stdout()), rustix::termios::tcgetwinsize(io::stdin())];
    ours.into_iter()
        .flatten()
        .find(|size| size.ws_row > 0 && size.ws_col > 0)
        .map_or(TtySize { rows: 24, cols: 80 }, |size| TtySize { rows: size.ws_row, cols: size.ws_col })
}
