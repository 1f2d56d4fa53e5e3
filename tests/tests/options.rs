//! What is accepted has its effect; what has none yet is `Unsupported`, and nothing is made.

use std::collections::BTreeMap;

use loopbox_core::{AgentConfig, BackendId, CreateOptions, CredentialsMode, ErrorCode, Limits};
use loopbox_tests::{Bed, on_every_backend};

on_every_backend!(limits_work_where_declared, options_that_are_not_built_are_refused);

async fn limits_work_where_declared(bed: Bed) {
    let mut limits = Limits::default();
    limits.pids = Some(50);
    let mut request = bed.request("limited");
    request.options.limits = Some(limits);
    let outcome = bed.loopbox.create(request).await;
    let name = bed.sandbox().await;
    assert_eq!(outcome.is_ok(), bed.capabilities(&name).await.limits.pids);
    if let Err(error) = outcome {
        assert_eq!(error.code(), ErrorCode::Unsupported);
        assert!(error.message().contains("limits"));
        assert_eq!(bed.loopbox.list().await.unwrap().len(), 1);
    }
}

async fn options_that_are_not_built_are_refused(bed: Bed) {
    type Change = fn(&mut CreateOptions);
    let unbuilt: [(&str, Change); 4] = [
        ("template", |options| options.template = Some("debian".into())),
        ("credentials", |options| options.credentials = Some(CredentialsMode::Proxy)),
        ("leases", |options| options.leases = Some(BTreeMap::from([("A".into(), "b".into())]))),
        ("agentConfig", |options| options.agent_config = Some(AgentConfig::Instructions)),
    ];
    for (option, change) in unbuilt {
        let mut request = bed.request("bed");
        change(&mut request.options);
        let error = bed.loopbox.create(request).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::Unsupported, "{option}");
        assert!(error.message().contains(option) && error.hint().is_some(), "{option}: {}", error.describe());
    }
    assert!(!bed.state().exists());
    bed.sandbox_with(|options| {
        options.credentials = Some(CredentialsMode::None);
        options.agent_config = Some(AgentConfig::None);
        options.leases = Some(BTreeMap::new());
    })
    .await;
}

#[test]
fn backends_are_named() {
    for backend in [BackendId::Native, BackendId::Host] {
        assert_eq!(backend.to_string().parse::<BackendId>().unwrap(), backend);
    }
    assert_eq!("sbx".parse::<BackendId>().unwrap_err().code(), ErrorCode::Unsupported);
    assert_eq!("nonsense".parse::<BackendId>().unwrap_err().code(), ErrorCode::InvalidArgument);
}
