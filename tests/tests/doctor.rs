//! Machines that do not let sandboxes be made: real ones, restricted in a user namespace of the test's own.
//!
//! What cannot be had here (Ubuntu's AppArmor, gVisor, old kernels) is shown to the doctor as files, in its own tests.

use std::process::Output;

use loopbox_tests::{Bed, helper};
use serde_json::Value;
use tokio::process::Command;

/// Runs `loopbox` as an ordinary user of a namespace that `restrict` has changed before.
async fn restricted(bed: &Bed, restrict: &str, arguments: &[&str]) -> Output {
    // Nothing is written unless this is a namespace of our own: the machine's own maps every id.
    let script = format!("grep -q 4294967295 /proc/self/uid_map && exit 99; {restrict} && exec \"$0\" \"$@\"");
    let mut unshare = Command::new("unshare");
    unshare
        .args(["--user", "--mount", "--map-user=1000", "--map-group=1000", "--keep-caps", "sh", "-c", &script])
        .arg(helper())
        .args(arguments)
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("HOME", bed.dir())
        .env("LOOPBOX_STATE_DIR", bed.state());
    unshare.output().await.unwrap()
}

async fn doctor(bed: &Bed, restrict: &str) -> Value {
    let output = restricted(bed, restrict, &["doctor", "--json"]).await;
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn check<'a>(report: &'a Value, name: &str) -> &'a Value {
    report["checks"].as_array().unwrap().iter().find(|check| check["name"] == name).unwrap()
}

async fn create(bed: &Bed, restrict: &str, backend: &[&str]) -> String {
    let workspace = bed.workspace();
    let arguments = [&["create"], backend, &["shell", workspace.to_str().unwrap()]].concat();
    let output = restricted(bed, restrict, &arguments).await;
    assert!(!output.status.success());
    String::from_utf8(output.stderr).unwrap()
}

const NO_NAMESPACES: &str = "echo 0 > /proc/sys/user/max_user_namespaces";
const COVERED_PROC: &str = "mount --bind /dev/null /proc/timer_list";

#[tokio::test]
async fn a_machine_without_user_namespaces_is_told_the_setting() {
    let bed = Bed::native();
    let report = doctor(&bed, NO_NAMESPACES).await;
    assert_eq!(report["backend"], Value::Null);
    let found = check(&report, "user namespaces");
    assert_eq!((&found["status"], &found["detail"]), (&"fail".into(), &"user.max_user_namespaces is 0".into()));
    assert!(found["remedy"].as_str().unwrap().contains("user.max_user_namespaces=15000"), "{found}");
    let tried = check(&report, "native sandbox")["detail"].as_str().unwrap();
    assert!(tried.contains("user.max_user_namespaces is 0: making user namespaces: No space left"), "{tried}");
}

#[tokio::test]
async fn a_create_that_fails_names_the_restriction_and_the_doctor() {
    let bed = Bed::native();
    for backend in [&[][..], &["--backend=native"]] {
        for (restrict, named) in [(NO_NAMESPACES, "user.max_user_namespaces is 0"), (COVERED_PROC, "parts of /proc")] {
            let said = create(&bed, restrict, backend).await;
            assert!(said.contains("BackendUnavailable") && said.contains(named), "{said}");
            assert!(said.contains("loopbox doctor"), "{said}");
        }
    }
    assert!(bed.loopbox.list().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_container_that_covers_proc_is_told_the_option() {
    let bed = Bed::native();
    let report = doctor(&bed, COVERED_PROC).await;
    let container = check(&report, "container");
    assert_eq!(container["status"], "fail", "{container}");
    assert!(container["remedy"].as_str().unwrap().contains("systempaths=unconfined"), "{container}");
    let tried = check(&report, "native sandbox")["detail"].as_str().unwrap();
    assert!(tried.contains("making /proc: Operation not permitted"), "{tried}");
}

/// The shape that programs read, on a machine where sandboxes work.
#[tokio::test]
async fn the_report_tells_what_a_sandbox_here_enforces() {
    let bed = Bed::native();
    let report = serde_json::to_value(bed.loopbox.doctor().await).unwrap();
    assert_eq!(report["backend"], "native");
    let ids = if loopbox_tests::is_root() { "range" } else { "single" };
    assert_eq!(report["sandbox"]["ids"], ids);
    assert_eq!(report["sandbox"]["capabilities"]["isolation"], "namespaces");
    for field in ["seccomp", "landlockAbi", "landlockScopes", "noUserNamespaces", "processes"] {
        assert!(!report["sandbox"]["enforced"][field].is_null(), "{field}: {report:#}");
    }
    for name in
        ["kernel", "user namespaces", "cgroups", "container", "state directory", "seccomp", "Landlock", "limits"]
    {
        let status = check(&report, name)["status"].as_str().unwrap();
        assert!(["ok", "warn"].contains(&status), "{name}: {report:#}");
    }
}
