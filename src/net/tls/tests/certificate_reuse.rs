//! Cached certificates do not decide about later handshakes.

use std::sync::Arc;

use super::{
    connect, fixtures,
    fixtures::{Issued, Key},
    trusting,
};
use crate::net::tls::{
    Certificate, VerifyResult, certificate_cache,
    effort::Effort,
    trust_store::TrustStore,
    verify::{self, Verification},
};

const HOST: &str = "host.test";

fn sent(issued: &Issued) -> Arc<Certificate> {
    certificate_cache::from_x509(&issued.certificate).unwrap()
}

#[test]
fn times_trust_and_names_are_judged_again() {
    let pki = fixtures::pki(fixtures::leaf(HOST));
    let stranger = fixtures::authority("Test Root").self_signed();
    let (leaf, above) = (sent(&pki.leaf), sent(&pki.intermediate));
    let judge = |trusted: &Issued, host: &str, now: i64| -> Verification {
        let chain = [Arc::clone(&leaf), Arc::clone(&above)];
        let trust = TrustStore::from_pem(trusted.pem().as_bytes());
        verify::verify(&chain, &trust, host, now, &Effort::default())
    };
    let (begin, end) = (leaf.not_before(), leaf.not_after());
    for _ in 0..2 {
        assert_eq!(judge(&pki.root, HOST, end).result, VerifyResult::Ok);
        assert_eq!(judge(&pki.root, HOST, end + 1).result, VerifyResult::Expired);
        assert_eq!(judge(&pki.root, HOST, begin - 1).result, VerifyResult::NotYetValid);
        assert_eq!(judge(&pki.root, "other.test", end).result, VerifyResult::WrongHost);
        // Of the same name, but not of the same key.
        assert_eq!(judge(&stranger, HOST, end).result, VerifyResult::UnknownAuthority);
    }
}

#[test]
fn a_signature_is_remembered_with_its_key() {
    for key in [Key::P256, Key::P384, Key::Rsa(2048)] {
        let signer = fixtures::authority("Authority").key(key).self_signed();
        let renewed = fixtures::authority("Renewed").same_key(&signer).self_signed();
        let namesake = fixtures::authority("Authority").key(key).self_signed();
        let bottom = sent(&fixtures::leaf(HOST).signed_by(&signer));
        for _ in 0..2 {
            assert!(!bottom.is_signed_by(&sent(&namesake), &Effort::default()));
            assert!(bottom.is_signed_by(&sent(&signer), &Effort::default()));
            assert!(bottom.is_signed_by(&sent(&renewed), &Effort::default()));
        }
    }
}

#[tokio::test]
async fn a_certificate_that_differs_in_its_signature_alone_is_another() {
    let pki = fixtures::pki(fixtures::leaf(HOST));
    let good = connect(&pki.server().start().await, trusting(&pki.root), HOST).await;
    assert_eq!(good.session().verify_result, VerifyResult::Ok);

    let mut der = pki.leaf.certificate.to_der().unwrap();
    *der.last_mut().unwrap() ^= 1;
    let certificate = boring::x509::X509::from_der(&der).unwrap();
    let bad = fixtures::server(&Issued { certificate, ..pki.leaf }).chain(&[&pki.intermediate]);
    let outcome = connect(&bad.start().await, trusting(&pki.root), HOST).await;
    let seen = outcome.seen.unwrap();
    assert_eq!(seen.verify_result, VerifyResult::UnknownAuthority);
}
