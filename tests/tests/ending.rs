//! How commands are ended: by time, by their caller, by their caller's death. Always with everything that came of them.

use std::process::Stdio;
use std::time::{Duration, Instant};

use loopbox_core::{ErrorCode, Exec, ExecInput, ExecRequest, OutputStream, SandboxName, TtySize};
use loopbox_tests::{Bed, Watched, on_every_backend, within};
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio_util::sync::CancellationToken;

on_every_backend!(
    a_time_limit_ends_everything_that_came_of_the_command_and_nothing_else,
    a_time_limit_also_ends_what_runs_on_a_terminal,
    a_command_that_heeds_sigterm_ends_by_it,
    a_command_that_ends_in_time_is_not_touched,
    a_cancelled_command_is_ended_and_what_it_wrote_kept,
    dropping_a_command_ends_it,
    the_time_limit_of_one_command_does_not_touch_a_detached_one,
    a_signal_reaches_the_command,
);

/// Ignores SIGTERM, leaves its session, forks twice, and goes on forking. `$1` is the name of its processes.
const WILD: &str = r#"
trap '' TERM
echo started
setsid bash -c '
    trap "" TERM
    while :; do
        ( setsid bash -c "trap \"\" TERM; (exec -a $0 sleep 1000) & exec -a $0 sleep 1000" "$0" & )
        read -t 0.02 <> <(:)
    done' "$1" &
exec -a "$1" sleep 1000
"#;

fn wild(name: &str) -> ExecRequest {
    ExecRequest::new(["bash", "-c", WILD, "bash", name])
}

/// A name for processes that no other test uses.
fn unique(bed: &Bed, what: &str) -> String {
    format!("{what}{}", bed.dir().file_name().unwrap().to_str().unwrap())
}

async fn line(stream: impl AsyncRead + Unpin) -> String {
    let mut line = String::new();
    within("a line", BufReader::new(stream).read_line(&mut line)).await.unwrap();
    line
}

/// A command that has begun, named so, which would never end by itself.
async fn endless(bed: &Bed, sandbox: &SandboxName, name: &str) -> Exec {
    let mut request = ExecRequest::new(["bash", "-c", "echo begun; read; exec -a \"$1\" cat", "bash", name]);
    request.stdin = ExecInput::Stream;
    let mut exec = bed.loopbox.exec(sandbox, request).await.unwrap();
    assert_eq!(line(exec.take_stdout().unwrap()).await, "begun\n");
    exec
}

async fn a_time_limit_ends_everything_that_came_of_the_command_and_nothing_else(bed: Bed) {
    let name = bed.sandbox().await;
    let mut other = ExecRequest::new(["bash", "-c", "echo begun; read line; echo \"survived $line\"; exit 6"]);
    other.stdin = ExecInput::Stream;
    let mut other = bed.loopbox.exec(&name, other).await.unwrap();
    let mut other_lines = BufReader::new(other.take_stdout().unwrap()).lines();
    assert_eq!(within("the other's start", other_lines.next_line()).await.unwrap().as_deref(), Some("begun"));

    let processes = unique(&bed, "wild");
    // A machine that is too busy to start the command within the limit is asked again with a longer one.
    for limit in [300, 1500, 7500].map(Duration::from_millis) {
        let mut request = wild(&processes);
        request.timeout = limit;
        let begin = Instant::now();
        let output = within("the end of the wild command", bed.exec(&name, request)).await.unwrap();
        assert_eq!((output.exit_code, output.timed_out), (124, true));
        assert!(begin.elapsed() >= limit && output.duration >= limit);
        assert_eq!(Watched::named(&processes).len(), 0, "processes of the command live on");
        if output.text() == "started\n" {
            break;
        }
        assert!(limit < Duration::from_secs(7), "what it wrote until then is kept: {:?}", output.text());
    }

    tokio::io::AsyncWriteExt::write_all(&mut other.take_stdin().unwrap(), b"all\n").await.unwrap();
    assert_eq!(within("the other's line", other_lines.next_line()).await.unwrap().as_deref(), Some("survived all"));
    assert_eq!(other.wait().await.unwrap().exit_code, 6);
    assert_eq!(bed.sh(&name, "exit 5").await.exit_code, 5, "the sandbox stays usable");
}

async fn a_time_limit_also_ends_what_runs_on_a_terminal(bed: Bed) {
    let name = bed.sandbox().await;
    let processes = unique(&bed, "typed");
    let mut request = wild(&processes);
    request.tty = Some(TtySize { rows: 24, cols: 80 });
    request.timeout = Duration::from_millis(300);
    let output = within("the end of the wild command", bed.exec(&name, request)).await.unwrap();
    assert_eq!((output.exit_code, output.timed_out), (124, true));
    assert_eq!(Watched::named(&processes).len(), 0, "processes of the command live on");
}

async fn a_command_that_heeds_sigterm_ends_by_it(bed: Bed) {
    let name = bed.sandbox().await;
    let script = "trap 'echo cleaned up; exit 3' TERM; echo begun; while :; do sleep 0.01; done";
    let mut exec = bed.loopbox.exec(&name, ExecRequest::new(["bash", "-c", script])).await.unwrap();
    let mut lines = BufReader::new(exec.take_stdout().unwrap()).lines();
    assert_eq!(within("its start", lines.next_line()).await.unwrap().as_deref(), Some("begun"));
    exec.cancel();
    assert_eq!(within("its last words", lines.next_line()).await.unwrap().as_deref(), Some("cleaned up"));
    assert_eq!(within("its end", exec.wait()).await.unwrap().exit_code, 3);
}

async fn a_command_that_ends_in_time_is_not_touched(bed: Bed) {
    let name = bed.sandbox().await;
    let mut in_time = ExecRequest::new(["bash", "-c", "exit 4"]);
    in_time.timeout = Duration::from_hours(1);
    let output = bed.exec(&name, in_time).await.unwrap();
    assert_eq!((output.exit_code, output.timed_out), (4, false));
}

async fn a_cancelled_command_is_ended_and_what_it_wrote_kept(bed: Bed) {
    let name = bed.sandbox().await;
    let processes = unique(&bed, "cancelled");
    let exec = bed.loopbox.exec(&name, wild(&processes)).await.unwrap();
    let (cancel, on_first) = (CancellationToken::new(), CancellationToken::new());
    let trigger = on_first.clone();
    let chunks = move |stream, bytes: &[u8]| {
        assert_eq!((stream, bytes), (OutputStream::Stdout, b"started\n".as_slice()));
        trigger.cancel();
    };
    let cancelling = async {
        on_first.cancelled().await;
        cancel.cancel();
    };
    let (outcome, ()) =
        tokio::join!(within("a cancelled command", exec.output_with(chunks, cancel.clone())), cancelling);
    let error = outcome.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Aborted);
    assert_eq!(error.partial().unwrap().text(), "started\n");
    assert_eq!(Watched::named(&processes).len(), 0, "processes of the command live on");
}

async fn dropping_a_command_ends_it(bed: Bed) {
    let name = bed.sandbox().await;
    let process = unique(&bed, "dropped");
    let script = "(setsid bash -c 'trap \"\" TERM; echo begun; exec -a \"$1\" sleep 1000' bash \"$1\" &); sleep 1000";
    let mut exec = bed.loopbox.exec(&name, ExecRequest::new(["bash", "-c", script, "bash", &process])).await.unwrap();
    assert_eq!(line(exec.take_stdout().unwrap()).await, "begun\n");
    let watched = soon_named(&process).await;
    drop(exec);
    watched.end().await;
    assert_eq!(bed.sh(&name, "exit 5").await.exit_code, 5, "the sandbox stays usable");
}

async fn the_time_limit_of_one_command_does_not_touch_a_detached_one(bed: Bed) {
    let name = bed.sandbox().await;
    if !bed.capabilities(&name).await.detach {
        // detached.rs sees it refused.
        return;
    }
    let patient = "until [ -e go ]; do sleep 0.01; done; exit 8";
    let id = bed.loopbox.exec_detached(&name, ExecRequest::new(["bash", "-c", patient])).await.unwrap().id;
    let mut request = ExecRequest::new(["sleep", "1000"]);
    request.timeout = Duration::from_millis(50);
    assert_eq!(bed.exec(&name, request).await.unwrap().exit_code, 124);
    std::fs::write(bed.workspace().join("go"), "").unwrap();
    let mut log = bed.loopbox.log_follower(&name, &id, true).await.unwrap();
    assert!(within("its end", log.next()).await.is_none());
    assert_eq!(bed.loopbox.logs(&name).await.unwrap()[0].exit_code, Some(8));
}

async fn a_signal_reaches_the_command(bed: Bed) {
    let name = bed.sandbox().await;
    let mut exec = endless(&bed, &name, "unused").await;
    exec.signal(15);
    let status = within("the signal's effect", exec.wait()).await.unwrap();
    assert_eq!((status.exit_code, status.signal.as_deref(), status.timed_out), (143, Some("SIGTERM"), false));
}

/// An exec lives as long as its caller's connection.
#[tokio::test]
async fn the_command_of_a_killed_caller_ends() {
    for bed in [Bed::native(), Bed::host()] {
        let name = bed.sandbox().await;
        let process = unique(&bed, "orphan");
        let script = "trap '' TERM HUP; echo begun; exec -a \"$1\" sleep 1000";
        let mut caller = bed.cli();
        caller.args(["exec", name.as_str(), "bash", "-c", script, "bash", &process]).stdout(Stdio::piped());
        let mut caller = caller.spawn().unwrap();
        assert_eq!(line(caller.stdout.take().unwrap()).await, "begun\n");
        let watched = soon_named(&process).await;
        caller.kill().await.unwrap();
        watched.end().await;
        assert_eq!(bed.sh(&name, "exit 5").await.exit_code, 5, "the sandbox stays usable");
    }
}

/// The process of that name, which has announced itself but may be between its announcement and its `exec`.
async fn soon_named(name: &str) -> Watched {
    within("a process by its name", async {
        loop {
            if let Some(found) = Watched::named(name).pop() {
                return found;
            }
            tokio::task::yield_now().await;
        }
    })
    .await
}
