//! Settings of the unix prober.

use crate::{
    diagnostics::CheckName,
    net::tls::TlsClient,
    probers::{
        ProberSettings,
        query_response::{QueryResponse, Step},
    },
    settings::{
        explain::{Explanation, ServerName, Topic},
        regexp::Subject,
        rule::{KeyPath, RuleError, Warning},
        section::section,
        tls::TlsSettings,
    },
};

section! {
    /// Settings of the unix prober, which connects to a socket of this machine, does a TLS handshake
    /// and a dialogue if they are configured.
    #[derive(Debug, Clone, PartialEq)]
    pub struct UnixProber {
        /// Steps of the dialogue; without any, the probe succeeds once it is connected.
        pub query_response: QueryResponse => Step,
        /// Starts TLS directly after the connection.
        pub tls: bool,
        /// TLS settings, for `tls` and for `starttls`.
        pub tls_config: TlsClient => TlsSettings,
    }
    check Self::check;
}

impl UnixProber {
    fn check(&mut self) -> Result<(), RuleError> {
        self.query_response.check_tls(self.tls)
    }
}

impl ProberSettings for UnixProber {
    /// Rejects TLS without a name to verify. A certificate cannot be issued for a file path, and this
    /// prober ignores `hostname`.
    ///
    /// Every such probe fails with upstream.
    fn check_use(&self) -> Result<(), RuleError> {
        let starttls = self.query_response.steps().iter().position(|step| step.starttls);
        let requested_by = match starttls {
            _ if self.tls => KeyPath::from("tls"),
            Some(step) => KeyPath::from("query_response").index(step).key("starttls"),
            None => return Ok(()),
        };
        let settings = self.tls_config.settings();
        if settings.server_name.is_empty() && !settings.insecure_skip_verify {
            let message = "a unix socket has no host name to verify the certificate for; set \
                           server_name (or insecure_skip_verify) in tls_config";
            let verified = ["server_name", "insecure_skip_verify"].map(|key| ["tls_config", key]);
            return Err(RuleError::at(requested_by, message).involving(verified));
        }
        Ok(())
    }

    fn warnings(&self) -> Vec<Warning> {
        let mut warnings = self.query_response.tls_warnings(self.tls, &self.tls_config);
        warnings.extend(self.query_response.warnings(Subject::Line));
        warnings
    }

    fn checks(&self) -> Vec<CheckName> {
        self.query_response.checks()
    }

    fn explain(&self, words: &mut Explanation) {
        words.say(Topic::Target, "Path of a socket, or an abstract name after @.");
        self.query_response.explain_tls(self.tls, words, |start, words| {
            self.tls_config.settings().explain(start, ServerName::None, words);
        });
        self.query_response.explain_connection(words);
    }

    fn takes_paths(&self) -> bool {
        true
    }
}
