//! What a command finds in its environment.

use std::collections::BTreeMap;
use std::fs;

use loopbox_core::{ErrorCode, ExecRequest, SandboxName};
use loopbox_tests::{Bed, on_every_backend};

on_every_backend!(a_commands_own_variables_win_over_the_sandboxes_own, names_that_are_none_are_refused);

async fn a_commands_own_variables_win_over_the_sandboxes_own(bed: Bed) {
    let name = bed
        .sandbox_with(|options| {
            options.env = Some(BTreeMap::from([("A".into(), "sandbox".into()), ("B".into(), "sandbox".into())]));
        })
        .await;
    let mut request = ExecRequest::new(["bash", "-c", r#"printf '%s|' "$A" "$B" "$C" "${D-unset}""#]);
    request.env.insert("B".into(), "exec".into());
    request.env.insert("C".into(), "quotes ' \" $HOME\nline".into());
    assert_eq!(bed.exec(&name, request).await.unwrap().text(), "sandbox|exec|quotes ' \" $HOME\nline|unset|");
    assert_eq!(bed.text(&name, "echo $A $B").await, "sandbox sandbox", "only for the one command");
}

async fn names_that_are_none_are_refused(bed: Bed) {
    let name = bed.sandbox().await;
    for variable in ["", "A=B"] {
        let mut request = ExecRequest::new(["true"]);
        request.env.insert(variable.into(), "secret".into());
        let error = bed.exec(&name, request).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidArgument);
        assert!(!error.describe().contains("secret"), "values may be secret");
    }
}

#[tokio::test]
async fn the_standard_variables_can_be_replaced() {
    let bed = Bed::native();
    let name =
        bed.sandbox_with(|options| options.env = Some(BTreeMap::from([("LANG".into(), "de_DE.UTF-8".into())]))).await;
    assert_eq!(bed.text(&name, "echo $LANG").await, "de_DE.UTF-8");
}

/// Nothing of it comes from the host: everything is made by loopbox, by the agent's profile or by the shell itself.
#[tokio::test]
async fn nothing_of_the_hosts_environment_leaks_in() {
    let bed = Bed::native();
    let canary = "canary-a91f";
    let mut create = bed.cli();
    create.env("LOOPBOX_TEST_CANARY", canary).env("ANTHROPIC_API_KEY", canary);
    create.args(["create", "-q", "--policy=deny", "--name=bed", "shell"]).arg(bed.workspace());
    assert!(create.status().await.unwrap().success());
    let mut exec = bed.cli();
    exec.env("LOOPBOX_TEST_CANARY", canary).env("ANTHROPIC_API_KEY", canary).args(["exec", "bed", "env", "-0"]);
    let output = exec.output().await.unwrap();
    assert_eq!(output.status.code(), Some(0));
    let inside = String::from_utf8(output.stdout).unwrap();
    assert!(!inside.contains(canary), "{inside}");

    let variables: BTreeMap<&str, &str> = inside.split_terminator('\0').filter_map(|v| v.split_once('=')).collect();
    for (variable, value) in
        [("HOME", "/home/agent"), ("USER", "agent"), ("TMPDIR", "/tmp"), ("NODE_USE_ENV_PROXY", "1")]
    {
        assert_eq!(variables.get(variable), Some(&value), "{variable}");
    }
    for pair in [["HTTP_PROXY", "http_proxy"], ["HTTPS_PROXY", "https_proxy"], ["NO_PROXY", "no_proxy"]] {
        assert!(variables[pair[0]] == variables[pair[1]] && !variables[pair[0]].is_empty(), "{pair:?}");
    }
    assert!(variables["NO_PROXY"].split(',').any(|host| host == "localhost"));

    // Neither do the processes that outlive the caller hold any of it.
    let name = SandboxName::parse("bed").unwrap();
    let pids = bed.loopbox.inspect(&name).await.unwrap().pids;
    assert!(pids.len() >= 2, "supervisor and init: {pids:?}");
    for pid in pids {
        // Of a process that the caller may not look into, nobody else can read it either.
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        assert!(!String::from_utf8_lossy(&environment).contains(canary), "process {pid}");
    }
}
