//! Guards of what the host would execute or obey in a workspace (git's own files aside, which the native backend's `git`
//! guards).
//!
//! ```text
//!  start   ── what exists is shadowed: the inside sees and changes a private copy        (shadow)
//!  exec    ── before: the host's changes come into copies that the inside left alone     (watch)
//!             and what the host replaced or made since is shadowed                       (remount)
//!             after: what was made inside where nothing was is moved to the quarantine   (watch, quarantine)
//!  between ── a process that nobody waits for walks the whole workspace                  (scan)
//!  removal ── as after an exec; changed copies are kept in the quarantine; a last scan
//! ```
//!
//! create and exec look at the names in [`list::GUARDED`] only, and mostly at nothing but the time at which the names
//! at the top of the workspace last changed.

mod allow;
mod beneath;
mod list;
mod quarantine;
mod remount;
pub(crate) mod scan;
mod shadow;
mod state;
mod tree;
mod watch;

pub(crate) use allow::{allows, check};
pub(crate) use quarantine::{Quarantine, discard_old};
pub use remount::add_guards;
pub(crate) use tree::{copy_tree, remove as remove_tree};
pub(crate) use watch::{Watch, finish, noted, prepare, settle};
