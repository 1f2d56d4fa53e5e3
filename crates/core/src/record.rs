//! The record of a sandbox: everything needed to find, use and remove it, whoever made it.

use std::path::PathBuf;

use jiff::Timestamp;
use loopbox_init::sandbox::{Cgroup, Enforced, IdMap};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::agent::Tools;
use crate::backend::BackendId;
use crate::backend::native::LimitCgroup;
use crate::backend::native::git::Repository;
use crate::error::{Error, ErrorCode, Result};
use crate::name::{AgentName, LoopId, SandboxName};
use crate::options::Settings;

/// The schema that this version writes. It reads all older ones.
pub(crate) const SCHEMA: u64 = 2;

/// The durable part of a sandbox's state, `record.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Record {
    pub(crate) schema: u64,
    pub(crate) name: SandboxName,
    /// Tells this sandbox from others that had the name before.
    pub(crate) id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) loop_id: Option<LoopId>,
    pub(crate) agent: AgentName,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) agent_path: Option<PathBuf>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) agent_version: Option<String>,
    /// The host's tools that are visible: fixed at create, whatever PATH a later caller has.
    #[serde(default)]
    pub(crate) tools: Tools,
    pub(crate) workspace: WorkspaceRecord,
    pub(crate) backend: BackendId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) template: Option<String>,
    pub(crate) phase: Phase,
    pub(crate) created: Timestamp,
    pub(crate) settings: Settings,
    /// What the native backend made or will make.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) native: Option<NativeRecord>,
    /// Fields of newer versions that this one keeps without understanding them.
    #[serde(flatten)]
    pub(crate) unknown: Map<String, Value>,
}

/// Where the workspace was when the sandbox was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WorkspaceRecord {
    /// The path as it was given.
    pub(crate) given: PathBuf,
    /// Its canonical form.
    pub(crate) canonical: PathBuf,
    pub(crate) device: u64,
    pub(crate) inode: u64,
}

/// How far the making of a sandbox has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Phase {
    Creating,
    Ready,
    Removing,
}

/// What the native backend must find again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NativeRecord {
    pub(crate) ids: IdMap,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cgroup: Option<Cgroup>,
    /// Cgroups of version 1 that hold its limits.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) limit_cgroups: Vec<LimitCgroup>,
    /// The CPUs that it is kept to; all if empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) cpus: Vec<u32>,
    /// The git repository of the workspace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) git: Option<Repository>,
}

impl Record {
    /// Reads a record of this or an older schema; a newer one is `StateTooNew`.
    pub(crate) fn parse(bytes: &[u8], from: &std::path::Path) -> Result<Self> {
        let broken = |error: serde_json::Error| {
            Error::io(format!("{} cannot be read", from.display()), std::io::Error::other(error))
                .with_hint("`loopbox rm -f NAME` removes a sandbox whose record is damaged")
        };
        let mut value: Map<String, Value> = serde_json::from_slice(bytes).map_err(broken)?;
        let schema = value.get("schema").and_then(Value::as_u64).unwrap_or(0);
        if schema > SCHEMA {
            return Err(Error::new(
                ErrorCode::StateTooNew,
                format!("{} has schema {schema}, this loopbox reads up to {SCHEMA}", from.display()),
            )
            .with_hint("update loopbox, or use another state directory (LOOPBOX_STATE_DIR)"));
        }
        if schema < 2 {
            migrate_1(&mut value);
        }
        value.insert("schema".into(), SCHEMA.into());
        serde_json::from_value(value.into()).map_err(broken)
    }

    pub(crate) fn to_bytes(&self) -> Result<Vec<u8>> {
        serde_json::to_vec_pretty(self).map_err(|error| Error::io("writing a record", std::io::Error::other(error)))
    }
}

/// Schema 1 held the lifetime in whole seconds and had no id for the sandbox beside its name.
fn migrate_1(record: &mut Map<String, Value>) {
    let id = record.get("name").cloned().unwrap_or_default();
    record.entry("id").or_insert(id);
    if let Some(settings) = record.get_mut("settings").and_then(Value::as_object_mut)
        && let Some(seconds) = settings.remove("ttlS").as_ref().and_then(Value::as_u64)
    {
        settings.insert("ttlMs".into(), seconds.saturating_mul(1000).into());
    }
}

/// The volatile part of a running sandbox's state, `runtime.json`: gone or stale after a reboot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Runtime {
    pub(crate) supervisor: ProcessId,
    pub(crate) init: ProcessId,
    /// What init wants to hear before it serves, in hexadecimal.
    pub(crate) token: String,
    /// The version of the guest protocol that this init speaks.
    pub(crate) protocol: u16,
    /// Variables of every command.
    pub(crate) env: Vec<(String, String)>,
    /// The host's ids of `agent`, to whom a command's pipes must belong.
    pub(crate) agent_ids: (u32, u32),
    /// Whether more than one id is mapped.
    pub(crate) root_user: bool,
    /// What its init found that it can enforce.
    #[serde(default)]
    pub(crate) enforced: Enforced,
}

/// A process that cannot be mistaken for a later one with the same number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ProcessId {
    pub(crate) pid: u32,
    /// Clock ticks between boot and its start, from /proc/PID/stat.
    pub(crate) start_time: u64,
    pub(crate) boot_id: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::CreateOptions;

    fn record() -> Record {
        Record {
            schema: SCHEMA,
            name: SandboxName::parse("loop-a-claude").unwrap(),
            id: "0011".into(),
            loop_id: Some(LoopId::parse("a").unwrap()),
            agent: AgentName::parse("claude").unwrap(),
            agent_path: None,
            agent_version: None,
            tools: Tools::default(),
            workspace: WorkspaceRecord { given: "/w".into(), canonical: "/w".into(), device: 1, inode: 2 },
            backend: BackendId::Native,
            template: None,
            phase: Phase::Ready,
            created: Timestamp::UNIX_EPOCH,
            settings: Settings::new(&CreateOptions::default(), None).unwrap(),
            native: Some(NativeRecord {
                ids: IdMap::Single { uid: 1000, gid: 1000 },
                cgroup: None,
                limit_cgroups: Vec::new(),
                cpus: Vec::new(),
                git: None,
            }),
            unknown: Map::new(),
        }
    }

    fn parse(value: &Value) -> Result<Record> {
        Record::parse(value.to_string().as_bytes(), std::path::Path::new("/s/record.json"))
    }

    #[test]
    fn a_record_survives_writing_and_reading() {
        let record = record();
        assert_eq!(Record::parse(&record.to_bytes().unwrap(), std::path::Path::new("x")).unwrap(), record);
    }

    #[test]
    fn a_record_of_schema_1_is_migrated() {
        let old = include_str!("../tests/data/record-schema-1.json");
        let record = Record::parse(old.as_bytes(), std::path::Path::new("x")).unwrap();
        assert_eq!(record.schema, SCHEMA);
        assert_eq!(record.settings.ttl_ms, 7_200_000);
        assert_eq!(record.id, "loop-a-claude");
    }

    #[test]
    fn fields_of_other_versions_are_kept() {
        let mut value = serde_json::to_value(record()).unwrap();
        value["colour"] = "green".into();
        let record = parse(&value).unwrap();
        let written: Value = serde_json::from_slice(&record.to_bytes().unwrap()).unwrap();
        assert_eq!(written["colour"], "green");
    }

    #[test]
    fn a_newer_record_is_refused_and_named() {
        let mut value = serde_json::to_value(record()).unwrap();
        value["schema"] = 99.into();
        let error = parse(&value).unwrap_err();
        assert_eq!(error.code(), ErrorCode::StateTooNew);
        assert!(error.message().contains("schema 99"));
    }

    #[test]
    fn a_damaged_record_is_an_error_that_names_the_remedy() {
        let error = Record::parse(b"{\"schema\":2", std::path::Path::new("/s/record.json")).unwrap_err();
        assert_eq!(error.code(), ErrorCode::Io);
        assert!(error.hint().unwrap().contains("loopbox rm -f"));
    }
}
