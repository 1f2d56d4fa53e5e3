//! Commands on a terminal, over both transports.

use crate::client::{GuestExec, Pty};
use crate::streams::StreamProcess;
use crate::support::{Guest, Tree, sh};
use loopbox_init::protocol::{Start, Status, TtySize};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

fn on_terminal(script: &str) -> Start {
    let mut start = sh(script);
    start.tty = Some(TtySize { rows: 24, cols: 80 });
    start
}

async fn read_until(pty: &mut Pty, end: &str) -> String {
    let mut seen = Vec::new();
    while !String::from_utf8_lossy(&seen).contains(end) {
        let mut byte = [0];
        assert_eq!(pty.read(&mut byte).await.unwrap(), 1, "{}", String::from_utf8_lossy(&seen));
        seen.push(byte[0]);
    }
    String::from_utf8(seen).unwrap()
}

async fn is_a_terminal_with_a_size(mut exec: GuestExec) {
    let mut pty = exec.pty.take().unwrap();
    let shown = read_until(&mut pty, "ready\r\n").await;
    assert_eq!(shown, "terminal\r\n24 80\r\nready\r\n");
    pty.resizer().unwrap().resize(TtySize { rows: 50, cols: 132 }).unwrap();
    assert_eq!(read_until(&mut pty, "132\r\n").await, "50 132\r\n");
    pty.write_all(b"typed\n").await.unwrap();
    let mut rest = String::new();
    pty.read_to_string(&mut rest).await.unwrap();
    assert_eq!(rest, "typed\r\ngot typed\r\n");
    assert_eq!(exec.wait().await.unwrap().status, Status::Exited(5));
}

const SCRIPT: &str = "test -t 0 && test -t 1 && test -t 2 && : > /dev/tty && echo terminal; stty size; \
                      trap 'stty size' WINCH; echo ready; read line || read line; echo got $line; exit 5";

#[tokio::test]
async fn a_terminal_is_one_natively() {
    for tree in Tree::all() {
        let guest = Guest::new(tree);
        is_a_terminal_with_a_size(guest.start(on_terminal(SCRIPT)).await.unwrap()).await;
    }
}

#[tokio::test]
async fn a_terminal_is_one_over_a_stream() {
    let stream = StreamProcess::new();
    is_a_terminal_with_a_size(stream.guest.exec(on_terminal(SCRIPT)).unwrap()).await;
}

#[tokio::test]
async fn a_terminal_belongs_to_its_user() {
    let guest = Guest::new(Tree::SubReaper);
    let mut exec = guest.start(on_terminal("stat -c %u $(tty); echo works > $(tty)")).await.unwrap();
    let mut shown = String::new();
    exec.pty.take().unwrap().read_to_string(&mut shown).await.unwrap();
    assert_eq!(shown, "1000\r\nworks\r\n");
}

#[tokio::test]
async fn a_terminal_that_is_hung_up_ends_its_command() {
    let guest = Guest::new(Tree::SubReaper);
    let mut exec = guest.start(on_terminal("echo up; while :; do read line || exit; done")).await.unwrap();
    let mut pty = exec.pty.take().unwrap();
    read_until(&mut pty, "up\r\n").await;
    drop(pty);
    assert_eq!(exec.wait().await.unwrap().status, Status::Signaled(libc::SIGHUP));
}
