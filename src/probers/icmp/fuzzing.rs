//! What the fuzz target `icmp_packet` needs of the prober's inner parts.

use super::packet::{Echo, Version, ipv4_content};

/// Judges a packet as the answer to a request, with and without a chosen identifier, and panics
/// when it is taken for one and is not.
pub fn judge(packet: &[u8]) {
    let content = ipv4_content(packet).unwrap_or(packet);
    for version in [Version::V4, Version::V6] {
        for identifier in [None, Some(0x0102)] {
            let echo = Echo { version, identifier, sequence: 0x0304, payload: b"ab".to_vec() };
            if !echo.is_answered_by(content) {
                continue;
            }
            let [kind, code, _, _, id_high, id_low, rest @ ..] = content else {
                panic!("a reply has a header")
            };
            assert_eq!((*kind, *code), (if version == Version::V4 { 0 } else { 129 }, 0));
            assert!(identifier.is_none() || (*id_high, *id_low) == (1, 2));
            assert_eq!(rest, b"\x03\x04ab");
        }
    }
    if let Some(quoted) = packet.first_chunk() {
        let echo = Echo { version: Version::V4, identifier: None, sequence: 1, payload: vec![] };
        assert_eq!(
            echo.is_quoted_by(*quoted),
            quoted.starts_with(&[8]) && quoted.ends_with(&[0, 1])
        );
    }
}
