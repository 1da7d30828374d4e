//! Headers of requests that are about the connection.

use http::{HeaderName, HeaderValue, header};

/// Headers about the connection, which HTTP/2 and HTTP/3 forbid.
pub(super) const HOP_BY_HOP: [HeaderName; 5] = [
    header::CONNECTION,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

/// Returns whether `Connection: close` is added: not if the module sets it, or if it asks for another
/// protocol.
pub(super) fn wants_close(headers: &[(HeaderName, HeaderValue)]) -> bool {
    let headers = headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    !(has_connection_token(headers.clone(), "close") || asks_for_upgrade(headers))
}

/// Returns whether headers ask for another protocol on their connection.
///
/// Unlike upstream, which knows the websocket alone, and fails with all others over HTTP/2.
pub(super) fn asks_for_upgrade<'h>(
    mut headers: impl Iterator<Item = (&'h str, &'h [u8])> + Clone,
) -> bool {
    has_connection_token(headers.clone(), "upgrade")
        && headers.any(|(name, value)| {
            name.eq_ignore_ascii_case(header::UPGRADE.as_str()) && !value.trim_ascii().is_empty()
        })
}

fn has_connection_token<'h>(
    headers: impl Iterator<Item = (&'h str, &'h [u8])>,
    token: &str,
) -> bool {
    headers
        .filter(|(name, _)| name.eq_ignore_ascii_case(header::CONNECTION.as_str()))
        .flat_map(|(_, value)| value.split(|byte| *byte == b','))
        .any(|word| word.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_protocol_is_asked_for_by_both_headers() {
        type Headers = &'static [(&'static str, &'static str)];
        let cases: [(Headers, bool); 13] = [
            (&[("Connection", "Upgrade"), ("Upgrade", "websocket")], true),
            (&[("connection", "keep-alive, UPGRADE"), ("upgrade", "WebSocket")], true),
            (&[("Connection", "keep-alive"), ("Connection", "upgrade"), ("Upgrade", "x")], true),
            (&[("Upgrade", "h2c"), ("Connection", "Upgrade, HTTP2-Settings")], true),
            (&[("Upgrade", "TLS/1.0"), ("Connection", " upgrade ")], true),
            (&[("Connection", "Upgrade"), ("Upgrade", "websocket, h2c")], true),
            (&[("Connection", "Upgrade")], false),
            (&[("Connection", "Upgrade"), ("Upgrade", "")], false),
            (&[("Connection", "Upgrade"), ("Upgrade", " ")], false),
            (&[("Upgrade", "websocket")], false),
            (&[("Connection", "keep-alive"), ("Upgrade", "websocket")], false),
            (&[("Connection", "no-upgrade"), ("Upgrade", "websocket")], false),
            (&[], false),
        ];
        for (headers, expected) in cases {
            let pairs = headers.iter().map(|(name, value)| (*name, value.as_bytes()));
            assert_eq!(asks_for_upgrade(pairs), expected, "{headers:?}");
        }
    }
}
