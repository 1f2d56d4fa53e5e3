//! What is removed by time, and what `prune` removes.

use std::fs::{self, File};
use std::time::{Duration, SystemTime};

use loopbox_core::{ErrorCode, EventKind, ExecRequest, SandboxName};
use loopbox_tests::{Bed, Watched, on_every_backend, within};
use serde_json::json;

on_every_backend!(
    an_expired_sandbox_is_gone_for_every_call,
    use_makes_it_live_on,
    prune_removes_what_has_expired_or_was_half_made_and_nothing_else,
);

/// Makes a sandbox look as if it had not been used for that long.
fn unused_for(bed: &Bed, name: &SandboxName, time: Duration) {
    let then = SystemTime::now() - time;
    File::options().append(true).open(bed.sandbox_dir(name).join("used")).unwrap().set_modified(then).unwrap();
}

const HOUR: Duration = Duration::from_hours(1);

async fn an_expired_sandbox_is_gone_for_every_call(bed: Bed) {
    let name = bed.sandbox_with(|options| options.ttl = Some(HOUR)).await;
    fs::write(bed.workspace().join("kept"), "").unwrap();
    unused_for(&bed, &name, Duration::from_mins(59));
    assert!(bed.loopbox.exists(&name).await.unwrap(), "not yet");

    unused_for(&bed, &name, HOUR + Duration::from_mins(1));
    assert!(!bed.loopbox.exists(&name).await.unwrap());
    assert!(bed.loopbox.list().await.unwrap().is_empty());
    assert_eq!(bed.loopbox.inspect(&name).await.unwrap_err().code(), ErrorCode::SandboxNotFound);
    let error = bed.loopbox.exec(&name, ExecRequest::new(["true"])).await.map(|_| ()).unwrap_err();
    assert_eq!(error.code(), ErrorCode::SandboxNotFound);
    assert!(bed.loopbox.create(bed.request("bed")).await.unwrap().new, "create makes a new one");
    assert!(bed.workspace().join("kept").exists());
}

async fn use_makes_it_live_on(bed: Bed) {
    let name = bed.sandbox_with(|options| options.ttl = Some(HOUR)).await;
    unused_for(&bed, &name, HOUR / 2);
    let before = bed.loopbox.inspect(&name).await.unwrap();
    bed.run(&name, ["true"]).await;
    let after = bed.loopbox.inspect(&name).await.unwrap();
    assert!(after.last_used > before.last_used && after.expires > before.expires);
    unused_for(&bed, &name, HOUR / 2);
    bed.loopbox.create(bed.request("bed")).await.unwrap();
    assert!(bed.loopbox.inspect(&name).await.unwrap().expires.unwrap() > before.expires.unwrap());
}

/// The supervisor watches the clock: nobody needs to call.
#[tokio::test]
async fn a_running_sandbox_ends_by_itself_when_its_time_is_over() {
    let bed = Bed::native();
    let name = bed.sandbox().await;
    let pids = bed.loopbox.inspect(&name).await.unwrap().pids;
    let processes: Vec<Watched> = pids.into_iter().filter_map(Watched::by_pid).collect();
    let mut events = bed.loopbox.events(true).unwrap();
    let mut request = bed.request("bed");
    request.options.ttl = Some(Duration::from_millis(1));
    bed.loopbox.create(request).await.unwrap();

    let expired = async { while events.next().await.unwrap().unwrap().kind != EventKind::Expired {} };
    within("the event of its expiry", expired).await;
    for process in processes {
        process.end().await;
    }
    assert!(!bed.loopbox.exists(&name).await.unwrap());
}

async fn prune_removes_what_has_expired_or_was_half_made_and_nothing_else(bed: Bed) {
    for name in ["expired", "half-made", "half-gone", "used"] {
        let mut request = bed.request(name);
        request.options.ttl = Some(HOUR);
        bed.loopbox.create(request).await.unwrap();
    }
    let parsed = |name: &str| SandboxName::parse(name).unwrap();
    unused_for(&bed, &parsed("expired"), 2 * HOUR);
    for (name, phase) in [("half-made", "creating"), ("half-gone", "removing")] {
        let mut record = bed.read_json(&parsed(name), "record.json");
        record["phase"] = json!(phase);
        bed.write_json(&parsed(name), "record.json", &record);
    }
    fs::create_dir(bed.sandbox_dir(&parsed("without-record"))).unwrap();
    fs::create_dir_all(bed.state().join("trash/left-over/dir")).unwrap();

    let report = bed.loopbox.prune().await.unwrap();
    let reasons: Vec<_> = report.reasons.iter().map(|(name, reason)| (name.as_str(), reason.as_str())).collect();
    assert_eq!(
        reasons,
        [
            ("expired", "expired"),
            ("half-gone", "half-removed"),
            ("half-made", "half-made"),
            ("without-record", "without a record")
        ]
    );
    assert_eq!(report.removed.len(), 4);
    let left: Vec<_> = fs::read_dir(bed.state().join("sandboxes")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left, ["used"]);
    assert_eq!(fs::read_dir(bed.state().join("trash")).unwrap().count(), 0);
    assert_eq!(bed.loopbox.prune().await.unwrap(), loopbox_core::PruneReport::default(), "nothing is left to do");
    assert_eq!(bed.sh(&parsed("used"), "exit 5").await.exit_code, 5);
}

/// Nothing is removed that this state directory's own records do not name.
#[tokio::test]
async fn another_state_directory_is_left_alone() {
    let (one, two) = (Bed::native(), Bed::native());
    let name = one.sandbox().await;
    two.sandbox().await;
    two.loopbox.prune().await.unwrap();
    assert_eq!(two.loopbox.reset().await.unwrap().len(), 1);
    two.loopbox.prune().await.unwrap();
    assert_eq!(one.sh(&name, "exit 5").await.exit_code, 5);
    assert_eq!(one.loopbox.list().await.unwrap().len(), 1);
}
