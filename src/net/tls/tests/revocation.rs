//! Stapled OCSP responses.

use boring::ssl::SslVersion;

use super::{
    Outcome, connect, fixtures,
    fixtures::{Issued, Key, Pki},
    ocsp::{Response, revoked},
    trusting,
};
use crate::{diagnostics::Reason, net::tls::VerifyResult, settings::tls::TlsSettings};

const HOST: &str = "host.test";

fn pki() -> Pki {
    fixtures::pki(fixtures::leaf(HOST))
}

/// Issues the certificate of an OCSP delegate of an authority.
fn delegate(of: &Issued) -> Issued {
    let recipe = fixtures::leaf("ocsp.test").extension("extendedKeyUsage", "OCSPSigning");
    recipe.signed_by(of)
}

async fn told(pki: &Pki, response: Vec<u8>) -> Outcome {
    let server = pki.server().ocsp_response(response).start().await;
    connect(&server, trusting(&pki.root), HOST).await
}

#[tokio::test]
async fn a_certificate_that_is_said_to_be_revoked_is_refused() {
    let pki = pki();
    let delegate = delegate(&pki.intermediate);
    let said = revoked(&pki.leaf, &pki.intermediate);
    for (what, response) in [
        ("by the issuer", said.clone()),
        ("by SHA-256", said.clone().with_sha256()),
        ("by a delegate", said.signed_by(&delegate)),
    ] {
        let outcome = told(&pki, response.der()).await;
        let failure = outcome.failure();
        assert_eq!(failure.reason, Reason::CertificateRevoked, "{what}: {failure}");
        assert!(failure.message.contains("revoked at 20"), "{failure}");
        assert_eq!(outcome.seen.unwrap().verify_result, VerifyResult::Revoked, "{what}");
    }
}

#[tokio::test]
async fn older_versions_of_tls_tell_it_too_and_a_module_may_accept_it() {
    let pki = pki();
    let response = revoked(&pki.leaf, &pki.intermediate).der();
    let server = pki.server().version(SslVersion::TLS1_2).ocsp_response(response).start().await;
    let outcome = connect(&server, trusting(&pki.root), HOST).await;
    assert_eq!(outcome.failure().reason, Reason::CertificateRevoked);
    let careless = TlsSettings { insecure_skip_verify: true, ..trusting(&pki.root) };
    let outcome = connect(&server, careless, HOST).await;
    assert_eq!(outcome.session().verify_result, VerifyResult::Revoked);
}

#[tokio::test]
async fn what_does_not_count_says_nothing() {
    let pki = pki();
    let other = fixtures::leaf(HOST).signed_by(&pki.intermediate);
    let stranger = fixtures::authority("Test Intermediate").self_signed();
    let not_delegate = fixtures::leaf("ocsp.test").signed_by(&pki.intermediate);
    let delegate_of_root = delegate(&pki.root);
    let ed25519 = fixtures::authority("Ed").key(Key::P384).self_signed();
    let said = revoked(&pki.leaf, &pki.intermediate);
    let whole = said.der();
    let mut forged = whole.clone();
    *forged.last_mut().unwrap() ^= 1;
    let of = |response: Response<'_>| response.der();
    for (what, response) in [
        ("good", of(said.clone().good())),
        ("too old", of(said.clone().holds(-7200, -3600))),
        ("too early", of(said.clone().holds(3600, 7200))),
        ("about another certificate", of(revoked(&other, &pki.intermediate))),
        ("about one of another issuer", of(revoked(&pki.leaf, &stranger))),
        ("signed by a stranger", of(said.clone().signed_by(&stranger))),
        ("signed by a stranger with another key", of(said.clone().signed_by(&ed25519))),
        ("signed by somebody who may not", of(said.clone().signed_by(&not_delegate))),
        ("signed by a delegate of another", of(said.clone().signed_by(&delegate_of_root))),
        ("forged", forged),
        ("cut off", whole[..whole.len() / 2].to_vec()),
        ("garbage", b"\x30\x84\xff\xff\xff\xff\x01".to_vec()),
    ] {
        let outcome = told(&pki, response).await;
        assert_eq!(outcome.session().verify_result, VerifyResult::Ok, "{what}");
    }
}
