//! Commands that belong to the sandbox and not to their caller.

use std::fs;

use loopbox_core::{ErrorCode, ExecRequest, LogEntry, LogFollower, SandboxName};
use loopbox_tests::{Bed, Watched, on_every_backend, within};

on_every_backend!(detaching_works_where_declared_and_is_unsupported_elsewhere);

fn script(text: &str) -> ExecRequest {
    ExecRequest::new(["bash", "-c", text])
}

async fn to_the_end(log: &mut LogFollower) -> String {
    let mut text = Vec::new();
    while let Some(chunk) = within("more of the log", log.next()).await {
        text.extend(chunk.unwrap());
    }
    String::from_utf8(text).unwrap()
}

async fn entry(bed: &Bed, name: &SandboxName, id: &str) -> LogEntry {
    bed.loopbox.logs(name).await.unwrap().into_iter().find(|entry| entry.id == id).unwrap()
}

async fn detaching_works_where_declared_and_is_unsupported_elsewhere(bed: Bed) {
    let name = bed.sandbox().await;
    let declared = bed.capabilities(&name).await.detach;
    match bed.loopbox.exec_detached(&name, script("echo out; echo err >&2; exit 4")).await {
        Ok(started) => {
            assert!(declared);
            let mut log = bed.loopbox.log_follower(&name, &started.id, true).await.unwrap();
            let text = to_the_end(&mut log).await;
            let mut lines: Vec<&str> = text.lines().collect();
            lines.sort_unstable();
            assert_eq!(lines, ["err", "out"]);
            let entry = entry(&bed, &name, &started.id).await;
            assert_eq!((entry.exit_code, entry.error, entry.truncated), (Some(4), None, false));
            assert!(entry.command.starts_with("bash -c echo out"), "{}", entry.command);
        }
        Err(error) => {
            assert!(!declared, "{}", error.describe());
            assert_eq!(error.code(), ErrorCode::Unsupported);
        }
    }
}

#[tokio::test]
async fn a_follower_sees_what_is_written_as_it_is_written() {
    let bed = Bed::native();
    let name = bed.sandbox().await;
    let text = "echo one; until [ -e go ]; do sleep 0.01; done; echo two; exit 3";
    let id = bed.loopbox.exec_detached(&name, script(text)).await.unwrap().id;
    let mut log = bed.loopbox.log_follower(&name, &id, true).await.unwrap();
    assert_eq!(within("the first line", log.next()).await.unwrap().unwrap(), b"one\n");
    assert_eq!(entry(&bed, &name, &id).await.exit_code, None, "it runs");
    fs::write(bed.workspace().join("go"), "").unwrap();
    assert_eq!(to_the_end(&mut log).await, "two\n");
    assert_eq!(entry(&bed, &name, &id).await.exit_code, Some(3));

    let mut later = bed.loopbox.log_follower(&name, &id, false).await.unwrap();
    assert_eq!(to_the_end(&mut later).await, "one\ntwo\n");
    let unknown = bed.loopbox.log_follower(&name, "../record", false).await.unwrap_err();
    assert_eq!(unknown.code(), ErrorCode::InvalidArgument);
}

#[tokio::test]
async fn it_outlives_its_caller_and_ends_with_the_sandbox() {
    let bed = Bed::native();
    let name = bed.sandbox().await;
    let mark = format!("detached{}", bed.dir().file_name().unwrap().to_str().unwrap());
    let mut caller = bed.cli();
    caller.args(["exec", "-d", "bed", "bash", "-c", "echo begun; exec -a \"$1\" sleep 1000", "bash", &mark]);
    let started = caller.output().await.unwrap();
    assert!(started.status.success(), "{}", String::from_utf8_lossy(&started.stderr));
    let id = String::from_utf8(started.stdout).unwrap().trim().to_owned();
    let mut log = bed.loopbox.log_follower(&name, &id, true).await.unwrap();
    assert_eq!(within("its first line", log.next()).await.unwrap().unwrap(), b"begun\n");
    drop(log);
    let process = within("its process", async {
        loop {
            match Watched::named(&mark).pop() {
                Some(found) => return found,
                None => tokio::task::yield_now().await,
            }
        }
    });
    let process = process.await;
    bed.loopbox.stop(&name).await.unwrap();
    process.end().await;
    assert_eq!(bed.sh(&name, "exit 5").await.exit_code, 5);
    let mut log = bed.loopbox.log_follower(&name, &id, false).await.unwrap();
    assert_eq!(to_the_end(&mut log).await, "begun\n", "logs are kept");
}

#[tokio::test]
async fn each_has_its_own_log_oldest_first() {
    let bed = Bed::native();
    let name = bed.sandbox().await;
    let mut ids = Vec::new();
    for n in 0..3 {
        let id = bed.loopbox.exec_detached(&name, script(&format!("echo {n}; exit {n}"))).await.unwrap().id;
        let mut log = bed.loopbox.log_follower(&name, &id, true).await.unwrap();
        assert_eq!(to_the_end(&mut log).await, format!("{n}\n"));
        ids.push((id, Some(n)));
    }
    let logs = bed.loopbox.logs(&name).await.unwrap();
    assert_eq!(logs.into_iter().map(|entry| (entry.id, entry.exit_code)).collect::<Vec<_>>(), ids);
}
