//! How values are shown to people.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use loopbox_core::{Finding, SandboxState};

pub(super) fn time(time: Timestamp) -> String {
    time.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

pub(super) fn time_or(time_: Option<Timestamp>, otherwise: &str) -> String {
    time_.map_or_else(|| otherwise.to_owned(), time)
}

pub(super) fn state(state: SandboxState) -> &'static str {
    match state {
        SandboxState::Creating => "creating",
        SandboxState::Running => "running",
        SandboxState::Stopped => "stopped",
        SandboxState::Removing => "removing",
        _ => "unknown",
    }
}

/// What was noticed, and where what was found is kept.
pub(super) fn finding(finding: &Finding) -> String {
    match &finding.quarantine {
        Some(kept) => format!("{} (kept: {})", finding.message, kept.display()),
        None => finding.message.clone(),
    }
}

/// In the largest unit that says it exactly.
pub(super) fn bytes(bytes: u64) -> String {
    let units = [(40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB"), (0, "bytes")];
    let exact = units.into_iter().find(|(shift, _)| bytes > 0 && bytes.trailing_zeros() >= *shift);
    let (shift, unit) = exact.unwrap_or((0, "bytes"));
    format!("{} {unit}", bytes >> shift)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_exact() {
        assert_eq!(bytes(512 << 20), "512 MiB");
        assert_eq!(bytes(3 << 29), "1536 MiB");
        assert_eq!(bytes(1_000_000), "1000000 bytes");
        assert_eq!(bytes(0), "0 bytes");
    }
}
