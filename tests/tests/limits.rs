//! Resource limits, each by something that tries to take more. What a machine cannot limit is refused, with the remedy.

use std::fs;
use std::path::PathBuf;

use loopbox_core::{
    CreateOptions, Error, ErrorCode, EventKind, ExecOutput, LimitCapabilities, LimitMeans, Limits, Result, SandboxName,
    TreeKill,
};
use loopbox_tests::{Bed, Watched, is_root, within};

const MEMORY: u64 = 96 << 20;
const DISK: u64 = 64 << 20;

/// Takes as much memory as it gets, beyond the limit.
const HOG: &str = "echo begun; head -c 400m /dev/zero | tail -c 399m | wc -c; exit 3";

/// Turns the first CPU time into wall time: both in hundredths of a second, for half a second of work.
const WORK: &str = r#"
    read -r begin _ < /proc/uptime
    for ((i = 0; i < 400000; i++)); do :; done
    read -r end _ < /proc/uptime
    times | { read -r user _; echo "$user $begin $end"; }
"#;

fn limits(change: impl FnOnce(&mut Limits)) -> Limits {
    let mut limits = Limits::default();
    change(&mut limits);
    limits
}

async fn limited(bed: &Bed, name: &str, limits: Limits) -> Result<SandboxName> {
    let mut request = bed.request(name);
    request.options.limits = Some(limits);
    bed.loopbox.create(request).await.map(|created| created.name)
}

/// What can be limited here.
async fn possible(bed: &Bed) -> LimitCapabilities {
    let name = bed.sandbox_with(|_: &mut CreateOptions| {}).await;
    bed.capabilities(&name).await.limits
}

/// The sandbox with these limits, or nothing if they were rightly refused.
async fn limited_if(bed: &Bed, can: bool, name: &str, limits: Limits) -> Option<SandboxName> {
    match limited(bed, name, limits).await {
        Ok(name) => {
            assert!(can, "accepted without being declared");
            Some(name)
        }
        Err(error) => {
            assert!(!can, "{}", error.describe());
            assert_eq!(error.code(), ErrorCode::Unsupported);
            assert!(error.message().starts_with("limits.") && error.hint().is_some(), "{}", error.describe());
            None
        }
    }
}

fn partial(error: &Error) -> &ExecOutput {
    error.partial().expect("what it wrote before")
}

/// Files and directories outside of the sandbox's own that its record names: cgroups.
fn outside(bed: &Bed, name: &SandboxName) -> Vec<PathBuf> {
    let native = &bed.read_json(name, "record.json")["native"];
    let own = native["cgroup"]["dir"].as_str().map(PathBuf::from);
    let limits = native["limitCgroups"].as_array().cloned().unwrap_or_default();
    own.into_iter().chain(limits.iter().map(|group| PathBuf::from(group["dir"].as_str().unwrap()))).collect()
}

/// Files that this machine's block devices are made of.
fn loop_files() -> Vec<String> {
    let devices = fs::read_dir("/sys/block").unwrap().flatten();
    devices.filter_map(|device| fs::read_to_string(device.path().join("loop/backing_file")).ok()).collect()
}

fn on_a_device(bed: &Bed) -> bool {
    loop_files().iter().any(|file| file.starts_with(bed.dir().to_str().unwrap()))
}

#[tokio::test]
async fn values_that_nothing_could_run_with_are_refused_before_anything_is_made() {
    let bed = Bed::native();
    let bad = [
        ("limits.memoryBytes", limits(|limits| limits.memory_bytes = Some(0))),
        ("limits.cpus", limits(|limits| limits.cpus = Some(f64::NAN))),
        ("limits.cpus", limits(|limits| limits.cpus = Some(100_000.0))),
        ("limits.pids", limits(|limits| limits.pids = Some(1))),
        ("limits.diskBytes", limits(|limits| limits.disk_bytes = Some(4096))),
    ];
    for (field, limits) in bad {
        let error = limited(&bed, "bad", limits).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidArgument, "{field}: {}", error.describe());
        assert!(error.message().starts_with(&format!("{field}: ")) && error.hint().is_some(), "{}", error.describe());
    }
    assert!(bed.loopbox.list().await.unwrap().is_empty());
}

#[tokio::test]
async fn the_least_that_is_accepted_is_enough_for_a_command() {
    let bed = Bed::native();
    let can = possible(&bed).await;
    let least = limits(|limits| {
        limits.memory_bytes = can.memory.then_some(16 << 20);
        limits.cpus = can.cpu_fractions.then_some(0.05);
        limits.pids = can.pids.then_some(8);
        limits.disk_bytes = can.disk.then_some(32 << 20);
    });
    let name = limited(&bed, "least", least).await.unwrap();
    assert_eq!(bed.text(&name, "echo begun | cat").await, "begun");
}

#[tokio::test]
async fn a_memory_hog_is_ended_and_told() {
    let bed = Bed::native();
    let can = possible(&bed).await;
    let neighbour = limits(|limits| limits.pids = Some(50));
    let neighbour = limited(&bed, "neighbour", neighbour).await.unwrap();
    let Some(name) = limited_if(&bed, can.memory, "hog", limits(|limits| limits.memory_bytes = Some(MEMORY))).await
    else {
        return;
    };
    let before = bed.loopbox.inspect(&name).await.unwrap();
    let error = bed.loopbox.exec(&name, request(HOG)).await.unwrap().output().await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::OutOfMemory, "{}", error.describe());
    assert_eq!(partial(&error).stdout, b"begun\n0\n");
    assert!(error.hint().unwrap().contains("limits.memoryBytes"));
    // A command that comes to a good end in spite of it is no failure.
    let survived = bed.sh(&name, "(head -c 400m /dev/zero | tail -c 399m) > /dev/null; exit 0").await;
    assert_eq!(survived.exit_code, 0);
    let failed = bed.sh(&name, "exit 3").await;
    assert_eq!(failed.exit_code, 3, "a failure that has nothing to do with it");
    assert_eq!(bed.loopbox.inspect(&name).await.unwrap().pids[..2], before.pids[..2]);
    assert_eq!(bed.text(&neighbour, "echo alive").await, "alive");
}

fn request(script: &str) -> loopbox_core::ExecRequest {
    loopbox_core::ExecRequest::new(["bash", "-c", script])
}

#[tokio::test]
async fn programs_read_their_limits_where_they_look_for_them() {
    let bed = Bed::native();
    let can = possible(&bed).await;
    let asked = limits(|limits| {
        limits.memory_bytes = can.memory.then_some(MEMORY);
        limits.cpus = Some(1.0);
    });
    let name = limited(&bed, "reads", asked).await.unwrap();
    assert_eq!(bed.text(&name, "nproc").await, "1");
    if can.memory {
        let script = "echo 'console.log(process.constrainedMemory())' | node";
        assert_eq!(bed.text(&name, script).await, MEMORY.to_string());
    }
    let write = "find /sys/fs/cgroup -writable -type d 2>/dev/null; mkdir /sys/fs/cgroup/x /sys/fs/cgroup/memory/x";
    let write = bed.sh(&name, write).await;
    assert_ne!(write.exit_code, 0);
    assert_eq!(write.stdout, b"");
}

#[tokio::test]
async fn what_is_kept_in_memory_has_an_end() {
    let bed = Bed::native();
    let can = possible(&bed).await;
    let asked = limits(|limits| limits.memory_bytes = Some(MEMORY));
    let Some(name) = limited_if(&bed, can.memory, "tmpfs", asked).await else { return };
    let full = bed.sh(&name, "head -c 90m /dev/zero > /dev/shm/f || { rm /dev/shm/f; exit 7; }").await;
    assert_eq!(full.exit_code, 7, "{}", full.text());
    assert!(String::from_utf8_lossy(&full.stderr).contains("No space left on device"));
}

#[tokio::test]
async fn a_fork_bomb_stays_in_its_sandbox() {
    let bed = Bed::native();
    let name = limited(&bed, "bomb", limits(|limits| limits.pids = Some(40))).await.unwrap();
    // Every process forks until it cannot any more, and then holds on; the first one tells.
    let bomb = "import os, signal\nfirst = os.getpid()\ntry:\n  while True: os.fork()\nexcept OSError as error:\n  \
                if os.getpid() != first: signal.pause()\n  print(error.errno)";
    let seen = bed.run(&name, ["python3", "-c", bomb]).await;
    assert_eq!(seen.text().trim(), "11", "EAGAIN");
    let running = bed.loopbox.processes(&name).await.unwrap().len();
    assert!((30..=40).contains(&running), "{running}");
    let other = bed.sandbox().await;
    assert_eq!(bed.text(&other, "echo alive").await, "alive");
    within("stop", bed.loopbox.stop(&name)).await.unwrap();
    assert_eq!(bed.text(&name, "echo usable").await, "usable");
}

#[tokio::test]
async fn a_command_for_which_there_is_no_process_left_is_told_so() {
    let bed = Bed::native();
    let name = limited(&bed, "full", limits(|limits| limits.pids = Some(8))).await.unwrap();
    let mut held = Vec::new();
    let refused = loop {
        assert!(held.len() < 9, "more processes than the limit");
        let mut request = loopbox_core::ExecRequest::new(["cat"]);
        request.stdin = loopbox_core::ExecInput::Stream;
        let mut exec = bed.loopbox.exec(&name, request).await.unwrap();
        let mut stdin = exec.take_stdin().unwrap();
        let mut stdout = exec.take_stdout().unwrap();
        let mut byte = [0_u8; 1];
        let begun = tokio::io::AsyncWriteExt::write_all(&mut stdin, b"x").await.is_ok()
            && tokio::io::AsyncReadExt::read(&mut stdout, &mut byte).await.is_ok_and(|length| length == 1);
        if !begun {
            break exec.wait().await.unwrap_err();
        }
        held.push((exec, stdin, stdout));
    };
    assert_eq!(refused.code(), ErrorCode::ProcessLimit, "{}", refused.describe());
    assert!(held.len() >= 3, "{}", held.len());
}

#[tokio::test]
async fn a_quota_holds_and_whole_cpus_are_what_nproc_says() {
    let bed = Bed::native();
    let can = possible(&bed).await;
    let half = limits(|limits| limits.cpus = Some(0.5));
    let Some(name) = limited_if(&bed, can.cpu_fractions, "half", half).await else { return };
    assert_eq!(bed.text(&name, "nproc").await, "1");
    let told = bed.text(&name, WORK).await;
    let (user, wall) = parse_times(&told);
    // Half a CPU: the work takes twice its own time. More if the machine is busy, never less but for a first slice.
    assert!(user <= 0.7 * wall, "{told}: {user} s of CPU in {wall} s");
}

fn parse_times(told: &str) -> (f64, f64) {
    let parts: Vec<&str> = told.split(' ').collect();
    let (minutes, seconds) = parts[0].trim_end_matches('s').split_once('m').unwrap();
    let user = minutes.parse::<f64>().unwrap() * 60.0 + seconds.parse::<f64>().unwrap();
    (user, parts[2].parse::<f64>().unwrap() - parts[1].parse::<f64>().unwrap())
}

#[tokio::test]
async fn cpus_cannot_be_widened_from_inside_and_are_spread() {
    let bed = Bed::native();
    let one = || limits(|limits| limits.cpus = Some(1.0));
    let (first, second) = (limited(&bed, "first", one()).await.unwrap(), limited(&bed, "second", one()).await.unwrap());
    let cpus = |name| bed.read_json(name, "record.json")["native"]["cpus"].clone();
    let machine = std::thread::available_parallelism().unwrap().get();
    assert_eq!(cpus(&first) == cpus(&second), machine == 1, "{} {}", cpus(&first), cpus(&second));
    let widen = bed.sh(&first, "taskset -cp 0-63 $$ >/dev/null 2>&1; nproc").await;
    assert_eq!(widen.stdout, b"1\n");
}

#[tokio::test]
async fn a_full_disk_is_full_inside_only_and_is_kept_over_a_stop() {
    let bed = Bed::native();
    let can = possible(&bed).await;
    let asked = limits(|limits| limits.disk_bytes = Some(DISK));
    let Some(name) = limited_if(&bed, can.disk, "disk", asked).await else {
        assert!(!is_root(), "root has what it takes on a machine with e2fsprogs");
        return;
    };
    let full = bed.sh(&name, "echo kept > ~/note; head -c 100m /dev/zero > ~/big").await;
    assert!(String::from_utf8_lossy(&full.stderr).contains("No space left on device"), "{}", full.text());
    let tmp = bed.sh(&name, "head -c 100m /dev/zero > /tmp/big").await;
    assert!(String::from_utf8_lossy(&tmp.stderr).contains("No space left on device"), "{}", tmp.text());
    assert_eq!(bed.text(&name, "rm ~/big /tmp/big; echo room > ~/other; echo outside > out; cat ~/note").await, "kept");
    assert_eq!(fs::read_to_string(bed.workspace().join("out")).unwrap(), "outside\n");
    let image = fs::metadata(bed.sandbox_dir(&name).join("disk.img")).unwrap();
    assert_eq!(image.len(), DISK);
    bed.loopbox.stop(&name).await.unwrap();
    assert_eq!(bed.text(&name, "cat ~/note ~/other").await, "kept\nroom");
    bed.loopbox.remove(&name).await.unwrap();
}

#[tokio::test]
async fn nothing_is_left_when_all_of_it_is_killed() {
    let bed = Bed::native();
    let can = possible(&bed).await;
    let all = limits(|limits| {
        limits.memory_bytes = can.memory.then_some(MEMORY);
        limits.cpus = Some(1.0);
        limits.disk_bytes = can.disk.then_some(DISK);
    });
    let name = limited(&bed, "killed", all).await.unwrap();
    let outside = outside(&bed, &name);
    assert!(outside.iter().all(|dir| dir.exists()), "{outside:?}");
    assert_eq!(on_a_device(&bed), can.disk);
    let pids = bed.loopbox.inspect(&name).await.unwrap().pids;
    let processes: Vec<Watched> = pids.into_iter().filter_map(Watched::by_pid).collect();
    processes.iter().filter(|process| process.lives()).for_each(Watched::kill);
    for process in processes {
        process.end().await;
    }
    // The next start waits until the kernel has let go of the disk, and finds it whole.
    assert_eq!(bed.text(&name, "echo again > ~/note; cat ~/note").await, "again");
    assert!(bed.loopbox.remove(&name).await.unwrap());
    assert!(outside.iter().all(|dir| !dir.exists()), "{outside:?}");
    let gone = async {
        while on_a_device(&bed) {
            tokio::task::yield_now().await;
        }
    };
    within("the kernel to let go of the disk", gone).await;
}

#[tokio::test]
async fn limits_of_a_sandbox_that_runs_change_at_once_or_not_at_all() {
    let bed = Bed::native();
    let can = possible(&bed).await;
    let with_memory = |bytes: u64| limits(|limits| limits.memory_bytes = Some(bytes));
    let pids = limits(|limits| limits.pids = Some(60));
    let name = limited(&bed, "changes", pids.clone()).await.unwrap();
    let error = limited(&bed, "changes", limits(|limits| limits.pids = Some(50))).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::SandboxExists, "{}", error.describe());
    assert!(error.message().contains("limits.pids") && error.hint().unwrap().contains("loopbox stop"));
    assert_eq!(bed.loopbox.inspect(&name).await.unwrap().limits, pids);
    bed.loopbox.stop(&name).await.unwrap();
    limited(&bed, "changes", limits(|limits| limits.pids = Some(50))).await.unwrap();
    assert_eq!(bed.text(&name, "ulimit -u").await, "50");
    let error = limited(&bed, "changes", limits(|limits| limits.disk_bytes = Some(DISK))).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::SandboxExists);
    assert!(error.message().contains("limits.diskBytes") && error.hint().unwrap().contains("loopbox rm"));
    if can.memory {
        bed.loopbox.stop(&name).await.unwrap();
        limited(&bed, "changes", with_memory(MEMORY)).await.unwrap();
        let error = bed.exec(&name, request(HOG)).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::OutOfMemory);
        let before = bed.loopbox.inspect(&name).await.unwrap();
        limited(&bed, "changes", with_memory(1 << 30)).await.unwrap();
        assert_eq!(bed.sh(&name, HOG).await.exit_code, 3, "there is room now");
        limited(&bed, "changes", with_memory(MEMORY)).await.unwrap();
        assert_eq!(bed.exec(&name, request(HOG)).await.unwrap_err().code(), ErrorCode::OutOfMemory);
        let after = bed.loopbox.inspect(&name).await.unwrap();
        assert_eq!(after.pids[..2], before.pids[..2], "without a restart");
        assert_eq!(after.limits, limits(|limits| (limits.memory_bytes, limits.pids) = (Some(MEMORY), Some(50))));
    }
}

#[tokio::test]
async fn a_limit_below_what_is_in_use_leaves_the_sandbox_as_it_is_or_ends_what_uses_it() {
    let bed = Bed::native();
    let can = possible(&bed).await;
    let asked = |bytes| limits(|limits| limits.memory_bytes = Some(bytes));
    let Some(name) = limited_if(&bed, can.memory, "lowers", asked(256 << 20)).await else { return };
    bed.text(&name, "head -c 60m /dev/zero > /dev/shm/kept").await;
    let lowered = limited(&bed, "lowers", asked(32 << 20)).await;
    let info = bed.loopbox.inspect(&name).await.unwrap();
    if info.limited_by.memory == [LimitMeans::CgroupV1] {
        let error = lowered.unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidArgument, "{}", error.describe());
        assert!(error.message().starts_with("limits.memoryBytes: 33554432: "), "{}", error.describe());
        assert_eq!(info.limits, asked(256 << 20));
        let holds = "cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory/memory.memsw.limit_in_bytes";
        assert!(bed.text(&name, holds).await.lines().all(|bytes| bytes == (256 << 20).to_string()));
    } else {
        lowered.unwrap();
        assert_eq!(info.limits, asked(32 << 20));
    }
}

#[tokio::test]
async fn inspect_tells_by_what_limits_are_enforced() {
    let bed = Bed::native();
    let name = bed.sandbox().await;
    let by = bed.loopbox.inspect(&name).await.unwrap().limited_by;
    assert_eq!(by.pids, [LimitMeans::Rlimit]);
    assert!(by.memory.is_empty() && by.cpus.is_empty() && by.disk.is_empty());
    assert_eq!(bed.text(&name, "ulimit -u").await, "4096");
    let can = possible(&bed).await;
    let name = limited(
        &bed,
        "told",
        limits(|limits| {
            limits.memory_bytes = can.memory.then_some(MEMORY);
            limits.cpus = Some(1.0);
            limits.disk_bytes = can.disk.then_some(DISK);
        }),
    )
    .await
    .unwrap();
    let by = bed.loopbox.inspect(&name).await.unwrap().limited_by;
    assert_eq!(!by.memory.is_empty(), can.memory);
    assert_eq!(by.disk.contains(&LimitMeans::Image), can.disk);
    let several = std::thread::available_parallelism().unwrap().get() > 1;
    assert_eq!(by.cpus.contains(&LimitMeans::Affinity), several);
}

#[tokio::test]
async fn a_sandbox_that_died_for_want_of_memory_says_so() {
    let bed = Bed::native();
    let can = possible(&bed).await;
    let asked = limits(|limits| limits.memory_bytes = Some(MEMORY));
    let Some(name) = limited_if(&bed, can.memory, "dies", asked).await else { return };
    // What the kernel would do if nothing else were left to kill: processes were killed, then init.
    assert_eq!(bed.exec(&name, request(HOG)).await.unwrap_err().code(), ErrorCode::OutOfMemory);
    let init = Watched::by_pid(bed.loopbox.inspect(&name).await.unwrap().pids[1]).unwrap();
    init.kill();
    init.end().await;
    let told = async {
        let mut events = bed.loopbox.events(true).unwrap();
        loop {
            let event = events.next().await.unwrap().unwrap();
            if event.kind == EventKind::Died {
                return event.detail;
            }
        }
    };
    let detail = within("the death to be told", told).await;
    assert!(detail.contains("for want of memory"), "{detail}");
}

#[tokio::test]
async fn trees_are_ended_by_a_cgroup_where_there_is_one() {
    let bed = Bed::native();
    let name = bed.sandbox().await;
    let capabilities = bed.capabilities(&name).await;
    assert_eq!(capabilities.tree_kill == TreeKill::SubReaper, outside(&bed, &name).is_empty());
    assert!(is_root() || capabilities.tree_kill != TreeKill::FreezerV1);
}
