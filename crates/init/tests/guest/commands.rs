//! Commands on pipes.

use crate::client::{GuestError, connect_exec};
use crate::support::{Guest, Outcome, TOKEN, Tree, owner, sh};
use loopbox_init::protocol::{Failure, Start, Status, User};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};

#[tokio::test]
async fn exit_codes_and_signals_are_told() {
    for tree in Tree::all() {
        let guest = Guest::new(tree);
        for code in [0, 1, 7, 125, 255] {
            let outcome = guest.run(sh(&format!("exit {code}"))).await;
            assert_eq!(outcome.code(), code, "{tree:?}");
        }
        let outcome = guest.run(sh("kill -9 $$")).await;
        assert_eq!(outcome.exit.status, Status::Signaled(9), "{tree:?}");
        let outcome = guest.run(sh("echo out; echo err >&2")).await;
        assert_eq!((outcome.out(), outcome.err()), ("out\n", "err\n"), "{tree:?}");
    }
}

#[tokio::test]
async fn a_command_that_cannot_be_entered_ends_as_in_a_shell() {
    for tree in Tree::all() {
        let guest = Guest::new(tree);
        let missing = guest.run(Start::new(["no-such-program"]).env("PATH", "/usr/bin:/bin")).await;
        assert_eq!((missing.code(), missing.err()), (127, "loopbox: no-such-program: command not found\n"));
        let missing = guest.run(Start::new(["/no/such"])).await;
        assert_eq!((missing.code(), missing.err()), (127, "loopbox: /no/such: command not found\n"));
        let denied = guest.run(Start::new(["/etc/passwd"])).await;
        assert_eq!((denied.code(), denied.err()), (126, "loopbox: /etc/passwd: permission denied\n"));
        let directory = guest.run(Start::new(["/etc"])).await;
        assert_eq!((directory.code(), directory.err()), (126, "loopbox: /etc: permission denied\n"));
    }
}

#[tokio::test]
async fn what_is_not_the_commands_fault_is_told_as_a_failure() {
    for tree in Tree::all() {
        let guest = Guest::new(tree);
        let failure = async |start: Start| {
            let mut exec = guest.start(start).await.unwrap();
            match exec.wait().await {
                Err(GuestError::Failed(failure)) => failure,
                other => panic!("{other:?}"),
            }
        };
        let mut elsewhere = sh("true");
        elsewhere.work_dir = b"/no/such/directory".to_vec().into();
        assert_eq!(failure(elsewhere).await, Failure::WorkDir(2));
        assert_eq!(failure(Start::new(["/bin/true".to_owned(), "x".repeat(131_072)])).await, Failure::ArgumentTooLong);
        let many = std::iter::once("/bin/true".to_owned()).chain(vec!["x".repeat(100_000); 30]);
        assert_eq!(failure(Start::new(many)).await, Failure::ArgumentTooLong);
        assert_eq!(failure(Start::new(Vec::<Vec<u8>>::new())).await, Failure::Malformed);
        let mut stranger = sh("true");
        stranger.user = User::Ids { uid: 70_000, gid: 1 };
        assert_eq!(failure(stranger).await, Failure::User);
    }
}

#[tokio::test]
async fn commands_run_as_the_agent_without_privileges() {
    for tree in Tree::all() {
        let guest = Guest::new(tree);
        let status = guest.run(sh("cat /proc/self/status; ulimit -c; ulimit -Sn; ls -l /proc/self/fd | wc -l")).await;
        let line =
            |name: &str| status.out().lines().find_map(|line| line.strip_prefix(name)).unwrap().trim().to_owned();
        assert_eq!(line("Uid:"), "1000\t1000\t1000\t1000");
        assert_eq!(line("Gid:"), "1000\t1000\t1000\t1000");
        if rustix::process::getuid().is_root() {
            assert_eq!(line("Groups:"), "");
        }
        for set in ["CapInh:", "CapPrm:", "CapEff:", "CapBnd:", "CapAmb:"] {
            assert_eq!(line(set), "0000000000000000", "{set}");
        }
        assert_eq!(line("NoNewPrivs:"), "1");
        for set in ["SigBlk:", "SigIgn:", "SigCgt:"] {
            assert_eq!(line(set), "0000000000000000", "{set}");
        }
        let own = rustix::process::getrlimit(rustix::process::Resource::Nofile).current.unwrap().to_string();
        // total, 0, 1, 2, and the directory itself.
        let rest: Vec<&str> = status.out().lines().rev().take(3).collect();
        assert_eq!(rest, ["5", own.as_str(), "0"]);
    }
}

#[tokio::test]
async fn root_inside_has_the_capabilities_of_a_package_manager_only() {
    let guest = Guest::new(Tree::SubReaper);
    let mut start = Start::new(["/bin/sh", "-c", "id -u; grep -E 'Cap(Prm|Eff|Bnd|Inh)|NoNew' /proc/self/status"]);
    start.user = User::Root;
    let mut exec = guest.start(start).await.unwrap();
    if rustix::process::getuid().is_root() {
        let outcome = Outcome::of(exec).await;
        let expected = "0\nCapInh:\t0000000000000000\nCapPrm:\t00000000000000fb\nCapEff:\t00000000000000fb\n\
                        CapBnd:\t00000000000000fb\nNoNewPrivs:\t1\n";
        assert_eq!(outcome.out(), expected);
    } else {
        assert!(matches!(exec.wait().await, Err(GuestError::Failed(Failure::User))));
    }
}

#[tokio::test]
async fn arguments_and_environment_arrive_byte_for_byte() {
    let guest = Guest::new(Tree::SubReaper);
    let arguments: Vec<Vec<u8>> = vec![
        b"printf".to_vec(),
        b"%s\\0".to_vec(),
        b"".to_vec(),
        b"it's \"quoted\" $(id) `id` $HOME \\ * ; & |".to_vec(),
        b"two\nlines\r\n\ttab".to_vec(),
        "gr\u{fc}n \u{1f980}".as_bytes().to_vec(),
        vec![0xff, 0xfe, 0x80],
        vec![b'x'; 100 * 1024],
    ];
    let outcome = guest.run(Start::new(arguments.clone()).env("PATH", "/usr/bin:/bin")).await;
    let expected: Vec<u8> = arguments[2..].iter().flat_map(|argument| [argument.as_slice(), b"\0"].concat()).collect();
    assert!(outcome.stdout == expected);
    let outcome = guest.run(Start::new(["/usr/bin/env"]).env("A", "1").env("B", vec![0xff, b'\n', b'='])).await;
    assert_eq!(outcome.stdout, b"A=1\nB=\xff\n=\n");
}

#[tokio::test]
async fn standard_input_is_empty_unless_given() {
    let guest = Guest::new(Tree::SubReaper);
    assert_eq!(guest.run(sh("cat; echo end")).await.out(), "end\n");
    let mut start = sh("cat; echo end");
    start.stdin = true;
    let mut exec = guest.start(start).await.unwrap();
    let mut stdin = exec.stdin.take().unwrap();
    stdin.write_all(b"typed ").await.unwrap();
    drop(stdin);
    assert_eq!(Outcome::of(exec).await.out(), "typed end\n");
}

#[tokio::test]
async fn five_megabytes_on_both_streams_arrive_whole() {
    for tree in Tree::all() {
        let guest = Guest::new(tree);
        let script = "head -c 5242880 /dev/zero & head -c 5242880 /dev/zero >&2; wait";
        let outcome = guest.run(sh(script)).await;
        assert_eq!((outcome.stdout.len(), outcome.stderr.len()), (5_242_880, 5_242_880), "{tree:?}");
    }
}

#[tokio::test]
async fn a_background_process_that_holds_the_pipes_delays_nothing() {
    for tree in Tree::all() {
        let guest = Guest::new(tree);
        let outcome = guest.run(sh("echo before; sleep 1000 & exit 7")).await;
        assert_eq!((outcome.code(), outcome.out()), (7, "before\n"), "{tree:?}");
        // It lives on.
        assert_eq!(
            guest.run(sh("cat /proc/[0-9]*/cmdline | tr '\\0' ' ' | grep -o 'sleep [1]000'")).await.out(),
            "sleep 1000\n"
        );
    }
}

#[tokio::test]
async fn a_background_process_that_keeps_writing_does_not_hold_up_the_end() {
    let guest = Guest::new(Tree::SubReaper);
    let outcome = guest.run(sh("(trap '' PIPE; while :; do echo more 2>/dev/null || exit; done) & exit 3")).await;
    assert_eq!(outcome.code(), 3);
}

/// A process that ignores TERM, and forks twice into a new session, where a loop ignores TERM as well and breeds.
const STUBBORN: &str = "trap '' TERM; (setsid sh -c 'trap \"\" TERM; (while :; do sleep 1000 & wait; done) & echo up; wait' &) ; \
                        while :; do sleep 1000; done";

#[tokio::test]
async fn a_timeout_ends_the_whole_tree_and_nothing_else() {
    for tree in Tree::all() {
        let guest = Guest::new(tree);
        let mut other = sh("read line; echo $line");
        other.stdin = true;
        let mut other = guest.start(other).await.unwrap();
        let mut start = sh(STUBBORN);
        start.timeout_ms = 300;
        start.grace_ms = 50;
        let outcome = guest.run(start).await;
        assert!(outcome.exit.timed_out && !outcome.exit.cancelled && !outcome.exit.survivors, "{tree:?}");
        assert_eq!((outcome.exit.status, outcome.out()), (Status::Signaled(9), "up\n"), "{tree:?}");
        let left = guest.run(sh("cat /proc/[0-9]*/cmdline | tr '\\0' ' ' | grep -c 'sleep [1]000'")).await;
        assert_eq!(left.out(), "0\n", "{tree:?}");
        let mut stdin = other.stdin.take().unwrap();
        stdin.write_all(b"still here\n").await.unwrap();
        assert_eq!(Outcome::of(other).await.out(), "still here\n", "{tree:?}");
    }
}

#[tokio::test]
async fn a_tree_that_heeds_term_ends_within_its_grace() {
    for tree in Tree::all() {
        let guest = Guest::new(tree);
        let mut start =
            sh("trap 'echo bye; exit 4' TERM; (setsid sh -c 'echo up; exec sleep 1000' &); while :; do :; done");
        start.grace_ms = 60_000;
        let mut exec = guest.start(start).await.unwrap();
        let mut lines = BufReader::new(exec.stdout.take().unwrap()).lines();
        assert_eq!(lines.next_line().await.unwrap().as_deref(), Some("up"));
        exec.cancel();
        let exit = exec.wait().await.unwrap();
        assert_eq!((exit.status, exit.cancelled, exit.timed_out), (Status::Exited(4), true, false), "{tree:?}");
        assert_eq!(lines.next_line().await.unwrap().as_deref(), Some("bye"));
    }
}

#[tokio::test]
async fn signals_reach_the_process_group() {
    for tree in Tree::all() {
        let guest = Guest::new(tree);
        let mut exec = guest.start(sh("(echo up; exec sleep 1000); exit 9")).await.unwrap();
        let mut lines = BufReader::new(exec.stdout.take().unwrap()).lines();
        assert_eq!(lines.next_line().await.unwrap().as_deref(), Some("up"));
        exec.signal(libc::SIGUSR1);
        assert_eq!(exec.wait().await.unwrap().status, Status::Signaled(libc::SIGUSR1), "{tree:?}");
        // Each of the group ends in its own time.
        let gone =
            "while cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' ' | grep -q 'sleep [1]000'; do :; done; echo gone";
        assert_eq!(guest.run(sh(gone)).await.out(), "gone\n", "{tree:?}");
    }
}

#[tokio::test]
async fn a_client_that_goes_takes_its_command_along() {
    for tree in Tree::all() {
        let guest = Guest::new(tree);
        let mut start = sh("echo up; exec sleep 2000");
        start.grace_ms = 0;
        let mut exec = guest.start(start).await.unwrap();
        let mut stdout = exec.stdout.take().unwrap();
        let mut up = [0; 3];
        stdout.read_exact(&mut up).await.unwrap();
        drop((exec, stdout));
        let gone =
            "while cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' ' | grep -q 'sleep [2]000'; do :; done; echo gone";
        assert_eq!(guest.run(sh(gone)).await.out(), "gone\n", "{tree:?}");
    }
}

#[tokio::test]
async fn a_command_that_kills_its_watcher_gains_nothing() {
    let guest = Guest::new(Tree::SubReaper);
    let mut start = sh("(setsid sleep 3000 &); kill -9 $PPID; exec sleep 3000");
    start.timeout_ms = 60_000;
    if rustix::process::getuid().is_root() {
        // There the watcher is another user's.
        start = sh("kill -9 $PPID || echo refused");
        assert_eq!(guest.run(start).await.out(), "refused\n");
    } else {
        let mut exec = guest.start(start).await.unwrap();
        assert!(matches!(exec.wait().await, Err(GuestError::Failed(Failure::Lost))));
        let gone =
            "while cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' ' | grep -q 'sleep [3]000'; do :; done; echo gone";
        assert_eq!(guest.run(sh(gone)).await.out(), "gone\n");
        // So many that a look at all of them for each would take minutes, in which no other command is served.
        let many = sh("i=0; while [ $i -lt 2000 ]; do sleep 4000 & i=$((i + 1)); done; kill -9 $PPID; wait");
        let mut exec = guest.start(many).await.unwrap();
        assert!(matches!(exec.wait().await, Err(GuestError::Failed(Failure::Lost))));
        let next = tokio::time::timeout(Duration::from_secs(20), guest.run(sh("echo next"))).await;
        assert_eq!(next.expect("the guest serves others").out(), "next\n");
    }
}

#[tokio::test]
async fn a_thousand_commands_end_each_with_their_code() {
    for tree in Tree::all() {
        let guest = Guest::new(tree);
        for number in 0..1000 {
            let code = number % 256;
            assert_eq!(guest.run(sh(&format!("exit {code}"))).await.code(), code, "{tree:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_commands_at_once_do_not_mix() {
    for tree in Tree::all() {
        let guest = Guest::new(tree);
        let mut running = Vec::new();
        for number in 0..20 {
            let exec =
                guest.start(sh(&format!("for i in 1 2 3 4 5; do echo {number}; done; exit {number}"))).await.unwrap();
            running.push(tokio::spawn(Outcome::of(exec)));
        }
        for (number, task) in running.into_iter().enumerate() {
            let outcome = task.await.unwrap();
            assert_eq!(
                (outcome.code().cast_unsigned() as usize, outcome.out()),
                (number, format!("{number}\n").repeat(5).as_str())
            );
        }
    }
}

#[tokio::test]
async fn a_guest_that_dies_is_told_at_once() {
    let guest = Guest::new(Tree::SubReaper);
    let mut exec = guest.start(sh("echo up; exec sleep 1000")).await.unwrap();
    let mut up = [0; 3];
    exec.stdout.as_mut().unwrap().read_exact(&mut up).await.unwrap();
    drop(guest);
    let end = tokio::time::timeout(Duration::from_secs(1), exec.wait()).await.unwrap();
    assert!(matches!(end, Err(GuestError::Died)));
    let mut rest = Vec::new();
    exec.stdout.take().unwrap().read_to_end(&mut rest).await.unwrap();
    assert!(rest.is_empty());
}

#[tokio::test]
async fn who_has_no_token_or_no_guest_is_told_so() {
    let guest = Guest::new(Tree::SubReaper);
    let mut exec = connect_exec(&guest.socket(), [8; 32], sh("true"), owner()).await.unwrap();
    assert!(matches!(exec.wait().await, Err(GuestError::Token)));
    let nowhere = guest.socket().with_file_name("nobody");
    assert!(matches!(connect_exec(&nowhere, TOKEN, sh("true"), owner()).await, Err(GuestError::NoGuest(_))));
}

#[tokio::test]
async fn a_socket_with_a_long_path_is_reached() {
    let guest = Guest::new(Tree::SubReaper);
    let long = guest.socket().with_file_name("d".repeat(150));
    std::fs::create_dir(&long).unwrap();
    std::fs::hard_link(guest.socket(), long.join("socket")).unwrap();
    let exec = connect_exec(&long.join("socket"), TOKEN, sh("echo reached"), owner()).await.unwrap();
    assert_eq!(Outcome::of(exec).await.out(), "reached\n");
}
