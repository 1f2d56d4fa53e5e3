//! The kernel's walls around a whole sandbox: what is enforced is told, holds, and lets agents and runtimes work.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use loopbox_core::{ErrorCode, ExecInput, ExecRequest, Limits};
use loopbox_tests::{Bed, ROOT, helper, is_root, within};

#[tokio::test]
async fn inspect_tells_what_the_kernel_enforces() {
    let bed = Bed::native();
    let name = bed.sandbox().await;
    let enforced = bed.loopbox.inspect(&name).await.unwrap().enforced.expect("a running sandbox");
    assert!(enforced.seccomp && enforced.no_user_namespaces && enforced.processes, "{enforced:?}");
    let filters = bed.text(&name, "grep -c 'Seccomp:.2' /proc/1/status /proc/self/status").await;
    assert_eq!(filters, "/proc/1/status:1\n/proc/self/status:1");
    let refused = bed.sh(&name, "unshare -U true").await;
    assert_ne!(refused.exit_code, 0);
    assert_eq!(bed.text(&name, "cat /proc/sys/user/max_user_namespaces").await, "0");
}

#[tokio::test]
async fn who_nests_sandboxes_gets_namespaces_and_is_told_what_that_costs() {
    let bed = Bed::native();
    let name = bed.sandbox_with(|options| options.nesting = Some(true)).await;
    let enforced = bed.loopbox.inspect(&name).await.unwrap().enforced.unwrap();
    assert!(enforced.seccomp && !enforced.no_user_namespaces && enforced.landlock_abi == 0, "{enforced:?}");
    let script = "unshare --user --map-root-user --mount --pid --fork sh -c \
                  'mount -t tmpfs none /mnt && mount -t proc proc /proc && echo nested'";
    assert_eq!(bed.text(&name, script).await, "nested");
}

/// Without Landlock, a command that is named as a link to `/proc/self/exe` is the executable of init. It must not be the
/// file on the host, of which whoever owns it could change the mode.
#[tokio::test]
async fn the_executable_of_init_leads_nowhere() {
    let bed = Bed::native();
    let name = bed.sandbox_with(|options| options.nesting = Some(true)).await;
    bed.text(&name, "mkdir -p ~/.local/bin && ln -s /proc/self/exe ~/.local/bin/disguised").await;
    let mut disguised = ExecRequest::new(["disguised", "internal", "supervise"]);
    // It waits for its instructions.
    disguised.stdin = ExecInput::Stream;
    let disguised = bed.loopbox.exec(&name, disguised).await.unwrap();
    let changed =
        "until pid=$(pgrep -f '^disguised'); do :; done; chmod o+t /proc/$pid/exe && echo changed || echo refused";
    let changed = bed.text(&name, changed).await;
    drop(disguised);
    let mode = fs::metadata(helper()).unwrap().permissions().mode();
    assert_eq!(mode & 0o1000, 0, "the host's executable: {changed}");
    // Started by root, the file is somebody else's.
    assert_eq!(changed, if is_root() { "refused" } else { "changed" });
}

/// The kernel counts them for a user, inside and outside together.
#[tokio::test]
async fn half_of_what_a_user_may_watch_is_left() {
    let bed = Bed::native();
    let all: u64 = fs::read_to_string("/proc/sys/fs/inotify/max_user_instances").unwrap().trim().parse().unwrap();
    let watch = "import ctypes, resource\nresource.setrlimit(resource.RLIMIT_NOFILE, (9000, 9000))\n\
                 libc = ctypes.CDLL(None)\nn = 0\nwhile n < 8000 and libc.inotify_init() >= 0: n += 1\nprint(n)";
    for nesting in [false, true] {
        let mut request = bed.request(if nesting { "nesting" } else { "plain" });
        request.options.nesting = Some(nesting);
        let name = bed.loopbox.create(request).await.unwrap().name;
        let taken: u64 = bed.text(&name, &format!("/usr/bin/python3 -c '{watch}'")).await.parse().unwrap();
        assert!((1..=all.min(16_000) / 2).contains(&taken), "{taken} of {all}");
    }
}

/// The machine has so many for all sandboxes.
#[tokio::test]
async fn no_sandbox_takes_all_terminals() {
    let bed = Bed::native();
    let name = bed.sandbox().await;
    let open = "import os\nfor n in range(1000):\n    try: os.open('/dev/ptmx', os.O_RDWR | os.O_NOCTTY)\n    \
                except OSError: break\nprint(n)";
    assert_eq!(bed.text(&name, &format!("/usr/bin/python3 -c \"{open}\"")).await, "256");
}

#[tokio::test]
async fn a_process_limit_is_reported_as_such_and_a_sandbox_gets_over_it() {
    let bed = Bed::native();
    let mut limits = Limits::default();
    limits.pids = Some(40);
    let name = bed.sandbox_with(|options| options.limits = Some(limits)).await;
    let other = bed.loopbox.create(bed.request("other")).await.unwrap().name;
    // A shell forks without end, and without a way to be told that it cannot.
    let mut bomb = ExecRequest::new(["bash", "-c", "sleep 1000 & while sleep 1000 & do :; done; echo full; wait"]);
    bomb.stdin = ExecInput::Stream;
    let bomb = bed.loopbox.exec(&name, bomb).await.unwrap();
    let full = within("the limit", async {
        loop {
            match bed.exec(&name, ExecRequest::new(["true"])).await {
                Err(error) if error.code() == ErrorCode::ProcessLimit => return error,
                _ => tokio::task::yield_now().await,
            }
        }
    })
    .await;
    assert!(full.to_string().contains("processes"), "{full}");
    assert_eq!(bed.text(&other, "(true); echo fine").await, "fine");
    drop(bomb);
    within("room for processes", async {
        while bed.exec(&name, ExecRequest::new(["true"])).await.is_err() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn init_tells_nothing_of_the_host() {
    let bed = Bed::native();
    let name = bed.sandbox().await;
    let command = bed.text(&name, "tr '\\0' ' ' < /proc/1/cmdline").await;
    assert!(command.starts_with("loopbox ") && !command.contains('/'), "{command}");
    assert_ne!(bed.sh(&name, "cat /proc/1/environ").await.exit_code, 0);
    assert_ne!(bed.sh(&name, "readlink /proc/1/exe").await.exit_code, 0);
}

#[tokio::test]
async fn agents_and_runtimes_start_behind_all_of_it() {
    let agents = fs::canonicalize(Path::new(ROOT).join("tests/agents/node_modules/.bin"))
        .expect("agents to test with: run `sh tests/agents/install.sh`");
    let bed =
        Bed::with(|config| config.host_path = format!("{}:/usr/local/bin:/usr/bin:/bin", agents.display()).into());
    for agent in ["claude", "codex"] {
        let mut request = bed.request(&format!("bed-{agent}"));
        request.agent = loopbox_core::AgentName::parse(agent).unwrap();
        let name = bed.loopbox.create(request).await.unwrap().name;
        let version = bed.sh(&name, &format!("{agent} --version")).await;
        assert_eq!(version.exit_code, 0, "{agent}: {}", version.text());
        let script = "node -e 'new (require(\"worker_threads\").Worker)(\"console.log(6*7)\", {eval: true})'";
        assert_eq!(bed.text(&name, script).await, "42");
        let script =
            "python3 -c 'import threading; t = threading.Thread(target=print, args=(42,)); t.start(); t.join()'";
        assert_eq!(bed.text(&name, script).await, "42");
    }
}
