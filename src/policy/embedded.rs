//! IPv4 addresses within IPv6 addresses, which a translator or a tunnel may connect to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::network::Network;

/// Calls `judge` with the address and all IPv4 addresses that it may contain, until one is an error.
///
/// An IPv4-mapped address is judged as its IPv4 address. `nat64` are the prefixes of the site; where
/// one matches, the place within `64:ff9b:1::/48` is known.
pub(super) fn try_for_each<E>(
    address: IpAddr,
    nat64: &[Network],
    mut judge: impl FnMut(IpAddr) -> Result<(), E>,
) -> Result<(), E> {
    let address = address.to_canonical();
    judge(address)?;
    let IpAddr::V6(v6) = address else { return Ok(()) };
    let bits = v6.to_bits();
    let mut judge = |bits: u32| judge(IpAddr::V4(Ipv4Addr::from_bits(bits)));
    let mut is_of_site = false;
    for prefix in nat64.iter().filter(|prefix| prefix.contains(address)) {
        is_of_site = true;
        judge(translated(bits, prefix.prefix_length()))?;
    }
    if is_local_nat64(v6) && !is_of_site {
        judge(translated(bits, 48))?;
    }
    if has_ipv4_at_the_end(v6, is_of_site) {
        judge(low(bits))?;
    }
    match v6.segments() {
        // 6to4 (RFC 3056).
        [0x2002, ..] => judge(low(bits >> 80)),
        // Teredo (RFC 4380): the server, and the client with inverted bits.
        [0x2001, 0, ..] => {
            judge(low(bits >> 64))?;
            judge(!low(bits))
        }
        _ => Ok(()),
    }
}

/// Returns true for `64:ff9b:1::/48` (RFC 8215), in which sites choose the place of the address.
fn is_local_nat64(address: Ipv6Addr) -> bool {
    matches!(address.segments(), [0x64, 0xff9b, 1, ..])
}

/// Returns true if the last 32 bits may be an IPv4 address.
fn has_ipv4_at_the_end(address: Ipv6Addr, is_of_site: bool) -> bool {
    match address.segments() {
        [0x64, 0xff9b, 1, ..] => !is_of_site,
        // IPv4-compatible (RFC 4291), which `::` and `::1` are not.
        [0, 0, 0, 0, 0, 0, high, low] => high != 0 || low > 1,
        // NAT64 (RFC 6052), IPv4-translated (RFC 2765) and ISATAP (RFC 5214).
        segments => matches!(
            segments,
            [0x64, 0xff9b, 0, 0, 0, 0, ..]
                | [0, 0, 0, 0, 0xffff, 0, ..]
                | [_, _, _, _, 0 | 0x200, 0x5efe, ..]
        ),
    }
}

/// Returns the IPv4 address after a prefix of this length (RFC 6052): the bits 64 to 71 are skipped.
fn translated(bits: u128, length: u8) -> u32 {
    match length {
        32 => low(bits >> 64),
        40 => (low(bits >> 64) << 8) | (low(bits >> 48) & 0xff),
        48 => (low(bits >> 64) << 16) | (low(bits >> 40) & 0xffff),
        56 => (low(bits >> 64) << 24) | (low(bits >> 32) & 0xff_ffff),
        64 => low(bits >> 24),
        _ => low(bits),
    }
}

/// The lengths of prefixes of RFC 6052.
pub(super) const LENGTHS: [u8; 6] = [32, 40, 48, 56, 64, 96];

/// Returns the last 32 bits.
fn low(bits: u128) -> u32 {
    u32::try_from(bits & u128::from(u32::MAX)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(address: &str, nat64: &[&str]) -> Vec<String> {
        let nat64: Vec<Network> = nat64.iter().map(|text| text.parse().unwrap()).collect();
        let mut found = Vec::new();
        let all = try_for_each(address.parse().unwrap(), &nat64, |address| {
            found.push(address.to_string());
            Ok::<_, ()>(())
        });
        all.unwrap();
        found
    }

    #[test]
    fn each_form_contains_its_ipv4_address() {
        const V4: &str = "169.254.169.254";
        for (form, nat64) in [
            ("64:ff9b::a9fe:a9fe", ""),
            ("64:ff9b:1:a9fe:a9:fe00::", ""),
            ("64:ff9b:1::a9fe:a9fe", ""),
            ("64:ff9b:1:ffff:ff:ff00:a9fe:a9fe", ""),
            ("2002:a9fe:a9fe::1", ""),
            ("2001:0:a9fe:a9fe::1", ""),
            ("2001::5601:5601", ""),
            ("fe80::5efe:a9fe:a9fe", ""),
            ("2606::200:5efe:a9fe:a9fe", ""),
            ("::a9fe:a9fe", ""),
            ("::ffff:0:a9fe:a9fe", ""),
            ("::ffff:a9fe:a9fe", ""),
            ("2606:4700:a9fe:a9fe::", "2606:4700::/32"),
            ("2606:4700:12a9:fea9:fe::", "2606:4700:1200::/40"),
            ("2606:4700:12:a9fe:a9:fe00::", "2606:4700:12::/48"),
            ("2606:4700:12:34a9:fe:a9fe::", "2606:4700:12:3400::/56"),
            ("2606:4700:12:34:a9:fea9:fe00:0", "2606:4700:12:34::/64"),
            ("2606:4700:12::a9fe:a9fe", "2606:4700:12::/96"),
        ] {
            let prefixes: Vec<_> = nat64.split(' ').filter(|text| !text.is_empty()).collect();
            let found = found(form, &prefixes);
            assert!(found.iter().any(|address| address == V4), "{form}: {found:?}");
        }
    }

    #[test]
    fn the_examples_of_rfc_6052_are_read() {
        for (prefix, address) in [
            ("2001:db8::/32", "2001:db8:c000:221::"),
            ("2001:db8:100::/40", "2001:db8:1c0:2:21::"),
            ("2001:db8:122::/48", "2001:db8:122:c000:2:2100::"),
            ("2001:db8:122:300::/56", "2001:db8:122:3c0:0:221::"),
            ("2001:db8:122:344::/64", "2001:db8:122:344:c0:2:2100::"),
            ("2001:db8:122:344::/96", "2001:db8:122:344::192.0.2.33"),
        ] {
            assert_eq!(found(address, &[prefix]).last().unwrap(), "192.0.2.33", "{address}");
        }
    }

    #[test]
    fn other_addresses_contain_none() {
        for address in ["1.2.3.4", "::1", "::", "2606:4700::1", "fe80::1", "fd00::1:2"] {
            assert_eq!(found(address, &[]), [address]);
        }
        assert_eq!(found("::ffff:1.2.3.4", &[]), ["1.2.3.4"]);
        let local = found("64:ff9b:1::102:304", &["64:ff9b:1::/96"]);
        assert_eq!(local.last().unwrap(), "1.2.3.4");
        assert_eq!(local.len(), 2, "the site's prefix says where it is: {local:?}");
    }
}
