//! What of its git directory a sandbox may write by the operator's choice.

use std::path::Path;

use crate::guard;
use crate::record::Record;

/// Parts of the host's git directory that are the sandbox's as well (`guard.allow`, `--allow-write`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a part by itself")]
pub(super) struct Allowed {
    /// All of it.
    pub(super) whole: bool,
    /// The hooks.
    pub(super) hooks: bool,
    /// The repositories of submodules.
    pub(super) modules: bool,
    /// The configuration.
    pub(super) config: bool,
    /// The repositories from which this one borrows objects; these to read only.
    pub(super) alternates: bool,
}

impl Allowed {
    pub(super) fn of(record: &Record) -> Self {
        let allows = |path: &str| guard::allows(&record.settings.guard_allow, Path::new(path));
        Self {
            whole: allows(".git"),
            hooks: allows(".git/hooks"),
            modules: allows(".git/modules"),
            config: allows(".git/config"),
            alternates: allows(".git/objects/info/alternates"),
        }
    }
}
