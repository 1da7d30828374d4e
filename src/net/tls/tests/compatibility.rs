//! Servers that Go's client accepts are accepted, and those that it refuses are refused.

use std::{net::SocketAddr, sync::Arc};

use boring::ssl::SslVersion;
use rustls::{
    ServerConfig, SupportedProtocolVersion,
    crypto::ring,
    pki_types::{CertificateDer, PrivatePkcs8KeyDer},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
    version::{TLS12, TLS13},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};
use tokio_rustls::TlsAcceptor;

use super::{connect, connect_as, connect_to, fixtures, fixtures::Key, trusting};
use crate::{
    diagnostics::Reason,
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

/// Old appliances have certificates for another use of their key than signatures, and sign with it
/// all the same.
#[tokio::test]
async fn a_key_usage_without_signatures_is_overlooked() {
    for (key, usage) in [
        (Key::Rsa(2048), "critical,keyEncipherment"),
        (Key::Rsa(2048), "dataEncipherment,keyAgreement"),
        (Key::Rsa(1024), "keyEncipherment"),
        (Key::Rsa(2048), "critical,digitalSignature"),
    ] {
        for version in [SslVersion::TLS1_2, SslVersion::TLS1_3] {
            let leaf = fixtures::leaf(HOST).key(key).extension("keyUsage", usage);
            let pki = fixtures::pki(leaf);
            let server = pki.server().version(version).alpn(b"\x02h2").start().await;
            let client = TlsClient::new(trusting(&pki.root));
            let outcome = connect_as(&client, &server, HOST, &[b"h2"]).await;
            let case = format!("{key:?}, {usage}, {version:?}");
            assert!(outcome.stream.is_ok(), "{case}: {:?}", outcome.stream);
            let session = outcome.session();
            assert_eq!(session.verify_result, VerifyResult::Ok, "{case}");
            assert_eq!(
                session.version.map(|it| it == TlsVersion::Tls13),
                Some(version == SslVersion::TLS1_3)
            );
            assert!(session.cipher.as_ref().unwrap().starts_with("TLS_"), "{:?}", session.cipher);
            assert_eq!(session.alpn.as_deref(), Some(&b"h2"[..]), "{case}");
            let mut greeting = [0; 6];
            outcome.stream.unwrap().read_exact(&mut greeting).await.unwrap();
            assert_eq!(&greeting, b"hello\n", "{case}");

            // The peer is known now: one handshake is enough.
            drop(connect_as(&client, &server, HOST, &[]).await.stream.unwrap());
            let other = fixtures::authority("Other").self_signed();
            let outcome = connect(&server, trusting(&other), HOST).await;
            assert_eq!(outcome.failure().reason, Reason::CertificateUnknownAuthority, "{case}");
            assert!(outcome.seen.unwrap().earliest_expiry().is_some());
        }
    }
}

/// BoringSSL refuses such certificates of its own, too, so that rustls has to serve them.
#[tokio::test]
async fn keys_on_curves_need_no_key_usage_either() {
    for (key, usage) in [
        (Key::P256, "critical,keyAgreement"),
        (Key::P384, "keyEncipherment"),
        (Key::Ed25519, "nonRepudiation"),
    ] {
        for version in [&TLS12, &TLS13] {
            let leaf = fixtures::leaf(HOST).key(key).extension("keyUsage", usage);
            let pki = fixtures::pki(leaf);
            let address = served_by_rustls(&pki, version).await;
            let client = TlsClient::new(trusting(&pki.root));
            let outcome = connect_to(&client, address, HOST, &[]).await;
            assert!(outcome.stream.is_ok(), "{key:?}, {version:?}: {:?}", outcome.stream);
            assert_eq!(outcome.session().verify_result, VerifyResult::Ok);
        }
    }
}

/// The key cannot be used, and the expiry is told all the same.
#[tokio::test]
async fn a_key_of_an_unknown_kind_is_named() {
    for (name, from, to) in [
        ("curve", b"\x2a\x86\x48\xce\x3d\x03\x01\x07", b"\x2a\x86\x48\xce\x3d\x03\x01\x06"),
        ("kind", b"\x06\x07\x2a\x86\x48\xce\x3d\x02", b"\x06\x07\x2a\x86\x48\xce\x3d\x03"),
    ] {
        let pki = fixtures::pki(fixtures::leaf(HOST));
        let mut der = pki.leaf.certificate.to_der().unwrap();
        let place = der.windows(from.len()).position(|bytes| bytes == from).unwrap();
        der[place..place + to.len()].copy_from_slice(to);
        let address = serving_der(vec![der.into()], &pki.leaf, &TLS13).await;
        let client =
            TlsClient::new(TlsSettings { insecure_skip_verify: true, ..trusting(&pki.root) });
        let outcome = connect_to(&client, address, HOST, &[]).await;
        let failure = outcome.failure();
        assert_eq!(failure.reason, Reason::TlsIncompatible, "{name}: {failure}");
        assert!(
            failure.message.contains("key type of the server's certificate is not supported"),
            "{name}: {failure}"
        );
        assert_eq!(outcome.seen.unwrap().earliest_expiry(), Some(pki.leaf.not_after()), "{name}");
    }
}

/// A server of the chain, whatever its leaf says.
async fn served_by_rustls(
    pki: &fixtures::Pki,
    version: &'static SupportedProtocolVersion,
) -> SocketAddr {
    let chain = [&pki.leaf, &pki.intermediate];
    let chain = chain.map(|it| CertificateDer::from(it.certificate.to_der().unwrap())).to_vec();
    serving_der(chain, &pki.leaf, version).await
}

/// Shows one certificate to everybody, without a look at it.
#[derive(Debug)]
struct Always(Arc<CertifiedKey>);

impl ResolvesServerCert for Always {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

/// A server that shows `chain` and signs with the key of `leaf`.
async fn serving_der(
    chain: Vec<CertificateDer<'static>>,
    leaf: &fixtures::Issued,
    version: &'static SupportedProtocolVersion,
) -> SocketAddr {
    let key = PrivatePkcs8KeyDer::from(leaf.key.private_key_to_der_pkcs8().unwrap());
    let key = ring::sign::any_supported_type(&key.into()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(Always(Arc::new(CertifiedKey::new(chain, key)))));
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            if let Ok(mut stream) = acceptor.accept(stream).await {
                stream.write_all(b"hello\n").await.unwrap();
            }
        }
    });
    address
}

/// Go's client accepts a Certificate message of 256 KiB.
#[tokio::test]
async fn many_certificates_are_taken_and_too_many_are_told() {
    let big = || {
        let names = (0..600).fold(fixtures::authority("Filler"), |it, index| {
            it.also(&format!("DNS:{index:050}.test"))
        });
        names.self_signed()
    };
    let filler = big();
    let size = filler.certificate.to_der().unwrap().len();
    assert!((30_000..40_000).contains(&size), "{size}");
    for version in [SslVersion::TLS1_2, SslVersion::TLS1_3] {
        for (count, good) in [(7, true), (9, false)] {
            let pki = fixtures::pki(fixtures::leaf(HOST));
            let chain: Vec<_> =
                std::iter::once(&pki.intermediate).chain((0..count).map(|_| &filler)).collect();
            let server = fixtures::server(&pki.leaf).chain(&chain).version(version).start().await;
            let outcome = connect(&server, trusting(&pki.root), HOST).await;
            match &outcome.stream {
                Ok(_) => assert!(good && outcome.session().peer_chain.len() == count + 2),
                Err(failure) => {
                    assert!(!good, "{count}, {version:?}: {failure}");
                    assert_eq!(failure.reason, Reason::TooLarge, "{failure}");
                    assert!(failure.message.contains("256 KiB"), "{failure}");
                }
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
