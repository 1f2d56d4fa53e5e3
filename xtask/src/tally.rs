//! What the test runners counted, read off the lines they close with.

use std::fmt;
use std::ops::AddAssign;
use std::str::FromStr;

/// How many tests passed, failed and were skipped.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) skipped: u64,
}

impl Tally {
    /// One thing that was tried.
    pub(crate) const fn of_one(passed: bool) -> Self {
        if passed { Self { passed: 1, failed: 0, skipped: 0 } } else { Self { passed: 0, failed: 1, skipped: 0 } }
    }

    pub(crate) const fn is_clean(self) -> bool {
        self.passed > 0 && self.failed == 0 && self.skipped == 0
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

/// The plain closing line that CI reads.
impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { passed, failed, skipped } = self;
        write!(f, "{passed} passed, {failed} failed, {skipped} skipped")
    }
}

/// The same, read back.
impl FromStr for Tally {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let tally = sum(text.trim().split(", ").map(number_then_word));
        if tally.to_string() == text.trim() { Ok(tally) } else { Err(format!("not a count of tests: {text}")) }
    }
}

/// A runner whose closing lines we can read.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Runner {
    /// `Summary [ 1.2s] 9 tests run: 7 passed (1 slow), 1 failed, 1 timed out, 3 skipped`
    Nextest,
    /// `test result: ok. 3 passed; 0 failed; 1 ignored; …`, one for each crate
    Rustdoc,
    /// `# pass 5` and `ℹ pass 5`, and so on, one kind a line
    Node,
    /// ` 12 pass`, ` 0 fail`, ` 1 skip`, one kind a line
    Bun,
}

impl Runner {
    /// What this line of the runner's output adds to the count.
    pub(crate) fn read(self, line: &str) -> Tally {
        let line = line.trim();
        match self {
            Self::Nextest => match line.split_once("tests run:").or_else(|| line.split_once("test run:")) {
                Some((head, counts)) if head.starts_with("Summary [") => sum(counts.split(',').map(number_then_word)),
                _ => Tally::default(),
            },
            Self::Rustdoc => match line.strip_prefix("test result:").and_then(|rest| rest.split_once(". ")) {
                Some((_, counts)) => sum(counts.split(';').map(number_then_word)),
                None => Tally::default(),
            },
            Self::Node => {
                match line.strip_prefix("# ").or_else(|| line.strip_prefix("ℹ ")).and_then(|l| l.split_once(' ')) {
                    Some((word, number)) => sum(std::iter::once((number.parse().unwrap_or(0), word))),
                    None => Tally::default(),
                }
            }
            Self::Bun => match line.split_once(' ') {
                Some((_, "pass" | "fail" | "skip" | "todo")) => sum(std::iter::once(number_then_word(line))),
                _ => Tally::default(),
            },
        }
    }
}

/// `7 passed (1 slow)` is seven of the kind "passed".
fn number_then_word(text: &str) -> (u64, &str) {
    let (number, words) = text.trim().split_once(' ').unwrap_or_default();
    let word = words.split_once(" (").map_or(words, |(word, _)| word);
    (number.parse().unwrap_or(0), word)
}

fn sum<'a>(counts: impl Iterator<Item = (u64, &'a str)>) -> Tally {
    let mut tally = Tally::default();
    for (number, word) in counts {
        match word {
            "passed" | "pass" => tally.passed += number,
            "failed" | "fail" | "timed out" | "exec failed" | "cancelled" => tally.failed += number,
            "skipped" | "skip" | "ignored" | "todo" => tally.skipped += number,
            _ => {}
        }
    }
    tally
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(passed: u64, failed: u64, skipped: u64) -> Tally {
        Tally { passed, failed, skipped }
    }

    #[test]
    fn each_runner_is_counted_by_its_closing_lines_alone() {
        let cases = [
            (
                Runner::Nextest,
                "     Summary [   1.204s] 9 tests run: 7 passed (1 slow), 2 failed, 3 skipped",
                tally(7, 2, 3),
            ),
            (Runner::Nextest, "     Summary [   0.004s] 1 test run: 1 passed, 0 skipped", tally(1, 0, 0)),
            (
                Runner::Nextest,
                "Summary [ 9s] 4/9 tests run: 2 passed, 1 failed, 1 timed out, 0 skipped",
                tally(2, 2, 0),
            ),
            (Runner::Nextest, "        PASS [   0.003s] xtask tally::tests::x", tally(0, 0, 0)),
            (
                Runner::Rustdoc,
                "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 1s",
                tally(3, 0, 1),
            ),
            (Runner::Rustdoc, "test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured", tally(3, 2, 0)),
            (Runner::Node, "# pass 5", tally(5, 0, 0)),
            (Runner::Node, "ℹ fail 2", tally(0, 2, 0)),
            (Runner::Node, "# skipped 4", tally(0, 0, 4)),
            (Runner::Node, "# tests 11", tally(0, 0, 0)),
            (Runner::Bun, " 12 pass", tally(12, 0, 0)),
            (Runner::Bun, " 1 fail", tally(0, 1, 0)),
            (Runner::Bun, "(pass) exec > passes 1 pass", tally(0, 0, 0)),
        ];
        for (runner, line, expected) in cases {
            assert_eq!(runner.read(line), expected, "{runner:?}: {line}");
        }
    }

    #[test]
    fn a_count_is_read_back_as_it_was_written() {
        assert_eq!("12 passed, 1 failed, 2 skipped".parse(), Ok(tally(12, 1, 2)));
        assert!("12 passed, 1 failed".parse::<Tally>().is_err());
    }

    #[test]
    fn nothing_run_is_not_a_success() {
        assert!(!Tally::default().is_clean());
        assert!(tally(1, 0, 0).is_clean());
        assert!(!tally(1, 0, 1).is_clean());
    }
}
