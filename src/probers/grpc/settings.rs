//! Settings of the grpc prober.

use crate::{
    net::tls::TlsClient,
    probers::grpc::metadata::Metadata,
    settings::{ip::IpSettings, named::Named, rule::Warning, section::section, tls::TlsSettings},
};

section! {
    /// Settings of the grpc prober, which asks the health service of a gRPC server.
    #[derive(Debug, Clone, PartialEq)]
    pub struct GrpcProber {
        /// Service to ask for; empty means the server as a whole.
        pub service: Named<String>,
        /// Uses TLS.
        pub tls: bool,
        /// TLS settings.
        pub tls_config: TlsClient => TlsSettings,
        /// The address family to prefer.
        #[key(group)]
        pub ip: IpSettings,
        /// Metadata of the request. Keys are in lower case; values of a key that ends in `-bin` may
        /// be any bytes.
        pub metadata: Metadata,
    }
}

impl GrpcProber {
    /// What is surprising about the settings.
    #[must_use]
    pub fn warnings(&self) -> Vec<Warning> {
        let mut warnings: Vec<_> = self.ip.preferred_ip_protocol.warning().into_iter().collect();
        for key in self.metadata.ignored() {
            let message = format!("'{key}' is not sent, because gRPC sets it itself");
            warnings.push(Warning::at("metadata", message));
        }
        if !self.tls && self.tls_config != TlsClient::default() {
            warnings.push(Warning::at("tls_config", "no effect without 'tls: true'"));
        }
        warnings
    }
}
