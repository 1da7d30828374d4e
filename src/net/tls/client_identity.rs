//! Client certificates.

use boring::{
    pkey::{PKey, Private},
    x509::X509,
};

use crate::{
    net::tls::{pem_source::PemSource, tls_files::Contents, trust_store},
    settings::{pem, tls::TlsSettings},
};

/// A client certificate, its chain and its key.
#[derive(Debug)]
pub(super) struct ClientIdentity {
    pub(super) leaf: X509,
    pub(super) chain: Vec<X509>,
    pub(super) key: PKey<Private>,
}

impl ClientIdentity {
    /// Parses the client certificate and the key of the settings, if there are any.
    pub(super) fn of(settings: &TlsSettings, files: &Contents) -> Result<Option<Self>, String> {
        let certificate = PemSource::of(&settings.cert, "cert", &settings.cert_file, "cert_file");
        let key = PemSource::of(settings.key.expose(), "key", &settings.key_file, "key_file");
        let (Some(certificate), Some(key)) = (certificate, key) else { return Ok(None) };
        let mut chain =
            certificates(&certificate, files).map_err(|message| certificate.wrong(&message))?;
        let leaf = chain.remove(0);
        let private = private_key(&key, files).map_err(|message| key.wrong(&message))?;
        let is_of = |leaf: &X509| leaf.public_key().is_ok_and(|public| public.public_eq(&private));
        if !is_of(&leaf) {
            let place = chain.iter().position(is_of).map(|index| index + 2);
            let advice = place
                .map_or("set the key that belongs to the certificate".to_owned(), |place| {
                    format!("it belongs to certificate {place} there, which must be the first")
                });
            return Err(format!(
                "{key}: does not match the certificate in {certificate}; {advice}"
            ));
        }
        Ok(Some(Self { leaf, chain, key: private }))
    }
}

/// Parses one or more certificates.
pub(super) fn certificates(source: &PemSource<'_>, files: &Contents) -> Result<Vec<X509>, String> {
    let text = source.text(files);
    let chain = trust_store::certificates(text)
        .iter()
        .zip(1..)
        .map(|(der, number)| {
            X509::from_der(der)
                .map_err(|error| format!("certificate {number} is malformed: {error}"))
        })
        .collect::<Result<Vec<_>, _>>()?;
    if chain.is_empty() {
        return Err(pem::no_certificate(text).to_owned());
    }
    Ok(chain)
}

/// Parses a private key.
pub(super) fn private_key(
    source: &PemSource<'_>,
    files: &Contents,
) -> Result<PKey<Private>, String> {
    private_key_of(source.text(files)).map_err(str::to_owned)
}

/// Parses the private key in a PEM text.
pub(in crate::net) fn private_key_of(text: &[u8]) -> Result<PKey<Private>, &'static str> {
    // The callback gives no password, so that an encrypted key is refused.
    PKey::private_key_from_pem_callback(pem::without_byte_order_mark(text), |_| Ok(0))
        .map_err(|_| pem::no_private_key(text))
}
