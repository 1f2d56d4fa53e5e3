//! State directories that cannot be written, that are full, or that cannot hold what a sandbox needs.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use super::world::{DRIVER, Ended, World, ended};

/// Runs the driver's create by way of another program, which makes the circumstances and then executes `"$@"`.
fn create_under(world: &World, mut circumstances: Command) -> Ended {
    circumstances.arg(DRIVER).arg("create").args(world.arguments());
    ended(&circumstances.output().unwrap())
}

fn bash(script: &str) -> Command {
    let mut bash = Command::new("bash");
    bash.args(["-c", script, "bash"]);
    bash
}

#[tokio::test]
async fn whatever_cannot_be_written_for_lack_of_space_leaves_nothing_half_made() {
    let world = World::new();
    let mut made = 0;
    // Each size of file, from none at all to large enough for everything that is written.
    for kilobytes in (0..=24).chain([64, 256, 1024]) {
        let script = format!("trap '' XFSZ; ulimit -f {kilobytes}; exec \"$@\"");
        match create_under(&world, bash(&script)) {
            Ended::Well(_) => {
                made += 1;
                assert_eq!(world.loopbox.list().await.unwrap().len(), 1);
                world.loopbox.remove(&world.name).await.unwrap();
            }
            Ended::Failed { code, message, .. } => {
                assert!(["Io", "BackendUnavailable"].contains(&code.as_str()), "{kilobytes} kB: {code}: {message}");
                assert_eq!(made, 0, "{kilobytes} kB are less than what was enough");
            }
            Ended::Killed => panic!("killed"),
        }
        world.assert_nothing_left();
    }
    assert!(made > 0, "nothing is written that is larger than 1 MB");
}

#[tokio::test]
async fn a_full_file_system_leaves_nothing_half_made() {
    let world = World::new();
    fs::create_dir(world.state()).unwrap();
    let mut made = 0;
    for inodes in (4..=64).step_by(3).chain([100, 300, 10_000]) {
        let find = find_left(&world);
        let [create, remove, prune] = ["create", "remove", "prune"].map(|verb| call(&world, verb));
        let script = format!("{create}; {remove} > /dev/null; {prune} > /dev/null; {find} >&2");
        let output = mounted(&world, "tmpfs", &format!("size=64m,nr_inodes={inodes}"), &script).output().unwrap();
        match ended(&output) {
            Ended::Well(_) => made += 1,
            Ended::Failed { code, message, .. } => {
                assert!(["Io", "BackendUnavailable"].contains(&code.as_str()), "{inodes} inodes: {code}: {message}");
                assert_eq!(made, 0, "{inodes} inodes are fewer than what was enough: {message}");
            }
            Ended::Killed => panic!("killed"),
        }
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{inodes} inodes");
        world.wait_until_dead();
        assert_eq!(world.cgroups(), Vec::<std::path::PathBuf>::new());
    }
    assert!(made > 0, "a sandbox takes more than 10,000 inodes");
}

/// Lists what is left in the state directory. What all sandboxes begin with stays, if it is whole.
fn find_left(world: &World) -> String {
    format!("find '{}' -mindepth 2 '(' -path '*.new*' -o -not -path '*/ground/*' ')'", world.state().display())
}

/// A call of the driver as a shell takes it.
fn call(world: &World, verb: &str) -> String {
    let words = world.arguments().map(|word| format!("'{}'", word.display()));
    format!("'{DRIVER}' {verb} {}", words.join(" "))
}

/// A script with that file system at the state directory, which nobody else sees.
fn mounted(world: &World, kind: &str, options: &str, script: &str) -> Command {
    // An ordinary user mounts as the root of a user namespace, and is himself again in one below it.
    let id = rustix::process::geteuid().as_raw();
    let (ids, again) = if id == 0 {
        (Vec::new(), String::new())
    } else {
        (vec!["--user", "--map-root-user"], format!("unshare --user --map-user={id} --map-group={id}"))
    };
    let dir = world.state().parent().unwrap().display().to_string();
    let mount =
        format!("cd '{dir}' && mount -t {kind} -o {options} {kind} state && cd / && exec {again} bash -c \"$1\"");
    let mut unshare = Command::new("unshare");
    unshare.args(ids).args(["--mount", "--propagation", "private", "bash", "-c", &mount, "bash", script]);
    unshare
}

#[tokio::test]
async fn a_read_only_state_directory_is_an_error_that_names_it() {
    let world = World::new();
    fs::create_dir(world.state()).unwrap();
    let ended = if rustix::process::geteuid().is_root() {
        let state = world.state();
        let state = state.display();
        let script = format!("mount --bind {state} {state} && mount -o remount,bind,ro {state} && exec \"$@\"");
        let mut unshare = Command::new("unshare");
        unshare.args(["--mount", "--propagation", "private", "bash", "-c", &script, "bash"]);
        create_under(&world, unshare)
    } else {
        fs::set_permissions(world.state(), Permissions::from_mode(0o500)).unwrap();
        let ended = create_under(&world, bash("exec \"$@\""));
        fs::set_permissions(world.state(), Permissions::from_mode(0o700)).unwrap();
        ended
    };
    let Ended::Failed { code, message, .. } = ended else { panic!("{ended:?}") };
    assert_eq!(code, "Io");
    assert!(message.contains(&world.state().display().to_string()), "{message}");
    assert_eq!(fs::read_dir(world.state()).unwrap().count(), 0);
    world.assert_nothing_left();
}

#[tokio::test]
async fn a_state_directory_on_an_overlay_is_refused_with_the_remedy() {
    let world = World::new();
    for part in ["state", "upper", "work"] {
        fs::create_dir(world.state().with_file_name(part)).unwrap();
    }
    let options = "userxattr,lowerdir=workspace,upperdir=upper,workdir=work";
    let ended = ended(&mounted(&world, "overlay", options, &call(&world, "create")).output().unwrap());
    let Ended::Failed { code, message, hint } = ended else { panic!("{ended:?}") };
    assert_eq!(code, "BackendUnavailable", "{message}");
    assert!(message.contains("overlay"), "{message}");
    assert!(hint.contains("LOOPBOX_STATE_DIR"), "{hint}");
    // What the state directory holds was written to the overlay's upper directory.
    assert_eq!(fs::read_dir(world.state().with_file_name("upper").join("sandboxes")).unwrap().count(), 0);
    world.assert_nothing_left();
}

#[tokio::test]
async fn a_state_directory_without_extended_attributes_is_refused_with_the_remedy() {
    let world = World::new();
    fs::create_dir(world.state()).unwrap();
    let find = format!("{} >&2", find_left(&world));
    let [create, prune] = ["create", "prune"].map(|verb| call(&world, verb));
    let script = format!("{prune} > /dev/null; {create}; {prune} > /dev/null; {find}");
    let output = mounted(&world, "ramfs", "mode=700", &script).output().unwrap();
    let Ended::Failed { code, message, hint } = ended(&output) else { panic!("{output:?}") };
    assert_eq!(code, "BackendUnavailable", "{message}");
    assert!(message.contains("extended attributes"), "{message}");
    assert!(hint.contains("LOOPBOX_STATE_DIR"), "{hint}");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    world.assert_nothing_left();
}
