//! The section `grpc`.

use serde::{Deserialize, Serialize};

use crate::{
    net::tls::TlsClient,
    probers::grpc::metadata::Metadata,
    settings::{
        ip::{IpSettings, PreferredIpProtocol},
        named::Named,
        rule::Warning,
    },
};

/// Asks the health service of a gRPC server.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "GrpcKeys", into = "GrpcKeys")]
pub struct GrpcProber {
    /// The service to ask for; empty means the server as a whole.
    pub service: Named<String>,
    /// Whether TLS is spoken.
    pub tls: bool,
    /// How TLS is spoken.
    pub tls_config: TlsClient,
    /// Which address of the target is probed.
    pub ip: IpSettings,
    /// What is sent beside the request.
    pub metadata: Metadata,
}

/// The section as it is written.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct GrpcKeys {
    service: Named<String>,
    tls: bool,
    tls_config: TlsClient,
    ip_protocol_fallback: bool,
    preferred_ip_protocol: PreferredIpProtocol,
    metadata: Metadata,
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

impl Default for GrpcKeys {
    fn default() -> Self {
        GrpcProber::default().into()
    }
}

impl From<GrpcKeys> for GrpcProber {
    fn from(keys: GrpcKeys) -> Self {
        Self {
            service: keys.service,
            tls: keys.tls,
            tls_config: keys.tls_config,
            ip: IpSettings {
                preferred_ip_protocol: keys.preferred_ip_protocol,
                ip_protocol_fallback: keys.ip_protocol_fallback,
            },
            metadata: keys.metadata,
        }
    }
}

impl From<GrpcProber> for GrpcKeys {
    fn from(prober: GrpcProber) -> Self {
        Self {
            service: prober.service,
            tls: prober.tls,
            tls_config: prober.tls_config,
            ip_protocol_fallback: prober.ip.ip_protocol_fallback,
            preferred_ip_protocol: prober.ip.preferred_ip_protocol,
            metadata: prober.metadata,
        }
    }
}
