//! The cost of verification: large keys, many certificates, and checks without end.

use std::{slice, sync::Arc};

use boring::{
    asn1::Asn1Time,
    bn::BigNum,
    hash::MessageDigest,
    pkey::PKey,
    rsa::Rsa,
    x509::{X509, X509Builder, X509Name},
};

use super::{
    connect, fixtures,
    fixtures::{Issued, Key},
    trusting,
};
use crate::{
    diagnostics::Reason,
    net::tls::{
        VerifyResult, certificate_cache, effort::Effort, trust_store::TrustStore,
        verify::CertificateVerifier,
    },
};

const HOST: &str = "host.test";

/// Returns a certificate with an RSA key of this size. Nobody knows its private key.
fn with_rsa_key(bits: i32) -> X509 {
    let mut modulus = BigNum::new().unwrap();
    modulus.set_bit(bits - 1).unwrap();
    modulus.set_bit(0).unwrap();
    let key = Rsa::from_public_components(modulus, BigNum::from_u32(65537).unwrap()).unwrap();
    let issuer = fixtures::authority("Test Root").self_signed();
    let issuer = PKey::private_key_from_pem(issuer.key_pem().as_bytes()).unwrap();
    let mut name = X509Name::builder().unwrap();
    name.append_entry_by_text("CN", HOST).unwrap();
    let name = name.build();
    let mut certificate = X509Builder::new().unwrap();
    certificate.set_version(2).unwrap();
    certificate.set_subject_name(&name).unwrap();
    certificate.set_issuer_name(&name).unwrap();
    certificate.set_not_before(&Asn1Time::days_from_now(0).unwrap()).unwrap();
    certificate.set_not_after(&Asn1Time::days_from_now(1).unwrap()).unwrap();
    certificate.set_pubkey(&PKey::from_rsa(key).unwrap()).unwrap();
    certificate.sign(&issuer, MessageDigest::sha256()).unwrap();
    certificate.build()
}

#[test]
fn rsa_keys_of_more_than_8192_bits_end_every_handshake() {
    for (bits, is_accepted) in [(8192, true), (8193, false), (16384, false)] {
        let sent = certificate_cache::from_x509(&with_rsa_key(bits));
        assert!(sent.is_some());
        let verifier = CertificateVerifier {
            trust: TrustStore::from_pem(b""),
            host: HOST.to_owned(),
            skip_verify: true,
            verdict: Arc::default(),
            memory: Arc::default(),
        };
        let result = verifier.verify_sent([sent].into_iter(), None, &Effort::default());
        assert_eq!(result.is_ok(), is_accepted, "{bits}");
        let session = verifier.verdict.take_session().unwrap();
        assert_eq!(session.verify_result == VerifyResult::Invalid, !is_accepted);
        let message = format!("RSA key of {bits} bits");
        assert_eq!(session.verify_detail.contains(&message), !is_accepted);
    }
}

/// Returns authorities of one name, each signed by the next one.
fn namesakes(count: usize, key: Key) -> Vec<Issued> {
    let authority = || fixtures::authority("Same").key(key);
    let mut all = vec![authority().self_signed()];
    while all.len() < count {
        let issuer = &all[all.len() - 1];
        let next = authority().signed_by(issuer);
        all.push(next);
    }
    all.reverse();
    all
}

#[tokio::test]
async fn long_chains_are_verified_on_another_thread() {
    let pki = fixtures::pki(fixtures::leaf(HOST));
    let others = namesakes(20, Key::P256);
    let chain: Vec<_> = slice::from_ref(&pki.intermediate).iter().chain(&others).collect();
    let server = fixtures::server(&pki.leaf).chain(&chain).start().await;
    let outcome = connect(&server, trusting(&pki.root), HOST).await;
    assert_eq!(outcome.session().verify_result, VerifyResult::Ok);
    assert_eq!(outcome.session().peer_chain.len(), 22);
    let outcome = connect(&server, trusting(&pki.root), "other.test").await;
    assert_eq!(outcome.failure().reason, Reason::CertificateWrongHost);
}

#[tokio::test]
async fn the_comparisons_with_name_constraints_are_limited() {
    let names = |count: usize| -> Vec<_> {
        (0..count).map(|number| format!("excluded;DNS:d{number}.test")).collect()
    };
    for (count, is_accepted) in [(100, true), (600, false)] {
        let root = fixtures::authority("Test Root").self_signed();
        let constrained = fixtures::authority("Constrained")
            .extension("nameConstraints", &names(count).join(","))
            .signed_by(&root);
        let leaf = (0..600).fold(fixtures::leaf(HOST), |leaf, number| {
            leaf.also(&format!("DNS:w{number}.example"))
        });
        let leaf = leaf.signed_by(&constrained);
        let server = fixtures::server(&leaf).chain(&[&constrained]).start().await;
        let outcome = connect(&server, trusting(&root), HOST).await;
        assert_eq!(outcome.stream.is_ok(), is_accepted, "{count}: {:?}", outcome.stream);
    }
}

#[tokio::test]
async fn the_time_of_signature_checks_is_limited() {
    let authorities = namesakes(40, Key::P384);
    let leaf = fixtures::leaf(HOST).signed_by(&authorities[0]);
    let chain: Vec<_> = authorities.iter().collect();
    let server = fixtures::server(&leaf).chain(&chain).start().await;
    let trusted = fixtures::authority("Test Root").self_signed();
    let outcome = connect(&server, trusting(&trusted), HOST).await;
    let failure = outcome.failure();
    assert_eq!(failure.reason, Reason::CertificateInvalid);
    assert!(failure.message.contains("take too long"), "{failure}");
}
