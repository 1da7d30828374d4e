//! The web config file: TLS, users, headers and rate limit of the exporter's own listener.

mod changes;
mod clients;
mod files;
mod logins;
mod requests;

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::PathBuf,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use boring::{
    ssl::{SslConnector, SslConnectorBuilder, SslMethod, SslStream},
    x509::X509,
};
use tempfile::TempDir;

use crate::{
    fixtures::tls::{Issued, authority, leaf},
    harness::{Answer, Exporter, connect},
};

const MODULES: &str = "modules: {connect: {prober: tcp}}";

/// A folder with a web config file, the certificates that it names, and those of clients.
pub(crate) struct Web {
    folder: TempDir,
    pub(crate) authority: Issued,
}

impl Web {
    /// The listener's certificate is for `localhost`.
    pub(crate) fn new() -> Self {
        let web = Self {
            folder: tempfile::tempdir().unwrap(),
            authority: authority("Web Authority").self_signed(),
        };
        web.write("ca.pem", &web.authority.pem());
        web.issue("localhost");
        web
    }

    /// Replaces the certificate of the listener.
    pub(crate) fn issue(&self, name: &str) {
        let server = leaf(name).signed_by(&self.authority);
        self.write("server.pem", &server.pem());
        self.write("server.key", &server.key_pem());
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Replaces a file atomically.
    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.path("new"), text).unwrap();
        fs::rename(self.path("new"), self.path(name)).unwrap();
    }

    /// The web config file.
    pub(crate) fn file(&self) -> PathBuf {
        self.path("web.yml")
    }

    /// Starts an exporter with this web config file.
    pub(crate) fn start(&self, text: &str) -> Exporter {
        self.write("web.yml", text);
        Exporter::start_with(MODULES, |options| options.web_config_file = Some(self.file()))
    }

    /// Starts an exporter with TLS and more lines in that section.
    pub(crate) fn start_tls(&self, more: &str) -> Exporter {
        self.start(&tls_section(more))
    }

    /// A client that trusts the listener's authority.
    pub(crate) fn client(&self) -> Client {
        let mut builder = SslConnector::builder(SslMethod::tls()).unwrap();
        builder.cert_store_mut().add_cert(self.authority.certificate.clone()).unwrap();
        Client(builder)
    }
}

/// The section that enables TLS.
pub(crate) fn tls_section(more: &str) -> String {
    format!("tls_server_config:\n  cert_file: server.pem\n  key_file: server.key\n{more}")
}

/// A TLS client.
pub(crate) struct Client(SslConnectorBuilder);

impl Client {
    /// Sends this certificate if the server requests one.
    pub(crate) fn with(mut self, identity: &Issued) -> Self {
        self.0.set_certificate(&identity.certificate).unwrap();
        self.0.set_private_key(&identity.key).unwrap();
        self
    }

    pub(crate) fn changed(mut self, change: impl FnOnce(&mut SslConnectorBuilder)) -> Self {
        change(&mut self.0);
        self
    }

    /// Connects and performs the handshake.
    pub(crate) fn try_connect(self, address: SocketAddr) -> Result<SslStream<TcpStream>, String> {
        let stream = self.0.build().connect("localhost", connect(address));
        stream.map_err(|error| error.to_string())
    }

    /// Sends one request over a new connection; returns the response or the error.
    pub(crate) fn get(self, address: SocketAddr, path: &str) -> Result<Answer, String> {
        self.send(address, path, "").map(|(answer, _)| answer)
    }

    /// Sends one request with more headers; also returns the certificate of the listener.
    pub(crate) fn send(
        self,
        address: SocketAddr,
        path: &str,
        headers: &str,
    ) -> Result<(Answer, X509), String> {
        let mut stream = self.try_connect(address)?;
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n");
        // With TLS 1.3 a client learns only now that its certificate was rejected.
        stream.write_all(request.as_bytes()).map_err(|error| error.to_string())?;
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).map_err(|error| error.to_string())?;
        let certificate = stream.ssl().peer_certificate().unwrap();
        Ok((Answer::parse(&bytes), certificate))
    }
}

/// Returns the value of the `Authorization` header.
pub(crate) fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

/// Returns a section with one user, whose hash has the lowest cost.
pub(crate) fn users(user: &str, password: &str) -> String {
    format!("basic_auth_users:\n  {user}: {}\n", bcrypt::hash(password, 4).unwrap())
}

/// Requests the landing page with this login; returns the status.
fn login(exporter: &Exporter, user: &str, password: &str) -> u16 {
    exporter.request("GET", "/", &[("Authorization", &basic(user, password))]).status
}
