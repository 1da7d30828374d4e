//! A certificate for the responder, and the authority that vouches for it.

use anyhow::Result;
use boring::{
    pkey::PKey,
    ssl::{SslAcceptor, SslMethod, SslVersion},
    x509::X509,
};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

/// The name in the certificate.
pub(super) const SERVER_NAME: &str = "accuracy.test";

pub(super) struct Identity {
    /// In PEM form.
    pub(super) authority: String,
    certificate: String,
    key: String,
}

impl Identity {
    pub(super) fn make() -> Result<Self> {
        let mut root = CertificateParams::new(Vec::new())?;
        root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        root.distinguished_name.push(DnType::CommonName, "Authority of the accuracy measurement");
        let root = CertifiedIssuer::self_signed(root, KeyPair::generate()?)?;
        let key = KeyPair::generate()?;
        let leaf = CertificateParams::new([SERVER_NAME.to_owned()])?.signed_by(&key, &root)?;
        let authority = root.as_ref().pem();
        Ok(Self { authority, certificate: leaf.pem(), key: key.serialize_pem() })
    }

    /// A server of TLS 1.3.
    pub(super) fn acceptor(&self) -> Result<SslAcceptor> {
        let mut acceptor = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls())?;
        acceptor.set_certificate(&*X509::from_pem(self.certificate.as_bytes())?)?;
        acceptor.set_private_key(&*PKey::private_key_from_pem(self.key.as_bytes())?)?;
        acceptor.set_min_proto_version(Some(SslVersion::TLS1_3))?;
        acceptor.set_max_proto_version(Some(SslVersion::TLS1_3))?;
        Ok(acceptor.build())
    }
}
