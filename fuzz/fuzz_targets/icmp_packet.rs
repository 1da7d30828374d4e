//! A packet of any bytes is no reply unless it is exactly the reply.

#![no_main]

use libfuzzer_sys::fuzz_target;
use socket_timestamps::{
    IpVersion,
    icmp::{Echo, ipv4_payload},
};

fuzz_target!(|packet: &[u8]| {
    let message = ipv4_payload(packet).unwrap_or(packet);
    for version in [IpVersion::V4, IpVersion::V6] {
        for identifier in [None, Some(0x0102)] {
            let echo = Echo { version, identifier, sequence: 0x0304, payload: b"ab".to_vec() };
            if echo.is_answered_by(message) {
                let kind: &[u8] = if version == IpVersion::V4 { &[0, 0] } else { &[129, 0] };
                assert!(message.starts_with(kind) && message.ends_with(b"\x03\x04ab"));
                assert_eq!(message.len(), 10);
                assert!(identifier.is_none() || message.get(4..6) == Some(&[1, 2]));
            }
        }
    }
    if let Some(quoted) = packet.first_chunk() {
        let echo = Echo { version: IpVersion::V4, identifier: None, sequence: 1, payload: vec![] };
        let is_ours = quoted.starts_with(&[8]) && quoted.ends_with(&[0, 1]);
        assert_eq!(echo.is_quoted_by(*quoted), is_ours);
    }
});
