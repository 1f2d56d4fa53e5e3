//! The stream transport.

use super::{GuestError, StreamSetup};

pub(super) fn serve(setup: StreamSetup) -> Result<(), GuestError> {
    drop(setup);
    Ok(())
}
