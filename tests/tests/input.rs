//! What a command reads.

use loopbox_core::{ExecInput, ExecRequest};
use loopbox_tests::{Bed, on_every_backend, within};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

on_every_backend!(
    input_is_empty_and_closed_unless_given,
    bytes_arrive_exactly_and_end,
    a_command_that_does_not_read_its_input_does_not_fail,
    a_stream_is_read_as_it_comes,
);

async fn input_is_empty_and_closed_unless_given(bed: Bed) {
    let name = bed.sandbox().await;
    let output = within("a command that reads to the end", bed.run(&name, ["cat"])).await;
    assert_eq!((output.exit_code, output.text()), (0, String::new()));
}

async fn bytes_arrive_exactly_and_end(bed: Bed) {
    let name = bed.sandbox().await;
    let bytes: Vec<u8> = (0..3_000_000_u32).map(|n| u8::try_from(n % 251).unwrap()).collect();
    let mut request = ExecRequest::new(["cat"]);
    request.stdin = ExecInput::Bytes(bytes.clone());
    let output = within("three megabytes there and back", bed.exec(&name, request)).await.unwrap();
    assert!(output.stdout == bytes);
}

async fn a_command_that_does_not_read_its_input_does_not_fail(bed: Bed) {
    let name = bed.sandbox().await;
    let mut request = ExecRequest::new(["true"]);
    request.stdin = ExecInput::Bytes(vec![b'x'; 1_000_000]);
    assert_eq!(within("a command that reads nothing", bed.exec(&name, request)).await.unwrap().exit_code, 0);
}

async fn a_stream_is_read_as_it_comes(bed: Bed) {
    let name = bed.sandbox().await;
    let mut request = ExecRequest::new(["bash", "-c", "while read -r line; do echo \"got $line\"; done; echo end"]);
    request.stdin = ExecInput::Stream;
    let mut exec = bed.loopbox.exec(&name, request).await.unwrap();
    let mut stdin = exec.take_stdin().unwrap();
    let mut lines = BufReader::new(exec.take_stdout().unwrap()).lines();
    for word in ["one", "two"] {
        stdin.write_all(format!("{word}\n").as_bytes()).await.unwrap();
        let line = within("an answer", lines.next_line()).await.unwrap();
        assert_eq!(line, Some(format!("got {word}")));
    }
    drop(stdin);
    assert_eq!(within("the end of input", lines.next_line()).await.unwrap().as_deref(), Some("end"));
    assert_eq!(exec.wait().await.unwrap().exit_code, 0);
}
