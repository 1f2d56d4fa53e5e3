//! The library's configuration, as the facade reads it from `process.env` at each call.

use std::collections::HashMap;
use std::ffi::OsString;
use std::sync::{LazyLock, Mutex, PoisonError};

use loopbox_core::{BackendId, Config, Error, ErrorCode, GitIdentity, Loopbox, Result};
use napi_derive::napi;

/// How many configurations keep their handle. A program has one; tests and workers that change their environment
/// have a few.
const KEPT_HANDLES: usize = 16;

/// What the surroundings say at the time of a call.
#[napi(object, object_to_js = false)]
#[derive(Clone, PartialEq, Eq, Hash)]
#[expect(missing_debug_implementations, reason = "an environment holds secrets")]
pub struct Settings {
    /// The directory of all state.
    pub state_dir: String,
    /// The `loopbox` executable of the platform package.
    pub helper: String,
    /// Its SHA-256 in hexadecimal, as written when it was packed.
    pub helper_sha256: String,
    /// The backend that the caller's environment asks for.
    pub backend: Option<String>,
    /// Whether new sandboxes may run on the bare host when no backend works.
    pub allow_host_fallback: bool,
    /// `PATH`.
    pub path: Option<String>,
    /// The caller's home directory.
    pub home: Option<String>,
    /// The whole environment as `NAME=value`, separated by NUL.
    pub env: String,
}

impl Settings {
    /// The handle for these settings.
    pub(crate) fn loopbox(self) -> Result<Loopbox> {
        self.loopbox_as(None)
    }

    /// The handle for these settings, with the author that git records inside a new sandbox.
    ///
    /// Handles are kept because they remember what they verified, such as the helper's digest.
    pub(crate) fn loopbox_as(self, git_identity: Option<GitIdentity>) -> Result<Loopbox> {
        type Key = (Settings, Option<(String, String)>);
        static HANDLES: LazyLock<Mutex<HashMap<Key, Loopbox>>> = LazyLock::new(Mutex::default);

        let identity_key = git_identity.as_ref().map(|identity| (identity.name.clone(), identity.email.clone()));
        let key = (self, identity_key);
        let mut handles = HANDLES.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(handle) = handles.get(&key) {
            return Ok(handle.clone());
        }
        let handle = Loopbox::new(key.0.config(git_identity)?)?;
        if handles.len() >= KEPT_HANDLES {
            handles.clear();
        }
        handles.insert(key, handle.clone());
        Ok(handle)
    }

    /// The caller's environment.
    pub(crate) fn variables(&self) -> impl Iterator<Item = (&str, &str)> {
        self.env.split('\0').filter_map(|variable| variable.split_once('='))
    }

    fn config(&self, git_identity: Option<GitIdentity>) -> Result<Config> {
        let mut config = Config::new(&self.state_dir);
        config.helper = Some(self.helper.clone().into());
        config.helper_sha256 = Some(digest(&self.helper_sha256)?);
        config.backend = match &self.backend {
            Some(backend) => Some(backend.parse::<BackendId>()?),
            None => None,
        };
        config.allow_host_fallback = self.allow_host_fallback;
        if let Some(path) = &self.path {
            config.host_path = OsString::from(path);
        }
        config.host_home = self.home.as_ref().map(Into::into);
        config.host_env = self.variables().map(|(name, value)| (name.into(), value.into())).collect();
        config.git_identity = git_identity;
        Ok(config)
    }
}

fn digest(hex: &str) -> Result<[u8; 32]> {
    let malformed = || {
        Error::new(ErrorCode::Io, "the digest in the platform package's native.json is malformed")
            .with_hint("install the loopbox packages anew")
    };
    let mut bytes = [0; 32];
    if hex.len() != 2 * bytes.len() {
        return Err(malformed());
    }
    for (byte, digits) in bytes.iter_mut().zip(hex.as_bytes().chunks(2)) {
        let digits = std::str::from_utf8(digits).map_err(|_| malformed())?;
        *byte = u8::from_str_radix(digits, 16).map_err(|_| malformed())?;
    }
    Ok(bytes)
}
