//! `AGENT_LOOP_HOST=1`: the bare host, on request and never silently.

use loopbox_core::{BackendId, ErrorCode, ExecRequest, Isolation, LimitCapabilities, SandboxName};
use loopbox_tests::Bed;

#[tokio::test]
async fn commands_run_as_the_caller_with_its_environment_and_home() {
    let bed = Bed::host();
    let name = bed.sandbox().await;
    let capabilities = bed.capabilities(&name).await;
    assert_eq!(capabilities.isolation, Isolation::None);
    assert!(!capabilities.egress && capabilities.limits == LimitCapabilities::default() && !capabilities.root_user);
    let own = rustix::process::geteuid().as_raw();
    assert_eq!(bed.text(&name, "id -u").await, own.to_string());
    assert_eq!(bed.text(&name, "echo \"$HOME\"").await, std::env::var("HOME").unwrap());
    assert_eq!(bed.text(&name, "echo \"$PATH\"").await, std::env::var("PATH").unwrap());
    assert_eq!(bed.text(&name, "pwd").await, bed.workspace().to_str().unwrap());
}

/// In host mode a command needs no sandbox, only a directory; and one that exists is not run in.
#[tokio::test]
async fn host_mode_runs_with_and_without_a_sandbox() {
    let bed = Bed::native();
    let name = bed.sandbox().await;
    let on_host = bed.another(|config| config.backend = Some(BackendId::Host));
    let run = async |name: &SandboxName, request| on_host.exec(name, request).await?.output().await;
    let outside =
        run(&name, ExecRequest::new(["bash", "-c", "pwd; echo ${LOOPBOX_SANDBOX-on the host}"])).await.unwrap();
    assert_eq!(outside.text(), format!("{}\non the host\n", bed.workspace().display()));

    let nobody = SandboxName::parse("nobody").unwrap();
    let mut request = ExecRequest::new(["pwd"]);
    request.work_dir = Some(bed.dir().to_owned());
    assert_eq!(run(&nobody, request).await.unwrap().text(), format!("{}\n", bed.dir().display()));
    let error = run(&nobody, ExecRequest::new(["pwd"])).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::SandboxNotFound);
}

#[tokio::test]
async fn the_command_line_reads_it_exactly_and_warns() {
    let bed = Bed::native();
    bed.sandbox().await;
    for (value, host) in [("1", true), ("true", false), ("0", false), ("", false)] {
        let mut exec = bed.cli();
        exec.env("AGENT_LOOP_HOST", value).args(["exec", "bed", "bash", "-c", "echo ${LOOPBOX_SANDBOX-on the host}"]);
        let output = exec.output().await.unwrap();
        let warned = String::from_utf8(output.stderr).unwrap().contains("AGENT_LOOP_HOST=1");
        let said = String::from_utf8(output.stdout).unwrap();
        assert_eq!((warned, said.trim()), (host, if host { "on the host" } else { "bed" }), "AGENT_LOOP_HOST={value}");
    }
}
