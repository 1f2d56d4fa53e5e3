//! What the library needs from its surroundings, passed in explicitly.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

use crate::backend::BackendId;
use crate::redact::Names;

/// Configuration of a [`Loopbox`](crate::Loopbox). The library reads nothing of this from the environment by itself.
#[derive(Clone)]
#[non_exhaustive]
pub struct Config {
    /// The directory that holds all state: `$LOOPBOX_STATE_DIR`, else `$XDG_STATE_HOME/loopbox` by convention.
    pub state_dir: PathBuf,
    /// The `loopbox` executable that plays supervisor and init. Absent: beside the running executable, then
    /// `../libexec/loopbox` from there.
    pub helper: Option<PathBuf>,
    /// The SHA-256 of the helper, checked before its first use.
    pub helper_sha256: Option<[u8; 32]>,
    /// The backend to use for new sandboxes; absent: the best that works here.
    pub backend: Option<BackendId>,
    /// Whether new sandboxes may run on the bare host when no backend works.
    pub allow_host_fallback: bool,
    /// The caller's PATH, in which agents and their interpreters are looked up.
    pub host_path: OsString,
    /// The caller's home directory, which is never accepted as a workspace.
    pub host_home: Option<PathBuf>,
    /// The caller's whole environment, used by the host backend only, which isolates nothing.
    pub host_env: Vec<(OsString, OsString)>,
    /// The author that git records for commits made inside.
    pub git_identity: Option<GitIdentity>,
    /// The step at which to die, for fault tests.
    #[cfg(feature = "failpoints")]
    pub failpoint: Option<String>,
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("state_dir", &self.state_dir)
            .field("helper", &self.helper)
            .field("backend", &self.backend)
            .field("allow_host_fallback", &self.allow_host_fallback)
            .field("host_path", &self.host_path)
            .field("host_home", &self.host_home)
            .field("host_env", &Names::of(self.host_env.iter().map(|(name, _)| name)))
            .field("git_identity", &self.git_identity)
            .finish_non_exhaustive()
    }
}

impl Config {
    /// A configuration with that state directory and nothing else.
    pub fn new(state_dir: impl Into<PathBuf>) -> Self {
        Self {
            state_dir: state_dir.into(),
            helper: None,
            helper_sha256: None,
            backend: None,
            allow_host_fallback: false,
            host_path: OsString::from("/usr/local/bin:/usr/bin:/bin"),
            host_home: None,
            host_env: Vec::new(),
            git_identity: None,
            #[cfg(feature = "failpoints")]
            failpoint: None,
        }
    }
}

/// Name and e-mail address for git inside a sandbox.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct GitIdentity {
    /// `user.name`
    pub name: String,
    /// `user.email`
    pub email: String,
}
