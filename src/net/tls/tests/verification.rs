//! Good and bad certificates, and the metrics of bad ones.

use boring::ssl::SslVersion;

use super::{
    connect, fixtures,
    fixtures::{Issued, Key, Pki, Recipe, TlsServer},
    metrics, trusting,
};
use crate::{
    diagnostics::{Reason, Stage},
    net::tls::VerifyResult,
    settings::tls::TlsSettings,
};

const HOST: &str = "host.test";

fn leaf() -> Recipe {
    fixtures::leaf(HOST)
}

/// The server, the trusted authority, and the expected result and reason.
type Case = (&'static str, TlsServer, Issued, VerifyResult, Reason);

fn refused(name: &'static str, leaf: Recipe, result: VerifyResult, reason: Reason) -> Case {
    let pki = fixtures::pki(leaf);
    (name, pki.server(), pki.root, result, reason)
}

fn bad_leaves() -> Vec<Case> {
    use Reason as R;
    use VerifyResult as V;

    let wrong_host = |name, leaf| refused(name, leaf, V::WrongHost, R::CertificateWrongHost);
    let invalid = |name, leaf| refused(name, leaf, V::Invalid, R::CertificateInvalid);
    vec![
        refused("expired", leaf().expired(), V::Expired, R::CertificateExpired),
        refused("early", leaf().not_yet_valid(), V::NotYetValid, R::CertificateNotYetValid),
        wrong_host("other host", fixtures::leaf("other.test")),
        wrong_host("common name only", leaf().no_alternative_names()),
        wrong_host("only an address", leaf().no_alternative_names().also("IP:127.0.0.1")),
        wrong_host("version 1", leaf().version1()),
        refused("SHA-1", leaf().sha1(), V::WeakSignature, R::CertificateInvalid),
        invalid("unknown critical extension", leaf().extension("1.2.3.4", "critical,DER:0500")),
        invalid("for clients", leaf().extension("extendedKeyUsage", "clientAuth")),
    ]
}

fn bad_chains() -> Vec<Case> {
    use Reason as R;
    use VerifyResult as V;

    let invalid = |name, server, root| (name, server, root, V::Invalid, R::CertificateInvalid);
    let unknown = |name, server, root| {
        (name, server, root, V::UnknownAuthority, R::CertificateUnknownAuthority)
    };
    let under = |intermediate: Recipe| {
        let root = fixtures::authority("Test Root").self_signed();
        let intermediate = intermediate.signed_by(&root);
        let leaf = leaf().signed_by(&intermediate);
        Pki { root, intermediate, leaf }
    };
    let authority = || fixtures::authority("Test Intermediate");
    let pki = fixtures::pki(leaf());
    let mut cases = vec![
        unknown("other root", pki.server(), fixtures::authority("Other Root").self_signed()),
        unknown(
            "same name, other key",
            pki.server(),
            fixtures::authority("Test Root").self_signed(),
        ),
        unknown("intermediate not sent", fixtures::server(&pki.leaf), pki.root.clone()),
        unknown("self-signed", fixtures::server(&leaf().self_signed()), pki.root),
    ];
    let pki = under(leaf());
    cases.push(invalid("signed by a server", pki.server(), pki.root));
    let pki = under(authority().extension("keyUsage", "critical,digitalSignature"));
    cases.push(invalid("authority may not sign", pki.server(), pki.root));
    let pki = under(authority().version1());
    cases.push(invalid("intermediate of version 1", pki.server(), pki.root));
    let pki = under(authority().extension("nameConstraints", "permitted;DNS:other.test"));
    cases.push(invalid("outside of name constraints", pki.server(), pki.root));
    let pki = under(authority().expired());
    cases.push(("authority expired", pki.server(), pki.root, V::Expired, R::CertificateExpired));
    let pki = under(authority().sha1());
    cases.push((
        "authority signed with SHA-1",
        pki.server(),
        pki.root,
        V::WeakSignature,
        R::CertificateInvalid,
    ));

    let root = fixtures::authority("Test Root")
        .extension("basicConstraints", "critical,CA:TRUE,pathlen:0")
        .self_signed();
    let intermediate = authority().signed_by(&root);
    let bottom = leaf().signed_by(&intermediate);
    cases.push(invalid("path too long", fixtures::server(&bottom).chain(&[&intermediate]), root));

    let root = fixtures::authority("Test Root").expired().self_signed();
    let server = fixtures::server(&leaf().signed_by(&root));
    cases.push(("root expired", server, root, V::Expired, R::CertificateExpired));
    cases
}

#[tokio::test]
async fn a_bad_certificate_is_refused_and_reported() {
    for (name, server, root, result, reason) in bad_leaves().into_iter().chain(bad_chains()) {
        let outcome = connect(&server.start().await, trusting(&root), HOST).await;
        let failure = outcome.failure();
        assert_eq!((failure.stage, failure.reason), (Stage::Tls, reason), "{name}: {failure}");
        let session = outcome.seen.unwrap();
        assert_eq!(session.verify_result, result, "{name}");
        assert!(!session.is_complete(), "{name}");
        let metrics = metrics(&session);
        for expected in [
            &format!("probe_ssl_verify_info{{result=\"{}\"}} 1\n", result.label()),
            "probe_ssl_earliest_cert_expiry ",
            "probe_ssl_last_chain_info{",
        ] {
            assert!(metrics.contains(expected), "{name}: no {expected} in {metrics}");
        }
        assert!(!metrics.contains("probe_tls_"), "{name}: {metrics}");
    }
}

#[tokio::test]
async fn without_verification_anything_goes_and_the_verdict_is_reported() {
    for (name, server, root, result, _) in bad_leaves().into_iter().chain(bad_chains()) {
        let settings = TlsSettings { insecure_skip_verify: true, ..trusting(&root) };
        let outcome = connect(&server.start().await, settings, HOST).await;
        assert!(outcome.stream.is_ok(), "{name}: {:?}", outcome.stream);
        assert_eq!(outcome.session().verify_result, result, "{name}");
        // A chain that holds is one, whatever host it is for.
        assert_eq!(
            outcome.session().last_chain_expiry().is_some(),
            result == VerifyResult::WrongHost,
            "{name}"
        );
    }
}

#[tokio::test]
async fn a_certificate_of_an_rsa_key_of_1024_bits_is_accepted_and_one_of_512_is_not() {
    for (bits, result) in [(1024, VerifyResult::Ok), (512, VerifyResult::Invalid)] {
        let root = fixtures::authority("Test Root").key(Key::Rsa(bits)).self_signed();
        let server = fixtures::server(&leaf().signed_by(&root)).start().await;
        let settings = TlsSettings { insecure_skip_verify: true, ..trusting(&root) };
        let outcome = connect(&server, settings, HOST).await;
        assert_eq!(outcome.session().verify_result, result, "{bits}");
    }
}

#[tokio::test]
async fn a_trusted_certificate_needs_no_authority() {
    let authority = leaf().extension("basicConstraints", "critical,CA:TRUE").self_signed();
    let pki = fixtures::pki(leaf());
    let cases = [
        ("self-signed authority", fixtures::server(&authority), &authority),
        ("self-signed", fixtures::server(&pki.leaf), &pki.leaf),
        ("trusted intermediate", pki.server(), &pki.intermediate),
        ("root sent too", pki.server().chain(&[&pki.root]), &pki.root),
        (
            "sent out of order",
            fixtures::server(&pki.leaf).chain(&[&pki.root, &pki.intermediate]),
            &pki.root,
        ),
    ];
    for (name, server, trusted) in cases {
        let outcome = connect(&server.start().await, trusting(trusted), HOST).await;
        assert!(outcome.stream.is_ok(), "{name}: {:?}", outcome.stream);
        let session = outcome.session();
        assert_eq!(session.verified_chains.len(), 1, "{name}");
        let last = session.verified_chains[0].last().unwrap();
        assert_eq!(last.der(), trusted.certificate.to_der().unwrap(), "{name}");
    }
}

#[tokio::test]
async fn a_root_of_version_1_and_one_of_the_same_key_renewed_are_trusted() {
    let old = fixtures::authority("Test Root").version1().self_signed();
    let bottom = leaf().signed_by(&old);
    let server = fixtures::server(&bottom).start().await;
    assert!(connect(&server, trusting(&old), HOST).await.stream.is_ok());

    // The key identifier that the certificate names is not the renewed root's.
    let first = fixtures::authority("Test Root").self_signed();
    let bottom = leaf().signed_by(&first);
    let renewed = fixtures::authority("Test Root")
        .same_key(&first)
        .extension("subjectKeyIdentifier", "01020304")
        .self_signed();
    let server = fixtures::server(&bottom).start().await;
    let outcome = connect(&server, trusting(&renewed), HOST).await;
    assert!(outcome.stream.is_ok(), "{:?}", outcome.stream);
}

#[tokio::test]
async fn name_constraints_are_honoured() {
    let cases = [
        ("critical,permitted;DNS:test", true),
        ("permitted;DNS:host.test", true),
        ("permitted;DNS:other.test", false),
        ("excluded;DNS:host.test", false),
        ("permitted;email:x.test", true),
        ("permitted;IP:127.0.0.0/255.0.0.0", true),
        ("critical,permitted;DNS:test,permitted;IP:127.0.0.0/255.0.0.0", true),
        ("permitted;DNS:other.test,permitted;IP:127.0.0.0/255.0.0.0", false),
        ("permitted;IP:10.0.0.0/255.0.0.0", false),
        ("excluded;IP:10.0.0.0/255.0.0.0", true),
        ("excluded;IP:0.0.0.0/0.0.0.0", false),
    ];
    let root = fixtures::authority("Test Root").self_signed();
    for (constraints, good) in cases {
        let intermediate = fixtures::authority("Test Intermediate")
            .extension("nameConstraints", constraints)
            .signed_by(&root);
        let bottom = leaf().also("IP:127.0.0.1").signed_by(&intermediate);
        let server = fixtures::server(&bottom).chain(&[&intermediate]).start().await;
        let outcome = connect(&server, trusting(&root), HOST).await;
        assert_eq!(outcome.stream.is_ok(), good, "{constraints}: {:?}", outcome.stream);
    }
}

#[tokio::test]
async fn the_expiry_of_the_last_chain_is_that_of_the_best_of_all() {
    // One key, two roots' word for it, one of which ends earlier.
    let short = fixtures::authority("Short Root").valid_days(-1, 20).self_signed();
    let long = fixtures::authority("Long Root").self_signed();
    let by_long = fixtures::authority("Test Intermediate").valid_days(-1, 60).signed_by(&long);
    let by_short = fixtures::authority("Test Intermediate").same_key(&by_long).signed_by(&short);
    let bottom = leaf().signed_by(&by_long);
    let server = fixtures::server(&bottom).chain(&[&by_short, &by_long]).start().await;

    let both = TlsSettings { ca: short.pem() + &long.pem(), ..TlsSettings::default() };
    let outcome = connect(&server, both, HOST).await;
    assert_eq!(outcome.session().verified_chains.len(), 2);
    assert_eq!(outcome.session().last_chain_expiry(), Some(by_long.not_after()));
    assert_eq!(outcome.session().earliest_expiry(), Some(by_long.not_after()));

    // The root's end counts.
    let outcome = connect(&server, trusting(&short), HOST).await;
    assert_eq!(outcome.session().verified_chains.len(), 1);
    assert_eq!(outcome.session().last_chain_expiry(), Some(short.not_after()));
    assert_eq!(outcome.session().earliest_expiry(), Some(by_long.not_after()));
}

#[tokio::test]
async fn an_expired_root_does_not_spoil_another_chain() {
    let dead = fixtures::authority("Dead Root").expired().self_signed();
    let alive = fixtures::authority("Live Root").self_signed();
    let by_alive = fixtures::authority("Test Intermediate").signed_by(&alive);
    let by_dead = fixtures::authority("Test Intermediate").same_key(&by_alive).signed_by(&dead);
    let bottom = leaf().signed_by(&by_alive);
    let server = fixtures::server(&bottom).chain(&[&by_dead, &by_alive]).start().await;
    let both = TlsSettings { ca: dead.pem() + &alive.pem(), ..TlsSettings::default() };
    let outcome = connect(&server, both, HOST).await;
    assert_eq!(outcome.session().verified_chains.len(), 1);
}

#[tokio::test]
async fn a_key_that_does_not_fit_is_no_failure_of_the_handshake() {
    // Authorities of one name, as when a key was changed; whichever is tried first.
    for version in [SslVersion::TLS1_2, SslVersion::TLS1_3] {
        let pki = fixtures::pki(leaf());
        let namesakes: String = (0..4)
            .map(|_| fixtures::authority("Test Root").key(Key::Rsa(2048)).self_signed().pem())
            .collect();
        let server = pki.server().version(version).start().await;
        let all = TlsSettings { ca: namesakes + &pki.root.pem(), ..TlsSettings::default() };
        let outcome = connect(&server, all, HOST).await;
        assert_eq!(outcome.session().verify_result, VerifyResult::Ok);
    }
}

#[tokio::test]
async fn a_server_that_sends_a_maze_is_given_up_on() {
    // Twenty certificates of one name and one key: each may have signed each, in any order.
    let root = fixtures::authority("Maze").self_signed();
    let lost = fixtures::authority("Maze").self_signed();
    let others: Vec<Issued> =
        (0..20).map(|_| fixtures::authority("Maze").same_key(&lost).signed_by(&lost)).collect();
    let bottom = leaf().signed_by(&lost);
    let server = fixtures::server(&bottom).chain(&others.iter().collect::<Vec<_>>()).start().await;
    let outcome = connect(&server, trusting(&root), HOST).await;
    assert_eq!(outcome.failure().reason, Reason::CertificateUnknownAuthority);
}

#[tokio::test]
async fn addresses_are_matched_against_addresses() {
    let pki = fixtures::pki(fixtures::leaf("::1").also("IP:127.0.0.1").also("DNS:10.0.0.1"));
    let server = pki.server().start().await;
    for (host, good) in
        [("127.0.0.1", true), ("::1", true), ("[::1]", true), ("10.0.0.1", false), ("::2", false)]
    {
        let outcome = connect(&server, trusting(&pki.root), host).await;
        assert_eq!(outcome.stream.is_ok(), good, "{host}: {:?}", outcome.stream);
    }
}

/// The content of extensions is given as OpenSSL writes DER.
#[tokio::test]
async fn only_extensions_that_verification_looks_into_must_be_well_formed() {
    // One without a key identifier, so that the leaf does not name it.
    let root = fixtures::authority("Test Root").version1().self_signed();
    for (oid, value, good) in [
        // A Netscape comment in Latin-1, the certificate type, a malformed one, and no DER at all.
        ("2.16.840.1.113730.1.13", "DER:16:03:66:fc:72", true),
        ("2.16.840.1.113730.1.1", "DER:04:00", true),
        ("2.16.840.1.113730.1.13", "DER:ff:ff", true),
        ("2.16.840.1.113730.1.13", "critical,DER:16:01:61", false),
        // Certificate timestamps, a CRL number, an issuer's alternative name, a template of
        // Windows.
        ("1.3.6.1.4.1.11129.2.4.2", "DER:04:02:00:ff", true),
        ("1.3.6.1.4.1.11129.2.4.3", "DER:00", true),
        ("2.5.29.20", "DER:0c:01:61", true),
        ("2.5.29.18", "DER:04:00", true),
        ("1.3.6.1.4.1.311.21.7", "DER:30:03:06:05:00", true),
        ("1.3.6.1.4.1.311.20.2", "DER:1e:03:00:57:00", true),
        ("1.3.6.1.5.5.7.1.3", "DER:30:ff", true),
        ("1.3.6.1.5.5.7.1.24", "DER:02:01:05", true),
        ("2.5.29.16", "DER:30:02:80:00", true),
        ("2.5.29.9", "DER:05:00", true),
        ("1.2.3.4", "DER:30:05", true),
        // The issuer of an authority key identifier, and a policy's qualifier.
        ("2.5.29.35", "DER:30:05:a1:03:a4:01:ff", true),
        ("2.5.29.35", "DER:30:03:82:01:05", true),
        ("2.5.29.32", "DER:30:09:30:07:06:02:2a:03:30:01:ff", true),
        ("2.5.29.31", "DER:30:06:30:04:a0:02:a0:00", true),
        ("1.3.6.1.5.5.7.1.1", "DER:30:08:30:06:06:02:2a:03:89:00", true),
        // Other names beside the right one: of no known form, and an address of 8 bytes.
        ("2.5.29.17", "DER:30:11:82:09:68:6f:73:74:2e:74:65:73:74:a0:04:06:00:05:00", true),
        ("2.5.29.17", "DER:30:0f:82:09:68:6f:73:74:2e:74:65:73:74:a3:02:05:00", true),
        // What Go's parser looks into too.
        ("2.5.29.17", "DER:30:0e:82:09:68:6f:73:74:2e:74:65:73:74:82:01:fc", false),
        ("2.5.29.14", "DER:30:00", false),
        ("basicConstraints", "DER:30:03:01:01:01", false),
        ("2.5.29.31", "DER:04:00", false),
        ("2.5.29.32", "DER:30:02:04:00", false),
        ("2.5.29.35", "DER:04:00", false),
        ("2.5.29.37", "DER:30:02:04:00", false),
        ("1.3.6.1.5.5.7.1.1", "DER:04:00", false),
    ] {
        let names = oid == "2.5.29.17";
        let leaf = if names { leaf().no_alternative_names() } else { leaf() };
        let bottom = leaf.extension(oid, value).signed_by(&root);
        let server = fixtures::server(&bottom).start().await;
        let outcome = connect(&server, trusting(&root), HOST).await;
        match &outcome.stream {
            Ok(_) => assert!(good, "{oid}, {value}"),
            Err(failure) => {
                assert!(!good, "{oid}, {value}: {failure}");
                assert_eq!(failure.reason, Reason::CertificateInvalid, "{oid}, {value}");
                let said = ["a malformed extension", "an unknown critical extension"];
                let is_said = said.iter().any(|said| failure.message.contains(said));
                assert!(is_said, "{oid}, {value}: {failure}");
            }
        }
    }
}
