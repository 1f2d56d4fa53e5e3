//! Who runs a command, inside and outside.

use loopbox_core::{ErrorCode, Exec, ExecInput, ExecRequest, SandboxName, User};
use loopbox_tests::{Bed, is_root, on_every_backend, status_ids};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};

on_every_backend!(other_users_work_where_declared_and_are_unsupported_elsewhere);

#[tokio::test]
async fn a_command_is_agent_inside_and_never_root_outside() {
    let bed = Bed::native();
    let name = bed.sandbox().await;
    assert_eq!(bed.text(&name, "id -un; id -u; id -g; echo ~").await, "agent\n1000\n1000\n/home/agent");
    let (processes, _running) = host_processes(&bed, &name).await;
    for (pid, command) in processes {
        let (uids, gids) = (status_ids(pid, "Uid"), status_ids(pid, "Gid"));
        assert!(!uids.contains(&0) && !gids.contains(&0), "{command} is {uids:?}, {gids:?} on the host");
        if is_root() {
            assert!(uids.iter().all(|&uid| uid >= 524_288), "{command} is {uids:?}: ids of the sandbox's own");
        } else {
            let own = rustix::process::geteuid().as_raw();
            assert!(uids.iter().all(|&uid| uid == own), "{command} is {uids:?}");
        }
    }
}

#[tokio::test]
async fn two_sandboxes_of_root_have_no_host_id_in_common() {
    let bed = Bed::native();
    let mut seen = Vec::new();
    for name in ["b1", "b2"] {
        let name = bed.loopbox.create(bed.request(name)).await.unwrap().name;
        let pids = bed.loopbox.inspect(&name).await.unwrap().pids;
        seen.push(pids.into_iter().flat_map(|pid| status_ids(pid, "Uid")).collect::<Vec<_>>());
    }
    let shared = seen[0].iter().any(|uid| seen[1].contains(uid));
    // An ordinary user has one id only, and it is the caller's.
    assert_eq!(shared, !is_root(), "{seen:?}");
}

async fn other_users_work_where_declared_and_are_unsupported_elsewhere(bed: Bed) {
    let name = bed.sandbox().await;
    let declared = bed.capabilities(&name).await.root_user;
    for (user, id) in [(User::Root, 0), (User::Ids { uid: 1234, gid: 1235 }, 1234)] {
        let mut request = ExecRequest::new(["id", "-u"]);
        request.user = user;
        match bed.exec(&name, request).await {
            Ok(output) => assert!(declared && output.text() == format!("{id}\n"), "{user:?}: {}", output.text()),
            Err(error) => {
                assert!(!declared, "{user:?}: {}", error.describe());
                assert_eq!(error.code(), ErrorCode::Unsupported);
            }
        }
    }
}

/// Inner root is nobody on the host, and has what package managers need and no more.
#[tokio::test]
async fn inner_root_is_not_the_hosts() {
    let bed = Bed::native();
    let name = bed.sandbox().await;
    if !bed.capabilities(&name).await.root_user {
        // The test above saw it refused.
        return;
    }
    let mut request = ExecRequest::new(["bash", "-c", "grep CapEff /proc/self/status; exec cat"]);
    request.user = User::Root;
    request.stdin = ExecInput::Stream;
    let mut exec = bed.loopbox.exec(&name, request).await.unwrap();
    let mut line = String::new();
    BufReader::new(exec.take_stdout().unwrap()).read_line(&mut line).await.unwrap();
    let capabilities = u64::from_str_radix(line.rsplit('\t').next().unwrap().trim(), 16).unwrap();
    let (sys_admin, net_admin, sys_ptrace, mknod) = (21, 12, 19, 27);
    for forbidden in [sys_admin, net_admin, sys_ptrace, mknod] {
        assert_eq!(capabilities >> forbidden & 1, 0, "{capabilities:x}");
    }
    let command = bed.loopbox.processes(&name).await.unwrap().pop().unwrap();
    assert!(status_ids(command.pid, "Uid").iter().all(|&uid| uid >= 524_288), "{command:?}");
}

/// The host's processes of a sandbox in which a command runs, and that command, which ends when it is dropped.
async fn host_processes(bed: &Bed, name: &SandboxName) -> (Vec<(u32, String)>, Exec) {
    let mut processes = vec![(bed.loopbox.inspect(name).await.unwrap().pids[0], "supervisor".to_owned())];
    let mut request = ExecRequest::new(["bash", "-c", "echo ready; exec cat"]);
    request.stdin = ExecInput::Stream;
    let mut exec = bed.loopbox.exec(name, request).await.unwrap();
    exec.take_stdout().unwrap().read_exact(&mut [0_u8; 6]).await.unwrap();
    let inside = bed.loopbox.processes(name).await.unwrap();
    assert!(inside.last().is_some_and(|command| command.command == "cat"), "{inside:?}");
    processes.extend(inside.into_iter().map(|process| (process.pid, process.command)));
    (processes, exec)
}
