//! Certificates for the servers of the comparison, and the files that modules name.

use std::path::{Path, PathBuf};

use boring::{
    pkey::PKey,
    ssl::{
        AlpnError, SslAcceptor, SslContext, SslContextBuilder, SslMethod, SslVerifyMode,
        SslVersion, select_next_proto,
    },
    x509::{X509, store::X509StoreBuilder},
};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, date_time_ymd,
};

pub(super) struct Pki {
    authority: CertifiedIssuer<'static, KeyPair>,
    pub(super) folder: PathBuf,
}

/// A server's certificate and key.
pub(super) struct Identity {
    chain: Vec<X509>,
    key: String,
}

impl Pki {
    /// Makes an authority and writes the files that the modules name into `folder`.
    pub(super) fn new(folder: &Path) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "Fixture Root");
        params.distinguished_name.push(DnType::OrganizationName, "Example Org");
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let pki = Self { authority, folder: folder.to_owned() };
        pki.write("ca", &pki.authority.pem());
        pki.write("body", "body from a file");
        pki.write("password", "secret\n");
        let mut client = params_for(&["client.example"]);
        client.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().unwrap();
        let certificate = client.signed_by(&key, &pki.authority).unwrap();
        pki.write("client_cert", &certificate.pem());
        pki.write("client_key", &key.serialize_pem());
        pki
    }

    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    pub(super) fn good(&self) -> Identity {
        self.issue(&params_for(&["localhost", "good.example", "127.0.0.1", "::1"]))
    }

    pub(super) fn expired(&self) -> Identity {
        let mut params = params_for(&["localhost", "127.0.0.1"]);
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2021, 1, 1);
        self.issue(&params)
    }

    fn issue(&self, params: &CertificateParams) -> Identity {
        let key = KeyPair::generate().unwrap();
        let leaf = params.signed_by(&key, &self.authority).unwrap();
        let parse = |pem: String| X509::from_pem(pem.as_bytes()).unwrap();
        let chain = vec![parse(leaf.pem()), parse(self.authority.pem())];
        Identity { chain, key: key.serialize_pem() }
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.file(name), text).unwrap();
    }

    /// Returns the settings of a server: `alpn` offers HTTP/2, and `demand` requires a client
    /// certificate of the authority.
    pub(super) fn acceptor(&self, identity: &Identity, alpn: bool, demand: bool) -> SslAcceptor {
        let mut builder = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls()).unwrap();
        builder.set_min_proto_version(Some(SslVersion::TLS1_2)).unwrap();
        self.equip(&mut builder, identity, demand);
        if alpn {
            builder.set_alpn_select_callback(|_, offered| {
                select_next_proto(b"\x02h2\x08http/1.1", offered).ok_or(AlpnError::NOACK)
            });
        }
        builder.build()
    }

    /// The same for HTTP/3.
    #[cfg(feature = "http3")]
    pub(super) fn quic(&self, identity: &Identity, demand: bool) -> SslContextBuilder {
        let mut builder = SslContext::builder(SslMethod::tls()).unwrap();
        self.equip(&mut builder, identity, demand);
        builder
    }

    fn equip(&self, builder: &mut SslContextBuilder, identity: &Identity, demand: bool) {
        builder
            .set_private_key(&PKey::private_key_from_pem(identity.key.as_bytes()).unwrap())
            .unwrap();
        let (leaf, rest) = identity.chain.split_first().unwrap();
        builder.set_certificate(leaf).unwrap();
        for certificate in rest {
            builder.add_extra_chain_cert(certificate.clone()).unwrap();
        }
        if demand {
            let mut store = X509StoreBuilder::new().unwrap();
            store.add_cert(X509::from_pem(self.authority.pem().as_bytes()).unwrap()).unwrap();
            builder.set_verify_cert_store(store.build()).unwrap();
            builder.set_verify(SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT);
        }
    }
}

fn params_for(names: &[&str]) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.distinguished_name.push(DnType::CommonName, "fixture, one");
    params.distinguished_name.push(DnType::OrganizationName, "Example Org");
    params.not_before = date_time_ymd(2025, 1, 1);
    params.not_after = date_time_ymd(2045, 1, 1);
    params
}
