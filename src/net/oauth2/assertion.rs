//! Signed assertions that replace a client secret (RFC 7523).

use std::time::{SystemTime, UNIX_EPOCH};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use boring::{
    hash::MessageDigest,
    pkey::{Id, PKey, Private},
    sign::Signer,
};
use serde_json::{Map, Value, json};

use crate::{
    diagnostics::{Failure, Reason},
    net::tls,
    settings::{
        http_client::{OAuth2Settings, SignatureAlgorithm},
        secret::Secret,
    },
};

/// Lifetime of an assertion in seconds.
const LIFETIME: u64 = 600;

/// Parses an RSA key in PEM format.
///
/// # Errors
/// A message that does not contain the key.
pub(super) fn key(pem: &Secret) -> Result<PKey<Private>, &'static str> {
    let key = tls::private_key_of(pem.expose().as_bytes())?;
    if key.id() == Id::RSA {
        Ok(key)
    } else {
        Err("the private key is not an RSA key; use an RSA key")
    }
}

/// Creates the assertion of the settings, signed with the key in `pem`.
pub(super) fn sign(settings: &OAuth2Settings, pem: &Secret) -> Result<String, Failure> {
    let key = key(pem).map_err(|message| {
        Failure::of_request(Reason::UnusableFile, format!("client_certificate_key: {message}"))
    })?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let text = format!("{}.{}", encode(&header(settings)), encode(&claims(settings, now)));
    let digest = match settings.signature_algorithm() {
        SignatureAlgorithm::Rs256 => MessageDigest::sha256(),
        SignatureAlgorithm::Rs384 => MessageDigest::sha384(),
        SignatureAlgorithm::Rs512 => MessageDigest::sha512(),
    };
    let signature = Signer::new(digest, &key)
        .and_then(|mut signer| signer.sign_oneshot_to_vec(text.as_bytes()))
        .map_err(|error| {
            Failure::of_request(
                Reason::UnusableFile,
                format!("signing with the private key failed: {error}"),
            )
        })?;
    Ok(format!("{text}.{}", BASE64.encode(signature)))
}

fn header(settings: &OAuth2Settings) -> Value {
    let mut header = json!({"alg": settings.signature_algorithm().name(), "typ": "JWT"});
    if !settings.client_certificate_key_id.is_empty()
        && let Some(header) = header.as_object_mut()
    {
        header.insert("kid".to_owned(), settings.client_certificate_key_id.clone().into());
    }
    header
}

fn claims(settings: &OAuth2Settings, now: u64) -> Value {
    let or = |text: &str, default: &str| {
        if text.is_empty() { default.to_owned() } else { text.to_owned() }
    };
    let mut claims = Map::new();
    let mut claim = |name: &str, value: Value| claims.insert(name.to_owned(), value);
    claim("iss", or(&settings.iss, &settings.client_id).into());
    claim("sub", settings.client_id.clone().into());
    claim("aud", or(&settings.audience, settings.token_url.as_str()).into());
    claim("jti", format!("{:032x}", rand::random::<u128>()).into());
    claim("iat", now.into());
    claim("exp", (now + LIFETIME).into());
    if !settings.scopes.is_empty() {
        claim("scope", settings.scopes.join(" ").into());
    }
    for (name, value) in &settings.claims {
        claims.insert(name.clone(), value.clone());
    }
    claims.into()
}

fn encode(value: &Value) -> String {
    BASE64.encode(value.to_string())
}

#[cfg(test)]
mod tests {
    use boring::{rsa::Rsa, sign::Verifier};

    use super::*;

    fn settings(more: &Value) -> OAuth2Settings {
        let mut keys = json!({"client_id": "me", "token_url": "https://tokens.example/t"});
        keys.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        serde_json::from_value(keys).unwrap()
    }

    fn decoded(part: &str) -> Value {
        serde_json::from_slice(&BASE64.decode(part).unwrap()).unwrap()
    }

    #[test]
    fn signature_of_an_assertion_is_valid() {
        let pair = PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap();
        let pem = String::from_utf8(pair.private_key_to_pem_pkcs8().unwrap()).unwrap();
        for (name, digest) in [
            ("RS256", MessageDigest::sha256()),
            ("RS384", MessageDigest::sha384()),
            ("RS512", MessageDigest::sha512()),
        ] {
            let settings = settings(&json!({
                "signature_algorithm": name,
                "client_certificate_key_id": "k1",
                "scopes": ["a", "b"],
                "claims": {"sub": "somebody", "x": [1]},
            }));
            let signed = sign(&settings, &Secret::new(pem.as_str())).unwrap();
            let (text, signature) = signed.rsplit_once('.').unwrap();
            let mut verifier = Verifier::new(digest, &pair).unwrap();
            let signature = BASE64.decode(signature).unwrap();
            assert!(verifier.verify_oneshot(&signature, text.as_bytes()).unwrap(), "{name}");
            let (header, claims) = text.split_once('.').unwrap();
            assert_eq!(decoded(header), json!({"alg": name, "typ": "JWT", "kid": "k1"}));
            let claims = decoded(claims);
            for (claim, value) in [
                ("iss", json!("me")),
                ("sub", json!("somebody")),
                ("aud", json!("https://tokens.example/t")),
                ("scope", json!("a b")),
                ("x", json!([1])),
            ] {
                assert_eq!(claims[claim], value, "{claim}");
            }
            assert_eq!(claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap(), LIFETIME);
            assert!(!claims["jti"].as_str().unwrap().is_empty());
        }
    }

    #[test]
    fn error_of_an_unusable_key_does_not_contain_the_key() {
        let curve = boring::ec::EcGroup::from_curve_name(boring::nid::Nid::X9_62_PRIME256V1);
        let curve = boring::ec::EcKey::generate(&curve.unwrap()).unwrap();
        let curve = PKey::from_ec_key(curve).unwrap().private_key_to_pem_pkcs8().unwrap();
        let curve = String::from_utf8(curve).unwrap();
        for (pem, words) in [("hunter2", "no private key in PEM"), (&curve, "not an RSA key")] {
            let failure = sign(&settings(&json!({})), &Secret::new(pem)).unwrap_err();
            assert!(failure.message.contains(words), "{failure}");
            assert!(!failure.message.contains("hunter2"), "{failure}");
        }
    }
}
