//! Settings of the tcp prober.

use std::net::IpAddr;

use crate::{
    diagnostics::CheckName,
    net::tls::TlsClient,
    probers::{
        ProberSettings,
        query_response::{QueryResponse, Step},
    },
    settings::{
        explain::{Explanation, ServerName, Topic},
        ip::{self, IpSettings, SourceAddress},
        regexp::Subject,
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
}

impl ProberSettings for TcpProber {
    fn warnings(&self) -> Vec<Warning> {
        let mut warnings: Vec<_> = self.ip.preferred_ip_protocol.warning().into_iter().collect();
        warnings.extend(ip::source_address_warning(self.source_ip_address, &self.ip));
        warnings.extend(self.query_response.tls_warnings(self.tls, &self.tls_config));
        warnings.extend(self.query_response.warnings(Subject::Line));
        warnings
    }

    fn checks(&self) -> Vec<CheckName> {
        self.query_response.checks()
    }

    fn explain(&self, words: &mut Explanation) {
        words.say(Topic::Target, "host:port; the port is a number or a service name.");
        self.ip.explain(words);
        words.source_address(self.source_ip_address);
        self.query_response.explain_tls(self.tls, words, |start, words| {
            self.tls_config.settings().explain(start, ServerName::HostOrHostname, words);
        });
        self.query_response.explain_connection(words);
    }
}
