//! What the fuzz target `icmp_packet` needs of the prober's inner parts.

use super::packet::{Echo, Version, ipv4_content};

/// Judges a packet as the answer to a request, with and without a chosen identifier.
///
/// # Panics
/// When the packet is taken for an answer and is not.
pub fn judge(packet: &[u8]) {
    let content = ipv4_content(packet).unwrap_or(packet);
    for version in [Version::V4, Version::V6] {
        for identifier in [None, Some(0x0102)] {
            let echo = Echo { version, identifier, sequence: 0x0304, payload: b"ab".to_vec() };
            if echo.is_answered_by(content) {
                let kind: &[u8] = if version == Version::V4 { &[0, 0] } else { &[129, 0] };
                assert!(content.starts_with(kind) && content.ends_with(b"\x03\x04ab"));
                assert_eq!(content.len(), 10);
                assert!(identifier.is_none() || content.get(4..6) == Some(&[1, 2]));
            }
        }
    }
    if let Some(quoted) = packet.first_chunk() {
        let echo = Echo { version: Version::V4, identifier: None, sequence: 1, payload: vec![] };
        let is_ours = quoted.starts_with(&[8]) && quoted.ends_with(&[0, 1]);
        assert_eq!(echo.is_quoted_by(*quoted), is_ours);
    }
}
