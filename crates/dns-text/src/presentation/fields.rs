//! Record types whose data is a plain sequence of fields.

use std::fmt::Write as _;

use super::{escape, svcb};
use crate::{ParseError, Reader, RecordType};

/// A field of record data, with its wire format and its text.
#[derive(Debug, Clone, Copy)]
pub(super) enum Field {
    U8,
    U16,
    U32,
    /// Seconds since 1970.
    Time,
    /// The type that a signature covers.
    Type,
    /// The format of a certificate.
    CertificateFormat,
    /// The algorithm of a certificate's key; a number in all other records.
    CertificateAlgorithm,
    Name,
    /// A character string, written without quotes.
    Bare,
    /// A character string, written in quotes.
    Quoted,
    /// Character strings up to the end, written in quotes.
    AllQuoted,
    /// The remaining bytes, in quotes.
    Value,
    /// The remaining bytes, as hexadecimal digits in lower case.
    Hex,
    /// The remaining bytes, as hexadecimal digits in upper case.
    HexUpper,
    /// The remaining bytes, as hexadecimal digits in groups of 1024.
    HexGroups,
    /// The remaining bytes, in base 64.
    Base64,
    Ipv4,
    Ipv6,
    /// Four groups of digits in lower case.
    NodeId,
    /// Four groups of digits in upper case.
    Locator64,
    Eui48,
    Eui64,
    /// The type bitmap of an NSEC record.
    TypeBitmap,
    /// The parameters of an SVCB record.
    Parameters,
}

/// Returns the fields of the data of a record, if it is a plain sequence of fields.
pub(super) const fn layout(kind: RecordType) -> Option<&'static [Field]> {
    use Field as F;
    Some(match kind {
        RecordType::A => &[F::Ipv4],
        RecordType::AAAA => &[F::Ipv6],
        RecordType::ANY | RecordType::NXNAME => &[],
        RecordType::CNAME
        | RecordType::DNAME
        | RecordType::MB
        | RecordType::MD
        | RecordType::MF
        | RecordType::MG
        | RecordType::MR
        | RecordType::NS
        | RecordType::NSAP_PTR
        | RecordType::PTR => &[F::Name],
        RecordType::MINFO | RecordType::RP | RecordType::TALINK => &[F::Name, F::Name],
        RecordType::AFSDB | RecordType::KX | RecordType::LP | RecordType::MX | RecordType::RT => {
            &[F::U16, F::Name]
        }
        RecordType::PX => &[F::U16, F::Name, F::Name],
        RecordType::SRV => &[F::U16, F::U16, F::U16, F::Name],
        RecordType::NAPTR => &[F::U16, F::U16, F::Quoted, F::Quoted, F::Quoted, F::Name],
        RecordType::SOA => &[F::Name, F::Name, F::U32, F::U32, F::U32, F::U32, F::U32],
        RecordType::AVC
        | RecordType::NINFO
        | RecordType::RESINFO
        | RecordType::SPF
        | RecordType::TXT => &[F::AllQuoted],
        RecordType::HINFO | RecordType::ISDN => &[F::Quoted, F::Quoted],
        RecordType::UINFO => &[F::Quoted],
        RecordType::X25 => &[F::Bare],
        RecordType::GPOS => &[F::Bare, F::Bare, F::Bare],
        RecordType::CAA => &[F::U8, F::Bare, F::Value],
        RecordType::URI => &[F::U16, F::U16, F::Value],
        RecordType::GID | RecordType::UID => &[F::U32],
        RecordType::NID => &[F::U16, F::NodeId],
        RecordType::L32 => &[F::U16, F::Ipv4],
        RecordType::L64 => &[F::U16, F::Locator64],
        RecordType::EUI48 => &[F::Eui48],
        RecordType::EUI64 => &[F::Eui64],
        RecordType::EID | RecordType::NIMLOC => &[F::HexUpper],
        RecordType::SVCB | RecordType::HTTPS => &[F::U16, F::Name, F::Parameters],
        _ => return keys_and_signatures(kind),
    })
}

const fn keys_and_signatures(kind: RecordType) -> Option<&'static [Field]> {
    use Field as F;
    Some(match kind {
        RecordType::DHCID | RecordType::OPENPGPKEY => &[F::Base64],
        RecordType::CERT => &[F::CertificateFormat, F::U16, F::CertificateAlgorithm, F::Base64],
        RecordType::CDNSKEY | RecordType::DNSKEY | RecordType::KEY | RecordType::RKEY => {
            &[F::U16, F::U8, F::U8, F::Base64]
        }
        RecordType::CDS | RecordType::DLV | RecordType::DS | RecordType::TA => {
            &[F::U16, F::U8, F::U8, F::HexUpper]
        }
        RecordType::SSHFP => &[F::U8, F::U8, F::HexUpper],
        RecordType::TLSA => &[F::U8, F::U8, F::U8, F::Hex],
        RecordType::SMIMEA => &[F::U8, F::U8, F::U8, F::HexGroups],
        RecordType::ZONEMD => &[F::U32, F::U8, F::U8, F::Hex],
        RecordType::RRSIG | RecordType::SIG => {
            &[F::Type, F::U8, F::U8, F::U32, F::Time, F::Time, F::U16, F::Name, F::Base64]
        }
        RecordType::NSEC | RecordType::NXT => &[F::Name, F::TypeBitmap],
        RecordType::CSYNC => &[F::U32, F::U16, F::TypeBitmap],
        _ => return None,
    })
}

/// Writes the fields of `layout`. Fields after the end of the data are written as empty.
pub(super) fn write(
    text: &mut String,
    layout: &[Field],
    reader: &mut Reader<'_>,
) -> Result<(), ParseError> {
    for (index, field) in layout.iter().enumerate() {
        if index > 0 && !field.writes_own_spaces(reader) {
            text.push(' ');
        }
        field.write(text, reader)?;
    }
    Ok(())
}

impl Field {
    /// Returns true if the field writes its own spaces or nothing at all.
    const fn writes_own_spaces(self, reader: &Reader<'_>) -> bool {
        match self {
            Self::TypeBitmap | Self::Parameters => true,
            Self::Ipv4 => reader.is_at_end(),
            _ => false,
        }
    }

    fn write(self, text: &mut String, reader: &mut Reader<'_>) -> Result<(), ParseError> {
        match self {
            Self::U8 => write!(text, "{}", reader.optional(Reader::u8)?)?,
            Self::U16 => write!(text, "{}", reader.optional(Reader::u16)?)?,
            Self::U32 => write!(text, "{}", reader.optional(Reader::u32)?)?,
            Self::Time => escape::time(text, reader.optional(Reader::u32)?.into())?,
            Self::Type => write!(text, "{}", RecordType(reader.optional(Reader::u16)?))?,
            Self::CertificateFormat => {
                let format = reader.optional(Reader::u16)?;
                name_or_number(text, certificate_format(format), format)?;
            }
            Self::CertificateAlgorithm => {
                let number = reader.optional(Reader::u8)?;
                name_or_number(text, algorithm(number), number.into())?;
            }
            Self::Name => text.push_str(&reader.optional(Reader::name)?),
            Self::Bare => escape::string(text, reader.optional(Reader::string)?),
            Self::Quoted => escape::quoted(text, reader.optional(Reader::string)?),
            Self::AllQuoted => all_quoted(text, reader)?,
            Self::Value => escape::value_with_escapes(text, reader.rest()),
            Self::Hex => escape::hex(text, reader.rest()),
            Self::HexUpper => escape::hex_upper(text, reader.rest()),
            Self::HexGroups => hex_groups(text, reader.rest()),
            Self::Base64 => escape::base64(text, reader.rest()),
            Self::Ipv4 | Self::Ipv6 if reader.is_at_end() => {}
            Self::Ipv4 => write!(text, "{}", reader.ipv4()?)?,
            Self::Ipv6 => write!(text, "{}", reader.ipv6()?)?,
            Self::NodeId => {
                let [a, b, c, d] = groups(reader.optional(Reader::u64)?);
                write!(text, "{a:04x}:{b:04x}:{c:04x}:{d:04x}")?;
            }
            Self::Locator64 => {
                let [a, b, c, d] = groups(reader.optional(Reader::u64)?);
                write!(text, "{a:04X}:{b:04X}:{c:04X}:{d:04X}")?;
            }
            Self::Eui48 => {
                let [_, _, bytes @ ..] = reader.optional(Reader::u48)?.to_be_bytes();
                eui(text, &bytes);
            }
            Self::Eui64 => eui(text, &reader.optional(Reader::u64)?.to_be_bytes()),
            Self::TypeBitmap => type_bitmap(text, reader)?,
            Self::Parameters => svcb::parameters(text, reader)?,
        }
        Ok(())
    }
}

fn name_or_number(text: &mut String, name: Option<&str>, number: u16) -> std::fmt::Result {
    match name {
        Some(name) => text.write_str(name),
        None => write!(text, "{number}"),
    }
}

/// Returns the name of a certificate format (RFC 4398, section 2.1).
const fn certificate_format(format: u16) -> Option<&'static str> {
    Some(match format {
        1 => "PKIX",
        2 => "SPKI",
        3 => "PGP",
        4 => "IPIX",
        5 => "ISPKI",
        6 => "IPGP",
        7 => "ACPKIX",
        8 => "IACPKIX",
        253 => "URI",
        254 => "OID",
        _ => return None,
    })
}

/// Returns the name of a DNSSEC algorithm.
pub(super) const fn algorithm(number: u8) -> Option<&'static str> {
    Some(match number {
        1 => "RSAMD5",
        2 => "DH",
        3 => "DSA",
        5 => "RSASHA1",
        6 => "DSA-NSEC3-SHA1",
        7 => "RSASHA1-NSEC3-SHA1",
        8 => "RSASHA256",
        10 => "RSASHA512",
        12 => "ECC-GOST",
        13 => "ECDSAP256SHA256",
        14 => "ECDSAP384SHA384",
        15 => "ED25519",
        16 => "ED448",
        252 => "INDIRECT",
        253 => "PRIVATEDNS",
        254 => "PRIVATEOID",
        _ => return None,
    })
}

fn all_quoted(text: &mut String, reader: &mut Reader<'_>) -> Result<(), ParseError> {
    let mut is_first = true;
    while !reader.is_at_end() {
        if !is_first {
            text.push(' ');
        }
        is_first = false;
        escape::quoted(text, reader.string()?);
    }
    Ok(())
}

/// Number of digits in a group.
const GROUP: usize = 1024;

/// Writes groups of hexadecimal digits. miekg/dns writes an empty group after a last full one.
fn hex_groups(text: &mut String, bytes: &[u8]) {
    for (index, group) in bytes.chunks(GROUP / 2).enumerate() {
        if index > 0 {
            text.push(' ');
        }
        escape::hex(text, group);
    }
    if !bytes.is_empty() && bytes.len().is_multiple_of(GROUP / 2) {
        text.push(' ');
    }
}

/// Splits a number into four groups of 16 bits.
fn groups(number: u64) -> [u16; 4] {
    [48, 32, 16, 0].map(|shift| {
        let [.., high, low] = (number >> shift).to_be_bytes();
        u16::from_be_bytes([high, low])
    })
}

fn eui(text: &mut String, bytes: &[u8]) {
    for (index, byte) in bytes.iter().enumerate() {
        if index > 0 {
            text.push('-');
        }
        escape::hex(text, &[*byte]);
    }
}

/// Writes a type bitmap (RFC 4034, section 4.1.2).
pub(super) fn type_bitmap(text: &mut String, reader: &mut Reader<'_>) -> Result<(), ParseError> {
    let mut previous = None;
    while !reader.is_at_end() {
        let window = reader.u8()?;
        let length = reader.u8()?;
        if previous.is_some_and(|previous| window <= previous) {
            return Err(ParseError("the windows of a type bitmap are out of order"));
        }
        previous = Some(window);
        if !(1..=32).contains(&length) {
            return Err(ParseError("a window of a type bitmap has an invalid length"));
        }
        for (bytes_before, byte) in (0_u8..).zip(reader.take(length.into())?) {
            for bit in (0..8_u8).filter(|bit| byte & (0x80 >> bit) != 0) {
                let number = u16::from_be_bytes([window, bytes_before * 8 + bit]);
                write!(text, " {}", RecordType(number))?;
            }
        }
    }
    Ok(())
}
