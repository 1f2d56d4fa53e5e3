//! The state directory: which sandboxes there are, and who may change them.
//!
//! ```text
//! STATE/
//!   locks/NAME            held while NAME is made, changed or removed
//!   sandboxes/NAME/       one directory a sandbox; see [`SandboxDir`]
//!   trash/                trees that were renamed away and wait for their removal
//!   events.jsonl          what happened, a line each
//! ```

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorCode, Result};
use crate::fs::{Durability, Lock, is_unfinished, make_private_dir, random_hex, read_limited, sync_dir, write_atomic};
use crate::name::SandboxName;
use crate::record::{Record, Runtime};

/// What a supervisor writes down before its caller has said that it is wanted.
const UNCOMMITTED: &str = "runtime.uncommitted.json";

/// Records are ours and small; a larger file is not one.
const MAX_RECORD: u64 = 1024 * 1024;

/// The state directory.
#[derive(Debug, Clone)]
pub(crate) struct Registry {
    root: PathBuf,
}

impl Registry {
    pub(crate) fn new(root: PathBuf) -> Self {
        Self { root }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn trash(&self) -> PathBuf {
        self.root.join("trash")
    }

    pub(crate) fn events(&self) -> PathBuf {
        self.root.join("events.jsonl")
    }

    /// Makes the directories of the registry itself.
    pub(crate) fn prepare(&self) -> Result<()> {
        for dir in ["locks", "sandboxes", "trash"] {
            make_private_dir(&self.root.join(dir))?;
        }
        Ok(())
    }

    pub(crate) fn sandbox(&self, name: &SandboxName) -> SandboxDir {
        SandboxDir { path: self.root.join("sandboxes").join(name.as_str()) }
    }

    /// Waits for the right to change that sandbox.
    pub(crate) fn lock(&self, name: &SandboxName) -> Result<Lock> {
        let path = self.lock_path(name);
        loop {
            let lock = Lock::acquire(&path)?;
            // Whoever removed the sandbox while we waited removed the file as well.
            if lock.is_at(&path)? {
                return Ok(lock);
            }
        }
    }

    /// The right to change that sandbox, unless somebody is changing it now.
    pub(crate) fn try_lock(&self, name: &SandboxName) -> Result<Option<Lock>> {
        let path = self.lock_path(name);
        match Lock::try_acquire(&path)? {
            Some(lock) if lock.is_at(&path)? => Ok(Some(lock)),
            _ => Ok(None),
        }
    }

    /// Whether somebody holds, or once held and did not live to clear away, the right to change that sandbox.
    pub(crate) fn has_lock(&self, name: &SandboxName) -> bool {
        self.lock_path(name).exists()
    }

    /// Removes the lock's file, so that names of the past leave nothing behind. Only if there is no such sandbox.
    pub(crate) fn forget(&self, name: &SandboxName, lock: Lock) {
        if !self.sandbox(name).path().exists() {
            // If it cannot be removed it is empty and does no harm.
            let _stays = fs::remove_file(self.lock_path(name));
        }
        drop(lock);
    }

    /// The names for which there is a lock's file.
    pub(crate) fn locked_names(&self) -> Result<Vec<SandboxName>> {
        names_in(&self.root.join("locks"))
    }

    fn lock_path(&self, name: &SandboxName) -> PathBuf {
        self.root.join("locks").join(name.as_str())
    }

    /// The names of everything that looks like a sandbox, also half-made.
    pub(crate) fn names(&self) -> Result<Vec<SandboxName>> {
        names_in(&self.root.join("sandboxes"))
    }

    /// Renames a sandbox's directory into the trash, which ends its existence in one step.
    pub(crate) fn discard(&self, dir: &SandboxDir) -> Result<()> {
        let name = dir.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let to = self.trash().join(format!("{name}-{}", random_hex(8)?));
        match fs::rename(&dir.path, &to) {
            Ok(()) => sync_dir(&self.root.join("sandboxes")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(Error::io(format!("moving {} to the trash", dir.path.display()), error)),
        }
    }
}

fn names_in(dir: &Path) -> Result<Vec<SandboxName>> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::io(format!("reading {}", dir.display()), error)),
    };
    let mut names: Vec<_> =
        entries.flatten().filter_map(|entry| SandboxName::parse(entry.file_name().to_str()?).ok()).collect();
    names.sort();
    Ok(names)
}

/// The directory of one sandbox.
///
/// ```text
/// record.json    what it is (durable)
/// runtime.json   what runs of it (volatile)
/// launch         the supervisor's instructions; supervisor and init hold a lock on it for as long as they live
/// used           its time of change is the time of last use
/// run/           sockets, which belong to the supervisor
/// logs/          output of detached commands, decisions of the proxy; written by the supervisor
/// home/ layer/ tmp/   the private parts of its file system
/// ```
#[derive(Debug, Clone)]
pub(crate) struct SandboxDir {
    path: PathBuf,
}

impl SandboxDir {
    /// The directory at that path, as a supervisor is told it.
    pub(crate) fn at(path: PathBuf) -> Self {
        Self { path }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn join(&self, part: &str) -> PathBuf {
        self.path.join(part)
    }

    pub(crate) fn run(&self) -> PathBuf {
        self.join("run")
    }

    pub(crate) fn logs(&self) -> PathBuf {
        self.join("logs")
    }

    /// The record; an error if there is none.
    pub(crate) fn record(&self) -> Result<Record> {
        self.find_record()?.ok_or_else(|| self.not_found())
    }

    /// The record, if the sandbox exists.
    pub(crate) fn find_record(&self) -> Result<Option<Record>> {
        let path = self.join("record.json");
        read_limited(&path, MAX_RECORD)?.map(|bytes| Record::parse(&bytes, &path)).transpose()
    }

    pub(crate) fn write_record(&self, record: &Record, durability: Durability) -> Result<()> {
        write_atomic(&self.path, "record.json", &record.to_bytes()?, durability)
    }

    /// What runs of it, as far as was written down; it may be dead since.
    pub(crate) fn runtime(&self) -> Result<Option<Runtime>> {
        let Some(bytes) = read_limited(&self.join("runtime.json"), MAX_RECORD)? else { return Ok(None) };
        // It is replaced in one step, so what cannot be read was not written by a version that runs now.
        Ok(serde_json::from_slice(&bytes).ok())
    }

    /// Writes down what is about to run. Nobody sees it until [`Self::commit_runtime`].
    pub(crate) fn write_runtime(&self, runtime: &Runtime) -> Result<()> {
        let bytes =
            serde_json::to_vec(runtime).map_err(|error| Error::io("writing runtime.json", io::Error::other(error)))?;
        write_atomic(&self.path, UNCOMMITTED, &bytes, Durability::ProcessDeath)
    }

    /// Nothing runs of it any more.
    pub(crate) fn remove_runtime(&self) {
        for file in ["runtime.json", UNCOMMITTED] {
            let _absent = fs::remove_file(self.join(file));
        }
    }

    /// From here on the sandbox is there for others to use.
    pub(crate) fn commit_runtime(&self) -> Result<()> {
        fs::rename(self.join(UNCOMMITTED), self.join("runtime.json"))
            .map_err(|error| Error::io("writing runtime.json", error))
    }

    /// Removes what somebody was writing when he died. Nobody writes now: the lock is held, and nothing runs.
    pub(crate) fn remove_unfinished(&self) {
        for entry in fs::read_dir(&self.path).into_iter().flatten().flatten() {
            if is_unfinished(&entry.file_name()) {
                // If it cannot be removed now, it is with the directory.
                let _stays = fs::remove_file(entry.path());
            }
        }
    }

    /// Whether a supervisor or an init of this sandbox lives.
    pub(crate) fn is_alive(&self) -> Result<bool> {
        let path = self.join("launch");
        if !path.exists() {
            return Ok(false);
        }
        Ok(Lock::try_acquire(&path)?.is_none())
    }

    pub(crate) fn not_found(&self) -> Error {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        Error::new(ErrorCode::SandboxNotFound, format!("there is no sandbox named '{name}'"))
            .with_hint("`loopbox ls` lists the sandboxes there are")
    }
}
