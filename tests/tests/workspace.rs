//! The workspace: the one place that a sandbox and its host share.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown, symlink};
use std::path::{Path, PathBuf};

use loopbox_core::{CreateRequest, ErrorCode, ExecRequest, SandboxName};
use loopbox_tests::{Bed, is_root, on_every_backend, shell};

on_every_backend!(
    what_is_written_inside_is_there_outside_and_the_other_way_round,
    a_workspace_that_was_replaced_is_noticed,
    directories_that_are_no_project_are_refused,
    removing_the_sandbox_leaves_the_workspace_alone,
);

async fn what_is_written_inside_is_there_outside_and_the_other_way_round(bed: Bed) {
    let name = bed.sandbox().await;
    fs::create_dir(bed.workspace().join("src")).unwrap();
    fs::write(bed.workspace().join("src/from-outside"), "outside").unwrap();
    let script = "cat src/from-outside; echo inside > src/from-inside; echo more >> src/from-outside; mkdir new";
    assert_eq!(bed.text(&name, script).await, "outside");
    assert_eq!(fs::read_to_string(bed.workspace().join("src/from-inside")).unwrap(), "inside\n");
    assert_eq!(fs::read_to_string(bed.workspace().join("src/from-outside")).unwrap(), "outsidemore\n");
    assert!(bed.workspace().join("new").is_dir());
}

/// Whoever owns the workspace owns what is made in it.
#[tokio::test]
async fn new_files_belong_to_the_workspaces_owner() {
    let caller = rustix::process::geteuid().as_raw();
    let owners = if is_root() { vec![0, 4242] } else { vec![caller] };
    for owner in owners {
        let bed = Bed::native();
        chown(bed.workspace(), Some(owner), Some(owner))
            .or_else(|error| if is_root() { Err(error) } else { Ok(()) })
            .unwrap();
        let script = "mkdir -p dir && echo x > dir/file && ln -s file dir/link && stat -c %U:%G . dir dir/file";
        let name = bed.sandbox().await;
        assert_eq!(bed.text(&name, script).await, "agent:agent\n".repeat(3).trim_end());
        for path in ["dir", "dir/file", "dir/link"] {
            let metadata = fs::symlink_metadata(bed.workspace().join(path)).unwrap();
            assert_eq!(metadata.uid(), owner, "{path}");
            if is_root() {
                assert_eq!(metadata.gid(), owner, "{path}");
            }
        }
    }
}

#[tokio::test]
async fn it_is_visible_at_the_path_as_given_and_at_the_canonical_one() {
    let bed = Bed::native();
    let link = bed.dir().join("a link");
    symlink(bed.workspace(), &link).unwrap();
    let mut request = bed.request("bed");
    request.workspace.clone_from(&link);
    let name = bed.loopbox.create(request).await.unwrap().name;
    assert_eq!(bed.text(&name, "pwd").await, link.to_str().unwrap());
    bed.text(&name, "echo x > by-link").await;
    let canonical = fs::canonicalize(bed.workspace()).unwrap();
    assert_eq!(bed.text(&name, &format!("cat '{}/by-link'", canonical.display())).await, "x");
    assert_eq!(bed.loopbox.inspect(&name).await.unwrap().workspace, canonical);
}

/// The sandbox's /tmp is its own, but a workspace below the host's is where it is outside.
#[tokio::test]
async fn a_workspace_under_tmp_is_all_that_is_seen_of_the_hosts() {
    let bed = Bed::native();
    let (workspace, other) = (tempfile::tempdir_in("/tmp").unwrap(), tempfile::tempdir_in("/tmp").unwrap());
    let name = SandboxName::parse("bed").unwrap();
    bed.loopbox.create(CreateRequest::new(name.clone(), shell(), workspace.path())).await.unwrap();
    bed.text(&name, "echo x > file; echo private > /tmp/private").await;
    assert_eq!(fs::read_to_string(workspace.path().join("file")).unwrap(), "x\n");
    let seen = bed.text(&name, "ls -A /tmp").await;
    let workspace_name = workspace.path().file_name().unwrap().to_str().unwrap();
    assert!(seen.lines().any(|entry| entry == workspace_name), "{seen}");
    assert!(!seen.contains(other.path().file_name().unwrap().to_str().unwrap()), "{seen}");
    assert!(!Path::new("/tmp/private").exists());
}

async fn a_workspace_that_was_replaced_is_noticed(bed: Bed) {
    let name = bed.sandbox().await;
    fs::rename(bed.workspace(), bed.dir().join("moved")).unwrap();
    let exec = async || bed.loopbox.exec(&name, ExecRequest::new(["true"])).await.map(|_| ()).unwrap_err().code();
    assert_eq!(exec().await, ErrorCode::WorkspaceChanged, "gone");
    fs::create_dir(bed.workspace()).unwrap();
    assert_eq!(exec().await, ErrorCode::WorkspaceChanged, "another one");
    let error = bed.loopbox.create(bed.request("bed")).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::WorkspaceChanged);
    assert!(error.hint().is_some());

    fs::remove_dir(bed.workspace()).unwrap();
    fs::rename(bed.dir().join("moved"), bed.workspace()).unwrap();
    assert_eq!(bed.sh(&name, "exit 5").await.exit_code, 5, "the one it was made for is back");
}

async fn directories_that_are_no_project_are_refused(bed: Bed) {
    let refused = |loopbox: loopbox_core::Loopbox, workspace: PathBuf| {
        let mut request = bed.request("bed");
        request.workspace = workspace;
        async move { loopbox.create(request).await.unwrap_err() }
    };
    let home = bed.dir().join("home");
    fs::create_dir_all(bed.state().join("inside")).unwrap();
    fs::create_dir(&home).unwrap();
    fs::write(bed.dir().join("file"), "").unwrap();
    let loopbox = bed.another(|config| config.host_home = Some(home.clone()));

    let system = ["/", "/etc", "/usr", "/tmp", "/proc", "/home", "/var"].map(PathBuf::from);
    let above_state = bed.state().parent().unwrap().to_owned();
    let own = [home, above_state, bed.state().to_owned(), bed.state().join("inside"), "relative/path".into()];
    for workspace in system.into_iter().chain(own) {
        let error = refused(loopbox.clone(), workspace.clone()).await;
        assert_eq!(error.code(), ErrorCode::InvalidArgument, "{}", workspace.display());
        assert!(error.message().starts_with("workDir"), "{}", error.message());
    }
    for workspace in [bed.dir().join("missing"), bed.dir().join("file")] {
        let error = refused(loopbox.clone(), workspace).await;
        assert_eq!(error.code(), ErrorCode::WorkspaceNotFound);
    }
    assert!(loopbox.list().await.unwrap().is_empty());
}

async fn removing_the_sandbox_leaves_the_workspace_alone(bed: Bed) {
    let name = bed.sandbox().await;
    bed.text(&name, "echo kept > file").await;
    assert!(bed.loopbox.remove(&name).await.unwrap());
    assert_eq!(fs::read_to_string(bed.workspace().join("file")).unwrap(), "kept\n");
    assert!(!bed.loopbox.remove(&name).await.unwrap(), "there is none any more");
}

/// Names that would mean something to a shell, a mount table or a configuration file.
#[tokio::test]
async fn a_workspace_may_have_any_name() {
    let bed = Bed::native();
    for (n, name) in ["two words", "quote\"'s", "new\nline", "$HOME:a,b", "ünï"].into_iter().enumerate() {
        let workspace = bed.dir().join(name);
        fs::create_dir(&workspace).unwrap();
        let mut request = bed.request(&format!("b{n}"));
        request.workspace.clone_from(&workspace);
        let sandbox = bed.loopbox.create(request).await.unwrap().name;
        let output = bed.run(&sandbox, ["pwd"]).await;
        assert_eq!(output.text(), format!("{}\n", workspace.display()));
    }
}
