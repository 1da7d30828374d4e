//! Named sets of addresses.

use std::{net::IpAddr, sync::LazyLock};

use super::{
    network::{Network, PrefixTable},
    words::words,
};

words! {
    /// A named set of addresses.
    Set ("a set of addresses") {
        /// This host.
        Loopback => "loopback",
        /// Hosts of the same link.
        LinkLocal => "link_local",
        /// Private networks.
        Private => "private",
        /// Networks between a provider and its customers.
        Shared => "shared",
        /// Groups of hosts.
        Multicast => "multicast",
        /// Other addresses that are not globally reachable (special-purpose registries of IANA).
        Reserved => "reserved",
        /// Metadata services of cloud providers.
        Metadata => "metadata",
        /// All addresses that are in no other set.
        Public => "public",
    }
}

impl Set {
    /// Returns the networks of the set. [`Set::Public`] has none: it is what the others leave.
    pub(super) fn networks(self) -> impl Iterator<Item = Network> {
        // A test parses all of them.
        self.texts().iter().filter_map(|text| text.parse().ok())
    }

    const fn texts(self) -> &'static [&'static str] {
        match self {
            // Linux connects to itself for an address of 0.0.0.0/8 that is 0, and for ::.
            Self::Loopback => &["127.0.0.0/8", "0.0.0.0/8", "::1", "::"],
            Self::LinkLocal => &["169.254.0.0/16", "fe80::/10"],
            Self::Private => {
                &["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7", "fec0::/10"]
            }
            Self::Shared => &["100.64.0.0/10"],
            Self::Multicast => &["224.0.0.0/4", "255.255.255.255", "ff00::/8"],
            Self::Reserved => RESERVED,
            Self::Metadata => METADATA,
            Self::Public => &[],
        }
    }
}

/// As of November 2026. `2001::/23` is in parts, without the addresses of Teredo (`2001::/32`), which
/// contain IPv4 addresses.
const RESERVED: &[&str] = &[
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.88.99.0/24",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "240.0.0.0/4",
    "100::/64",
    "2001:1::/32",
    "2001:2::/31",
    "2001:4::/30",
    "2001:8::/29",
    "2001:10::/28",
    "2001:20::/27",
    "2001:40::/26",
    "2001:80::/25",
    "2001:100::/24",
    "2001:db8::/32",
    "3fff::/20",
    "5f00::/16",
];

/// As of November 2026: AWS, Azure, Google Cloud and others (169.254.169.254), tasks and pods of AWS
/// (169.254.170.2, 169.254.170.23), Scaleway (169.254.42.42), Alibaba Cloud (100.100.100.200), Azure
/// (168.63.129.16), Oracle Cloud (192.0.0.192), and the IPv6 addresses of AWS, Google Cloud, Oracle
/// Cloud, Akamai, Alibaba Cloud, Scaleway and `OpenStack`, most of which are private (`fc00::/7`).
const METADATA: &[&str] = &[
    "169.254.169.254",
    "169.254.170.2",
    "169.254.170.23",
    "169.254.42.42",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "fd00:ec2::254",
    "fd00:ec2::23",
    "fd20:ce::254",
    "fd00:c1::a9fe:a9fe",
    "fd00:a9fe:a9fe::1",
    "fd00:100::100:200",
    "fd00:42::42",
    "fe80::a9fe:a9fe",
];

/// Returns true if an address is in no set but [`Set::Public`].
pub(super) fn is_public(address: IpAddr) -> bool {
    static SPECIAL: LazyLock<PrefixTable<()>> = LazyLock::new(|| {
        PrefixTable::new(Set::ALL.iter().flat_map(|set| set.networks()).map(|it| (it, ())))
    });
    SPECIAL.find(address).is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_networks_of_all_sets_are_valid() {
        for set in Set::ALL {
            assert_eq!(set.networks().count(), set.texts().len(), "{set}");
        }
    }

    #[test]
    fn addresses_are_in_their_sets() {
        for (set, addresses) in [
            (Set::Loopback, "127.0.0.1 127.255.255.255 0.0.0.0 ::1 ::"),
            (Set::LinkLocal, "169.254.0.1 fe80::1 febf::1"),
            (Set::Private, "10.1.2.3 172.31.0.1 192.168.1.1 fd12::1 fec0::1"),
            (Set::Shared, "100.64.0.1 100.127.255.255"),
            (Set::Multicast, "224.0.0.1 239.255.255.250 ff02::1 255.255.255.255"),
            (Set::Reserved, "192.0.2.1 240.0.0.1 2001:db8::1 2001:1::1 2001:1ff::1 100::1"),
            (
                Set::Metadata,
                "169.254.169.254 168.63.129.16 fd00:ec2::254 fd00:c1::a9fe:a9fe fd00:a9fe:a9fe::1",
            ),
        ] {
            for address in addresses.split(' ').map(|text| text.parse::<IpAddr>().unwrap()) {
                assert!(set.networks().any(|network| network.contains(address)), "{set} {address}");
                assert!(!is_public(address), "{address}");
            }
        }
        for public in
            ["1.1.1.1", "172.32.0.1", "100.128.0.1", "2606:4700::1", "2001::1", "2001:200::"]
        {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
    }
}
