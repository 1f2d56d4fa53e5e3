//! Durations and what they come to.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::Numbers;

/// Durations of the same thing.
#[derive(Default)]
pub(crate) struct Samples(Vec<Duration>);

impl Samples {
    pub(crate) fn since(&mut self, start: Instant) {
        self.0.push(start.elapsed());
    }

    /// Puts the median and the 99th percentile among the numbers, in microseconds.
    pub(crate) fn report(mut self, name: &str, numbers: &mut Numbers) {
        self.0.sort_unstable();
        for (suffix, share) in [("p50_us", 0.5), ("p99_us", 0.99)] {
            numbers.insert(format!("{name}_{suffix}"), Value::from(micros(percentile(&self.0, share))));
        }
    }

    pub(crate) fn median_seconds(mut self) -> f64 {
        self.0.sort_unstable();
        percentile(&self.0, 0.5).as_secs_f64()
    }
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "an index into some thousand samples"
)]
fn percentile(sorted: &[Duration], share: f64) -> Duration {
    let last = sorted.len().saturating_sub(1);
    sorted.get((last as f64 * share).round() as usize).copied().unwrap_or_default()
}

fn micros(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e7).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_samples_not_averages() {
        let sorted: Vec<Duration> = (1..=101).map(Duration::from_millis).collect();
        assert_eq!(percentile(&sorted, 0.5), Duration::from_millis(51));
        assert_eq!(percentile(&sorted, 0.99), Duration::from_millis(100));
        assert_eq!(percentile(&[], 0.5), Duration::ZERO);
    }
}
