//! Hostile TLS servers, with and without STARTTLS.

use std::sync::LazyLock;

use boring::ssl::SslVersion;

use super::{Attack, withstand};
use crate::fixtures::{
    hostile::{
        Peer, Tampering,
        Then::{self, Close, Repeat, Reset, Wait},
        greeting, peer,
    },
    tls::{self, Issued, TlsServer, authority, leaf},
};

/// The `patient` modules must fail before their long timeout; the others time out.
const MODULES: &str = r"
modules:
  plain: {prober: tcp, timeout: 2s, tcp: {tls: true, tls_config: {insecure_skip_verify: true}}}
  patient: {prober: tcp, timeout: 60s, tcp: {tls: true, tls_config: {insecure_skip_verify: true}}}
  strict: {prober: http, timeout: 60s}
  dns: {prober: dns, timeout: 60s, dns: {query_name: example, transport_protocol: tcp, dns_over_tls: true}}
";

static LEAF: LazyLock<Issued> = LazyLock::new(|| leaf("127.0.0.1").self_signed());

fn tampering(server: &TlsServer, tampering: Tampering) -> Peer {
    let context = server.context();
    peer(move |visit| {
        let context = context.clone();
        async move { visit.secure_badly(&context, tampering).await }
    })
}

fn showing(server: &TlsServer) -> Peer {
    let context = server.context();
    peer(move |visit| {
        let context = context.clone();
        async move { visit.secure(&context).await?.until_gone().await }
    })
}

fn attack(name: &'static str, module: &'static str, reason: &'static str, peer: Peer) -> Attack {
    let scheme = if module == "strict" { "https://" } else { "" };
    Attack { name, module, target: Box::new(peer), scheme, reason, requests: 0 }
}

/// A record (RFC 8446, section 5.1).
fn record(kind: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).unwrap().to_be_bytes();
    [&[kind, 3, 3], length.as_slice(), payload].concat()
}

const CHANGE_CIPHER_SPEC: u8 = 20;
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;

#[test]
fn endless_handshakes_are_cut_off() {
    let server = tls::server(&LEAF);
    let half = |length| tampering(&server, Tampering::CutAfter(length));
    let attacks = [
        ("no word", greeting("", Wait)),
        ("half a server hello", half(60)),
        ("half a certificate", half(300)),
        ("a slow record", greeting("", Then::Drip(record(HANDSHAKE, &[2, 0, 0, 80])))),
    ];
    let attacks = attacks.map(|(name, peer)| attack(name, "plain", "timeout", peer));
    withstand(MODULES, 16, &attacks);
}

#[test]
fn malformed_handshakes_are_rejected() {
    let server = tls::server(&LEAF);
    let noise = Tampering::NoiseBehindFirstRecord;
    let old = server.clone().version(SslVersion::TLS1_2);
    let warning = record(ALERT, &[1, 90]);
    let large = record(HANDSHAKE, &[2, 0xff, 0xff, 0xff, 3, 3]);
    let attacks = [
        ("noise in TLS 1.3", "tls_protocol", tampering(&server, noise)),
        ("noise in TLS 1.2", "tls_protocol", tampering(&old, noise)),
        ("warnings", "tls_protocol", greeting("", Repeat(warning))),
        (
            "changes of cipher",
            "tls_protocol",
            greeting("", Repeat(record(CHANGE_CIPHER_SPEC, &[1]))),
        ),
        ("empty records", "tls_protocol", greeting("", Repeat(record(HANDSHAKE, &[])))),
        (
            "a message of 16 MB",
            "too_large",
            greeting(large, Repeat(record(HANDSHAKE, &[0; 16_000]))),
        ),
        ("an alert", "tls_protocol", greeting(record(ALERT, &[2, 80]), Close)),
        ("another protocol", "not_tls", greeting("220 mail.example ESMTP\r\n", Wait)),
        ("zeros", "not_tls", greeting("", Repeat(vec![0]))),
        ("a close", "closed", greeting("", Close)),
        ("a reset", "reset", greeting("", Reset)),
    ];
    let attacks = attacks.map(|(name, reason, peer)| attack(name, "patient", reason, peer));
    withstand(MODULES, 16, &attacks);
}

/// Returns a server with this many certificates, each of which may have signed each.
fn maze(certificates: usize) -> TlsServer {
    let first = authority("Maze").self_signed();
    let others: Vec<_> =
        (1..certificates).map(|_| authority("Maze").same_key(&first).signed_by(&first)).collect();
    let leaf = leaf("127.0.0.1").signed_by(&first);
    tls::server(&leaf).chain(&others.iter().collect::<Vec<_>>())
}

#[test]
fn oversized_certificate_chains_are_rejected() {
    // More than 256 KiB, the maximum size of a handshake message.
    let long = maze(1000);
    let attacks = [
        attack("a maze", "strict", "certificate_unknown_authority", showing(&maze(100))),
        attack("a long chain", "strict", "too_large", showing(&long)),
        attack("a long chain for DNS", "dns", "too_large", showing(&long)),
    ];
    withstand(MODULES, 32, &attacks);
}
