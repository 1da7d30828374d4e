//! Authorities, certificates and keys in files, and in the settings themselves.

use std::{fs, path::Path};

use boring::symm::Cipher;

use super::{connect, connect_as, fixtures, trusting};
use crate::{
    diagnostics::{Reason, Stage},
    net::tls::{TlsClient, prepared_config::FILE_CHECK_INTERVAL},
    settings::{secret::Secret, tls::TlsSettings},
};

const HOST: &str = "host.test";

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

#[tokio::test]
async fn files_that_change_are_read_anew() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("ca.pem");
    let [first, second] = [(); 2].map(|()| fixtures::pki(fixtures::leaf(HOST)));
    let server = first.server().start().await;
    let settings = TlsSettings { ca_file: text(&file), ..TlsSettings::default() };
    let client = TlsClient::new(settings);

    fs::write(&file, first.root.pem()).unwrap();
    assert!(connect_as(&client, &server, HOST, &[]).await.stream.is_ok());
    assert!(connect_as(&client, &server, HOST, &[]).await.stream.is_ok());
    fs::write(&file, "# the authority of the other\n".to_owned() + &second.root.pem()).unwrap();
    tokio::time::sleep(FILE_CHECK_INTERVAL).await;
    let outcome = connect_as(&client, &server, HOST, &[]).await;
    assert_eq!(outcome.failure().reason, Reason::CertificateUnknownAuthority);

    // As Kubernetes does it: another file in its place.
    let next = directory.path().join("next.pem");
    fs::write(&next, first.root.pem()).unwrap();
    fs::rename(&next, &file).unwrap();
    tokio::time::sleep(FILE_CHECK_INTERVAL).await;
    assert!(connect_as(&client, &server, HOST, &[]).await.stream.is_ok());
}

#[tokio::test]
async fn unusable_files_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, content: &str| {
        let path = directory.path().join(name);
        fs::write(&path, content).unwrap();
        text(&path)
    };
    let pki = fixtures::pki(fixtures::leaf(HOST));
    let client = fixtures::leaf("client").self_signed();
    let other = fixtures::leaf("other").self_signed();
    let good = write("good.pem", &client.pem());
    let key = write("key.pem", &client.key_pem());
    let other_key = write("other.pem", &other.key_pem());
    let nothing = write("nothing.pem", "nothing\n");
    let empty = write("empty.pem", "");
    let block = |label: &str| format!("-----BEGIN {label}-----\nAAAA\n-----END {label}-----\n");
    let request = write("request.pem", &block("CERTIFICATE REQUEST"));
    let cipher = Cipher::aes_128_cbc();
    let pem = |bytes| String::from_utf8(bytes).unwrap();
    let encrypted = client.key.private_key_to_pem_pkcs8_passphrase(cipher, b"x").unwrap();
    let locked = write("locked.pem", &pem(encrypted));
    let legacy = block("EC PRIVATE KEY").replace("AAAA", "Proc-Type: 4,ENCRYPTED\n\nAAAA");
    let old_locked = write("old_locked.pem", &legacy);
    let binary = directory.path().join("key.der");
    fs::write(&binary, client.key.private_key_to_der().unwrap()).unwrap();
    let binary = text(&binary);
    let turned = write("turned.pem", &(other.pem() + &client.pem()));
    let marked = write("marked.pem", &format!("\u{feff}{}", client.key_pem()));
    let missing = text(&directory.path().join("missing.pem"));
    let authority = |file: &str| TlsSettings { ca_file: file.to_owned(), ..TlsSettings::default() };
    let client = |cert: &str, key: &str| TlsSettings {
        cert_file: cert.to_owned(),
        key_file: key.to_owned(),
        ..trusting(&pki.root)
    };
    let server = pki.server().start().await;
    let cases = [
        (authority(&missing), format!("ca_file {missing}: No such file or directory")),
        (authority(&nothing), format!("ca_file {nothing}: found no certificate in PEM format")),
        (authority(&key), format!("ca_file {key}: expected a certificate, found a private key")),
        (authority(&empty), format!("ca_file {empty}: the content is empty")),
        (
            client(&request, &key),
            format!("cert_file {request}: expected a certificate, found a certificate signing"),
        ),
        (client(&good, &locked), format!("key_file {locked}: the private key is encrypted")),
        (client(&good, &old_locked), format!("key_file {old_locked}: the private key is encr")),
        (
            client(&good, &good),
            format!("key_file {good}: expected a private key, found a certificate"),
        ),
        (client(&good, &binary), format!("key_file {binary}: expected PEM, found DER")),
        (
            client(&turned, &key),
            format!(
                "key_file {key}: does not match the certificate in cert_file {turned}; it belongs \
                 to certificate 2 there, which must be the first"
            ),
        ),
        (client(&missing, &key), format!("cert_file {missing}: No such file or directory")),
        (
            client(&nothing, &key),
            format!("cert_file {nothing}: found no certificate in PEM format"),
        ),
        (client(&good, &missing), format!("key_file {missing}: No such file or directory")),
        (
            client(&good, &nothing),
            format!("key_file {nothing}: found no private key in PEM format"),
        ),
        (
            client(&good, &other_key),
            format!("key_file {other_key}: does not match the certificate in cert_file {good}"),
        ),
    ];
    for (settings, expected) in cases {
        let outcome = connect(&server, settings, HOST).await;
        let failure = outcome.failure();
        assert_eq!((failure.stage, failure.reason), (Stage::Tls, Reason::UnusableFile));
        assert!(failure.message.starts_with(&expected), "{failure}");
    }
    assert!(connect(&server, client(&good, &key), HOST).await.stream.is_ok());
    assert!(connect(&server, client(&good, &marked), HOST).await.stream.is_ok());
    assert!(TlsClient::new(client(&good, &key)).prepare(&super::context()).await.is_ok());
    assert!(TlsClient::new(authority(&missing)).prepare(&super::context()).await.is_err());
}

#[test]
fn unusable_texts_are_refused_at_load() {
    let client = fixtures::leaf("client").self_signed();
    let load =
        |settings: TlsSettings| TlsClient::try_from(settings).map_err(|error| error.to_string());
    let good =
        TlsSettings { cert: client.pem(), key: Secret::new(client.key_pem()), ..trusting(&client) };
    assert!(load(good.clone()).is_ok());
    let cases = [
        (
            TlsSettings { ca: "x".to_owned(), ..good.clone() },
            "ca: found no certificate in PEM format",
        ),
        (
            TlsSettings { cert: "x".to_owned(), ..good.clone() },
            "cert: found no certificate in PEM format",
        ),
        (TlsSettings { key: Secret::new("x"), ..good }, "key: found no private key in PEM format"),
    ];
    for (settings, expected) in cases {
        let error = load(settings).unwrap_err();
        assert!(error.starts_with(expected), "{error}");
    }
}
