//! Messages about bad certificates.

use super::{connect, fixtures, trusting};
use crate::{diagnostics::Reason, settings::tls::TlsSettings};

#[tokio::test]
async fn a_certificate_for_other_names_says_what_is_missing() {
    let named = |names: &[&str]| {
        let leaf = fixtures::leaf("x").no_alternative_names();
        names.iter().fold(leaf, |leaf, name| leaf.also(name)).subject(&[("CN", "cn.test")])
    };
    let many: Vec<String> = (0..12).map(|index| format!("DNS:h{index}.test")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let odd_address = "DER:30:0a:87:08:7f:00:00:01:ff:00:00:00";
    for (leaf, host, expected) in [
        (
            named(&["DNS:127.0.0.1"]),
            "127.0.0.1",
            "has 127.0.0.1 as a DNS name, not as an IP address; reissue it with the subject \
             alternative name IP:127.0.0.1",
        ),
        (
            named(&["DNS:a.test"]),
            "[::1]",
            "is valid for a.test, not for [::1]; it has no IP address",
        ),
        (named(&["IP:127.0.0.2"]), "127.0.0.1", "is valid for 127.0.0.2, not for 127.0.0.1"),
        (
            named(&[]),
            "cn.test",
            "has no subject alternative name, only the common name \"cn.test\", which is ignored; \
             reissue it with the subject alternative name DNS:cn.test",
        ),
        (named(&[]), "127.0.0.1", "the subject alternative name IP:127.0.0.1"),
        (
            named(&[]).subject(&[("O", "nobody")]),
            "h.test",
            "has no subject alternative name; reissue",
        ),
        (named(&["email:a@b.test"]), "h.test", "has no subject alternative name of a host, only"),
        (named(&["DNS:a.test"]), "cn.test", "not for cn.test; its common name is ignored"),
        (named(&many), "h.test", "h6.test, h7.test and 4 more names, not for h.test"),
        (
            named(&["DNS:*.a.test"]),
            "x.y.a.test",
            "is valid for *.a.test, not for x.y.a.test; the * in *.a.test matches one label only",
        ),
        (named(&["DNS:*.a.test"]), "a.test", "*.a.test matches names below a.test, but not a.test"),
        (named(&["DNS:a.test."]), "a.test", "its name a.test. ends with a dot"),
        (
            named(&[]).extension("subjectAltName", odd_address),
            "127.0.0.1",
            "no subject alternative name but an IP address of a wrong length",
        ),
    ] {
        let pki = fixtures::pki(leaf);
        let outcome = connect(&pki.server().start().await, trusting(&pki.root), host).await;
        let failure = outcome.failure();
        assert_eq!(failure.reason, Reason::CertificateWrongHost, "{failure}");
        assert!(failure.message.contains(expected), "{failure}\n{expected}");
    }
}

#[tokio::test]
async fn a_chain_that_leads_nowhere_says_where_it_ends() {
    let root = fixtures::authority("Root").self_signed();
    let other = fixtures::authority("Root").self_signed();
    let strange = fixtures::authority("Strange").self_signed();
    let intermediate = fixtures::authority("Between").signed_by(&root);
    let leaf = || fixtures::leaf("h.test");
    let own = leaf().self_signed();
    let below = leaf().signed_by(&intermediate);
    let by_root = leaf().signed_by(&root);
    let by_strange = leaf().signed_by(&strange);
    for (server, trusted, expected) in [
        (
            fixtures::server(&own),
            &root,
            "certificate \"CN=h.test\" is self-signed and not trusted; to trust it, add it to \
             ca_file",
        ),
        (
            fixtures::server(&below),
            &root,
            "no trusted CA signed certificate \"CN=h.test\", and the server did not send the \
             certificate of its issuer \"CN=Between\"; add the intermediate certificate",
        ),
        (
            fixtures::server(&below).chain(&[&intermediate]),
            &strange,
            "signed certificate \"CN=Between\", and the server did not send the certificate of \
             its issuer \"CN=Root\"",
        ),
        (
            fixtures::server(&by_strange).chain(&[&strange]),
            &root,
            "the chain ends with the self-signed CA \"CN=Strange\", which is not trusted",
        ),
        (
            fixtures::server(&by_root),
            &other,
            "certificate \"CN=h.test\" was signed with another key than that of the CA \
             \"CN=Root\" in ca_file; check that ca_file contains the current certificate",
        ),
        (
            fixtures::server(&own),
            &leaf().self_signed(),
            "certificate \"CN=h.test\" is self-signed and not trusted; the certificate of the \
             same name in ca_file has another key; to trust it, add it to ca_file",
        ),
    ] {
        let outcome = connect(&server.start().await, trusting(trusted), "h.test").await;
        let failure = outcome.failure();
        assert_eq!(failure.reason, Reason::CertificateUnknownAuthority, "{failure}");
        assert!(failure.message.contains(expected), "{failure}\n{expected}");
    }
}

#[tokio::test]
async fn all_defects_of_a_certificate_are_reported() {
    let root = fixtures::authority("Root").self_signed();
    let leaf = || fixtures::leaf("h.test");
    let wrong_host = "; also, the certificate is valid for h.test, not for other.test";
    let own = "; also, certificate \"CN=h.test\" is self-signed and not trusted";
    // The certificate of the second one ended before it began.
    for (leaf, reason, parts) in [
        (leaf().expired().self_signed(), Reason::CertificateExpired, vec![wrong_host, own]),
        (
            leaf().valid_days(3, -3).self_signed(),
            Reason::CertificateNotYetValid,
            vec![wrong_host, own],
        ),
        (leaf().not_yet_valid().signed_by(&root), Reason::CertificateNotYetValid, vec![wrong_host]),
        (leaf().self_signed(), Reason::CertificateWrongHost, vec![own]),
        (leaf().signed_by(&root), Reason::CertificateWrongHost, vec![]),
    ] {
        let server = fixtures::server(&leaf).start().await;
        let outcome = connect(&server, trusting(&root), "other.test").await;
        let failure = outcome.failure();
        assert_eq!(failure.reason, reason, "{failure}");
        for part in &parts {
            assert!(failure.message.contains(part), "{failure}\n{part}");
        }
        assert_eq!(failure.message.matches("; also, ").count(), parts.len(), "{failure}");
    }
}

#[tokio::test]
async fn issuers_of_an_expired_certificate_are_judged_by_the_present_time() {
    let root = fixtures::authority("Root").self_signed();
    let by = |issuer| fixtures::leaf("h.test").valid_days(-30, -10).signed_by(issuer);
    let renewed = fixtures::authority("Issuer").valid_days(-5, 30).signed_by(&root);
    let expired = fixtures::authority("Issuer").valid_days(-60, -5).signed_by(&root);
    for (issuer, part) in
        [(&renewed, None), (&expired, Some("; also, certificate \"CN=Issuer\" expired"))]
    {
        let server = fixtures::server(&by(issuer)).chain(&[issuer]).start().await;
        let outcome = connect(&server, trusting(&root), "h.test").await;
        let failure = outcome.failure();
        assert_eq!(failure.reason, Reason::CertificateExpired, "{failure}");
        assert_eq!(failure.message.matches("; also, ").count(), part.iter().count(), "{failure}");
        assert!(part.is_none_or(|part| failure.message.contains(part)), "{failure}");
    }
}

#[tokio::test]
async fn the_remedy_for_an_unknown_authority_depends_on_the_store() {
    let server = fixtures::server(&fixtures::leaf("h.test").self_signed()).start().await;
    let outcome = connect(&server, TlsSettings::default(), "h.test").await;
    assert_eq!(
        outcome.failure().message,
        "certificate \"CN=h.test\" is self-signed and not trusted; to trust it, set ca_file to a \
         file that contains it"
    );
}

#[tokio::test]
async fn a_broken_name_constraint_is_put_into_words() {
    let root = fixtures::authority("Root").self_signed();
    for (constraints, expected) in [
        ("permitted;DNS:other.test", "do not permit its names"),
        ("excluded;DNS:h.test", "exclude one of its names"),
        ("permitted;IP:10.0.0.0/255.0.0.0", "does not permit its names"),
    ] {
        let intermediate = fixtures::authority("Between")
            .extension("nameConstraints", constraints)
            .signed_by(&root);
        let bottom = fixtures::leaf("h.test").also("IP:127.0.0.1").signed_by(&intermediate);
        let server = fixtures::server(&bottom).chain(&[&intermediate]).start().await;
        let outcome = connect(&server, trusting(&root), "h.test").await;
        let failure = outcome.failure();
        assert_eq!(failure.reason, Reason::CertificateInvalid, "{failure}");
        assert!(failure.message.contains(expected), "{failure}\n{expected}");
    }
}
