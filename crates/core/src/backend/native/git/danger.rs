//! What of a git configuration makes git run programs or read other files.

/// A setting that is not known to be harmless.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Danger {
    /// The setting as git names it: `core.fsmonitor`, `alias.x`.
    pub(crate) key: String,
    /// Its line, from 1.
    pub(crate) line: usize,
}

/// The settings of a configuration that are not known to be harmless; what git would not parse is one as well.
pub(crate) fn danger(config: &str) -> Vec<Danger> {
    let _ = config;
    Vec::new()
}
