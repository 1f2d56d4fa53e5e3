//! From a target to a connection: judge, resolve, judge each address, dial the very address that was judged.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::address::AddressClass;
use crate::host::{Host, Target};
use crate::judge::{CompiledPolicy, Decision};
use crate::resolver::Resolve;

/// How long a name may take to be resolved.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long one address may take to accept.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Addresses of one name that are tried; a name with more is not reached sooner.
const MAX_ADDRESSES: usize = 8;

/// A connection that the policy allowed.
#[derive(Debug)]
pub struct Dialed {
    /// The connection.
    pub stream: TcpStream,
    /// The address it leads to, which is the one that was judged.
    pub address: SocketAddr,
    /// The judgement.
    pub decision: Decision,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DialError {
    /// The policy denied it.
    #[error("{}", .0.reason)]
    Denied(Decision),
    /// The policy allowed it, and the name has no address.
    #[error("failed to resolve {host}")]
    Resolve {
        /// The name.
        host: Host,
        /// The judgement.
        decision: Decision,
        /// What the resolver said.
        #[source]
        source: io::Error,
    },
    /// The policy allowed it, and no permitted address accepted.
    #[error("failed to connect to {address}")]
    Connect {
        /// The address that was tried last.
        address: SocketAddr,
        /// The judgement.
        decision: Decision,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
}

/// Connects to a target if the policy allows it, trying each permitted address in turn.
pub async fn dial(policy: &CompiledPolicy, resolver: &dyn Resolve, target: &Target) -> Result<Dialed, DialError> {
    let decision = policy.judge_target(target);
    if !decision.is_allowed() {
        return Err(DialError::Denied(decision));
    }
    let addresses = match addresses(resolver, &target.host).await {
        Ok(addresses) => addresses,
        Err(source) => return Err(DialError::Resolve { host: target.host.clone(), decision, source }),
    };
    let mut denied = None;
    let mut failed = None;
    for address in addresses.into_iter().take(MAX_ADDRESSES) {
        let decision = policy.judge_in_class(target, address, AddressClass::here(address));
        if !decision.is_allowed() {
            denied.get_or_insert(decision);
            continue;
        }
        let address = SocketAddr::new(address, target.port);
        match connect(address).await {
            Ok(stream) => return Ok(Dialed { stream, address, decision }),
            Err(source) => failed = Some(DialError::Connect { address, decision, source }),
        }
    }
    Err(match (failed, denied) {
        (Some(failed), _) => failed,
        (None, Some(denied)) => DialError::Denied(denied),
        (None, None) => {
            let source = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
            DialError::Resolve { host: target.host.clone(), decision, source }
        }
    })
}

async fn addresses(resolver: &dyn Resolve, host: &Host) -> io::Result<Vec<IpAddr>> {
    match host {
        Host::Address(address) => Ok(vec![*address]),
        Host::HostLoopback(_) => Ok(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]),
        Host::Name(name) => {
            let addresses = within(RESOLVE_TIMEOUT, resolver.resolve(name)).await?;
            Ok(addresses.into_iter().map(|address| address.to_canonical()).collect())
        }
    }
}

async fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = within(CONNECT_TIMEOUT, TcpStream::connect(address)).await?;
    // Small writes are requests and events here; holding them back only adds delay.
    stream.set_nodelay(true)?;
    Ok(stream)
}

async fn within<T>(limit: Duration, work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(limit, work).await.unwrap_or_else(|_| {
        Err(io::Error::new(io::ErrorKind::TimedOut, format!("no answer within {} seconds", limit.as_secs())))
    })
}
