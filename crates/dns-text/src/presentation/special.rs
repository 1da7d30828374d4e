//! Records whose data is not just a row of fields.

use std::{fmt::Write as _, net::IpAddr};

use super::{escape, fields};
use crate::{Malformed, Reader, presentation::ReadName as _};

/// RFC 5155, section 3.
pub(super) fn nsec3(text: &mut String, reader: &mut Reader<'_>) -> Result<(), Malformed> {
    let salt_length = hash_parameters(text, reader)?;
    if reader.is_at_end() {
        text.push_str("- ");
        return Ok(());
    }
    salt(text, reader.take(salt_length)?);
    text.push(' ');
    let length = reader.u8()?;
    if reader.is_at_end() {
        return Ok(());
    }
    escape::base32(text, reader.take(length.into())?);
    fields::type_bitmap(text, reader)
}

/// RFC 5155, section 4.
pub(super) fn nsec3param(text: &mut String, reader: &mut Reader<'_>) -> Result<(), Malformed> {
    let salt_length = hash_parameters(text, reader)?;
    let octets = reader.optional(|reader| reader.take(salt_length))?;
    salt(text, octets);
    Ok(())
}

/// Writes what comes before the salt, and gives the salt's length.
fn hash_parameters(text: &mut String, reader: &mut Reader<'_>) -> Result<usize, Malformed> {
    write!(text, "{} ", reader.optional(Reader::u8)?)?;
    write!(text, "{} ", reader.optional(Reader::u8)?)?;
    write!(text, "{} ", reader.optional(Reader::u16)?)?;
    Ok(reader.optional(Reader::u8)?.into())
}

fn salt(text: &mut String, octets: &[u8]) {
    if octets.is_empty() {
        text.push('-');
    } else {
        escape::hex_upper(text, octets);
    }
}

/// RFC 8005.
pub(super) fn hip(text: &mut String, reader: &mut Reader<'_>) -> Result<(), Malformed> {
    let tag_length = reader.optional(Reader::u8)?;
    let algorithm = reader.optional(Reader::u8)?;
    let key_length = reader.optional(Reader::u16)?;
    write!(text, "{algorithm} ")?;
    if reader.is_at_end() {
        text.push(' ');
        return Ok(());
    }
    escape::hex(text, reader.take(tag_length.into())?);
    text.push(' ');
    escape::base64(text, reader.take(key_length.into())?);
    while !reader.is_at_end() {
        write!(text, " {}", reader.name()?)?;
    }
    Ok(())
}

/// RFC 4025.
pub(super) fn ipseckey(text: &mut String, reader: &mut Reader<'_>) -> Result<(), Malformed> {
    let precedence = reader.optional(Reader::u8)?;
    let kind = reader.optional(Reader::u8)?;
    let algorithm = reader.optional(Reader::u8)?;
    write!(text, "{precedence} {kind} {algorithm} ")?;
    gateway(text, kind, reader)?;
    text.push(' ');
    escape::base64(text, reader.rest());
    Ok(())
}

/// RFC 8777. Unlike upstream, a relay is also read when its record has the discovery bit.
pub(super) fn amtrelay(text: &mut String, reader: &mut Reader<'_>) -> Result<(), Malformed> {
    let precedence = reader.optional(Reader::u8)?;
    let octet = reader.optional(Reader::u8)?;
    let (discovery, kind) = (octet >> 7, octet & 0x7f);
    write!(text, "{precedence} {discovery} {kind} ")?;
    gateway(text, kind, reader)
}

fn gateway(text: &mut String, kind: u8, reader: &mut Reader<'_>) -> Result<(), Malformed> {
    match kind {
        1 | 2 if reader.is_at_end() => text.push_str("<nil>"),
        1 => write!(text, "{}", reader.ipv4()?)?,
        2 => write!(text, "{}", escape::go_address(reader.ipv6()?))?,
        3 => text.push_str(&reader.optional(Reader::name)?),
        _ => text.push('.'),
    }
    Ok(())
}

/// RFC 2930; `header` is what stands before the data of other records.
pub(super) fn tkey(
    text: &mut String,
    header: &str,
    reader: &mut Reader<'_>,
) -> Result<(), Malformed> {
    write!(text, ";{header} {} ", reader.optional(Reader::name)?)?;
    escape::time(text, reader.optional(Reader::u32)?.into())?;
    text.push(' ');
    escape::time(text, reader.optional(Reader::u32)?.into())?;
    write!(text, " {}", reader.optional(Reader::u16)?)?;
    write!(text, " {}", reader.optional(Reader::u16)?)?;
    let key_length = reader.optional(Reader::u16)?;
    write!(text, " {key_length} ")?;
    if reader.is_at_end() {
        text.push_str(" 0 ");
        return Ok(());
    }
    escape::hex(text, reader.take(key_length.into())?);
    let other_length = reader.u16()?;
    write!(text, " {other_length} ")?;
    let other = reader.optional(|reader| reader.take(other_length.into()))?;
    escape::hex(text, other);
    Ok(())
}

/// RFC 8945; `header` is what stands before the data of other records.
pub(super) fn tsig(
    text: &mut String,
    header: &str,
    reader: &mut Reader<'_>,
) -> Result<(), Malformed> {
    write!(text, "\n;; TSIG PSEUDOSECTION:\n; {header} {} ", reader.optional(Reader::name)?)?;
    escape::time(text, reader.optional(Reader::u48)?)?;
    write!(text, " {}", reader.optional(Reader::u16)?)?;
    let mac_length = reader.optional(Reader::u16)?;
    write!(text, " {mac_length} ")?;
    if reader.is_at_end() {
        text.push_str(" 0 0 0 ");
        return Ok(());
    }
    escape::hex_upper(text, reader.take(mac_length.into())?);
    write!(text, " {}", reader.u16()?)?;
    write!(text, " {}", reader.optional(Reader::u16)?)?;
    let other_length = reader.optional(Reader::u16)?;
    write!(text, " {other_length} ")?;
    let other = reader.optional(|reader| reader.take(other_length.into()))?;
    escape::hex(text, other);
    Ok(())
}

/// RFC 3123.
pub(super) fn apl(text: &mut String, reader: &mut Reader<'_>) -> Result<(), Malformed> {
    let mut is_first = true;
    while !reader.is_at_end() {
        if !is_first {
            text.push(' ');
        }
        is_first = false;
        address_prefix(text, reader)?;
    }
    Ok(())
}

fn address_prefix(text: &mut String, reader: &mut Reader<'_>) -> Result<(), Malformed> {
    let (family, prefix, length) = (reader.u16()?, reader.u8()?, reader.u8()?);
    let octets = reader.take((length & 0x7f).into())?;
    if octets.last() == Some(&0) {
        return Err(Malformed("an address prefix ends in zeros"));
    }
    if length & 0x80 != 0 {
        text.push('!');
    }
    let address: IpAddr = match family {
        1 if prefix <= 32 => filled::<4>(octets)?.into(),
        2 if prefix <= 128 => filled::<16>(octets)?.into(),
        _ => return Err(Malformed("an address prefix has an impossible family or length")),
    };
    Ok(write!(text, "{family}:{address}/{prefix}")?)
}

fn filled<const LENGTH: usize>(octets: &[u8]) -> Result<[u8; LENGTH], Malformed> {
    let mut filled = [0; LENGTH];
    filled
        .get_mut(..octets.len())
        .ok_or(Malformed("an address prefix is longer than an address"))?
        .copy_from_slice(octets);
    Ok(filled)
}

/// Thousandths of a second of arc in a degree, and in a minute.
const DEGREE: u32 = 60 * MINUTE;
const MINUTE: u32 = 60 * 1000;

/// The equator and the prime meridian; the lowest altitude, in metres.
const ORIGIN: u32 = 1 << 31;
const LOWEST: f64 = -100_000.0;

/// RFC 1876.
pub(super) fn loc(text: &mut String, reader: &mut Reader<'_>) -> Result<(), Malformed> {
    reader.optional(Reader::u8)?;
    let size = reader.optional(Reader::u8)?;
    let horizontal = reader.optional(Reader::u8)?;
    let vertical = reader.optional(Reader::u8)?;
    angle(text, reader.optional(Reader::u32)?, ['N', 'S'])?;
    angle(text, reader.optional(Reader::u32)?, ['E', 'W'])?;
    let altitude = reader.optional(Reader::u32)?;
    let metres = f64::from(altitude) / 100.0 + LOWEST;
    let decimals = if altitude.is_multiple_of(100) { 0 } else { 2 };
    write!(text, "{metres:.decimals$}m")?;
    for precision in [size, horizontal, vertical] {
        text.push(' ');
        centimetres(text, precision)?;
    }
    Ok(())
}

fn angle(text: &mut String, value: u32, [above, below]: [char; 2]) -> std::fmt::Result {
    let (rest, side) =
        if value > ORIGIN { (value - ORIGIN, above) } else { (ORIGIN - value, below) };
    let (degrees, minutes) = (rest / DEGREE, rest % DEGREE / MINUTE);
    let seconds = f64::from(rest % MINUTE) / 1000.0;
    write!(text, "{degrees:02} {minutes:02} {seconds:.3} {side} ")
}

/// A mantissa and a power of ten, in metres.
fn centimetres(text: &mut String, value: u8) -> std::fmt::Result {
    let (mantissa, exponent) = (value >> 4, usize::from(value & 0xf));
    match exponent {
        0 => write!(text, "0.{mantissa:02}m"),
        1 => write!(text, "0.{:02}m", mantissa * 10),
        _ => write!(text, "{mantissa}{:0<1$}m", "", exponent - 2),
    }
}
