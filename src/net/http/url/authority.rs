//! The authority of a URL: a host, and a port if there is one.

use std::net::Ipv6Addr;

use super::path::unescape;
use crate::settings::host_name::to_ascii;

/// The host of an authority such as a `Host` header, without port and brackets.
pub(crate) fn hostname(authority: &str) -> &str {
    let (host, _) = split_port(authority);
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

/// The number of a port of digits.
pub(crate) fn port_number(text: &str) -> Result<u16, String> {
    text.parse().map_err(|_| format!("{text} is not a port: the largest is {}", u16::MAX))
}

/// Host, still with its brackets, and port.
pub(super) fn split_port(authority: &str) -> (&str, Option<&str>) {
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => (host, Some(port)),
        _ => (authority, None),
    }
}

/// The host as it goes on the wire: without the zone of an IPv6 address, which means nothing to
/// others, and a name beyond ASCII in its encoded form.
pub(crate) fn host_header(host: &str) -> String {
    if let Some((address, rest)) = host.split_once('%')
        && address.starts_with('[')
        && let Some((_, port)) = rest.rsplit_once(']')
    {
        return format!("{address}]{port}");
    }
    ascii_authority(host).unwrap_or_else(|_| host.to_owned())
}

/// A host and its port, the host in its ASCII form.
fn ascii_authority(authority: &str) -> Result<String, String> {
    let (host, port) = authority
        .rfind(':')
        .and_then(|colon| authority.split_at_checked(colon))
        .unwrap_or((authority, ""));
    let host = to_ascii(host).map_err(|error| format!("its host {error}"))?;
    Ok(format!("{host}{port}"))
}

/// Returns a host and its port without escapes, the host in its ASCII form.
pub(super) fn decoded_host(host: &str) -> Result<String, String> {
    let wrong_port = |port: &str| format!("'{port}' after its host is not a port");
    if let Some(rest) = host.strip_prefix('[') {
        let Some((address, port)) = rest.rsplit_once(']') else {
            return Err("a ']' is missing in its host".to_owned());
        };
        if !is_port(port) {
            return Err(wrong_port(port));
        }
        let (address, zone) = match (address.split_once("%25"), address.split_once('%')) {
            (Some((address, zone)), _) => (address, text_of(unescape(zone, |_| true)?)?),
            // Unlike upstream: a zone is read as everybody writes it outside URLs, too.
            (None, Some((address, zone))) => (address, zone.to_owned()),
            (None, None) => (address, String::new()),
        };
        if address.parse::<Ipv6Addr>().is_err() {
            return Err(format!("'{address}' in its brackets is not an IPv6 address"));
        }
        let zone = if zone.is_empty() { zone } else { format!("%{zone}") };
        return Ok(format!("[{address}{zone}]{port}"));
    }
    if let Some(colon) = host.rfind(':') {
        let (_, port) = host.split_at(colon);
        if !is_port(port) {
            return Err(wrong_port(port));
        }
    }
    if let Some(byte) = host.bytes().find(|byte| !may_stand_in_host(*byte)) {
        return Err(format!("its host contains {:?}", char::from(byte)));
    }
    // Only characters outside ASCII may be escaped here.
    ascii_authority(&text_of(unescape(host, |byte| byte >= 0x80)?)?)
}

/// Returns whether this is empty, or a colon and digits.
fn is_port(text: &str) -> bool {
    text.is_empty()
        || text.strip_prefix(':').is_some_and(|port| port.bytes().all(|byte| byte.is_ascii_digit()))
}

fn may_stand_in_host(byte: u8) -> bool {
    byte >= 0x80 || byte.is_ascii_alphanumeric() || b"-_.~!$&'()*+,;=:[]<>\"%".contains(&byte)
}

/// Returns unescaped bytes as text.
pub(super) fn text_of(bytes: Vec<u8>) -> Result<String, String> {
    String::from_utf8(bytes).map_err(|_| "its host or user is not UTF-8".to_owned())
}
