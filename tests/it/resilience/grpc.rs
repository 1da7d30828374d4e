//! Hostile gRPC servers.

use super::{Attack, http2::saying, withstand};
use crate::fixtures::http2::{
    DATA, END_HEADERS, END_STREAM, HEADERS, PING, STATUS_200, frame, head,
};

/// The `patient` module must fail before its long timeout; the other times out.
const MODULES: &str = r"
modules:
  plain: {prober: grpc, timeout: 2s, grpc: {tls: true, tls_config: {insecure_skip_verify: true}}}
  patient: {prober: grpc, timeout: 60s, grpc: {tls: true, tls_config: {insecure_skip_verify: true}}}
";

/// Encodes the headers of a gRPC response.
fn grpc_head() -> Vec<u8> {
    // Status 200, and content-type with its name from the static table.
    let block = [&[STATUS_200, 0x0f, 0x10, 16][..], b"application/grpc"].concat();
    frame(HEADERS, END_HEADERS, 1, &block)
}

#[test]
fn hostile_health_services_are_cut_off() {
    let nothing = Vec::new;
    let endless = frame(DATA, 0, 1, &[0; 1000]);
    let attacks = [
        ("no answer", "plain", "timeout", saying(nothing(), nothing())),
        ("no message", "plain", "timeout", saying(grpc_head(), nothing())),
        ("pings", "patient", "protocol", saying(grpc_head(), frame(PING, 0, 0, &[7; 8]))),
        ("an endless answer", "patient", "too_large|protocol", saying(grpc_head(), endless)),
        (
            "an endless page",
            "patient",
            "too_large|protocol",
            saying(head(), frame(DATA, 0, 1, &[b'x'; 999])),
        ),
        ("small pieces", "patient", "too_large", saying(grpc_head(), frame(DATA, 0, 1, b"x"))),
        (
            "a length without a message",
            "patient",
            "protocol",
            saying(
                [grpc_head(), frame(DATA, END_STREAM, 1, &[0, 255, 255, 255, 255])].concat(),
                nothing(),
            ),
        ),
        (
            "another protocol",
            "patient",
            "protocol",
            saying(b"HTTP/1.1 200 OK\r\n\r\n".repeat(9), nothing()),
        ),
    ];
    let attacks = attacks.map(|(name, module, reason, peer)| Attack {
        name,
        module,
        target: Box::new(peer),
        scheme: "",
        reason,
        requests: 1,
    });
    withstand(MODULES, 32, &attacks);
}
