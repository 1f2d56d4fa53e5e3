//! What tests let a hostile program try, inside a sandbox only: each of these can do harm outside.

use loopbox_init::sandbox::{CallFilter, LandlockRules, PathRights, TcpPorts, filter_system_calls, restrict};
use std::io::{self, Write as _};
use std::net::{TcpListener, TcpStream, UdpSocket};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    assert!(rustix::process::getpid().as_raw_nonzero().get() < 1000, "not in a PID namespace of a test's own");
    match words.as_slice() {
        ["calls", calls @ ..] => calls.iter().for_each(|call| say(&system_call(call))),
        ["bomb", "hop"] => bomb(true),
        ["bomb"] => bomb(false),
        ["int80"] => int80(),
        ["reduced"] => reduced(),
        _ => panic!("what shall be tried?"),
    }
}

fn say(line: &str) {
    writeln!(io::stdout(), "{line}").expect("the test listens");
}

/// `NUMBER,ARGUMENT,…`: the error number that comes back, 0 for none.
fn system_call(call: &str) -> String {
    let mut numbers = call.split(',').map(|number| number.parse::<i64>().expect("numbers"));
    let number = numbers.next().expect("a number");
    let mut arguments = [0_i64; 6];
    arguments.iter_mut().zip(numbers).for_each(|(to, from)| *to = from);
    let [first, second, third, rest @ ..] = arguments;
    // SAFETY: the test names calls that fail, or do nothing with these arguments.
    let result = unsafe { libc::syscall(number, first, second, third, rest[0], rest[1], rest[2]) };
    let errno = if result < 0 { io::Error::last_os_error().raw_os_error().unwrap_or(0) } else { 0 };
    errno.to_string()
}

/// Makes processes that stay until nothing more goes, says how many, and stays itself. With `hop` each takes a user of
/// its own first.
fn bomb(hop: bool) {
    let mut made = 0_u32;
    let errno = loop {
        // SAFETY: the process has one thread.
        match unsafe { libc::fork() } {
            0 => {
                if hop {
                    // SAFETY: takes an integer.
                    let hopped = unsafe { libc::setuid(2000 + made) };
                    assert_eq!(hopped, 0, "inner root may be anybody");
                }
                loop {
                    // SAFETY: takes nothing.
                    unsafe { libc::pause() };
                }
            }
            -1 => break io::Error::last_os_error().raw_os_error().unwrap_or(0),
            _ => made += 1,
        }
    };
    say(&format!("{made} {errno}"));
    loop {
        // SAFETY: takes nothing.
        unsafe { libc::pause() };
    }
}

/// Puts on what is left where there are no namespaces, and says what it does: a write beside the one directory, TCP to
/// the one port and to another, a datagram socket, a process.
fn reduced() {
    let paths =
        vec![("/".into(), PathRights::Read), ("/tmp".into(), PathRights::Write), ("/none".into(), PathRights::Write)];
    let tcp = Some(TcpPorts { connect: vec![1], bind: Vec::new() });
    rustix::thread::set_no_new_privs(true).expect("no new privileges");
    let state = restrict(&LandlockRules { paths, tcp }).expect("Landlock");
    filter_system_calls(CallFilter { streams_only: true, ..CallFilter::default() }, None).expect("a filter");
    let said = |result: io::Result<()>| result.err().and_then(|error| error.raw_os_error()).unwrap_or(0);
    let connect = |port: u16| said(TcpStream::connect(("127.0.0.1", port)).map(drop));
    let tries = [
        said(std::fs::write("/tmp/x", "x")),
        said(std::fs::write("/home/agent/x", "x")),
        connect(1),
        connect(2),
        said(TcpListener::bind("127.0.0.1:0").map(drop)),
        said(UdpSocket::bind("127.0.0.1:0").map(drop)),
        said(std::process::Command::new("/bin/true").status().map(drop)),
    ];
    say(&format!("{} {tries:?}", state.tcp));
}

/// `getpid` as a 32-bit program asks for it.
fn int80() {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the call takes nothing and changes nothing but its result.
    unsafe {
        let pid: u64;
        std::arch::asm!("int 0x80", inlateout("rax") 20_u64 => pid, out("r8") _, out("r9") _, out("r10") _, out("r11") _);
        say(&pid.to_string());
    }
}
