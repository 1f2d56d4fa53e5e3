//! Many commands behind one byte stream, with the executable that runs in containers.

use crate::client::{GuestError, StreamGuest};
use crate::support::{Outcome, sh};
use loopbox_init::protocol::{Failure, Start, Status, User, WINDOW};
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, Command};

/// A guest at the other end of a pair of pipes.
pub(crate) struct StreamProcess {
    pub(crate) guest: StreamGuest,
    pub(crate) process: Child,
}

impl StreamProcess {
    pub(crate) fn new() -> StreamProcess {
        let mut process = Command::new(env!("CARGO_BIN_EXE_loopbox-init"))
            .arg("--stdio")
            .env("FROM_THE_GUEST", "guest")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let guest = StreamGuest::attach(process.stdout.take().unwrap(), process.stdin.take().unwrap());
        StreamProcess { guest, process }
    }

    async fn run(&self, start: Start) -> Outcome {
        Outcome::of(self.guest.exec(start).unwrap()).await
    }
}

#[tokio::test]
async fn commands_run_as_the_guest_does_with_its_environment_below_their_own() {
    let stream = StreamProcess::new();
    let outcome = stream.run(sh("echo $FROM_THE_GUEST $OWN; id -u; exit 3").env("OWN", "own")).await;
    let uid = rustix::process::getuid().as_raw();
    assert_eq!((outcome.code(), outcome.out()), (3, format!("guest own\n{uid}\n").as_str()));
    let outcome = stream.run(sh("echo $FROM_THE_GUEST >&2; kill -15 $$").env("FROM_THE_GUEST", "start")).await;
    assert_eq!((outcome.exit.status, outcome.err()), (Status::Signaled(15), "start\n"));
}

#[tokio::test]
async fn failures_concern_their_command_only() {
    let stream = StreamProcess::new();
    let failure = async |start: Start| match stream.guest.exec(start).unwrap().wait().await {
        Err(GuestError::Failed(failure)) => failure,
        other => panic!("{other:?}"),
    };
    let mut elsewhere = sh("true");
    elsewhere.work_dir = b"/no/such/directory".to_vec().into();
    assert_eq!(failure(elsewhere).await, Failure::WorkDir(2));
    let mut root = sh("true");
    root.user = User::Root;
    assert_eq!(failure(root).await, Failure::User);
    assert_eq!(stream.run(Start::new(["/no/such/program"])).await.code(), 127);
    assert_eq!(stream.run(sh("exit 9")).await.code(), 9);
}

#[tokio::test]
async fn bytes_arrive_whole_in_both_directions() {
    let stream = StreamProcess::new();
    let script = "head -c 5242880 /dev/zero & head -c 5242880 /dev/zero >&2; wait";
    let outcome = stream.run(sh(script)).await;
    assert_eq!((outcome.stdout.len(), outcome.stderr.len()), (5_242_880, 5_242_880));
    let mut start = sh("cat");
    start.stdin = true;
    let mut exec = stream.guest.exec(start).unwrap();
    let mut stdin = exec.stdin.take().unwrap();
    let sent: Vec<u8> = (0..3_000_000_u32).map(|number| ((number * 31) >> 3).to_le_bytes()[0]).collect();
    let copy = sent.clone();
    let writer = tokio::spawn(async move {
        stdin.write_all(&copy).await.unwrap();
        stdin.shutdown().await.unwrap();
    });
    assert!(Outcome::of(exec).await.stdout == sent);
    writer.await.unwrap();
}

#[tokio::test]
async fn a_slow_reader_holds_up_nobody_and_costs_no_memory() {
    let stream = StreamProcess::new();
    let mut slow = stream.guest.exec(sh("yes")).unwrap();
    let mut first = [0; 2];
    slow.stdout.as_mut().unwrap().read_exact(&mut first).await.unwrap();
    for number in 0..50 {
        let outcome = stream.run(sh(&format!("head -c 1000000 /dev/zero; exit {number}"))).await;
        assert_eq!((outcome.code(), outcome.stdout.len()), (number, 1_000_000));
    }
    let pid = stream.process.id().unwrap();
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let peak: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(peak < 16 * 1024, "{peak} kB");
    // What the slow one is owed is still there, and no more than its window was on the way.
    let mut owed = vec![0; WINDOW as usize];
    slow.stdout.as_mut().unwrap().read_exact(&mut owed).await.unwrap();
    slow.cancel();
    assert!(slow.wait().await.unwrap().cancelled);
}

#[tokio::test]
async fn a_writer_learns_that_the_command_reads_no_more() {
    let stream = StreamProcess::new();
    let mut start = sh("exec <&-; echo closed; exec sleep 1000");
    start.stdin = true;
    let mut exec = stream.guest.exec(start).unwrap();
    let mut lines = BufReader::new(exec.stdout.take().unwrap()).lines();
    assert_eq!(lines.next_line().await.unwrap().as_deref(), Some("closed"));
    let error = exec.stdin.take().unwrap().write_all(&vec![0; 10 * WINDOW as usize]).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe);
}

#[tokio::test]
async fn a_background_process_that_holds_the_pipes_delays_nothing() {
    let stream = StreamProcess::new();
    let outcome = stream.run(sh("echo before; sleep 1001 & echo $!; exit 7")).await;
    assert_eq!(outcome.code(), 7);
    let pid: i32 = outcome.out().lines().nth(1).unwrap().parse().unwrap();
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    // It lives on, even when the guest is gone.
    let StreamProcess { guest, mut process } = stream;
    drop(guest);
    process.wait().await.unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
}

/// Ignores TERM, and breeds in another session. The pipe to standard output is closed when the last of it is gone.
const STUBBORN: &str = "trap '' TERM; (setsid sh -c 'trap \"\" TERM; (while :; do sleep 1000 & wait; done) & echo up; wait' &) ; \
                        while :; do sleep 1000; done";

#[tokio::test]
async fn a_timeout_ends_the_whole_tree_and_nothing_else() {
    let stream = StreamProcess::new();
    let mut other = stream.guest.exec(sh("echo up; exec sleep 1000")).unwrap();
    let mut start = sh(STUBBORN);
    start.timeout_ms = 300;
    start.grace_ms = 50;
    let outcome = stream.run(start).await;
    assert!(outcome.exit.timed_out && !outcome.exit.survivors);
    assert_eq!((outcome.exit.status, outcome.out()), (Status::Signaled(9), "up\n"));
    other.signal(libc::SIGUSR2);
    assert_eq!(other.wait().await.unwrap().status, Status::Signaled(libc::SIGUSR2));
}

/// A command that tells by the end of a pipe of the test's own that all of its tree is gone.
async fn dies_with(kill: impl AsyncFnOnce(StreamProcess)) {
    let stream = StreamProcess::new();
    let directory = tempfile::tempdir().unwrap();
    let fifo = directory.path().join("fifo");
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    let mut exec = stream.guest.exec(sh(&format!("exec 9>{}; {STUBBORN}", fifo.display()))).unwrap();
    let mut held = tokio::net::unix::pipe::OpenOptions::new().open_receiver(&fifo).unwrap();
    let mut up = [0; 3];
    exec.stdout.as_mut().unwrap().read_exact(&mut up).await.unwrap();
    kill(stream).await;
    assert_eq!(held.read(&mut up).await.unwrap(), 0);
    assert!(matches!(exec.wait().await, Err(GuestError::Died)));
}

#[tokio::test]
async fn the_death_of_the_guest_is_told_and_ends_every_command() {
    dies_with(async |mut stream| {
        stream.process.start_kill().unwrap();
        stream.process.wait().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_guest_that_is_told_to_end_takes_every_command_along() {
    dies_with(async |mut stream| {
        let pid = rustix::process::Pid::from_raw(stream.process.id().unwrap().cast_signed()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        assert!(stream.process.wait().await.unwrap().success());
    })
    .await;
}

#[tokio::test]
async fn the_end_of_the_stream_ends_guest_and_commands() {
    let StreamProcess { guest, mut process } = StreamProcess::new();
    let mut exec = guest.exec(sh(STUBBORN)).unwrap();
    let mut up = [0; 3];
    exec.stdout.as_mut().unwrap().read_exact(&mut up).await.unwrap();
    drop((guest, exec));
    assert!(process.wait().await.unwrap().success());
}

#[tokio::test]
async fn a_thousand_commands_twenty_at_once() {
    let stream = StreamProcess::new();
    for _ in 0..50 {
        let running: Vec<_> = (0..20)
            .map(|number| {
                (
                    number,
                    tokio::spawn(Outcome::of(stream.guest.exec(sh(&format!("echo {number}; exit {number}"))).unwrap())),
                )
            })
            .collect();
        for (number, task) in running {
            let outcome = task.await.unwrap();
            assert_eq!((outcome.code(), outcome.out()), (number, format!("{number}\n").as_str()));
        }
    }
}
