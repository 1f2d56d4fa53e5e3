//! Commands on a terminal.

use loopbox_core::{ErrorCode, ExecReader, ExecRequest, SandboxName, TtySize};
use loopbox_tests::{Bed, on_every_backend, within};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

on_every_backend!(
    a_terminal_has_its_size_and_hears_of_changes,
    keys_are_signals_and_exit_codes_exact,
    without_a_terminal_there_is_no_size,
);

fn on_terminal(script: &str) -> ExecRequest {
    let mut request = ExecRequest::new(["bash", "-c", script]);
    request.tty = Some(TtySize { rows: 24, cols: 80 });
    request
}

/// Reads until that text has been shown.
async fn until(reader: &mut ExecReader, text: &str) -> String {
    let mut shown = String::new();
    within(text, async {
        while !shown.contains(text) {
            let mut bytes = [0_u8; 4096];
            let length = reader.read(&mut bytes).await.unwrap();
            assert!(length > 0, "the terminal closed after {shown:?}");
            shown.push_str(&String::from_utf8_lossy(&bytes[..length]));
        }
    })
    .await;
    shown
}

async fn a_terminal_has_its_size_and_hears_of_changes(bed: Bed) {
    let name = bed.sandbox().await;
    let script = "trap 'echo changed; stty size' WINCH; [ -t 0 -a -t 1 -a -t 2 ] && tty; stty size; until read -r line; do :; done; echo read $line; exit 9";
    let mut exec = bed.loopbox.exec(&name, on_terminal(script)).await.unwrap();
    let (mut screen, mut keys) = (exec.take_stdout().unwrap(), exec.take_stdin().unwrap());
    assert!(exec.take_stderr().is_none(), "everything comes on the terminal");
    let shown = until(&mut screen, "24 80").await;
    assert!(shown.contains("/dev/pts/"), "{shown}");
    exec.resize(TtySize { rows: 50, cols: 132 }).unwrap();
    // The shell looks at its traps between two reads.
    keys.write_all(b"word\n").await.unwrap();
    let shown = until(&mut screen, "read word").await;
    assert!(shown.contains("changed") && shown.contains("50 132"), "{shown}");
    assert_eq!(within("its end", exec.wait()).await.unwrap().exit_code, 9);
}

async fn keys_are_signals_and_exit_codes_exact(bed: Bed) {
    let name = bed.sandbox().await;
    let interrupted = type_into(&bed, &name, "cat", b"\x03").await;
    assert_eq!(interrupted, (130, Some("SIGINT".to_owned())));
    assert_eq!(type_into(&bed, &name, "cat; exit 42", b"\x04").await, (42, None));
    assert_eq!(type_into(&bed, &name, "trap 'exit 43' INT; cat", b"\x03").await, (43, None));
}

async fn type_into(bed: &Bed, name: &SandboxName, script: &str, keys: &[u8]) -> (i32, Option<String>) {
    let mut exec = bed.loopbox.exec(name, on_terminal(script)).await.unwrap();
    let mut screen = exec.take_stdout().unwrap();
    let mut keyboard = exec.take_stdin().unwrap();
    // Shown by the terminal, and again by the program, which therefore listens.
    keyboard.write_all(b"word\n").await.unwrap();
    until(&mut screen, "word\r\nword\r\n").await;
    keyboard.write_all(keys).await.unwrap();
    let status = within("its end", exec.wait()).await.unwrap();
    (status.exit_code, status.signal)
}

async fn without_a_terminal_there_is_no_size(bed: Bed) {
    let name = bed.sandbox().await;
    let exec = bed.loopbox.exec(&name, ExecRequest::new(["tty"])).await.unwrap();
    assert_eq!(exec.resize(TtySize { rows: 1, cols: 1 }).unwrap_err().code(), ErrorCode::InvalidArgument);
    assert_ne!(exec.output().await.unwrap().exit_code, 0);
}

#[tokio::test]
async fn terminals_are_the_sandboxes_own() {
    let bed = Bed::native();
    let name = bed.sandbox().await;
    let output =
        bed.exec(&name, on_terminal("tty; ls /dev/pts | sort | tr '\\n' ' '; echo $TERM; exit 3")).await.unwrap();
    assert_eq!(output.exit_code, 3);
    assert_eq!(output.text().replace('\r', ""), "/dev/pts/0\n0 ptmx xterm-256color\n");
}
