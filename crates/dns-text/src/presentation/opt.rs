//! The OPT pseudo-record (RFC 6891).

use std::fmt::Write as _;

use super::{escape, fields};
use crate::{ParseError, Reader};

const LLQ: u16 = 1;
const UPDATE_LEASE: u16 = 2;
const NSID: u16 = 3;
const ENUM_SOURCE: u16 = 4;
const DAU: u16 = 5;
const DHU: u16 = 6;
const N3U: u16 = 7;
const CLIENT_SUBNET: u16 = 8;
const EXPIRE: u16 = 9;
const COOKIE: u16 = 10;
const TCP_KEEPALIVE: u16 = 11;
const PADDING: u16 = 12;
const EXTENDED_ERROR: u16 = 15;
const REPORT_CHANNEL: u16 = 18;
const ZONE_VERSION: u16 = 19;

/// Flags in the TTL of an OPT record.
const DNSSEC_OK: u16 = 1 << 15;
const COMPACT_ANSWERS_OK: u16 = 1 << 14;
const MUST_BE_ZERO: u16 = (1 << 14) - 1;

/// Returns the upper bits of the response code, shifted into their place.
pub(crate) const fn extended_rcode(ttl: u32) -> u16 {
    let [upper, ..] = ttl.to_be_bytes();
    u16::from_be_bytes([0, upper]) << 4
}

/// Writes the record; `class` is the UDP payload size, `ttl` has extended RCODE, version and flags.
pub(super) fn write(
    text: &mut String,
    class: u16,
    ttl: u32,
    options: &mut Reader<'_>,
) -> Result<(), ParseError> {
    let [_, version, high, low] = ttl.to_be_bytes();
    let flags = u16::from_be_bytes([high, low]);
    write!(text, "\n;; OPT PSEUDOSECTION:\n; EDNS: version {version}; flags:")?;
    if flags & DNSSEC_OK != 0 {
        text.push_str(" do");
    }
    if flags & COMPACT_ANSWERS_OK != 0 {
        text.push_str(" co");
    }
    text.push_str("; ");
    if flags & MUST_BE_ZERO != 0 {
        write!(text, "MBZ: 0x{:04x}, ", flags & MUST_BE_ZERO)?;
    }
    write!(text, "udp: {class}")?;
    while !options.is_at_end() {
        let code = options.u16()?;
        let length = options.u16()?;
        // Compression pointers in an option cannot leave it.
        let mut data = Reader::new(options.take(length.into())?, 0);
        option(text, code, &mut data)?;
    }
    Ok(())
}

fn option(text: &mut String, code: u16, data: &mut Reader<'_>) -> Result<(), ParseError> {
    text.push_str("\n; ");
    match code {
        LLQ => {
            text.push_str("LONG LIVED QUERIES: ");
            write!(text, "{} {} {} ", data.u16()?, data.u16()?, data.u16()?)?;
            write!(text, "{} {}", data.u64()?, data.u32()?)?;
        }
        UPDATE_LEASE => {
            let lease = data.u32()?;
            write!(text, "UPDATE LEASE: {lease} {}", data.optional(Reader::u32)?)?;
            if !data.is_at_end() {
                return Err(ParseError("an update lease option has the wrong length"));
            }
        }
        NSID => nsid(text, data.rest()),
        ENUM_SOURCE => {
            text.push_str("ESU: ");
            escape::raw(text, data.rest());
        }
        DAU => {
            text.push_str("DNSSEC ALGORITHM UNDERSTOOD: ");
            understood(text, data.rest(), fields::algorithm)?;
        }
        DHU => {
            text.push_str("DS HASH UNDERSTOOD: ");
            understood(text, data.rest(), digest)?;
        }
        N3U => {
            text.push_str("NSEC3 HASH UNDERSTOOD: ");
            understood(text, data.rest(), digest)?;
        }
        CLIENT_SUBNET => client_subnet(text, data)?,
        EXPIRE => {
            text.push_str("EXPIRE: ");
            if !data.is_at_end() {
                write!(text, "{}", data.u32()?)?;
            }
        }
        COOKIE => {
            text.push_str("COOKIE: ");
            escape::hex(text, data.rest());
        }
        TCP_KEEPALIVE => tcp_keepalive(text, data)?,
        PADDING => {
            text.push_str("PADDING: ");
            escape::hex_upper(text, data.rest());
        }
        EXTENDED_ERROR => extended_error(text, data)?,
        REPORT_CHANNEL => write!(text, "REPORT-CHANNEL: {}", data.name()?)?,
        ZONE_VERSION => {
            data.take(2)?;
            text.push_str("ZONEVERSION: ");
            escape::raw(text, data.rest());
        }
        _ => {
            write!(text, "LOCAL OPT: {code}:0x")?;
            escape::hex(text, data.rest());
        }
    }
    Ok(())
}

fn nsid(text: &mut String, bytes: &[u8]) {
    text.push_str("NSID: ");
    escape::hex(text, bytes);
    text.push_str("  ");
    for byte in bytes {
        text.extend(['(', char::from(*byte), ')']);
    }
}

fn understood(
    text: &mut String,
    numbers: &[u8],
    name: impl Fn(u8) -> Option<&'static str>,
) -> std::fmt::Result {
    for number in numbers {
        match name(*number) {
            Some(name) => write!(text, " {name}")?,
            None => write!(text, " {number}")?,
        }
    }
    Ok(())
}

/// Returns the name of a digest algorithm.
const fn digest(number: u8) -> Option<&'static str> {
    Some(match number {
        1 => "SHA1",
        2 => "SHA256",
        3 => "GOST94",
        4 => "SHA384",
        5 => "SHA512",
        _ => return None,
    })
}

/// Writes a client subnet option (RFC 7871). A short prefix is padded with zeros, a long one is
/// cut.
fn client_subnet(text: &mut String, data: &mut Reader<'_>) -> Result<(), ParseError> {
    let (family, source, scope) = (data.u16()?, data.u8()?, data.u8()?);
    let prefix = data.rest();
    text.push_str("SUBNET: ");
    match family {
        0 if source == 0 => text.push_str("0.0.0.0"),
        1 if source <= 32 && scope <= 32 => {
            write!(text, "{}", std::net::Ipv4Addr::from(filled::<4>(prefix)))?;
        }
        2 if source <= 128 && scope <= 128 => {
            match escape::go_address(filled::<16>(prefix).into()) {
                std::net::IpAddr::V4(address) => write!(text, "{address}")?,
                std::net::IpAddr::V6(address) => write!(text, "[{address}]")?,
            }
        }
        _ => return Err(ParseError("a client subnet option has an invalid family or prefix")),
    }
    Ok(write!(text, "/{source}/{scope}")?)
}

fn filled<const LENGTH: usize>(bytes: &[u8]) -> [u8; LENGTH] {
    let mut filled = [0; LENGTH];
    for (place, byte) in filled.iter_mut().zip(bytes) {
        *place = *byte;
    }
    filled
}

fn tcp_keepalive(text: &mut String, data: &mut Reader<'_>) -> Result<(), ParseError> {
    let timeout = data.optional(Reader::u16)?;
    if !data.is_at_end() {
        return Err(ParseError("a keep-alive option has the wrong length"));
    }
    text.push_str("KEEPALIVE: use tcp keep-alive, timeout ");
    if timeout == 0 {
        text.push_str("omitted");
    } else {
        // The product overflows in miekg/dns, too.
        write!(text, "{}ms", timeout.wrapping_mul(100))?;
    }
    Ok(())
}

/// Writes an extended error option (RFC 8914).
fn extended_error(text: &mut String, data: &mut Reader<'_>) -> Result<(), ParseError> {
    let code = data.u16()?;
    write!(text, "EDE: {code}")?;
    if let Some(name) = EXTENDED_ERRORS.get(usize::from(code)) {
        write!(text, " ({name})")?;
    }
    text.push_str(": (");
    escape::raw(text, data.rest());
    text.push(')');
    Ok(())
}

/// Names of extended errors, by number (RFC 8914).
const EXTENDED_ERRORS: [&str; 31] = [
    "Other",
    "Unsupported DNSKEY Algorithm",
    "Unsupported DS Digest Type",
    "Stale Answer",
    "Forged Answer",
    "DNSSEC Indeterminate",
    "DNSSEC Bogus",
    "Signature Expired",
    "Signature Not Yet Valid",
    "DNSKEY Missing",
    "RRSIGs Missing",
    "No Zone Key Bit Set",
    "NSEC Missing",
    "Cached Error",
    "Not Ready",
    "Blocked",
    "Censored",
    "Filtered",
    "Prohibited",
    "Stale NXDOMAIN Answer",
    "Not Authoritative",
    "Not Supported",
    "No Reachable Authority",
    "Network Error",
    "Invalid Data",
    "Signature Expired Before Valid",
    "Too Early",
    "Unsupported NSEC3 Iterations Value",
    "Unable To Conform To Policy",
    "Synthesized",
    "Invalid Query Type",
];
