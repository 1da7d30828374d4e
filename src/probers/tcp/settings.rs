//! Settings of the tcp prober.

use std::net::IpAddr;

use crate::{
    net::tls::TlsClient,
    probers::query_response::{QueryResponse, Step},
    settings::{
        ip::{IpSettings, SourceAddress},
        rule::{RuleError, Warning},
        section::section,
        tls::TlsSettings,
    },
};

section! {
    /// Settings of the tcp prober, which connects, does a TLS handshake and a dialogue if they are
    /// configured.
    #[derive(Debug, Clone, PartialEq)]
    pub struct TcpProber {
        /// The address family to prefer.
        #[key(group)]
        pub ip: IpSettings,
        /// Address to connect from.
        pub source_ip_address: Option<IpAddr> as SourceAddress,
        /// Steps of the dialogue; without any, the probe succeeds once it is connected.
        pub query_response: QueryResponse => Step,
        /// Starts TLS directly after the TCP handshake.
        pub tls: bool,
        /// TLS settings, for `tls` and for `starttls`.
        pub tls_config: TlsClient => TlsSettings,
    }
    check Self::check;
}

impl TcpProber {
    fn check(&mut self) -> Result<(), RuleError> {
        self.query_response.check_tls(self.tls)
    }

    /// What is surprising about the settings.
    #[must_use]
    pub fn warnings(&self) -> Vec<Warning> {
        self.ip.preferred_ip_protocol.warning().into_iter().collect()
    }
}
