//! The parameters of SVCB and HTTPS records (RFC 9460).

use std::fmt::Write as _;

use super::escape;
use crate::{ParseError, Reader};

const MANDATORY: u16 = 0;
const ALPN: u16 = 1;
const NO_DEFAULT_ALPN: u16 = 2;
const PORT: u16 = 3;
const IPV4_HINT: u16 = 4;
const ECH: u16 = 5;
const IPV6_HINT: u16 = 6;
const OHTTP: u16 = 8;
const RESERVED: u16 = 65535;

/// Names of the keys, by number.
const KEYS: [&str; 9] = [
    "mandatory",
    "alpn",
    "no-default-alpn",
    "port",
    "ipv4hint",
    "ech",
    "ipv6hint",
    "dohpath",
    "ohttp",
];

/// Writes ` key="value"` for each parameter up to the end.
pub(super) fn parameters(text: &mut String, reader: &mut Reader<'_>) -> Result<(), ParseError> {
    let mut previous = None;
    while !reader.is_at_end() {
        let number = reader.u16()?;
        let length = reader.u16()?;
        let mut value = reader.part(length.into())?;
        if number == RESERVED {
            return Err(ParseError("a service parameter has the reserved key"));
        }
        if previous.is_some_and(|previous| number <= previous) {
            return Err(ParseError("the keys of service parameters are not in increasing order"));
        }
        previous = Some(number);
        text.push(' ');
        key(text, number)?;
        text.push_str("=\"");
        write_value(text, number, &mut value)?;
        text.push('"');
        if !value.is_at_end() {
            return Err(ParseError("a service parameter has a value of the wrong length"));
        }
    }
    Ok(())
}

fn key(text: &mut String, number: u16) -> std::fmt::Result {
    match KEYS.get(usize::from(number)) {
        Some(name) => text.write_str(name),
        None if number == RESERVED => Ok(()),
        None => write!(text, "key{number}"),
    }
}

fn write_value(text: &mut String, key: u16, value: &mut Reader<'_>) -> Result<(), ParseError> {
    match key {
        MANDATORY => list(text, value, |text, value| {
            self::key(text, value.u16()?)?;
            Ok(())
        }),
        ALPN => list(text, value, |text, value| {
            escape::alpn(text, value.string()?);
            Ok(())
        }),
        NO_DEFAULT_ALPN | OHTTP => Ok(()),
        PORT => Ok(write!(text, "{}", value.u16()?)?),
        IPV4_HINT | IPV6_HINT if value.is_at_end() => Err(ParseError("an address hint is empty")),
        IPV4_HINT => list(text, value, |text, value| Ok(write!(text, "{}", value.ipv4()?)?)),
        IPV6_HINT => list(text, value, |text, value| {
            let address = value.ipv6()?;
            if address.to_ipv4_mapped().is_some() {
                return Err(ParseError("an IPv6 hint contains an IPv4 address"));
            }
            Ok(write!(text, "{address}")?)
        }),
        ECH => {
            escape::base64(text, value.rest());
            Ok(())
        }
        _ => {
            escape::parameter(text, value.rest());
            Ok(())
        }
    }
}

fn list(
    text: &mut String,
    values: &mut Reader<'_>,
    mut write: impl FnMut(&mut String, &mut Reader<'_>) -> Result<(), ParseError>,
) -> Result<(), ParseError> {
    let mut is_first = true;
    while !values.is_at_end() {
        if !is_first {
            text.push(',');
        }
        is_first = false;
        write(text, values)?;
    }
    Ok(())
}
