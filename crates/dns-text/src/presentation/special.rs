//! Record types whose data is more than a plain sequence of fields.

use std::{fmt::Write as _, net::IpAddr};

use super::{escape, fields};
use crate::{ParseError, Reader};

/// Writes the data of an NSEC3 record (RFC 5155, section 3).
pub(super) fn nsec3(text: &mut String, reader: &mut Reader<'_>) -> Result<(), ParseError> {
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

/// Writes the data of an NSEC3PARAM record (RFC 5155, section 4).
pub(super) fn nsec3param(text: &mut String, reader: &mut Reader<'_>) -> Result<(), ParseError> {
    let salt_length = hash_parameters(text, reader)?;
    let bytes = reader.optional(|reader| reader.take(salt_length))?;
    salt(text, bytes);
    Ok(())
}

/// Writes the fields before the salt. Returns the length of the salt.
fn hash_parameters(text: &mut String, reader: &mut Reader<'_>) -> Result<usize, ParseError> {
    write!(text, "{} ", reader.optional(Reader::u8)?)?;
    write!(text, "{} ", reader.optional(Reader::u8)?)?;
    write!(text, "{} ", reader.optional(Reader::u16)?)?;
    Ok(reader.optional(Reader::u8)?.into())
}

fn salt(text: &mut String, bytes: &[u8]) {
    if bytes.is_empty() {
        text.push('-');
    } else {
        escape::hex_upper(text, bytes);
    }
}

/// Writes the data of a HIP record (RFC 8005).
pub(super) fn hip(text: &mut String, reader: &mut Reader<'_>) -> Result<(), ParseError> {
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

/// Writes the data of an IPSECKEY record (RFC 4025).
pub(super) fn ipseckey(text: &mut String, reader: &mut Reader<'_>) -> Result<(), ParseError> {
    let precedence = reader.optional(Reader::u8)?;
    let kind = reader.optional(Reader::u8)?;
    let algorithm = reader.optional(Reader::u8)?;
    write!(text, "{precedence} {kind} {algorithm} ")?;
    gateway(text, kind, reader)?;
    text.push(' ');
    escape::base64(text, reader.rest());
    Ok(())
}

/// Writes the data of an AMTRELAY record (RFC 8777). Unlike miekg/dns, it also reads a relay if the
/// discovery bit is set.
pub(super) fn amtrelay(text: &mut String, reader: &mut Reader<'_>) -> Result<(), ParseError> {
    let precedence = reader.optional(Reader::u8)?;
    let byte = reader.optional(Reader::u8)?;
    let (discovery, kind) = (byte >> 7, byte & 0x7f);
    write!(text, "{precedence} {discovery} {kind} ")?;
    gateway(text, kind, reader)
}

fn gateway(text: &mut String, kind: u8, reader: &mut Reader<'_>) -> Result<(), ParseError> {
    match kind {
        1 | 2 if reader.is_at_end() => text.push_str("<nil>"),
        1 => write!(text, "{}", reader.ipv4()?)?,
        2 => write!(text, "{}", escape::go_address(reader.ipv6()?))?,
        3 => text.push_str(&reader.optional(Reader::name)?),
        _ => text.push('.'),
    }
    Ok(())
}

/// Writes a TKEY record (RFC 2930); `header` is the text before the data.
pub(super) fn tkey(
    text: &mut String,
    header: &str,
    reader: &mut Reader<'_>,
) -> Result<(), ParseError> {
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

/// Writes a TSIG record (RFC 8945); `header` is the text before the data.
pub(super) fn tsig(
    text: &mut String,
    header: &str,
    reader: &mut Reader<'_>,
) -> Result<(), ParseError> {
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

/// Writes the data of an APL record (RFC 3123).
pub(super) fn apl(text: &mut String, reader: &mut Reader<'_>) -> Result<(), ParseError> {
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

fn address_prefix(text: &mut String, reader: &mut Reader<'_>) -> Result<(), ParseError> {
    let (family, prefix, length) = (reader.u16()?, reader.u8()?, reader.u8()?);
    let bytes = reader.take((length & 0x7f).into())?;
    if bytes.last() == Some(&0) {
        return Err(ParseError("an address prefix ends in zeros"));
    }
    if length & 0x80 != 0 {
        text.push('!');
    }
    let address: IpAddr = match family {
        1 if prefix <= 32 => filled::<4>(bytes)?.into(),
        2 if prefix <= 128 => filled::<16>(bytes)?.into(),
        _ => return Err(ParseError("an address prefix has an invalid family or length")),
    };
    Ok(write!(text, "{family}:{address}/{prefix}")?)
}

fn filled<const LENGTH: usize>(bytes: &[u8]) -> Result<[u8; LENGTH], ParseError> {
    let mut filled = [0; LENGTH];
    filled
        .get_mut(..bytes.len())
        .ok_or(ParseError("an address prefix is longer than an address"))?
        .copy_from_slice(bytes);
    Ok(filled)
}

/// A degree and a minute in thousandths of a second of arc.
const DEGREE: u32 = 60 * MINUTE;
const MINUTE: u32 = 60 * 1000;

/// The value of the equator and of the prime meridian.
const ORIGIN: u32 = 1 << 31;
/// The altitude of the value 0, in metres.
const MIN_ALTITUDE: f64 = -100_000.0;

/// Writes the data of a LOC record (RFC 1876).
pub(super) fn loc(text: &mut String, reader: &mut Reader<'_>) -> Result<(), ParseError> {
    reader.optional(Reader::u8)?;
    let size = reader.optional(Reader::u8)?;
    let horizontal = reader.optional(Reader::u8)?;
    let vertical = reader.optional(Reader::u8)?;
    angle(text, reader.optional(Reader::u32)?, ['N', 'S'])?;
    angle(text, reader.optional(Reader::u32)?, ['E', 'W'])?;
    let altitude = reader.optional(Reader::u32)?;
    let metres = f64::from(altitude) / 100.0 + MIN_ALTITUDE;
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

/// Writes a precision in metres: a mantissa and a power of ten, in centimetres.
fn centimetres(text: &mut String, value: u8) -> std::fmt::Result {
    let (mantissa, exponent) = (value >> 4, usize::from(value & 0xf));
    match exponent {
        0 => write!(text, "0.{mantissa:02}m"),
        1 => write!(text, "0.{:02}m", mantissa * 10),
        _ => write!(text, "{mantissa}{:0<1$}m", "", exponent - 2),
    }
}
