//! Egress of a loopbox sandbox: the policy, the proxy that enforces it, and the log that explains it.
//!
//! A sandbox's network namespace has only loopback. The supervisor holds a listener that was made inside and
//! serves it with [`Proxy`], so every connection that leaves is judged here, by name before the name is resolved
//! and by address before it is dialled. What was judged is what is dialled.
//!
//! - [`NetworkPolicy`] is the policy as data; [`CompiledPolicy`] judges with it and explains every [`Decision`].
//! - [`Resolve`] is how names become addresses; tests inject their own, [`SystemResolver`] asks the host.
//! - [`Proxy`] serves absolute-form requests and CONNECT on a listener it is given.
//! - [`DecisionLog`] takes one [`DecisionRecord`] per decision; [`FileLog`] writes them as JSON lines.
//!
//! The crate opens no path, reads no environment, and keeps no timer while nobody is connected.

#![forbid(unsafe_code)]

mod address;
mod dial;
mod host;
mod judge;
mod log;
mod pattern;
mod policy;
mod preset;
mod proxy;
mod resolver;
mod rule;

pub use address::AddressClass;
pub use dial::{DialError, Dialed, dial};
pub use host::{Host, HostError, HostLoopbackAlias, Target, TargetError};
pub use judge::{CompiledPolicy, Decision, Verdict};
pub use log::{DecisionLog, DecisionRecord, FileLog, MAX_LOG_BYTES};
pub use pattern::{CidrPattern, HostPattern, PatternError, PatternErrorKind};
pub use policy::{DefaultVerdict, NetworkPolicy};
pub use preset::{Preset, PresetHost};
pub use proxy::{Proxy, ProxyConfig};
pub use resolver::{Resolve, ResolveFuture, SystemResolver};
pub use rule::{Action, Origin, Rule};
