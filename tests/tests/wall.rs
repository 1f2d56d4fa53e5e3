//! What cannot be seen or done from inside.

use std::fs;
use std::os::fd::AsRawFd;

use loopbox_core::{ExecInput, ExecRequest};
use loopbox_tests::{Bed, is_root};

#[tokio::test]
async fn nothing_of_the_host_beyond_the_allow_list_is_visible() {
    // Without tools from elsewhere, which would bring the way to themselves.
    let bed = Bed::with(|config| config.host_path = "/usr/bin:/bin".into());
    let secret = bed.dir().join("another-project");
    fs::create_dir(&secret).unwrap();
    fs::write(secret.join("secret"), "").unwrap();
    let name = bed.sandbox().await;

    let home = std::env::var("HOME").unwrap();
    let hidden = [
        secret.to_str().unwrap(),
        bed.state().to_str().unwrap(),
        "/etc/shadow",
        "/etc/sudoers",
        "/etc/ssh",
        "/etc/ssl/private",
        "/boot",
        "/var/lib/docker",
        "/var/lib/dbus",
        "/var/spool/cron",
        "/var/run/docker.sock",
        "/run/docker.sock",
        "/run/systemd",
        "/sys/kernel",
        "/sys/fs",
        "/dev/kmsg",
        "/dev/mem",
        "/dev/fuse",
        "/dev/sda",
    ];
    for path in hidden {
        let seen = bed.sh(&name, &format!("ls -A '{path}'")).await;
        assert!(seen.stdout.is_empty(), "{path} is visible: {}", seen.text());
    }
    // The way to the workspace may lead through the host's home; nothing else of it is there.
    let seen = bed.sh(&name, &format!("find '{home}' -type f -not -path \"$PWD/*\" 2>/dev/null")).await;
    assert_eq!(seen.text(), "", "files of the caller's home");
    assert_eq!(bed.text(&name, "ls -A /home").await.lines().filter(|entry| *entry == "agent").count(), 1);
    let top = bed.text(&name, "ls /").await;
    let expected = "bin dev etc home lib lib32 lib64 libx32 media mnt nix opt proc root run sbin srv sys tmp usr var";
    let way = bed.dir().components().nth(1).unwrap().as_os_str().to_str().unwrap().to_owned();
    for entry in top.lines() {
        assert!(expected.split(' ').any(|known| known == entry) || entry == way, "/{entry}");
    }
}

/// A project usually lies in the caller's home; of that, nothing else is there.
#[tokio::test]
async fn a_workspace_in_the_callers_home_is_all_that_is_seen_of_it() {
    let bed = Bed::with(|config| config.host_home = config.state_dir.parent().map(|dir| dir.join("home")));
    let home = bed.dir().join("home");
    for dir in [".ssh", ".claude", ".config/git", "project", "other"] {
        fs::create_dir_all(home.join(dir)).unwrap();
        fs::write(home.join(dir).join("file"), "").unwrap();
    }
    let mut request = bed.request("bed");
    request.workspace = home.join("project");
    let name = bed.loopbox.create(request).await.unwrap().name;
    let seen = bed.text(&name, &format!("find '{}' -type f; ls -A '{}'", home.display(), home.display())).await;
    assert_eq!(seen, format!("{}\nproject", home.join("project/file").display()));
    assert_ne!(bed.sh(&name, &format!("touch '{}'", home.join(".bashrc").display())).await.exit_code, 0);
    assert!(!home.join(".bashrc").exists());
}

#[tokio::test]
async fn the_machine_is_not_told_who_it_is() {
    let bed = Bed::native();
    let (one, two) = (bed.sandbox().await, bed.loopbox.create(bed.request("other")).await.unwrap().name);
    let id = bed.text(&one, "cat /etc/machine-id").await;
    assert_eq!(id.len(), 32);
    assert_ne!(id, bed.text(&two, "cat /etc/machine-id").await, "each has its own");
    assert_ne!(id, fs::read_to_string("/etc/machine-id").unwrap_or_default().trim());
    assert_eq!(bed.text(&one, "cat /proc/sys/kernel/hostname").await, "bed");
    // Beside the two of the sandbox there are at most the system's accounts that are the same on every machine.
    let people = bed.text(&one, "awk -F: '$3 == 0 || $3 >= 100 {print $1}' /etc/passwd").await;
    assert_eq!(people, "root\nagent\nnobody");
}

#[tokio::test]
async fn sandboxes_do_not_see_each_other() {
    let bed = Bed::native();
    let (one, two) = (bed.sandbox().await, bed.loopbox.create(bed.request("other")).await.unwrap().name);
    bed.text(&one, "echo x > ~/private; echo x > /tmp/private; echo x > /var/tmp/private; echo x > /dev/shm/private")
        .await;
    assert_eq!(bed.sh(&two, "ls ~/private /tmp/private /var/tmp/private /dev/shm/private").await.stdout, b"");
    let mut request = ExecRequest::new(["cat"]);
    request.stdin = ExecInput::Stream;
    let _running = bed.loopbox.exec(&one, request).await.unwrap();
    let seen = bed.text(&two, "for p in /proc/[0-9]*; do tr '\\0' ' ' < $p/cmdline; echo; done").await;
    assert!(!seen.lines().any(|line| line.trim() == "cat"), "{seen}");
    assert!(seen.lines().count() < 6, "only processes of its own: {seen}");
}

#[tokio::test]
async fn commands_have_no_privileges_and_cannot_get_any() {
    let bed = Bed::native();
    let name = bed.sandbox().await;
    let status = bed.text(&name, "cat /proc/self/status").await;
    let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(":\t")).unwrap();
    assert_eq!(field("NoNewPrivs"), "1");
    for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
        assert_eq!(field(set), "0000000000000000", "{set}");
    }
    // What the sandbox's own root may have at most: ids and file permissions, in its own user namespace.
    let bounding = u64::from_str_radix(field("CapBnd"), 16).unwrap();
    assert_eq!(bounding & !0xfb, 0, "{bounding:x}");
    for attempt in [
        "mount -t tmpfs none /mnt",
        "mknod /tmp/null c 1 3",
        "chroot / true",
        "echo 1 > /proc/sys/kernel/core_pattern",
        "echo x > /etc/passwd",
        "touch /usr/bin/planted",
        "touch /planted",
        "chown root ~",
        "hostname other",
        "cat /proc/1/environ",
        "ls /proc/1/fd/",
        "ls /proc/1/root/",
        "cat /proc/1/mem",
        "dmesg",
    ] {
        let output = bed.sh(&name, attempt).await;
        assert_ne!(output.exit_code, 0, "{attempt}: {}", output.text());
    }
    let init = bed.loopbox.inspect(&name).await.unwrap().pids;
    // It may hit what watches over the command, which is then told as the death that it is.
    let suicide = bed.exec(&name, ExecRequest::new(["bash", "-c", "kill -9 1; kill -9 -1"])).await;
    assert!(suicide.is_ok() || !is_root());
    assert_eq!(bed.sh(&name, "exit 5").await.exit_code, 5);
    assert_eq!(bed.loopbox.inspect(&name).await.unwrap().pids, init, "init lives on");
}

#[tokio::test]
async fn host_root_is_not_among_the_mapped_ids() {
    let bed = Bed::native();
    let name = bed.sandbox().await;
    for map in ["uid_map", "gid_map"] {
        let text = bed.text(&name, &format!("cat /proc/self/{map}")).await;
        assert!(!text.is_empty());
        let init = bed.loopbox.processes(&name).await.unwrap()[0].pid;
        // As the host sees it: inside, the numbers of the parent namespace may be told differently.
        for line in fs::read_to_string(format!("/proc/{init}/{map}")).unwrap().lines() {
            let numbers: Vec<u64> = line.split_whitespace().map(|number| number.parse().unwrap()).collect();
            assert!(numbers[1] > 0, "{map}: {line}");
        }
    }
}

#[tokio::test]
async fn every_namespace_is_the_sandboxes_own() {
    let bed = Bed::native();
    let name = bed.sandbox().await;
    let init = bed.loopbox.processes(&name).await.unwrap()[0].pid;
    for kind in ["user", "pid", "mnt", "net", "ipc", "uts", "cgroup"] {
        let own = fs::read_link(format!("/proc/self/ns/{kind}")).unwrap();
        let inside = bed.text(&name, &format!("readlink /proc/self/ns/{kind}")).await;
        assert_ne!(inside, own.to_str().unwrap(), "{kind} (init is {init})");
    }
}

#[tokio::test]
async fn no_descriptor_of_the_caller_gets_in() {
    let bed = Bed::native();
    // One that every child of this process inherits.
    let held = fs::File::open(bed.dir()).unwrap();
    rustix::io::fcntl_setfd(&held, rustix::io::FdFlags::empty()).unwrap();
    let number = held.as_raw_fd();
    let name = bed.sandbox().await;
    // The shell sees the descriptor with which it lists the others, which is gone when it looks what it is.
    let script = "list=(/proc/$$/fd/*); for fd in ${list[@]}; do [ -L $fd ] && open+=($fd); done; echo ${open[@]##*/}; readlink ${open[@]}";
    let seen = bed.text(&name, script).await;
    let (numbers, targets) = seen.split_once('\n').unwrap();
    assert_eq!(numbers, "0 1 2", "{seen} (the caller holds {number})");
    assert!(targets.lines().all(|target| target.starts_with("pipe:") || target == "/dev/null"), "{seen}");
    let supervisor = bed.loopbox.inspect(&name).await.unwrap().pids[0];
    if let Ok(held) = fs::read_dir(format!("/proc/{supervisor}/fd")) {
        for fd in held.flatten() {
            let target = fs::read_link(fd.path()).unwrap_or_default();
            assert_ne!(target, bed.dir(), "the supervisor holds the caller's descriptor {number}");
        }
    }
}

#[tokio::test]
async fn private_places_can_be_written_and_executed() {
    let bed = Bed::native();
    let name = bed.sandbox().await;
    for dir in ["$HOME", "/tmp", "/var/tmp", "/dev/shm", "$PWD"] {
        let script = format!(
            "printf '#!/bin/sh\\necho ran' > {dir}/program && chmod +x {dir}/program && {dir}/program || [ {dir} = /dev/shm ]"
        );
        let output = bed.sh(&name, &script).await;
        assert_eq!(output.exit_code, 0, "{dir}: {}", output.text());
    }
    assert_eq!(bed.text(&name, "stat -c %a ~ /tmp").await, "700\n1777");
    assert_eq!(
        bed.text(&name, "ls /dev | sort | tr '\\n' ' '").await.trim(),
        "fd full null ptmx pts random shm stderr stdin stdout tty urandom zero"
    );
}
