//! The host's agents inside: visible with what they need, read-only, and nothing else.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use loopbox_core::{AgentName, CreateRequest, ErrorCode, SandboxName};
use loopbox_tests::Bed;

/// What `npm install --prefix PREFIX -g` leaves: a link in `bin` to a script in a package, which has a neighbour.
fn install(prefix: &Path, says: &str) -> PathBuf {
    let modules = prefix.join("lib/node_modules");
    let package = modules.join("@anthropic-ai/claude-code");
    fs::create_dir_all(package.join("vendor")).unwrap();
    fs::create_dir_all(modules.join("neighbour")).unwrap();
    fs::create_dir_all(prefix.join("bin")).unwrap();
    fs::write(modules.join("neighbour/data"), "neighbour").unwrap();
    let script = format!(
        "#!/bin/sh\nhere=$(dirname \"$(readlink -f \"$0\")\")\necho '{says}' \"$@\"\ncat \"$here/../../neighbour/data\"\n"
    );
    fs::write(package.join("cli.sh"), script).unwrap();
    fs::set_permissions(package.join("cli.sh"), fs::Permissions::from_mode(0o755)).unwrap();
    symlink("cli.sh", package.join("link.sh")).unwrap();
    let link = prefix.join("bin/claude");
    symlink("../lib/node_modules/@anthropic-ai/claude-code/link.sh", &link).unwrap();
    package
}

/// A bed whose caller has that `bin` directory on the PATH.
fn bed(prefix: &Path) -> Bed {
    let path = format!("{}:/usr/bin:/bin", prefix.join("bin").display());
    Bed::with(|config| config.host_path = path.into())
}

async fn claude(bed: &Bed) -> SandboxName {
    let mut request = bed.request("bed");
    request.agent = AgentName::parse("claude").unwrap();
    bed.loopbox.create(request).await.unwrap().name
}

#[tokio::test]
async fn an_agent_behind_links_runs_with_its_package_around_it() {
    let host = tempfile::tempdir().unwrap();
    let package = install(host.path(), "fake claude");
    let bed = bed(host.path());
    let name = claude(&bed).await;
    assert_eq!(
        bed.run(&name, ["claude", "--flag", "two words"]).await.text(),
        "fake claude --flag two words\nneighbour"
    );
    let info = bed.loopbox.inspect(&name).await.unwrap();
    assert_eq!(info.agent.path, Some(fs::canonicalize(package.join("cli.sh")).unwrap()));
}

#[tokio::test]
async fn what_is_visible_of_the_host_is_read_only_and_no_more_than_needed() {
    let host = tempfile::tempdir().unwrap();
    let package = install(host.path(), "fake claude");
    fs::write(host.path().join("private"), "").unwrap();
    fs::create_dir(host.path().join("lib/other")).unwrap();
    let bed = bed(host.path());
    let name = claude(&bed).await;
    let script = package.join("cli.sh");
    for attempt in [
        format!("echo planted >> {}", script.display()),
        format!("touch {}/new", package.display()),
        format!("rm -f {}", script.display()),
        "ln -sf /bin/true \"$(which claude)\"".to_owned(),
        format!("cat {}", host.path().join("private").display()),
        format!("ls {}", host.path().join("lib/other").display()),
    ] {
        assert_ne!(bed.sh(&name, &attempt).await.exit_code, 0, "{attempt}");
    }
    assert!(fs::read_to_string(script).unwrap().contains("fake claude"));
}

/// The planner runs under ssh, the worker under cron, with another PATH.
#[tokio::test]
async fn what_is_visible_is_fixed_when_the_sandbox_is_made() {
    let host = tempfile::tempdir().unwrap();
    install(host.path(), "the first");
    let bed = bed(host.path());
    let name = claude(&bed).await;
    let another = tempfile::tempdir().unwrap();
    install(another.path(), "another");
    for path in ["/usr/bin:/bin".to_owned(), format!("{}:/usr/bin:/bin", another.path().join("bin").display())] {
        bed.loopbox.stop(&name).await.unwrap();
        let worker = bed.another(|config| config.host_path = path.clone().into());
        let mut request = CreateRequest::new(name.clone(), AgentName::parse("claude").unwrap(), bed.workspace());
        request.options.backend = Some(bed.backend);
        assert!(!worker.create(request).await.unwrap().new, "PATH={path}");
        assert!(bed.run(&name, ["claude"]).await.text().starts_with("the first"), "PATH={path}");
    }
}

#[tokio::test]
async fn an_agent_that_is_not_there_is_told_with_the_way_to_install_it() {
    let bed = Bed::with(|config| config.host_path = "/usr/bin:/bin".into());
    for (agent, package) in [("claude", "@anthropic-ai/claude-code"), ("codex", "@openai/codex")] {
        let mut request = bed.request("bed");
        request.agent = AgentName::parse(agent).unwrap();
        let error = bed.loopbox.create(request).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::AgentNotFound);
        assert!(error.message().contains(agent));
        assert!(error.hint().unwrap().contains(package));
    }
}

/// A profile answers the agent's first questions in the private home, once.
#[tokio::test]
async fn the_private_home_is_seeded_once() {
    let host = tempfile::tempdir().unwrap();
    install(host.path(), "fake claude");
    let bed = bed(host.path());
    let name = claude(&bed).await;
    let seeded: serde_json::Value = serde_json::from_str(&bed.text(&name, "cat ~/.claude.json").await).unwrap();
    assert_eq!(seeded["hasCompletedOnboarding"], true);
    let workspace = fs::canonicalize(bed.workspace()).unwrap();
    assert_eq!(seeded["projects"][workspace.to_str().unwrap()]["hasTrustDialogAccepted"], true);
    assert_eq!(bed.text(&name, "stat -c '%U %a' ~/.claude.json ~/.claude").await, "agent 600\nagent 700");
    bed.text(&name, "echo changed > ~/.claude.json").await;
    bed.loopbox.stop(&name).await.unwrap();
    assert_eq!(bed.text(&name, "cat ~/.claude.json").await, "changed");
}
