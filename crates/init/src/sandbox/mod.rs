//! The native sandbox: namespaces, file system, identity.
//!
//! [`SandboxSpec`] says what is wanted as data; [`launch`] makes it and leaves the guest agent running in it as PID 1.
//! One kernel mechanism a file.

mod channel;
mod clone;
mod disk;
mod enter;
mod error;
mod ids;
mod keyring;
mod landlock;
mod launch;
mod limits;
mod mount;
mod net;
mod privileges;
mod proc;
mod root;
mod seccomp;
mod source;
mod spec;

pub use clone::detach;
#[cfg(feature = "failpoints")]
pub(crate) use clone::exit_now;
pub use disk::{Disk, leave_disk, mount_disk};
pub use enter::{Namespaces, add_mounts};
pub use error::LaunchError;
pub use ids::become_ids;
pub use landlock::{LandlockRules, LandlockState, PathRights, TcpPorts, landlock_abi, restrict};
pub use launch::{GuestAccess, Launched, launch};
pub use privileges::close_inherited;
pub use seccomp::{CallFilter, filter_system_calls};
pub use spec::{AGENT_ID, Access, Cgroup, CgroupVersion, Confinement, Enforced, Entry, IdMap, SandboxSpec};
