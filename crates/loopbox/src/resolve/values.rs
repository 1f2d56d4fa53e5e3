//! Values with a syntax of their own: durations, sizes, pairs.

use std::time::Duration;

/// A duration as Go and Docker write it, with days: `90s`, `1h30m`, `1.5h`, `500ms`, `7d`, and `0`.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    const EXPECTED: &str = "expected a number with a unit, as 500ms, 90s, 20m, 1h30m or 7d";
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let mut total = Duration::ZERO;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or(EXPECTED)?;
        let (number, tail) = rest.split_at(digits);
        let letters = tail.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(letters);
        let seconds = match unit {
            "ms" => 0.001,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3_600.0,
            "d" => 86_400.0,
            _ => return Err(EXPECTED.to_owned()),
        };
        let number: f64 = number.parse().map_err(|_| EXPECTED)?;
        let part = Duration::try_from_secs_f64(number * seconds).map_err(|_| "too long")?;
        total = total.checked_add(part).ok_or("too long")?;
        rest = tail;
    }
    if text.is_empty() { Err(EXPECTED.to_owned()) } else { Ok(total) }
}

/// A number of bytes as Docker writes it: `512m`, `1.5g`, `1048576`; units are powers of 1024.
pub(crate) fn parse_bytes(text: &str) -> Result<u64, String> {
    const EXPECTED: &str = "expected a size, as 512m, 4g or a number of bytes";
    let lower = text.to_ascii_lowercase();
    let digits = lower.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(lower.len());
    let (number, unit) = lower.split_at(digits);
    let shift = match unit {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 10,
        "m" | "mb" | "mib" => 20,
        "g" | "gb" | "gib" => 30,
        "t" | "tb" | "tib" => 40,
        _ => return Err(EXPECTED.to_owned()),
    };
    if let Ok(whole) = number.parse::<u64>() {
        return whole.checked_mul(1 << shift).ok_or_else(|| "too large".to_owned());
    }
    let fraction: f64 = number.parse().map_err(|_| EXPECTED)?;
    let bytes = Duration::try_from_secs_f64(fraction).map_err(|_| EXPECTED)?.as_nanos() << shift;
    u64::try_from(bytes / 1_000_000_000).map_err(|_| "too large".to_owned())
}

/// `SECRET=ENV`.
pub(crate) fn parse_lease(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((secret, variable)) if !secret.is_empty() && !variable.is_empty() => {
            Ok((secret.to_owned(), variable.to_owned()))
        }
        _ => Err("expected SECRET=ENV, as claude_setup_token=CLAUDE_CODE_OAUTH_TOKEN".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        let cases = [
            ("0", 0),
            ("500ms", 500),
            ("90s", 90_000),
            ("1h30m", 5_400_000),
            ("1.5h", 5_400_000),
            ("1d", 86_400_000),
            ("0s", 0),
        ];
        for (text, millis) in cases {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn durations_that_are_refused() {
        for text in ["", "90", "-1s", "s", "1x", "1h 30m", "1..5h", "1e3s", "NaNs", "99999999999999999999d"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes() {
        let cases =
            [("0", 0), ("1048576", 1 << 20), ("512m", 512 << 20), ("4G", 4 << 30), ("1.5g", 3 << 29), ("10KiB", 10240)];
        for (text, bytes) in cases {
            assert_eq!(parse_bytes(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn sizes_that_are_refused() {
        for text in ["", "m", "-1m", "1x", "1 m", "1..5g", "99999999999t"] {
            assert!(parse_bytes(text).is_err(), "{text}");
        }
    }

    #[test]
    fn leases() {
        assert_eq!(parse_lease("a=B"), Ok(("a".to_owned(), "B".to_owned())));
        for text in ["a", "=B", "a=", ""] {
            assert!(parse_lease(text).is_err(), "{text}");
        }
    }
}
