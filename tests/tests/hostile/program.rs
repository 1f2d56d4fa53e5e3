//! The hostile programs as the comments at their heads describe them.
//!
//! ```text
//! /* What it tries.
//!  * Matters: why an attacker wants it.
//!  * Held by: what is in the way.
//!  * key: value */
//! ```
//!
//! | key | meaning |
//! |---|---|
//! | `control: root` | only root can do it without a sandbox |
//! | `may-lack: WHAT` | a machine on which the control may be impossible |
//! | `machine: x86_64` | the only architecture that has it |
//! | `harm: KINDS` | what `witness` must see happen in the control |
//! | `judge: host` | only what happened outside counts, not what the program believes |
//! | `inner-root: WHY` | inner root may do this in its own sandbox |
//! | `create: FLAGS` | how the sandbox is made; a limit that cannot be enforced here is refused |
//! | `death: WHY` | that the program is killed is an answer |
//! | `prepare: SCRIPT` | what is done to the stage beforehand, by its owner |
//! | `stdin: WHAT` | the launcher's own file is its standard input |
//! | `life: ready` | stays after `ready`; what is left of it at the end of its sandbox counts (see [`super::life`]) |
//! | `remains: WHERE` | it may get through: a known risk, and where the documents say so |
//! | `part-of: PROGRAM` | not an attack of its own |

use std::fs;
use std::path::{Path, PathBuf};

use loopbox_tests::ROOT;

/// One attack.
#[derive(Debug, Clone, Default)]
#[expect(clippy::struct_excessive_bools, reason = "one field a key of the head")]
pub(super) struct Program {
    /// Its group and name, as `files/read_home`.
    pub(super) name: String,
    /// Whether it is a shell script.
    pub(super) is_script: bool,
    pub(super) only_root: bool,
    pub(super) may_lack: Option<String>,
    pub(super) machine: Option<String>,
    pub(super) harm: Vec<String>,
    pub(super) judged_outside: bool,
    pub(super) inner_root: Option<String>,
    pub(super) create: Vec<String>,
    pub(super) may_die: bool,
    pub(super) remains: Option<String>,
    pub(super) prepare: Option<String>,
    pub(super) reads_a_file: bool,
}

/// The directory of the hostile programs.
pub(super) fn dir() -> PathBuf {
    Path::new(ROOT).join("tests/hostile")
}

/// The names of the groups, sorted.
pub(super) fn groups() -> Vec<String> {
    let entries = fs::read_dir(dir()).unwrap().flatten().filter(|entry| entry.path().is_dir());
    let mut names: Vec<String> = entries.map(|entry| entry.file_name().into_string().unwrap()).collect();
    names.retain(|name| name != "common");
    names.sort();
    names
}

impl Program {
    /// Every attack of a group, by name.
    pub(super) fn of_group(group: &str) -> Vec<Self> {
        let files = fs::read_dir(dir().join(group)).unwrap().map(|entry| entry.unwrap().path());
        let mut programs: Vec<Self> = files.filter_map(|file| Self::read(group, &file)).collect();
        programs.sort_by(|one, other| one.name.cmp(&other.name));
        assert!(!programs.is_empty(), "no program in {group}");
        programs
    }

    /// Whether it changes its stage or its sandbox, or looks at how that was started.
    pub(super) fn needs_a_sandbox_of_its_own(&self) -> bool {
        let changes = self.judged_outside || self.may_die || self.prepare.is_some() || !self.create.is_empty();
        changes || self.reads_a_file || self.name.starts_with("environment/")
    }

    /// What the head of a file says; nothing if it is part of another program.
    fn read(group: &str, file: &Path) -> Option<Self> {
        let name = format!("{group}/{}", file.file_stem().unwrap().to_str().unwrap());
        let is_script = file.extension().is_some_and(|extension| extension == "sh");
        let text = fs::read_to_string(file).unwrap();
        let lines: Vec<&str> = head(&text, is_script);
        for part in ["Matters: ", "Held by: "] {
            assert!(lines.iter().any(|line| line.starts_with(part)), "{name}: no {part:?} in its head");
        }
        let mut program = Self { name, is_script, ..Self::default() };
        for line in lines {
            let Some((key, value)) = line.split_once(": ") else { continue };
            match key {
                "control" => program.only_root = value == "root",
                "may-lack" => program.may_lack = Some(value.to_owned()),
                "machine" => program.machine = Some(value.to_owned()),
                "harm" => program.harm = value.split(' ').map(str::to_owned).collect(),
                "judge" => program.judged_outside = value == "host",
                "inner-root" => program.inner_root = Some(value.to_owned()),
                "create" => program.create = value.split(' ').map(str::to_owned).collect(),
                "death" => program.may_die = true,
                "remains" => program.remains = Some(value.to_owned()),
                "prepare" => program.prepare = Some(value.to_owned()),
                "stdin" => program.reads_a_file = true,
                "part-of" => return None,
                "life" => {}
                key => assert!(!key.chars().all(|c| c.is_lowercase() || c == '-'), "{}: {key}?", program.name),
            }
        }
        Some(program)
    }
}

/// The first comment of a file, without its marks.
fn head(text: &str, is_script: bool) -> Vec<&str> {
    if is_script {
        let lines = text.lines().skip(1).take_while(|line| line.starts_with('#'));
        return lines.map(|line| line.trim_start_matches(['#', ' '])).collect();
    }
    let comment = text.strip_prefix("/*").and_then(|rest| rest.split("*/").next()).unwrap_or_default();
    comment.lines().map(|line| line.trim_start_matches([' ', '*']).trim_end()).collect()
}
