//! Networks that count as one client.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The part of an address that identifies a client: all of an IPv4 address, the first 64 bits of an
/// IPv6 address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::server) struct ClientNetwork(IpAddr);

/// The network of an IPv6 address. One host can use all addresses in it.
const NETWORK: u128 = u128::MAX << 64;

impl ClientNetwork {
    /// The network of a client. Clients without an address count as one.
    pub(in crate::server) fn of(address: Option<SocketAddr>) -> Self {
        match address.map(|address| address.ip().to_canonical()) {
            None => Self(Ipv4Addr::UNSPECIFIED.into()),
            Some(IpAddr::V4(ip)) => Self(ip.into()),
            Some(IpAddr::V6(ip)) => Self(Ipv6Addr::from_bits(ip.to_bits() & NETWORK).into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_one_network_are_one_client() {
        let client = |text: &str| ClientNetwork::of(Some(text.parse().unwrap()));
        assert_eq!(client("192.0.2.1:1"), client("[::ffff:192.0.2.1]:2"));
        assert_ne!(client("192.0.2.1:1"), client("192.0.2.2:1"));
        assert_eq!(client("[2001:db8::1]:1"), client("[2001:db8::ffff:1:2]:1"));
        assert_ne!(client("[2001:db8::1]:1"), client("[2001:db8:0:1::1]:1"));
    }
}
