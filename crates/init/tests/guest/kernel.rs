//! What of the kernel a sandbox leaves to a hostile program, and what it may use up.

use crate::client::GuestError;
use crate::sandbox::{PROBE, Sandbox};
use crate::support::{Outcome, sh};
use loopbox_init::protocol::{Failure, Start, Status, TtySize, User};
use loopbox_init::sandbox::{Confinement, Entry, landlock_abi};
use syscalls::Sysno;
use tokio::io::AsyncReadExt as _;

const USER_NAMESPACES: &str = "/proc/sys/user/max_user_namespaces";

fn probe<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Start {
    Start::new(std::iter::once(PROBE).chain(arguments))
}

fn limited(processes: u64) -> Confinement {
    Confinement { processes: Some(processes), ..Confinement::default() }
}

#[tokio::test]
async fn what_is_enforced_is_told_and_holds() {
    let before = std::fs::read_to_string(USER_NAMESPACES).unwrap();
    let sandbox = Sandbox::new(&limited(100));
    assert!(sandbox.enforced.seccomp && sandbox.enforced.no_user_namespaces && sandbox.enforced.processes);
    let abi = landlock_abi();
    assert_eq!(sandbox.enforced.landlock_abi, if abi >= 2 { abi } else { 0 });
    assert_eq!(sandbox.enforced.landlock_scopes, abi >= 6);
    let outcome =
        sandbox.run(sh(&format!("cat {USER_NAMESPACES}; grep -E 'Seccomp|NoNewPrivs' /proc/self/status"))).await;
    assert_eq!(outcome.out(), "0\nNoNewPrivs:\t1\nSeccomp:\t2\nSeccomp_filters:\t1\n");
    assert_eq!(std::fs::read_to_string(USER_NAMESPACES).unwrap(), before, "the limit of the host");
    let outcome = sandbox.run(sh("ulimit -p; ulimit -Hp; ulimit -c; ulimit -p 101 || echo kept")).await;
    assert_eq!(outcome.out().lines().take(3).collect::<Vec<_>>(), ["100", "100", "0"], "{}", outcome.err());
    assert!(!outcome.err().is_empty(), "a limit that can be raised");
}

#[tokio::test]
async fn what_the_kernel_refuses_it_refuses_with_a_fitting_error() {
    let sandbox = Sandbox::new(&Confinement::default());
    let expected = [
        (Sysno::io_uring_setup, libc::ENOSYS),
        (Sysno::clone3, libc::ENOSYS),
        (Sysno::bpf, libc::EPERM),
        (Sysno::perf_event_open, libc::EPERM),
        (Sysno::keyctl, libc::EPERM),
        (Sysno::add_key, libc::EPERM),
        (Sysno::request_key, libc::EPERM),
        (Sysno::userfaultfd, libc::EPERM),
        (Sysno::mount, libc::EPERM),
        (Sysno::open_tree, libc::EPERM),
        (Sysno::fsopen, libc::EPERM),
        (Sysno::setns, libc::EPERM),
        (Sysno::open_by_handle_at, libc::EPERM),
        (Sysno::sethostname, libc::EPERM),
        (Sysno::fanotify_init, libc::EPERM),
        (Sysno::getpid, 0),
        (Sysno::sched_yield, 0),
    ];
    let mut calls: Vec<(String, i32)> = expected.iter().map(|(call, errno)| (call.id().to_string(), *errno)).collect();
    let mut with = |call: Sysno, arguments: &str, errno| calls.push((format!("{},{arguments}", call.id()), errno));
    with(Sysno::unshare, &libc::CLONE_NEWUSER.to_string(), libc::EPERM);
    with(Sysno::clone, &(libc::CLONE_NEWUSER | libc::SIGCHLD).to_string(), libc::EPERM);
    with(Sysno::ioctl, "0,21522", libc::EPERM);
    with(Sysno::socket, &format!("{},1,0", libc::AF_VSOCK), libc::EAFNOSUPPORT);
    with(Sysno::socket, &format!("{},5,0", libc::AF_ALG), libc::EAFNOSUPPORT);
    with(Sysno::socket, &format!("{},3,9", libc::AF_NETLINK), libc::EAFNOSUPPORT);
    with(Sysno::socket, &format!("{},3,0", libc::AF_NETLINK), 0);
    with(Sysno::socket, &format!("{},1,{}", libc::AF_INET, libc::IPPROTO_MPTCP), libc::EPROTONOSUPPORT);
    with(Sysno::socket, &format!("{},1,0", libc::AF_INET), 0);
    calls.push(("1000".to_owned(), libc::ENOSYS));
    calls.push(((1_i64 << 30 | 0x27).to_string(), libc::ENOSYS));
    let outcome = sandbox.run(probe(std::iter::once("calls").chain(calls.iter().map(|(call, _)| call.as_str())))).await;
    let answers: Vec<&str> = outcome.out().lines().collect();
    assert_eq!(answers.len(), calls.len(), "{}", outcome.err());
    for ((call, errno), answer) in calls.iter().zip(answers) {
        assert_eq!(answer, errno.to_string(), "{call}");
    }
}

#[cfg(target_arch = "x86_64")]
#[tokio::test]
async fn a_call_of_a_32_bit_program_ends_it() {
    let sandbox = Sandbox::new(&Confinement::default());
    let outcome = sandbox.run(probe(["int80"])).await;
    assert_eq!(outcome.exit.status, Status::Signaled(libc::SIGSYS), "{}", outcome.out());
}

#[tokio::test]
async fn a_fork_bomb_stops_at_the_limit_and_concerns_nobody_else() {
    let (sandbox, other) = (Sandbox::new(&limited(30)), Sandbox::new(&limited(30)));
    let mut bomb = sandbox.start(Start { timeout_ms: 3_000, grace_ms: 100, ..probe(["bomb"]) }).await.unwrap();
    let made = first_line(&mut bomb).await;
    // Beside the children there are the program, PID 1, and a watcher where there is no cgroup.
    let (made, errno) = made.split_once(' ').unwrap();
    assert!((20..30).contains(&made.parse::<u32>().unwrap()), "{made}");
    assert_eq!(errno, libc::EAGAIN.to_string());
    let refused = refusal(&sandbox, Start::new(["/bin/true"])).await;
    assert!(matches!(refused, GuestError::Failed(Failure::ProcessLimit)), "{refused:?}");
    assert_eq!(other.run(sh("(true); echo fine")).await.out(), "fine\n");
    assert!(bomb.wait().await.unwrap().timed_out);
    assert_eq!(sandbox.run(sh("(true); echo fine")).await.out(), "fine\n");
}

#[tokio::test]
async fn other_users_inside_are_no_way_around_the_limit() {
    if !rustix::process::getuid().is_root() {
        let sandbox = Sandbox::new(&limited(30));
        let refused = refusal(&sandbox, Start { user: User::Root, ..probe(["bomb", "hop"]) }).await;
        assert!(matches!(refused, GuestError::Failed(Failure::User)), "there are no other users: {refused:?}");
        return;
    }
    let sandbox = Sandbox::new(&limited(30));
    let mut bomb = sandbox.start(Start { user: User::Root, ..probe(["bomb", "hop"]) }).await.unwrap();
    let made = first_line(&mut bomb).await;
    let made: u32 = made.split(' ').next().unwrap().parse().unwrap();
    assert!((20..30).contains(&made), "{made}");
}

#[tokio::test]
async fn a_sandbox_keeps_to_its_cpus() {
    let sandbox = Sandbox::new(&Confinement { cpus: vec![0], ..Confinement::default() });
    let script = "nproc; grep Cpus_allowed_list /proc/self/status; taskset -c 0 true || echo denied";
    assert_eq!(sandbox.run(sh(script)).await.out(), "1\nCpus_allowed_list:\t0\ndenied\n");
    let free = Sandbox::new(&Confinement::default());
    assert_eq!(free.run(sh("taskset -c 0 nproc")).await.out(), "1\n");
}

#[tokio::test]
async fn namespaces_and_mounts_are_there_for_who_nests_and_nothing_more() {
    let script = "unshare --user --map-root-user --mount --pid --fork sh -c \
                  'mount -t tmpfs none /mnt && mount -t proc proc /proc && touch /mnt/x && echo mounted'";
    let sandbox = Sandbox::new(&Confinement { nesting: true, ..Confinement::default() });
    assert_eq!((sandbox.enforced.landlock_abi, sandbox.enforced.no_user_namespaces), (0, false));
    let outcome = sandbox.run(sh(script)).await;
    println!("{} {}", outcome.out(), outcome.err());
    let bpf = format!("{}", Sysno::bpf.id());
    assert_eq!(sandbox.run(probe(["calls", &bpf])).await.out(), "1\n");
    assert_eq!(outcome.out(), "mounted\n", "{}", outcome.err());
    let closed = Sandbox::new(&Confinement::default()).run(sh(script)).await;
    assert_ne!(closed.code(), 0, "{}", closed.out());
}

#[tokio::test]
async fn the_parts_that_need_no_namespaces_hold_by_themselves() {
    let sandbox = Sandbox::new(&Confinement { nesting: true, ..Confinement::default() });
    let outcome = sandbox.run(probe(["reduced"])).await;
    let (refused, unjudged) = (libc::EACCES, libc::ECONNREFUSED);
    let tcp = landlock_abi() >= 4;
    let (other, listen) = if tcp { (refused, refused) } else { (unjudged, 0) };
    let expected = [0, refused, unjudged, other, listen, libc::EAFNOSUPPORT, 0];
    assert_eq!(outcome.out(), format!("{tcp} {expected:?}\n"), "{}", outcome.err());
}

#[tokio::test]
async fn what_can_be_written_is_what_was_mounted_for_that() {
    let sandbox = Sandbox::new(&Confinement::default());
    let works = "set -e; cd; mkdir a b; echo x > a/f; mv a/f b/f; ln b/f a/g; ln -s f b/s; mkfifo p; : > b/f; rm -r a b p; \
                 t=$(mktemp); echo x > $t; mv $t ~/moved; cat ~/moved; echo y > /dev/shm/y; echo z > /dev/stdout; \
                 echo n > /dev/null; head -c1 /dev/zero | wc -c; echo 1 > /proc/self/fd/1";
    let outcome = sandbox.run(sh(works).env("HOME", "/home/agent")).await;
    assert_eq!((outcome.out(), outcome.code()), ("x\nz\n1\n1\n", 0), "{}", outcome.err());
    for attempt in [
        "touch /planted",
        "touch /dev/planted",
        "echo 0 > /proc/self/oom_score_adj",
        "echo 0 > /proc/self/coredump_filter",
        "echo x > /proc/sys/kernel/core_pattern",
        "mknod /tmp/c c 0 0",
        "touch /usr/planted",
    ] {
        assert_ne!(sandbox.run(sh(attempt)).await.code(), 0, "{attempt}");
    }
    let terminal = Start { tty: Some(TtySize { rows: 7, cols: 9 }), ..sh("stty size; tty; echo t > /dev/tty") };
    let mut exec = sandbox.start(terminal).await.unwrap();
    let mut shown = String::new();
    exec.pty.as_mut().unwrap().read_to_string(&mut shown).await.unwrap();
    assert_eq!(shown, "7 9\r\n/dev/pts/0\r\nt\r\n");
}

#[tokio::test]
async fn what_the_host_is_and_does_is_not_in_proc() {
    let sandbox = Sandbox::new(&Confinement::default());
    let hidden = "cmdline config.gz diskstats interrupts iomem kallsyms kcore keys key-users kmsg modules partitions \
                  schedstat slabinfo softirqs swaps timer_list vmallocinfo acpi/* asound/* driver/* dynamic_debug/* \
                  scsi/*";
    let script = format!("cd /proc; for file in {hidden}; do [ ! -e $file ] || head -c1 $file; done");
    assert_eq!(sandbox.run(sh(&script)).await.out(), "");
    let needed = "cd /proc; for file in cpuinfo meminfo stat loadavg uptime version filesystems mounts net/tcp; do \
                  [ -n \"$(head -c1 $file)\" ] || echo $file; done; ls -A / | grep empty";
    assert_eq!(sandbox.run(sh(needed)).await.out(), "");
    let init = sandbox.run(sh("tr '\\0' ' ' < /proc/1/cmdline; cat /proc/1/environ")).await;
    assert_ne!(init.code(), 0, "{}", init.out());
}

#[tokio::test]
async fn the_own_cgroup_can_be_read_and_not_written() {
    for (hierarchy, controller) in [
        ("/sys/fs/cgroup/unified", None),
        ("/sys/fs/cgroup/memory", Some("memory")),
        ("/sys/fs/cgroup/cpu,cpuacct", Some("cpu,cpuacct")),
        ("/sys/fs/cgroup/cpu", Some("cpu")),
        ("/sys/fs/cgroup/pids", Some("pids")),
    ] {
        let Ok(group) = Group::new(hierarchy) else { continue };
        let sandbox = Sandbox::with(&Confinement::default(), |spec| {
            spec.join.push(group.0.clone());
            spec.entries
                .push(Entry::Cgroup { target: "/sys/fs/cgroup".into(), controller: controller.map(str::to_owned) });
        });
        let script = "cd /sys/fs/cgroup && grep -c . cgroup.procs && mkdir x";
        let outcome = sandbox.run(sh(script)).await;
        assert!(outcome.code() != 0 && !outcome.out().is_empty(), "{hierarchy}: {} {}", outcome.out(), outcome.err());
        let marker = std::fs::read_to_string(group.0.join("cgroup.procs")).unwrap().lines().count();
        assert!(marker > 0, "init is in it");
    }
}

/// A cgroup of a test's own.
struct Group(std::path::PathBuf);

impl Group {
    fn new(hierarchy: &str) -> std::io::Result<Group> {
        let path = std::path::Path::new(hierarchy).join(format!("loopbox-test-kernel-{}", std::process::id()));
        std::fs::create_dir(&path).map(|()| Group(path))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir(&self.0);
    }
}

async fn refusal(sandbox: &Sandbox, start: Start) -> GuestError {
    match sandbox.start(start).await {
        Ok(mut exec) => Outcome::try_of(&mut exec).await.unwrap_err(),
        Err(error) => error,
    }
}

async fn first_line(exec: &mut crate::client::GuestExec) -> String {
    let stdout = exec.stdout.as_mut().unwrap();
    let mut line = String::new();
    while !line.ends_with('\n') {
        line.push(char::from(stdout.read_u8().await.unwrap()));
    }
    line.trim_end().to_owned()
}
