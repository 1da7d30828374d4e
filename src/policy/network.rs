//! Networks of IP addresses, and the choice of the one with the longest prefix.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
    str::FromStr,
};

use super::ranges::RangeTable;

/// A network: an address family, a prefix and its length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    is_ipv4: bool,
    /// The prefix, in the most significant bits.
    prefix: u128,
    length: u8,
}

/// Returns the bits of an address, the first one most significant.
pub(super) fn bits_of(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(address.to_bits()) << 96,
        IpAddr::V6(address) => address.to_bits(),
    }
}

/// Returns the bits of a prefix of this length.
fn mask(length: u8) -> u128 {
    u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or_default()
}

impl Network {
    /// Returns the network of an address and a prefix length, which may have bits beyond its prefix.
    fn new(address: IpAddr, length: u8) -> Self {
        Self { is_ipv4: address.is_ipv4(), prefix: bits_of(address) & mask(length), length }
    }

    /// Returns true if the network contains the address. An IPv4 address in IPv6 notation is not part
    /// of an IPv4 network.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        self.is_ipv4 == address.is_ipv4() && bits_of(address) & mask(self.length) == self.prefix
    }

    /// Returns the length of the prefix.
    #[must_use]
    pub const fn prefix_length(&self) -> u8 {
        self.length
    }

    /// Returns true for a network of IPv4 addresses.
    #[must_use]
    pub const fn is_ipv4(&self) -> bool {
        self.is_ipv4
    }
}

impl FromStr for Network {
    type Err = String;

    /// Parses an address or a network in CIDR notation. IPv4 networks in IPv6 notation
    /// (`::ffff:10.0.0.0/104`) become IPv4 networks.
    fn from_str(text: &str) -> Result<Self, String> {
        let invalid = || format!("'{text}' is not an address or network");
        let (written, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let mut address: IpAddr = written.parse().map_err(|_| invalid())?;
        let width: u8 = if address.is_ipv4() { 32 } else { 128 };
        let mut length = match length {
            None => width,
            Some(text) if text.bytes().all(|byte| byte.is_ascii_digit()) => {
                text.parse().ok().filter(|length| *length <= width).ok_or_else(invalid)?
            }
            Some(_) => return Err(invalid()),
        };
        if let (IpAddr::V4(mapped), true, 96..) = (address.to_canonical(), width == 128, length) {
            address = mapped.into();
            length -= 96;
        }
        let network = Self::new(address, length);
        if network.prefix != bits_of(address) {
            return Err(format!(
                "'{text}' has bits after its prefix; write {network} for the network"
            ));
        }
        Ok(network)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { is_ipv4, prefix, length } = *self;
        let address = if is_ipv4 {
            let bits = u32::try_from(prefix >> 96).unwrap_or_default();
            IpAddr::V4(bits.into())
        } else {
            IpAddr::V6(Ipv6Addr::from_bits(prefix))
        };
        let width = if is_ipv4 { 32 } else { 128 };
        if length == width {
            return address.fmt(formatter);
        }
        write!(formatter, "{address}/{length}")
    }
}

/// Networks with values. Of those that contain an address, the one with the longest prefix counts.
#[derive(Debug, Default, PartialEq)]
pub(super) struct PrefixTable<T> {
    /// The rank is the number of bits after the prefix, and the value.
    ipv4: RangeTable<u128, (u8, T)>,
    ipv6: RangeTable<u128, (u8, T)>,
}

impl<T: Copy + Ord> PrefixTable<T> {
    /// Creates a table. Of several values for one network, the smallest counts.
    pub(super) fn new(networks: impl IntoIterator<Item = (Network, T)>) -> Self {
        let networks = networks.into_iter();
        let (ipv4, ipv6): (Vec<_>, Vec<_>) = networks.partition(|(network, _)| network.is_ipv4);
        let ranges = |networks: Vec<(Network, T)>| {
            RangeTable::new(networks.into_iter().map(|(Network { prefix, length, .. }, value)| {
                let end = (prefix | !mask(length)).checked_add(1);
                (prefix, end, (128 - length, value))
            }))
        };
        Self { ipv4: ranges(ipv4), ipv6: ranges(ipv6) }
    }

    /// Returns the value of the network with the longest prefix that contains the address, and the
    /// length of the prefix.
    pub(super) fn find(&self, address: IpAddr) -> Option<(u8, T)> {
        let table = if address.is_ipv4() { &self.ipv4 } else { &self.ipv6 };
        table.find(bits_of(address)).map(|(rest, value)| (128 - rest, value))
    }
}

#[cfg(test)]
mod tests {
    use rand::{RngExt as _, SeedableRng as _, rngs::SmallRng};

    use super::*;

    #[test]
    fn networks_are_parsed() {
        for (text, expected) in [
            ("10.0.0.0/8", Ok("10.0.0.0/8")),
            ("10.1.2.3", Ok("10.1.2.3")),
            ("0.0.0.0/0", Ok("0.0.0.0/0")),
            ("fc00::/7", Ok("fc00::/7")),
            ("::1/128", Ok("::1")),
            ("::ffff:10.0.0.0/104", Ok("10.0.0.0/8")),
            ("::ffff:10.0.0.1", Ok("10.0.0.1")),
            ("::/0", Ok("::/0")),
            ("10.0.0.1/8", Err("'10.0.0.1/8' has bits after its prefix; write 10.0.0.0/8")),
            ("10.0.0.0/33", Err("'10.0.0.0/33' is not an address or network")),
            ("10.0.0.0/", Err("is not")),
            ("10.0.0.0/+8", Err("is not")),
            ("fe80::1%eth0", Err("is not")),
            ("10.0.0", Err("is not")),
        ] {
            match (text.parse::<Network>(), expected) {
                (Ok(network), Ok(expected)) => assert_eq!(network.to_string(), expected, "{text}"),
                (Err(error), Err(part)) => assert!(error.contains(part), "{error}"),
                (parsed, _) => panic!("{text}: {parsed:?}"),
            }
        }
    }

    #[test]
    fn the_longest_prefix_is_found_as_by_a_slow_search() {
        let mut random = SmallRng::seed_from_u64(3);
        for _ in 0..300 {
            let address = |random: &mut SmallRng| -> IpAddr {
                // Few different bits, so that networks meet.
                let bits: u32 = random.random_range(0..64_u32).rotate_right(3);
                let last = random.random_range(0..4_u32);
                if random.random_bool(0.5) {
                    return IpAddr::V4((bits | last).into());
                }
                IpAddr::V6(((u128::from(bits) << 96) | u128::from(last)).into())
            };
            let networks: Vec<(Network, u32)> = (0..random.random_range(0..40))
                .map(|_| {
                    let address = address(&mut random);
                    let width = if address.is_ipv4() { 32 } else { 128 };
                    let length = random.random_range(0..=width);
                    (Network::new(address, length), random.random_range(0..9))
                })
                .collect();
            let table = PrefixTable::new(networks.clone());
            for _ in 0..50 {
                let address = address(&mut random);
                let matching = networks.iter().filter(|(network, _)| network.contains(address));
                let longest = matching.clone().map(|(network, _)| network.length).max();
                let value = longest.and_then(|longest| {
                    let of_length = matching.filter(|(network, _)| network.length == longest);
                    of_length.map(|(_, value)| *value).min()
                });
                assert_eq!(table.find(address), longest.zip(value), "{address} in {networks:?}");
            }
        }
    }
}
