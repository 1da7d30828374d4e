//! What Go's client reaches must be reached, and what it refuses must be refused.

use boring::ssl::SslVersion;

use super::{connect, connect_as, fixtures, fixtures::Key, trusting};
use crate::{
    evidence::Reason,
    net::tls::{TlsClient, VerifyResult},
    settings::tls::{TlsSettings, TlsVersion},
};

const HOST: &str = "host.test";

#[tokio::test]
async fn version_cipher_and_protocol_are_those_agreed_on() {
    let pki = fixtures::pki(fixtures::leaf(HOST));
    let server = pki.server().alpn(b"\x02h2\x08http/1.1").start().await;
    let client = TlsClient::new(trusting(&pki.root));
    let outcome = connect_as(&client, &server, HOST, &[b"http/1.1", b"h2"]).await;
    let session = outcome.session();
    assert_eq!(session.version, Some(TlsVersion::Tls13));
    assert_eq!(session.cipher.as_deref().map(|it| it.starts_with("TLS_")), Some(true));
    assert_eq!(session.alpn.as_deref(), Some(&b"h2"[..]));
    assert_eq!(session.verify_result, VerifyResult::Ok);
    assert_eq!(session.peer_chain.len(), 2);
    assert_eq!(session.verified_chains.len(), 1);
    assert_eq!(session.verified_chains[0].len(), 3);
}

/// Old appliances have certificates for RSA's own key exchange alone, and sign with their keys all
/// the same. In TLS 1.3 BoringSSL cannot be told to overlook that.
#[tokio::test]
async fn a_key_usage_without_signatures_is_overlooked_up_to_tls_1_2() {
    for (usage, version, accepted) in [
        ("critical,keyEncipherment", SslVersion::TLS1_2, true),
        ("critical,digitalSignature", SslVersion::TLS1_3, true),
        ("critical,keyEncipherment", SslVersion::TLS1_3, false),
    ] {
        let leaf = fixtures::leaf(HOST).key(Key::Rsa(2048)).extension("keyUsage", usage);
        let pki = fixtures::pki(leaf);
        let server = pki.server().version(version).start().await;
        let outcome = connect(&server, trusting(&pki.root), HOST).await;
        match &outcome.stream {
            Ok(_) => {
                assert!(accepted, "{usage}, {version:?}");
                assert_eq!(outcome.session().verify_result, VerifyResult::Ok);
            }
            Err(failure) => {
                assert!(!accepted, "{usage}, {version:?}: {failure}");
                assert_eq!(failure.reason, Reason::CertificateInvalid);
            }
        }
    }
}

#[tokio::test]
async fn odd_keys_and_old_suites_are_reached_by_default() {
    let rsa = || fixtures::pki(fixtures::leaf(HOST).key(Key::Rsa(2048)));
    let with = |key| fixtures::pki(fixtures::leaf(HOST).key(key));
    let tls12 = SslVersion::TLS1_2;
    let pki = [rsa(), rsa(), rsa(), with(Key::P256), with(Key::Rsa(1024)), with(Key::Rsa(1024))];
    let servers = [
        ("CBC only", pki[0].server().version(tls12).ciphers("ECDHE-RSA-AES128-SHA")),
        ("CBC only, 256", pki[1].server().version(tls12).ciphers("ECDHE-RSA-AES256-SHA")),
        ("RSA, SHA-1", pki[2].server().version(tls12).signature_algorithms("rsa_pkcs1_sha1")),
        ("ECDSA, SHA-1", pki[3].server().version(tls12).signature_algorithms("ecdsa_sha1")),
        ("RSA 1024", pki[4].server()),
        ("RSA 1024, TLS 1.2", pki[5].server().version(tls12)),
    ];
    for ((name, server), pki) in servers.into_iter().zip(&pki) {
        let outcome = connect(&server.start().await, trusting(&pki.root), HOST).await;
        assert!(outcome.stream.is_ok(), "{name}: {:?}", outcome.stream);
        assert_eq!(outcome.session().verify_result, VerifyResult::Ok, "{name}");
    }
    for key in [Key::P384, Key::P521, Key::Ed25519] {
        for version in [tls12, SslVersion::TLS1_3] {
            let pki = with(key);
            let server = pki.server().version(version).start().await;
            let outcome = connect(&server, trusting(&pki.root), HOST).await;
            assert!(outcome.stream.is_ok(), "{key:?}, {version:?}: {:?}", outcome.stream);
        }
    }
    for group in ["X25519MLKEM768", "X25519", "P-256", "P-384", "P-521"] {
        let pki = with(Key::P256);
        let server = pki.server().version(SslVersion::TLS1_3).groups(group).start().await;
        let outcome = connect(&server, trusting(&pki.root), HOST).await;
        assert!(outcome.stream.is_ok(), "{group}: {:?}", outcome.stream);
    }
}

#[tokio::test]
async fn old_versions_are_spoken_when_asked_for() {
    let pki = fixtures::pki(fixtures::leaf(HOST).key(Key::Rsa(2048)));
    let cases = [
        (SslVersion::TLS1, TlsVersion::Tls10, "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA"),
        (SslVersion::TLS1_1, TlsVersion::Tls11, "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA"),
    ];
    for (spoken, version, cipher) in cases {
        let server = pki.server().version(spoken).ciphers("ECDHE-RSA-AES128-SHA").start().await;
        let settings = TlsSettings { min_version: Some(TlsVersion::Tls10), ..trusting(&pki.root) };
        let outcome = connect(&server, settings, HOST).await;
        assert_eq!(outcome.session().version, Some(version));
        assert_eq!(outcome.session().cipher.as_deref(), Some(cipher));

        let outcome = connect(&server, trusting(&pki.root), HOST).await;
        assert_eq!(outcome.failure().reason, Reason::TlsIncompatible);
        assert!(outcome.seen.is_none());
    }
}

#[tokio::test]
async fn what_go_does_not_offer_is_not_offered() {
    let pki = fixtures::pki(fixtures::leaf(HOST).key(Key::Rsa(2048)));
    for cipher in ["AES128-GCM-SHA256", "AES128-SHA"] {
        let server = pki.server().version(SslVersion::TLS1_2).ciphers(cipher).start().await;
        let outcome = connect(&server, trusting(&pki.root), HOST).await;
        assert_eq!(outcome.failure().reason, Reason::TlsIncompatible, "{cipher}");
    }
}
