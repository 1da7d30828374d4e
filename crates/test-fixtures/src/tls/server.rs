//! TLS servers that show certificates.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use boring::{
    pkey::{PKey, Private},
    ssl::{
        AlpnError, NameType, Ssl, SslContext, SslContextBuilder, SslMethod, SslRef, SslVerifyMode,
        SslVersion, select_next_proto,
    },
    x509::X509,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_boring::{SslStream, SslStreamBuilder};

use super::certificates::Issued;

/// A TLS server in the making.
#[derive(Debug, Clone)]
pub struct TlsServer {
    certificates: Vec<X509>,
    key: PKey<Private>,
    versions: (SslVersion, SslVersion),
    ciphers: Option<&'static str>,
    signature_algorithms: Option<&'static str>,
    groups: Option<&'static str>,
    alpn: Option<&'static [u8]>,
    client_authority: Option<X509>,
    ocsp_response: Vec<u8>,
}

/// A server that shows `leaf` and nothing above it.
pub fn server(leaf: &Issued) -> TlsServer {
    TlsServer {
        certificates: vec![leaf.certificate.clone()],
        key: leaf.key.clone(),
        versions: (SslVersion::TLS1_2, SslVersion::TLS1_3),
        ciphers: None,
        signature_algorithms: None,
        groups: None,
        alpn: None,
        client_authority: None,
        ocsp_response: Vec::new(),
    }
}

impl TlsServer {
    /// Sends these certificates too.
    pub fn chain(mut self, others: &[&Issued]) -> Self {
        self.certificates.extend(others.iter().map(|other| other.certificate.clone()));
        self
    }

    /// Speaks these versions only.
    pub fn versions(mut self, lowest: SslVersion, highest: SslVersion) -> Self {
        self.versions = (lowest, highest);
        self
    }

    /// Speaks this version only.
    pub fn version(self, version: SslVersion) -> Self {
        self.versions(version, version)
    }

    /// Speaks these ciphers only, named as OpenSSL names them; up to TLS 1.2.
    pub fn ciphers(mut self, ciphers: &'static str) -> Self {
        self.ciphers = Some(ciphers);
        self
    }

    /// Signs handshakes with these algorithms only, named as RFC 8446 names them.
    pub fn signature_algorithms(mut self, algorithms: &'static str) -> Self {
        self.signature_algorithms = Some(algorithms);
        self
    }

    /// Exchanges keys in these groups only.
    pub fn groups(mut self, groups: &'static str) -> Self {
        self.groups = Some(groups);
        self
    }

    /// Agrees to one of these application protocols, each after its length.
    pub fn alpn(mut self, protocols: &'static [u8]) -> Self {
        self.alpn = Some(protocols);
        self
    }

    /// Demands a client certificate of this authority.
    pub fn demand_client_certificate(mut self, authority: &Issued) -> Self {
        self.client_authority = Some(authority.certificate.clone());
        self
    }

    /// Sends this along about its certificate.
    pub fn ocsp_response(mut self, response: Vec<u8>) -> Self {
        self.ocsp_response = response;
        self
    }

    /// The engine for accepting connections.
    pub fn context(&self) -> SslContext {
        self.builder().build()
    }

    /// The same, for somebody else to finish.
    pub fn builder(&self) -> SslContextBuilder {
        let mut builder = SslContext::builder(SslMethod::tls()).unwrap();
        builder.set_min_proto_version(Some(self.versions.0)).unwrap();
        builder.set_max_proto_version(Some(self.versions.1)).unwrap();
        let (leaf, others) = self.certificates.split_first().unwrap();
        builder.set_certificate(leaf).unwrap();
        builder.set_private_key(&self.key).unwrap();
        for certificate in others {
            builder.add_extra_chain_cert(certificate.clone()).unwrap();
        }
        if let Some(ciphers) = self.ciphers {
            builder.set_strict_cipher_list(ciphers).unwrap();
        }
        if let Some(algorithms) = self.signature_algorithms {
            builder.set_sigalgs_list(algorithms).unwrap();
        }
        builder.set_curves_list(self.groups.unwrap_or("X25519:P-256:P-384:P-521")).unwrap();
        if let Some(alpn) = self.alpn {
            builder.set_alpn_select_callback(move |_, offered| {
                select_next_proto(alpn, offered).ok_or(AlpnError::NOACK)
            });
        }
        if !self.ocsp_response.is_empty() {
            let response = self.ocsp_response.clone();
            let tell = move |ssl: &mut SslRef| ssl.set_ocsp_status(&response).map(|()| true);
            builder.set_status_callback(tell).unwrap();
        }
        if let Some(authority) = &self.client_authority {
            builder.cert_store_mut().add_cert(authority).unwrap();
            builder.add_client_ca(authority).unwrap();
            builder.set_verify(SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT);
        }
        builder
    }

    /// Serves on a free port of 127.0.0.1: greets whoever has completed a handshake with
    /// `hello\n`, and sends back what it gets.
    pub async fn start(self) -> RunningTlsServer {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let names = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&names);
        let context = self.context();
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (context, seen) = (context.clone(), Arc::clone(&seen));
                tokio::spawn(async move {
                    if let Ok(mut stream) = accept(&context, stream).await {
                        let name = stream.ssl().servername(NameType::HOST_NAME).map(str::to_owned);
                        seen.lock().unwrap().push(name);
                        echo(&mut stream).await;
                    }
                });
            }
        });
        RunningTlsServer { address, names, task }
    }
}

/// Completes the server's side of a handshake.
pub async fn accept<S: AsyncRead + AsyncWrite + Unpin>(
    context: &SslContext,
    stream: S,
) -> Result<SslStream<S>, String> {
    let ssl = Ssl::new(context).unwrap();
    SslStreamBuilder::new(ssl, stream).accept().await.map_err(|error| error.to_string())
}

async fn echo(stream: &mut SslStream<TcpStream>) {
    let mut buffer = [0; 1024];
    let mut answer = b"hello\n".to_vec();
    while stream.write_all(&answer).await.is_ok() && stream.flush().await.is_ok() {
        match stream.read(&mut buffer).await {
            Ok(length @ 1..) => answer = buffer[..length].to_vec(),
            _ => break,
        }
    }
}

/// A server that runs until it is dropped.
#[derive(Debug)]
pub struct RunningTlsServer {
    pub address: SocketAddr,
    names: Arc<Mutex<Vec<Option<String>>>>,
    task: JoinHandle<()>,
}

impl RunningTlsServer {
    /// The names that clients asked for, in order of their handshakes.
    pub fn asked_for(&self) -> Vec<Option<String>> {
        self.names.lock().unwrap().clone()
    }
}

impl Drop for RunningTlsServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}
