//! `network`.

use std::fmt::Display;

use loopbox_core::{NetworkPolicy, SandboxName};

use super::{App, loopbox};
use crate::args::NetworkVerb;
use crate::failure::{Result, invalid, unsupported};
use crate::resolve::network_options;
use crate::{exit, output};

pub(super) async fn network(app: App, verb: NetworkVerb) -> Result<u8> {
    let policy = match verb {
        NetworkVerb::Show { name } => loopbox()?.inspect(&SandboxName::parse(name)?).await?.network,
        NetworkVerb::Proxy { name, network } => {
            let options = network_options(network).ok_or_else(|| {
                invalid("nothing to change").with_hint("give --policy, --preset or a rule, as --allow-host example.org")
            })?;
            loopbox()?.set_network(&SandboxName::parse(name)?, options).await?
        }
        NetworkVerb::Log(_) | NetworkVerb::Check(_) => {
            let hint = "loopbox network show NAME prints the policy, loopbox inspect NAME where its log is";
            return Err(unsupported("this verb of network is not built yet", hint).into());
        }
    };
    if app.json {
        output::json(&policy)?;
    } else {
        show(&policy)?;
    }
    Ok(exit::OK)
}

fn show(policy: &NetworkPolicy) -> Result<()> {
    output::line(format!("policy:      {}", policy.policy))?;
    if let Some(preset) = policy.preset {
        output::line(format!("preset:      {preset}"))?;
    }
    rules("allow-host", &policy.allow_hosts)?;
    rules("block-host", &policy.block_hosts)?;
    rules("allow-cidr", &policy.allow_cidrs)?;
    rules("block-cidr", &policy.block_cidrs)
}

fn rules(kind: &str, rules: &[impl Display]) -> Result<()> {
    for rule in rules {
        output::line(format!("{kind}:  {rule}"))?;
    }
    Ok(())
}
