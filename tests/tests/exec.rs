//! What comes of a command: its exit code, its output, its arguments.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use loopbox_core::{ErrorCode, ExecRequest, SandboxName};
use loopbox_tests::{Bed, on_every_backend, within};
use tokio::task::JoinSet;

on_every_backend!(
    exit_codes_are_exact,
    death_by_a_signal_is_128_and_the_signal_named,
    a_missing_command_is_127_and_one_that_cannot_run_126,
    the_result_comes_when_the_command_exits,
    output_is_standard_output_then_marked_standard_error,
    output_is_untrimmed_and_invalid_utf8_is_replaced_in_text_only,
    beyond_the_limit_the_first_bytes_are_kept_and_the_command_goes_on,
    five_megabytes_on_both_streams,
    twenty_at_once,
    arguments_arrive_byte_for_byte,
    an_argument_that_linux_cannot_pass_is_refused_with_the_way_out,
    commands_start_in_the_workspace_or_where_they_are_told,
    a_name_without_a_sandbox_is_an_error,
);

async fn exit_codes_are_exact(bed: Bed) {
    let name = bed.sandbox().await;
    for code in [0, 1, 2, 7, 42, 124, 125, 126, 127, 128, 129, 137, 143, 200, 254, 255] {
        let output = bed.sh(&name, &format!("exit {code}")).await;
        assert_eq!((output.exit_code, output.signal, output.timed_out), (code, None, false));
    }
}

#[tokio::test]
async fn a_thousand_commands_have_their_own_exit_codes() {
    let bed = Bed::native();
    let name = bed.sandbox().await;
    let mut running = JoinSet::new();
    for n in 0..1000_i32 {
        if running.len() == 16 {
            running.join_next().await.unwrap().unwrap();
        }
        let (loopbox, name) = (bed.loopbox.clone(), name.clone());
        running.spawn(async move {
            let request = ExecRequest::new(["sh", "-c", &format!("echo {n}; exit {}", n % 256)]);
            let output = loopbox.exec(&name, request).await.unwrap().output().await.unwrap();
            assert_eq!((output.exit_code, output.text()), (n % 256, format!("{n}\n")));
        });
    }
    within("the last commands", running.join_all()).await;
}

async fn death_by_a_signal_is_128_and_the_signal_named(bed: Bed) {
    let name = bed.sandbox().await;
    // PIPE too: that loopbox itself ignores it must not be inherited.
    for (signal, number) in [("KILL", 9), ("TERM", 15), ("INT", 2), ("SEGV", 11), ("PIPE", 13), ("HUP", 1)] {
        let output = bed.sh(&name, &format!("kill -{signal} $$")).await;
        assert_eq!((output.exit_code, output.signal), (128 + number, Some(format!("SIG{signal}"))));
    }
}

async fn a_missing_command_is_127_and_one_that_cannot_run_126(bed: Bed) {
    let name = bed.sandbox().await;
    let plain = bed.workspace().join("plain");
    std::fs::write(&plain, "no program").unwrap();
    for (command, code) in [
        ("no-such-command", 127),
        ("/no/such/command", 127),
        (plain.to_str().unwrap(), 126),
        (bed.workspace().to_str().unwrap(), 126),
    ] {
        let output = bed.run(&name, [command]).await;
        assert_eq!((output.exit_code, &output.signal), (code, &None), "{command}: {}", output.text());
    }
}

async fn the_result_comes_when_the_command_exits(bed: Bed) {
    let name = bed.sandbox().await;
    let alive = bed.workspace().join("alive");
    std::fs::write(&alive, "").unwrap();
    // The child holds the pipes, and ends with the test at the latest.
    let script = "echo before; (while [ -e \"$1\" ]; do sleep 0.05; done) & exit 7";
    let command = ["bash", "-c", script, "bash", alive.to_str().unwrap()];
    let output = within("a command that left a child behind", bed.run(&name, command)).await;
    assert_eq!((output.exit_code, output.text()), (7, "before\n".to_owned()));
}

async fn output_is_standard_output_then_marked_standard_error(bed: Bed) {
    let name = bed.sandbox().await;
    assert_eq!(bed.sh(&name, "echo err >&2; echo out").await.text(), "out\n\n--- STDERR ---\nerr\n");
    assert_eq!(bed.sh(&name, "echo out").await.text(), "out\n");
    assert_eq!(bed.sh(&name, "printf err >&2").await.text(), "\n--- STDERR ---\nerr");
    assert_eq!(bed.sh(&name, ":").await.text(), "");
}

async fn output_is_untrimmed_and_invalid_utf8_is_replaced_in_text_only(bed: Bed) {
    let name = bed.sandbox().await;
    let output = bed.sh(&name, r"printf ' \n a\377b \n\n'").await;
    assert_eq!(output.stdout, b" \n a\xffb \n\n");
    assert_eq!(output.text(), " \n a\u{fffd}b \n\n");
}

async fn beyond_the_limit_the_first_bytes_are_kept_and_the_command_goes_on(bed: Bed) {
    let name = bed.sandbox().await;
    let limited = |script: &str| {
        let mut request = ExecRequest::new(["bash", "-c", script]);
        request.max_output_bytes = 1000;
        request
    };
    let script = "printf start; head -c 3000000 /dev/zero | tr '\\0' x; echo err >&2; exit 3";
    let output = bed.exec(&name, limited(script)).await.unwrap();
    assert_eq!((output.exit_code, output.truncated), (3, true));
    assert_eq!(output.stdout.len(), 1000);
    assert!(output.stdout.starts_with(b"startxxx"));
    assert_eq!(output.stderr, b"err\n", "each stream has its own limit");

    let exact = bed.exec(&name, limited("head -c 1000 /dev/zero")).await.unwrap();
    assert_eq!((exact.stdout.len(), exact.truncated), (1000, false));
}

/// However much a command writes, the caller holds no more of it than it asked for.
#[tokio::test]
async fn memory_stays_flat_beyond_the_limit() {
    let bed = Bed::native();
    let name = bed.sandbox().await;
    let mut request = ExecRequest::new(["head", "-c", "300000000", "/dev/zero"]);
    request.max_output_bytes = 1_000_000;
    let output = within("300 MB", bed.exec(&name, request)).await.unwrap();
    assert_eq!((output.exit_code, output.stdout.len(), output.truncated), (0, 1_000_000, true));
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let peak_kb: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(peak_kb < 200_000, "{peak}");
}

async fn five_megabytes_on_both_streams(bed: Bed) {
    let name = bed.sandbox().await;
    let script = "head -c 5000000 /dev/zero | tr '\\0' o & head -c 5000000 /dev/zero | tr '\\0' e >&2; wait";
    let output = within("a command that writes a lot", bed.sh(&name, script)).await;
    assert_eq!((output.exit_code, output.truncated), (0, false));
    assert!(output.stdout.len() == 5_000_000 && output.stdout.iter().all(|&byte| byte == b'o'));
    assert!(output.stderr.len() == 5_000_000 && output.stderr.iter().all(|&byte| byte == b'e'));
}

async fn twenty_at_once(bed: Bed) {
    let name = bed.sandbox().await;
    let mut running = JoinSet::new();
    for n in 0..20 {
        let (loopbox, name) = (bed.loopbox.clone(), name.clone());
        // Each waits for all the others: a queue would never end.
        let script = format!("touch {n}.here; until [ $(ls *.here | wc -l) -eq 20 ]; do sleep 0.01; done; exit {n}");
        running.spawn(async move {
            let exec = loopbox.exec(&name, ExecRequest::new(["bash", "-c", &script])).await.unwrap();
            assert_eq!(exec.output().await.unwrap().exit_code, n);
        });
    }
    within("twenty commands that wait for each other", running.join_all()).await;
}

async fn arguments_arrive_byte_for_byte(bed: Bed) {
    let name = bed.sandbox().await;
    let arguments: Vec<OsString> = vec![
        "".into(),
        " ".into(),
        "'single' \"double\" `back` \\slash".into(),
        "$(touch owned) ${HOME} $HOME * ? ~ ; & | > < !".into(),
        "two\nlines\n\n".into(),
        "tab\tand \r and \u{1b}[31m".into(),
        "grüße 🦊 日本語".into(),
        OsString::from_vec(b"\xff\xfe invalid \x80 utf-8".to_vec()),
        "-n".into(),
        "--".into(),
        "x".repeat(100_000).into(),
        "y".repeat(131_071).into(),
    ];
    let echo = ["bash", "-c", r#"for argument; do printf '%s\0' "$argument"; done"#, "echo"].map(OsString::from);
    let output = bed.run(&name, echo.into_iter().chain(arguments.clone())).await;
    assert_eq!(output.exit_code, 0, "{}", String::from_utf8_lossy(&output.stderr));
    let expected: Vec<u8> = arguments.into_iter().flat_map(|a| [a.into_vec(), vec![0]].concat()).collect();
    assert!(output.stdout == expected, "arguments were changed on their way");
    assert!(!bed.workspace().join("owned").exists());
}

async fn an_argument_that_linux_cannot_pass_is_refused_with_the_way_out(bed: Bed) {
    let name = bed.sandbox().await;
    let one = vec!["x".repeat(131_072)];
    // Each fits, all together do not.
    let many = vec!["x".repeat(131_000); 40];
    for arguments in [one, many] {
        let command = ["echo".to_owned()].into_iter().chain(arguments);
        let error = bed.exec(&name, ExecRequest::new(command)).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidArgument, "{}", error.describe());
        assert!(error.hint().unwrap().contains("stdin"));
    }
    assert_eq!(bed.sh(&name, "exit 5").await.exit_code, 5, "the sandbox stays usable");
}

async fn commands_start_in_the_workspace_or_where_they_are_told(bed: Bed) {
    let name = bed.sandbox().await;
    let inner = bed.workspace().join("a b");
    std::fs::create_dir(&inner).unwrap();
    let in_dir = |dir: PathBuf| {
        let mut request = ExecRequest::new(["pwd"]);
        request.work_dir = Some(dir);
        request
    };
    assert_eq!(bed.run(&name, ["pwd"]).await.text(), format!("{}\n", bed.workspace().display()));
    assert_eq!(bed.exec(&name, in_dir(inner.clone())).await.unwrap().text(), format!("{}\n", inner.display()));
    for dir in [bed.workspace().join("missing"), PathBuf::from("relative"), PathBuf::from("/etc/hosts")] {
        let error = bed.exec(&name, in_dir(dir.clone())).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidArgument, "{}", dir.display());
        assert!(error.message().contains("workDir"), "{}", error.describe());
    }
}

async fn a_name_without_a_sandbox_is_an_error(bed: Bed) {
    let name = SandboxName::parse("nobody").unwrap();
    let error = bed.exec(&name, ExecRequest::new(["true"])).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::SandboxNotFound);
    assert_eq!(bed.loopbox.inspect(&name).await.unwrap_err().code(), ErrorCode::SandboxNotFound);
    assert_eq!(bed.loopbox.stop(&name).await.unwrap_err().code(), ErrorCode::SandboxNotFound);
    assert!(!bed.loopbox.exists(&name).await.unwrap());
}
