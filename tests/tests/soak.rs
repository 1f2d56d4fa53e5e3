//! Long runs, in which nothing may grow and nothing may be left. `cargo xtask test` gives each a minute, with `--long`
//! ten, by `LOOPBOX_SOAK_SECONDS`; a run by hand without it is short.

use std::fs;
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use loopbox_core::{ErrorCode, ExecRequest, SandboxName};
use loopbox_tests::{Bed, within};
use tokio::task::JoinSet;

fn length() -> Duration {
    let seconds = std::env::var("LOOPBOX_SOAK_SECONDS").ok().and_then(|text| text.parse().ok());
    Duration::from_secs(seconds.unwrap_or(2))
}

fn open_descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

/// Resident memory of a process in KiB.
fn resident(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn soak_commands_of_every_kind_leave_nothing_behind() {
    let bed = Bed::native();
    let name = bed.sandbox().await;
    let round = async || {
        let mut running = JoinSet::new();
        for n in 0..10_u64 {
            let (loopbox, name) = (bed.loopbox.clone(), name.clone());
            running.spawn(async move {
                let mut request = ExecRequest::new(["sh", "-c", &script(n)]);
                request.timeout = Duration::from_millis(if n == 3 { 20 } else { 0 });
                let mut exec = loopbox.exec(&name, request).await.unwrap();
                match n {
                    // Given up before its end.
                    0 => drop(exec),
                    1 => {
                        exec.cancel();
                        exec.wait().await.unwrap();
                    }
                    3 => assert!(exec.output().await.unwrap().timed_out),
                    _ => assert_eq!(exec.output().await.unwrap().exit_code, i32::try_from(n).unwrap()),
                }
            });
        }
        while let Some(done) = within("a round of commands", running.join_next()).await {
            done.unwrap();
        }
    };
    // Warm first: pools fill, the allocator settles.
    for _ in 0..10 {
        round().await;
    }
    let pids = bed.loopbox.inspect(&name).await.unwrap().pids;
    let (descriptors, memory) = (open_descriptors(), [resident(pids[0]), resident(pids[1])]);
    let end = Instant::now() + length();
    while Instant::now() < end {
        round().await;
    }
    let now = [resident(pids[0]), resident(pids[1])];
    for (before, after) in memory.into_iter().zip(now) {
        assert!(after <= before + 2048, "resident memory grew from {before} to {after} KiB");
    }
    assert!(open_descriptors() <= descriptors + 8, "descriptors grew from {descriptors} to {}", open_descriptors());
    assert_eq!(bed.text(&name, "echo still here").await, "still here");
}

fn script(n: u64) -> String {
    match n {
        0 | 1 | 3 => "trap '' TERM; (setsid sleep 600 &) ; while :; do sleep 600; done".to_owned(),
        4 => "head -c 300000 /dev/zero; (sleep 600 & kill $!); exit 4".to_owned(),
        n => format!("exit {n}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn soak_sandboxes_come_and_go_without_a_trace() {
    let bed = Bed::native();
    let end = Instant::now() + length();
    let mut rounds = 0_u32;
    while Instant::now() < end {
        let mut running = JoinSet::new();
        for n in 0..4 {
            let (loopbox, request) = (bed.loopbox.clone(), bed.request(&format!("soak-{n}")));
            running.spawn(async move {
                let name = loopbox.create(request).await.unwrap().name;
                let exec = loopbox.exec(&name, ExecRequest::new(["true"])).await.unwrap();
                assert_eq!(exec.output().await.unwrap().exit_code, 0);
                assert!(loopbox.remove(&name).await.unwrap());
            });
        }
        while let Some(done) = within("sandboxes", running.join_next()).await {
            done.unwrap();
        }
        rounds += 1;
    }
    assert!(rounds > 0);
    bed.loopbox.prune().await.unwrap();
    for dir in ["sandboxes", "trash", "ids"] {
        let left = fs::read_dir(bed.state().join(dir)).into_iter().flatten().count();
        assert_eq!(left, 0, "{dir} after {rounds} rounds");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fuzz_of_the_guests_socket_disturbs_nobody() {
    let bed = Bed::native();
    let name = bed.sandbox().await;
    let token = token(&bed, &name);
    let mut random = Random(0x6c6f_6f70_626f_7821);
    let end = Instant::now() + length();
    while Instant::now() < end {
        for _ in 0..200 {
            let mut bytes = random.frames(&token);
            random.spoil(&mut bytes);
            let mut stream = connect(&bed, &name);
            // The guest may hang up in the middle: that is its right.
            let _refused = stream.write_all(&bytes);
            if random.below(4) == 0 {
                stream.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
                let _answer = stream.read(&mut [0; 256]);
            }
        }
        assert_eq!(bed.text(&name, "echo undisturbed").await, "undisturbed");
    }
    let wrong = SandboxName::parse("not-there").unwrap();
    assert_eq!(bed.loopbox.inspect(&wrong).await.unwrap_err().code(), ErrorCode::SandboxNotFound);
}

fn token(bed: &Bed, name: &SandboxName) -> Vec<u8> {
    let text = bed.read_json(name, "runtime.json")["token"].as_str().unwrap().to_owned();
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

fn connect(bed: &Bed, name: &SandboxName) -> UnixStream {
    // By descriptor: the path may be longer than a socket's address.
    let run = fs::File::open(bed.sandbox_dir(name).join("run")).unwrap();
    UnixStream::connect(format!("/proc/self/fd/{}/init.sock", run.as_raw_fd())).unwrap()
}

/// `SplitMix64` (Steele, Lea, Flood 2014): the same bytes in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit as u64).unwrap()
    }

    /// A greeting that is accepted, mostly, and frames of any kind behind it.
    fn frames(&mut self, token: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        if self.below(8) > 0 {
            frame(1, &[&[1, 1], token].concat(), &mut bytes);
        }
        for _ in 0..self.below(4) {
            let payload: Vec<u8> = (0..self.below(300)).map(|_| self.next().to_le_bytes()[0]).collect();
            frame(self.next().to_le_bytes()[0] % 80, &payload, &mut bytes);
        }
        bytes
    }

    /// Changes, cuts or repeats a part.
    fn spoil(&mut self, bytes: &mut Vec<u8>) {
        for _ in 0..self.below(4) {
            if bytes.is_empty() {
                return;
            }
            let at = self.below(bytes.len());
            match self.below(3) {
                0 => bytes[at] = self.next().to_le_bytes()[0],
                1 => bytes.truncate(at),
                _ => bytes.extend_from_within(at..),
            }
        }
    }
}

/// A frame as `loopbox_init::protocol` defines it: length, channel, kind, three zeros, payload.
fn frame(kind: u8, payload: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&u32::try_from(payload.len()).unwrap().to_le_bytes());
    out.extend_from_slice(&[0, 0, 0, 0, kind, 0, 0, 0]);
    out.extend_from_slice(payload);
}
