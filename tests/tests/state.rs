//! Records on disk: of other versions, damaged, and of other users.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Output;

use loopbox_core::{ErrorCode, ExecRequest, NetworkOptions};
use loopbox_tests::{Bed, cli_of, helper, is_root, on_every_backend};
use serde_json::json;

on_every_backend!(a_record_of_a_newer_version_is_refused_and_not_touched, a_damaged_record_can_be_removed);

async fn a_record_of_a_newer_version_is_refused_and_not_touched(bed: Bed) {
    let name = bed.sandbox().await;
    let other = bed.loopbox.create(bed.request("other")).await.unwrap().name;
    let original = bed.read_json(&name, "record.json");
    let mut newer = original.clone();
    newer["schema"] = json!(99);
    bed.write_json(&name, "record.json", &newer);

    let too_new = |error: loopbox_core::Error| {
        assert_eq!(error.code(), ErrorCode::StateTooNew, "{}", error.describe());
        assert!(error.hint().unwrap().contains("update loopbox"));
    };
    too_new(bed.loopbox.inspect(&name).await.unwrap_err());
    too_new(bed.loopbox.exec(&name, ExecRequest::new(["true"])).await.map(|_| ()).unwrap_err());
    too_new(bed.loopbox.create(bed.request("bed")).await.unwrap_err());
    too_new(bed.loopbox.remove(&name).await.unwrap_err());
    bed.loopbox.prune().await.unwrap();
    assert_eq!(bed.read_json(&name, "record.json"), newer);
    let listed: Vec<_> = bed.loopbox.list().await.unwrap().into_iter().map(|info| info.name).collect();
    assert_eq!(listed, [other], "the others are not hidden by it");

    bed.write_json(&name, "record.json", &original);
    assert_eq!(bed.sh(&name, "exit 5").await.exit_code, 5, "and it was not stopped");
}

async fn a_damaged_record_can_be_removed(bed: Bed) {
    let name = bed.sandbox().await;
    fs::write(bed.sandbox_dir(&name).join("record.json"), "{\"schema\": 2, \"na").unwrap();
    let error = bed.loopbox.inspect(&name).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Io);
    assert!(error.hint().unwrap().contains("loopbox rm -f"));
    let removed = bed.cli().args(["rm", "-f", "bed"]).output().await.unwrap();
    assert!(removed.status.success(), "{}", String::from_utf8_lossy(&removed.stderr));
    assert!(!bed.sandbox_dir(&name).exists());
    assert!(bed.loopbox.create(bed.request("bed")).await.unwrap().new);
}

#[tokio::test]
async fn what_a_later_version_wrote_survives_a_change_by_this_one() {
    let bed = Bed::native();
    let name = bed.sandbox().await;
    let mut record = bed.read_json(&name, "record.json");
    record["colour"] = json!({"of": "the future"});
    bed.write_json(&name, "record.json", &record);
    let mut options = NetworkOptions::default();
    options.allow_hosts = Some(vec!["example.com".parse().unwrap()]);
    bed.loopbox.set_network(&name, options).await.unwrap();
    let record = bed.read_json(&name, "record.json");
    assert_eq!(record["colour"], json!({"of": "the future"}));
    assert_eq!(record["settings"]["network"]["allowHosts"], json!(["example.com"]));
}

/// A user of this machine who is nobody in particular, with directories of its own.
struct Somebody<'a> {
    id: u32,
    helper: &'a Path,
    state: std::path::PathBuf,
    workspace: std::path::PathBuf,
}

impl<'a> Somebody<'a> {
    fn new(bed: &Bed, helper: &'a Path, id: u32) -> Self {
        let home = bed.dir().join(id.to_string());
        let somebody = Self { id, helper, state: home.join("state"), workspace: home.join("workspace") };
        for dir in [&home, &somebody.state, &somebody.workspace] {
            fs::create_dir(dir).unwrap();
            chown(dir, Some(id), Some(id)).unwrap();
        }
        somebody
    }

    fn loopbox(&self, state: &Path, arguments: &[&str]) -> Output {
        cli_of(self.helper, state).args(arguments).uid(self.id).gid(self.id).current_dir("/").output().unwrap()
    }
}

impl Drop for Somebody<'_> {
    fn drop(&mut self) {
        self.loopbox(&self.state, &["reset", "-f"]);
    }
}

/// Names are per user: two users have sandboxes of one name, and neither sees the other's.
#[tokio::test]
async fn two_users_do_not_see_each_other() {
    if !is_root() {
        // Only root can be two users. That others cannot enter the state directory is in create.rs.
        return;
    }
    let bed = Bed::native();
    fs::set_permissions(bed.dir(), fs::Permissions::from_mode(0o755)).unwrap();
    let executable = bed.dir().join("loopbox");
    fs::copy(helper(), &executable).unwrap();
    let (one, two) = (Somebody::new(&bed, &executable, 61_001), Somebody::new(&bed, &executable, 61_002));
    for user in [&one, &two] {
        let workspace = user.workspace.to_str().unwrap();
        let created = user.loopbox(&user.state, &["create", "-q", "--policy=deny", "--name=mine", "shell", workspace]);
        assert!(created.status.success(), "{}", String::from_utf8_lossy(&created.stderr));
        let written =
            user.loopbox(&user.state, &["exec", "mine", "sh", "-c", "echo $$ > file; ls -d /tmp/*/*/* 2>/dev/null"]);
        assert!(!String::from_utf8_lossy(&written.stdout).contains("state"), "{written:?}");
    }
    for arguments in [&["inspect", "mine"][..], &["exec", "mine", "true"], &["rm", "mine"], &["stop", "mine"]] {
        let output = two.loopbox(&one.state, arguments);
        assert!(!output.status.success(), "{arguments:?}");
    }
    let listed = two.loopbox(&one.state, &["ls", "-q"]);
    assert_eq!(String::from_utf8(listed.stdout).unwrap(), "");
    let own = one.loopbox(&one.state, &["exec", "mine", "id", "-un"]);
    assert_eq!(String::from_utf8(own.stdout).unwrap(), "agent\n", "it is still there");
    assert_eq!(std::os::unix::fs::MetadataExt::uid(&fs::metadata(one.workspace.join("file")).unwrap()), 61_001);
}
