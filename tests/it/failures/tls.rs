//! Failing TLS handshakes and invalid certificates.

use std::sync::LazyLock;

use boring::ssl::SslVersion;
use probe_exporter::diagnostics::{Reason, Stage};

use super::{
    formats::check,
    row::{Row, Target, module, quoted, row, scripted, served},
};
use crate::fixtures::{
    hostile::{
        Peer, RUNTIME, Tampering,
        Then::{self, Close, Wait},
        greeting, peer,
    },
    ocsp::revoked,
    tcp::tcp,
    tls::{Issued, Recipe, TlsServer, authority, leaf, server},
};

#[test]
fn failing_handshakes_are_reported() {
    check(&rows());
}

/// The trusted root, and an authority under it.
struct Authorities {
    root: Issued,
    intermediate: Issued,
}

static AUTHORITIES: LazyLock<Authorities> = LazyLock::new(|| {
    let root = authority("Test Root").self_signed();
    let intermediate = authority("Test Intermediate").valid_days(-1, 365).signed_by(&root);
    Authorities { root, intermediate }
});

/// Returns a `tls_config` that trusts the root, with more keys.
pub(super) fn trusting(more: &str) -> String {
    format!("tls_config: {{ca: {}, {more}}}", quoted(&AUTHORITIES.root.pem()))
}

fn tcp_module(more: &str) -> String {
    module("tcp", &format!("tls: true, {}", trusting(more)))
}

/// Returns a server whose leaf the intermediate authority signs.
pub(super) fn signed(leaf: Recipe) -> TlsServer {
    server(&leaf.signed_by(&AUTHORITIES.intermediate)).chain(&[&AUTHORITIES.intermediate])
}

fn good() -> TlsServer {
    signed(leaf("127.0.0.1"))
}

fn serving(server: TlsServer) -> Target {
    let server = RUNTIME.block_on(server.start());
    served(server.address, server)
}

fn of_peer(peer: Peer) -> Target {
    served(peer.address, peer)
}

fn because(reason: Reason) -> (Stage, Reason) {
    (Stage::Tls, reason)
}

pub(super) fn rows() -> Vec<Row> {
    let mut rows = certificates();
    rows.extend(client_certificates());
    rows.extend(handshakes());
    rows.extend(alerts());
    rows
}

fn certificates() -> Vec<Row> {
    let show = |what, server: TlsServer, reason, words| {
        row(what, tcp_module(""), serving(server), because(reason), words)
            .with("probe_ssl_earliest_cert_expiry")
    };
    let stale = authority("Stale Intermediate").expired().signed_by(&AUTHORITIES.root);
    let stale_chain = server(&leaf("127.0.0.1").signed_by(&stale)).chain(&[&stale]);
    let own = leaf("127.0.0.1").self_signed();
    let strange = authority("Strange Root").self_signed();
    let unknown = server(&leaf("127.0.0.1").signed_by(&strange));
    let alone = leaf("127.0.0.1").signed_by(&AUTHORITIES.intermediate);
    let for_clients = leaf("127.0.0.1").extension("extendedKeyUsage", "clientAuth");
    let unnamed = leaf("127.0.0.1").no_alternative_names();
    let revoked_leaf = leaf("127.0.0.1").signed_by(&AUTHORITIES.intermediate);
    let response = revoked(&revoked_leaf, &AUTHORITIES.intermediate).der();
    let telling = server(&revoked_leaf).chain(&[&AUTHORITIES.intermediate]);
    vec![
        show(
            "a leaf has expired",
            signed(leaf("127.0.0.1").expired()),
            Reason::CertificateExpired,
            "expired",
        )
        .with("probe_ssl_latest_cert_not_before")
        .with("probe_ssl_verify_info{result=\"expired\"} 1")
        .with("probe_ssl_last_chain_info"),
        show("an intermediate has expired", stale_chain, Reason::CertificateExpired, "expired"),
        show(
            "a leaf is not valid yet",
            signed(leaf("127.0.0.1").not_yet_valid()),
            Reason::CertificateNotYetValid,
            "is not valid before",
        )
        .with("probe_ssl_verify_info{result=\"not_yet_valid\"} 1"),
        show(
            "a leaf is of another host",
            signed(leaf("other.example")),
            Reason::CertificateWrongHost,
            "127.0.0.1",
        )
        .with("probe_ssl_verify_info{result=\"wrong_host\"} 1"),
        show(
            "a leaf that its server says is revoked",
            telling.ocsp_response(response),
            Reason::CertificateRevoked,
            "OCSP",
        )
        .with("probe_ssl_verify_info{result=\"revoked\"} 1"),
        show("a leaf without names", signed(unnamed), Reason::CertificateWrongHost, "name"),
        show(
            "an unknown authority",
            unknown,
            Reason::CertificateUnknownAuthority,
            "no trusted CA signed",
        )
        .with("probe_ssl_verify_info{result=\"unknown_authority\"} 1"),
        show(
            "a leaf that signs itself",
            server(&own),
            Reason::CertificateUnknownAuthority,
            "self-signed",
        ),
        show(
            "a chain with a gap",
            server(&alone),
            Reason::CertificateUnknownAuthority,
            "no trusted CA signed",
        ),
        show(
            "a leaf with a weak signature",
            signed(leaf("127.0.0.1").sha1()),
            Reason::CertificateInvalid,
            "SHA-1",
        ),
        show(
            "a leaf for clients",
            signed(for_clients),
            Reason::CertificateInvalid,
            "not valid for servers",
        ),
    ]
}

fn client_certificates() -> Vec<Row> {
    let demanding =
        |version| serving(good().version(version).demand_client_certificate(&AUTHORITIES.root));
    let strange = authority("Strange Root").self_signed();
    let client = leaf("client.example").signed_by(&strange);
    let showing = format!("cert: {}, key: {}", quoted(&client.pem()), quoted(&client.key_pem()));
    // Over TLS 1.3, the rejection arrives after the handshake, so the client has to read.
    let talking = |more: &str| {
        let keys = format!("tls: true, query_response: [{{expect: hello}}], {}", trusting(more));
        module("tcp", &keys)
    };
    let required = Reason::ClientCertificateRequired;
    let rejected = Reason::ClientCertificateRejected;
    let late = |reason| (Stage::Tls, reason);
    vec![
        row(
            "a client certificate is demanded in TLS 1.2",
            tcp_module(""),
            demanding(SslVersion::TLS1_2),
            because(required),
            "requires a client certificate",
        )
        .with("probe_ssl_earliest_cert_expiry"),
        row(
            "a client certificate is demanded in TLS 1.3",
            talking(""),
            demanding(SslVersion::TLS1_3),
            late(required),
            "requires a client certificate: set cert_file",
        )
        .with("probe_ssl_earliest_cert_expiry"),
        row(
            "a client certificate is rejected in TLS 1.2",
            tcp_module(&showing),
            demanding(SslVersion::TLS1_2),
            because(rejected),
            "rejected the client certificate",
        ),
        row(
            "a client certificate is rejected in TLS 1.3",
            talking(&showing),
            demanding(SslVersion::TLS1_3),
            late(rejected),
            "rejected the client certificate",
        ),
        row(
            "no file with authorities",
            module("tcp", "tls: true, tls_config: {ca_file: /nonexistent/ca.pem}"),
            serving(good()),
            because(Reason::UnusableFile),
            "/nonexistent/ca.pem",
        ),
        row(
            "a file with a client certificate that holds none",
            tcp_module("cert_file: /dev/null, key_file: /dev/null"),
            serving(good()),
            because(Reason::UnusableFile),
            "/dev/null",
        ),
    ]
}

fn handshakes() -> Vec<Row> {
    let with = |what, more: &str, target, reason, words| {
        row(what, tcp_module(more), target, because(reason), words)
    };
    let old = good().version(SslVersion::TLS1_2);
    let new = good().version(SslVersion::TLS1_3);
    let noise = old.context();
    let noise = peer(move |visit| {
        let context = noise.clone();
        async move { visit.secure_badly(&context, Tampering::NoiseBehindFirstRecord).await }
    });
    let says = |bytes: &str, then: Then| of_peer(greeting(bytes, then));
    let incompatible = Reason::TlsIncompatible;
    vec![
        with(
            "a server of TLS 1.2 alone",
            "min_version: TLS13",
            serving(old),
            incompatible,
            "version",
        ),
        with(
            "a server of TLS 1.3 alone",
            "max_version: TLS12",
            serving(new),
            incompatible,
            "version",
        ),
        with(
            "no cipher in common",
            "max_version: TLS12",
            serving(good().ciphers("PSK-AES128-CBC-SHA")),
            incompatible,
            "handshake failure",
        ),
        with("no TLS", "", says("220 mail.example ESMTP\r\n", Wait), Reason::NotTls, "220 m"),
        with(
            "no record of TLS",
            "",
            says("\u{0}\u{1}\u{2}\u{3}\u{4}", Wait),
            Reason::NotTls,
            "first record",
        ),
        with("noise in the handshake", "", of_peer(noise), Reason::TlsProtocol, "TLS handshake"),
        with(
            "an end in the handshake",
            "",
            says("", Close),
            Reason::Closed,
            "during the TLS handshake",
        ),
        with(
            "a reset in the handshake",
            "",
            scripted("", tcp().bytes(10).reset()),
            Reason::Reset,
            "reset",
        ),
        with(
            "a polite end in the handshake",
            "",
            says("\u{15}\u{3}\u{3}\u{0}\u{2}\u{1}\u{0}", Wait),
            Reason::Closed,
            "during the TLS handshake",
        ),
        with(
            "five warnings in a row",
            "",
            says(&"\u{15}\u{3}\u{3}\u{0}\u{2}\u{1}p".repeat(5), Wait),
            Reason::TlsProtocol,
            "too many warning alerts",
        ),
        with(
            "too many certificates",
            "",
            serving(crowded()),
            Reason::TooLarge,
            "a message of more than 256 KiB",
        ),
        with(
            "silence in the handshake",
            "",
            says("", Wait),
            Reason::Timeout,
            "ClientHello sent, no response (waited ",
        )
        .soon(),
    ]
}

/// Returns a server with an oversized chain.
fn crowded() -> TlsServer {
    let filler = (0..600).fold(authority("Filler"), |filler, index| {
        filler.also(&format!("DNS:{index:050}.example"))
    });
    let filler = filler.self_signed();
    good().chain(&[&filler; 9])
}

fn alerts() -> Vec<Row> {
    let alert = |what, number: u8, reason, words| {
        let record = vec![21, 3, 3, 0, 2, 2, number];
        row(what, tcp_module(""), of_peer(greeting(record, Close)), because(reason), words)
    };
    vec![
        alert("alert 40", 40, Reason::TlsIncompatible, "handshake failure"),
        alert("alert 70", 70, Reason::TlsIncompatible, "protocol version"),
        alert("alert 71", 71, Reason::TlsIncompatible, "insufficient security"),
        alert("alert 80", 80, Reason::TlsProtocol, "internal error"),
        alert("alert 112", 112, Reason::TlsProtocol, "unrecognized name"),
        alert("alert 116", 116, Reason::ClientCertificateRequired, "certificate required"),
    ]
}
