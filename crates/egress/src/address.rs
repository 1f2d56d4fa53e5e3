//! Which addresses are public, and what the others are.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};
use std::{fmt, io};

use ipnet::{Ipv4Net, Ipv6Net};

/// What an address is. Everything but [`Public`](Self::Public) is closed unless a rule for the address opens it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AddressClass {
    /// Globally reachable.
    Public,
    /// A cloud's metadata or credential service; opened by an exact address only.
    Metadata,
    /// The host itself, by an address that leads nowhere else.
    Loopback,
    /// The host itself, by an address of one of its interfaces that would be public elsewhere.
    ThisHost,
    /// A private network.
    Private,
    /// A provider's network behind its translation.
    CarrierNat,
    /// The local link.
    LinkLocal,
    /// Groups, not hosts.
    Multicast,
    /// Set aside for documentation, tests, protocols or the future.
    Reserved,
}

impl AddressClass {
    /// The class of an address on this machine: as [`of`](Self::of), and [`ThisHost`](Self::ThisHost).
    pub(crate) fn here(address: IpAddr) -> Self {
        match Self::of(address) {
            Self::Public if is_own(address) => Self::ThisHost,
            class => class,
        }
    }

    /// The class of an address by its number; IPv4 inside IPv6 is what the IPv4 address is.
    pub fn of(address: IpAddr) -> Self {
        let address = address.to_canonical();
        if METADATA.contains(&address) {
            return Self::Metadata;
        }
        match address {
            IpAddr::V4(v4) => {
                CLOSED_V4.iter().find(|(range, _)| range.contains(&v4)).map_or(Self::Public, |(_, class)| *class)
            }
            IpAddr::V6(v6) => match CLOSED_V6.iter().find(|(range, _)| range.contains(&v6)) {
                Some((_, class)) => *class,
                None => match embedded_v4(v6) {
                    Some(v4) => Self::of(v4.into()),
                    None if GLOBAL_UNICAST.contains(&v6) => Self::Public,
                    None => Self::Reserved,
                },
            },
        }
    }
}

impl fmt::Display for AddressClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Public => "public",
            Self::Metadata => "metadata service",
            Self::Loopback => "loopback",
            Self::ThisHost => "this host's own",
            Self::Private => "private",
            Self::CarrierNat => "carrier-grade NAT",
            Self::LinkLocal => "link-local",
            Self::Multicast => "multicast",
            Self::Reserved => "reserved",
        })
    }
}

/// Whether the address is one of this machine's: then the kernel would choose it as the source as well. Nothing is sent.
fn is_own(address: IpAddr) -> bool {
    let any: IpAddr = if address.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let source = || -> io::Result<IpAddr> {
        let socket = UdpSocket::bind((any, 0))?;
        socket.connect((address, 9))?;
        Ok(socket.local_addr()?.ip())
    };
    // No route: then there is nothing to reach either.
    source().is_ok_and(|source| source == address)
}

/// The IPv4 address to which a translator would carry what is sent to this one (NAT64, 6to4).
pub(crate) fn embedded_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let bytes = address.octets();
    if NAT64.contains(&address) {
        Some(Ipv4Addr::new(bytes[12], bytes[13], bytes[14], bytes[15]))
    } else if SIX_TO_FOUR.contains(&address) {
        Some(Ipv4Addr::new(bytes[2], bytes[3], bytes[4], bytes[5]))
    } else {
        None
    }
}

const METADATA: [IpAddr; 9] = [
    // AWS, Azure, Google, Oracle, DigitalOcean, OpenStack and others.
    IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254)),
    // Credentials of AWS containers.
    IpAddr::V4(Ipv4Addr::new(169, 254, 170, 2)),
    IpAddr::V4(Ipv4Addr::new(169, 254, 170, 23)),
    // Alibaba.
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    // Azure's host agent; a public address by number only.
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
    // Oracle, of old.
    IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)),
    // AWS by IPv6: instances, and credentials of pods.
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23)),
    // Google by IPv6.
    IpAddr::V6(Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)),
];

const CLOSED_V4: [(Ipv4Net, AddressClass); 16] = [
    (v4(0, 0, 0, 0, 8), AddressClass::Reserved),
    (v4(10, 0, 0, 0, 8), AddressClass::Private),
    (v4(100, 64, 0, 0, 10), AddressClass::CarrierNat),
    (v4(127, 0, 0, 0, 8), AddressClass::Loopback),
    (v4(169, 254, 0, 0, 16), AddressClass::LinkLocal),
    (v4(172, 16, 0, 0, 12), AddressClass::Private),
    (v4(192, 0, 0, 0, 24), AddressClass::Reserved),
    (v4(192, 0, 2, 0, 24), AddressClass::Reserved),
    (v4(192, 88, 99, 0, 24), AddressClass::Reserved),
    (v4(192, 168, 0, 0, 16), AddressClass::Private),
    (v4(198, 18, 0, 0, 15), AddressClass::Reserved),
    (v4(198, 51, 100, 0, 24), AddressClass::Reserved),
    (v4(203, 0, 113, 0, 24), AddressClass::Reserved),
    (v4(224, 0, 0, 0, 4), AddressClass::Multicast),
    (v4(240, 0, 0, 0, 4), AddressClass::Reserved),
    (v4(255, 255, 255, 255, 32), AddressClass::Reserved),
];

const CLOSED_V6: [(Ipv6Net, AddressClass); 10] = [
    (v6([0, 0, 0, 0, 0, 0, 0, 1], 128), AddressClass::Loopback),
    // Local translation prefixes lead into private networks.
    (v6([0x64, 0xff9b, 1, 0, 0, 0, 0, 0], 48), AddressClass::Reserved),
    (v6([0x100, 0, 0, 0, 0, 0, 0, 0], 64), AddressClass::Reserved),
    // Protocol assignments; among them Teredo, which embeds IPv4.
    (v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 23), AddressClass::Reserved),
    (v6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32), AddressClass::Reserved),
    (v6([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20), AddressClass::Reserved),
    (v6([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7), AddressClass::Private),
    (v6([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10), AddressClass::LinkLocal),
    (v6([0xfec0, 0, 0, 0, 0, 0, 0, 0], 10), AddressClass::Private),
    (v6([0xff00, 0, 0, 0, 0, 0, 0, 0], 8), AddressClass::Multicast),
];

const NAT64: Ipv6Net = v6([0x64, 0xff9b, 0, 0, 0, 0, 0, 0], 96);
const SIX_TO_FOUR: Ipv6Net = v6([0x2002, 0, 0, 0, 0, 0, 0, 0], 16);
const GLOBAL_UNICAST: Ipv6Net = v6([0x2000, 0, 0, 0, 0, 0, 0, 0], 3);

const fn v4(a: u8, b: u8, c: u8, d: u8, prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
}

const fn v6(s: [u16; 8], prefix: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7]), prefix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machines_addresses_are_known_without_a_packet() {
        assert!(is_own(Ipv4Addr::LOCALHOST.into()));
        assert!(!is_own(Ipv4Addr::new(8, 8, 8, 8).into()));
        assert_eq!(AddressClass::here(Ipv4Addr::LOCALHOST.into()), AddressClass::Loopback);
    }
}
