//! Network flags → [`NetworkOptions`].

use loopbox_core::NetworkOptions;

use crate::args::NetworkArgs;

/// The options that were given; none if no flag was.
pub(crate) fn network_options(args: NetworkArgs) -> Option<NetworkOptions> {
    let rules = args.rules;
    let mut options = NetworkOptions::default();
    options.policy = args.policy;
    options.preset = args.preset;
    options.allow_hosts = given(rules.allow_host);
    options.block_hosts = given(rules.block_host);
    options.allow_cidrs = given(rules.allow_cidr);
    options.block_cidrs = given(rules.block_cidr);
    (options != NetworkOptions::default()).then_some(options)
}

fn given<T>(list: Vec<T>) -> Option<Vec<T>> {
    (!list.is_empty()).then_some(list)
}
