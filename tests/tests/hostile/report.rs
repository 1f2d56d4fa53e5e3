//! What came of the attacks of one group, as a table for whoever reads the test's output.

use std::fmt;
use std::fs;
use std::path::Path;

use loopbox_tests::{ROOT, is_root};

use super::attack::Outcome;
use super::program::Program;

/// Exit codes of the hostile programs, see `tests/hostile/common/hostile.h`.
const GOT_THROUGH: i32 = 0;
const HELD: i32 = 1;
const COULD_NOT_TRY: i32 = 2;
/// What scripts say before they do anything.
const BEGAN: &str = "began";
/// A command of ours that failed by itself.
const OWN_FAILURE: i32 = 125;
/// Killed by the filter of system calls (SIGSYS), and for want of memory (SIGKILL).
const FILTERED: i32 = 128 + 31;
const KILLED: i32 = 128 + 9;

/// One program, without and in a sandbox.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) program: Program,
    pub(super) control: Outcome,
    /// As `agent`, then as inner root where that was tried.
    pub(super) inside: Vec<Outcome>,
}

/// Whether an attack succeeded.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Verdict {
    Through,
    Held,
    /// A limit was asked for that cannot be enforced here.
    Refused,
    /// A control that this machine or this user makes impossible.
    NotHere,
    Unclear(String),
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Through => "through",
            Self::Held => "held",
            Self::Refused => "refused",
            Self::NotHere => "not here",
            Self::Unclear(why) => why,
        })
    }
}

/// All lines of a group.
#[derive(Debug, Default)]
pub(super) struct Report {
    lines: Vec<Line>,
}

impl Report {
    pub(super) fn add(&mut self, line: Line) {
        self.lines.push(line);
    }

    /// Prints the table, and fails if anything got through, or if a control did not.
    #[expect(clippy::print_stdout, reason = "the table is for whoever reads the output of the test")]
    pub(super) fn conclude(mut self, group: &str) {
        self.lines.sort_by(|one, other| one.program.name.cmp(&other.program.name));
        let mut failures = Vec::new();
        let mut controls = 0;
        for line in &self.lines {
            let control = control(line);
            let inside: Vec<Verdict> = line.inside.iter().map(|outcome| inside(&line.program, outcome)).collect();
            controls += usize::from(control == Verdict::Through);
            let words: Vec<String> = inside.iter().map(ToString::to_string).collect();
            if let Some(place) = &line.program.remains {
                let section = fs::read_to_string(Path::new(ROOT).join(place)).unwrap_or_default();
                let name = line.program.name.rsplit('/').next().unwrap_or_default();
                assert!(section.contains(name), "{place} does not say that {name} remains");
            }
            println!("{:<36} control: {:<10} inside: {}", line.program.name, control.to_string(), words.join(", "));
            if !matches!(control, Verdict::Through | Verdict::NotHere) {
                failures.push(format!("{}: its control: {control}\n{}", line.program.name, line.control.output));
            }
            for (verdict, outcome) in inside.iter().zip(&line.inside) {
                let known = *verdict == Verdict::Through && line.program.remains.is_some();
                if !known && !matches!(verdict, Verdict::Held | Verdict::Refused) {
                    failures.push(format!("{}: inside: {verdict}\n{}", line.program.name, outcome.output));
                }
            }
        }
        println!("{group}: {} programs, {controls} controls got through", self.lines.len());
        assert!(failures.is_empty(), "{} failures in {group}:\n{}", failures.len(), failures.join("\n"));
        assert!(controls > 0, "{group}: no control worked");
    }
}

/// Without a sandbox the program must succeed, and the witness must see its effect.
fn control(line: &Line) -> Verdict {
    let (program, outcome) = (&line.program, &line.control);
    let missing: Vec<&str> =
        program.harm.iter().filter(|kind| !outcome.harm.contains(kind)).map(String::as_str).collect();
    let succeeded = program.judged_outside || outcome.exit == GOT_THROUGH;
    let elsewhere = program.machine.as_deref().is_some_and(|machine| machine != std::env::consts::ARCH);
    if succeeded && missing.is_empty() {
        Verdict::Through
    } else if elsewhere
        || (program.only_root && !is_root())
        || (program.may_lack.is_some() && outcome.exit == COULD_NOT_TRY)
    {
        Verdict::NotHere
    } else if succeeded {
        Verdict::Unclear(format!("no harm seen: {}", missing.join(" ")))
    } else {
        Verdict::Unclear(format!("exit code {}", outcome.exit))
    }
}

/// In a sandbox nothing must come of it, inside or outside.
fn inside(program: &Program, outcome: &Outcome) -> Verdict {
    let elsewhere = program.machine.as_deref().is_some_and(|machine| machine != std::env::consts::ARCH);
    match outcome.exit {
        _ if !outcome.harm.is_empty() => Verdict::Through,
        OWN_FAILURE if !program.create.is_empty() && outcome.output.contains("Unsupported") => Verdict::Refused,
        OWN_FAILURE if program.may_die && is_told_as_a_limit(&outcome.output) => Verdict::Held,
        OWN_FAILURE => Verdict::Unclear("the sandbox failed".to_owned()),
        code if program.judged_outside && !outcome.output.lines().any(|line| line == BEGAN) => {
            Verdict::Unclear(format!("it did not begin, exit code {code}"))
        }
        _ if program.judged_outside => Verdict::Held,
        GOT_THROUGH => Verdict::Through,
        HELD | FILTERED => Verdict::Held,
        KILLED if program.may_die => Verdict::Held,
        COULD_NOT_TRY if elsewhere => Verdict::Held,
        code => Verdict::Unclear(format!("exit code {code}")),
    }
}

fn is_told_as_a_limit(output: &str) -> bool {
    ["OutOfMemory", "ProcessLimit", "SandboxDied"].iter().any(|code| output.contains(code))
}
