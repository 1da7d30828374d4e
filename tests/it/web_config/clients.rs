//! TLS handshakes: versions, cipher suites and client certificates.

use std::io::{Read as _, Write as _};

use boring::ssl::{SslVerifyMode, SslVersion};

use super::{Client, Web, tls_section};
use crate::{
    fixtures::tls::{Issued, authority, leaf},
    harness::{Exporter, connect, request},
};

/// Checks that a client with this certificate, or none, is accepted.
fn admits(web: &Web, exporter: &Exporter, identity: Option<&Issued>) -> bool {
    let client = web.client();
    let client = match identity {
        Some(identity) => client.with(identity),
        None => client,
    };
    match client.get(exporter.address, "/-/healthy") {
        Ok(answer) => answer.status == 200,
        Err(_) => false,
    }
}

fn client_certificate(authority: &Issued) -> Issued {
    leaf("client.example").extension("extendedKeyUsage", "clientAuth").signed_by(authority)
}

#[test]
fn each_client_auth_type_requires_the_right_certificates() {
    let web = Web::new();
    let trusted = client_certificate(&web.authority);
    let stranger = client_certificate(&authority("Stranger").self_signed());
    let cases = [
        ("NoClientCert", [true, true, true]),
        ("RequestClientCert", [true, true, true]),
        ("RequireAnyClientCert", [false, true, true]),
        ("RequireClientCert", [false, true, true]),
        ("VerifyClientCertIfGiven", [true, false, true]),
        ("RequireAndVerifyClientCert", [false, false, true]),
    ];
    for (kind, expected) in cases {
        let verifies = kind.contains("Verify");
        let authorities = if verifies { "  client_ca_file: ca.pem\n" } else { "" };
        let exporter = web.start_tls(&format!("  client_auth_type: {kind}\n{authorities}"));
        for version in [SslVersion::TLS1_2, SslVersion::TLS1_3] {
            let admitted = [None, Some(&stranger), Some(&trusted)].map(|identity| {
                let mut client = web.client().changed(|tls| {
                    tls.set_max_proto_version(Some(version)).unwrap();
                });
                if let Some(identity) = identity {
                    client = client.with(identity);
                }
                client.get(exporter.address, "/-/healthy").is_ok_and(|answer| answer.status == 200)
            });
            assert_eq!(admitted, expected, "{kind} {version:?}");
        }
    }
}

#[test]
fn a_verified_client_needs_a_valid_client_certificate() {
    let web = Web::new();
    let exporter =
        web.start_tls("  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.pem\n");
    let good = client_certificate(&web.authority);
    let cases = [
        ("good", good.clone(), true),
        ("any usage", leaf("client.example").signed_by(&web.authority), true),
        ("expired", leaf("c").expired().signed_by(&web.authority), false),
        ("not yet valid", leaf("c").not_yet_valid().signed_by(&web.authority), false),
        (
            "a server's",
            leaf("c").extension("extendedKeyUsage", "serverAuth").signed_by(&web.authority),
            false,
        ),
        ("signed by itself", leaf("c").self_signed(), false),
        ("signed by a client", leaf("c").signed_by(&good), false),
    ];
    for (name, identity, expected) in cases {
        assert_eq!(admits(&web, &exporter, Some(&identity)), expected, "{name}");
    }
}

/// `openssl req -x509` creates such certificates, and Go accepts them.
#[test]
fn a_client_may_be_its_own_authority() {
    let web = Web::new();
    let recipe = || leaf("Client").extension("basicConstraints", "critical,CA:TRUE");
    let (own, old) = (recipe().self_signed(), recipe().expired().self_signed());
    web.write("clients.pem", &(own.pem() + &old.pem()));
    let exporter = web.start_tls(
        "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: clients.pem\n",
    );
    assert!(admits(&web, &exporter, Some(&own)));
    assert!(!admits(&web, &exporter, Some(&old)));
    assert!(!admits(&web, &exporter, Some(&recipe().self_signed())));
}

#[test]
fn a_client_needs_one_of_the_allowed_names() {
    let web = Web::new();
    let exporter = web.start_tls(
        "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.pem\n  \
         client_allowed_sans: [a.example, m@b.example, 10.1.2.3, '2001:db8::1', 'spiffe://x/y']\n",
    );
    let names = [
        ("DNS:a.example", true),
        ("email:m@b.example", true),
        ("IP:10.1.2.3", true),
        ("IP:2001:db8:0::1", true),
        ("URI:spiffe://x/y", true),
        ("DNS:sub.a.example", false),
        ("IP:10.1.2.4", false),
        ("URI:spiffe://x", false),
    ];
    for (name, expected) in names {
        let identity = leaf("other.example").also(name).signed_by(&web.authority);
        assert_eq!(admits(&web, &exporter, Some(&identity)), expected, "{name}");
    }
    let nameless = leaf("x").no_alternative_names().signed_by(&web.authority);
    assert!(!admits(&web, &exporter, Some(&nameless)));
}

#[test]
fn versions_and_cipher_suites_are_configurable() {
    let web = Web::new();
    let speaks = |exporter: &Exporter, version| {
        let client = web.client().changed(|tls| {
            tls.set_min_proto_version(Some(version)).unwrap();
            tls.set_max_proto_version(Some(version)).unwrap();
        });
        client.get(exporter.address, "/-/healthy").is_ok()
    };
    let all = [SslVersion::TLS1_1, SslVersion::TLS1_2, SslVersion::TLS1_3];
    for (more, expected) in [
        ("", [false, true, true]),
        ("  max_version: TLS12\n", [false, true, false]),
        ("  min_version: TLS13\n", [false, false, true]),
    ] {
        let exporter = web.start_tls(more);
        assert_eq!(all.map(|version| speaks(&exporter, version)), expected, "{more}");
    }
    let exporter = web.start_tls(
        "  max_version: TLS12\n  cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384]\n  \
         curve_preferences: [CurveP384]\n",
    );
    let speaks = |cipher: &str, curve: &str| {
        let client = web.client().changed(|tls| {
            tls.set_max_proto_version(Some(SslVersion::TLS1_2)).unwrap();
            tls.set_cipher_list(cipher).unwrap();
            tls.set_curves_list(curve).unwrap();
        });
        client.get(exporter.address, "/-/healthy").is_ok()
    };
    assert!(speaks("ECDHE-ECDSA-AES256-GCM-SHA384", "P-384:P-256"));
    assert!(!speaks("ECDHE-ECDSA-AES128-GCM-SHA256", "P-384:P-256"));
    assert!(!speaks("ECDHE-ECDSA-AES256-GCM-SHA384", "X25519:P-256"));
}

#[test]
fn certificate_and_key_may_be_inline() {
    let web = Web::new();
    let server = leaf("localhost").signed_by(&web.authority);
    let indented = |pem: String| pem.replace('\n', "\n    ");
    let exporter = web.start(&format!(
        "tls_server_config:\n  cert: |\n    {}\n  key: |\n    {}\n  client_ca: |\n    {}\n  \
         client_auth_type: RequireAndVerifyClientCert\n",
        indented(server.pem()),
        indented(server.key_pem()),
        indented(web.authority.pem()),
    ));
    assert!(admits(&web, &exporter, Some(&client_certificate(&web.authority))));
    assert!(!admits(&web, &exporter, None));
}

#[test]
fn a_request_without_tls_gets_an_explanation() {
    let web = Web::new();
    let exporter = web.start_tls("");
    let answer = request(exporter.address, "GET", "/metrics", &[]);
    assert_eq!(answer.status, 400);
    assert_eq!(answer.text(), "Client sent an HTTP request to an HTTPS server.\n");
    let mut stream = connect(exporter.address);
    stream.write_all(b"\0\0\0\0").unwrap();
    let mut bytes = Vec::new();
    // The server may reset the connection, since it did not read all data.
    stream.read_to_end(&mut bytes).ok();
    assert!(bytes.is_empty());
}

/// Prometheus and curl offer HTTP/2 first; the listener chooses HTTP/1.1.
#[test]
fn http1_is_negotiated() {
    let web = Web::new();
    let exporter = web.start(&(tls_section("") + "http_server_config: {http2: true}\n"));
    let mut chosen = None;
    let client = web.client().changed(|tls| tls.set_alpn_protos(b"\x02h2\x08http/1.1").unwrap());
    let Client(builder) = client;
    let stream = builder.build().connect("localhost", connect(exporter.address)).unwrap();
    if let Some(protocol) = stream.ssl().selected_alpn_protocol() {
        chosen = Some(protocol.to_vec());
    }
    assert_eq!(chosen.as_deref(), Some(&b"http/1.1"[..]));
    assert_eq!(stream.ssl().verify_mode(), SslVerifyMode::PEER, "the test looks at certificates");
}
