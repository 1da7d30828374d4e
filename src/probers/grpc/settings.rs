//! Settings of the grpc prober.

use crate::{
    diagnostics::CheckName,
    net::tls::TlsClient,
    probers::{ProberSettings, grpc::metadata::Metadata},
    settings::{
        explain::{Explanation, ServerName, Topic, header},
        ip::IpSettings,
        named::Named,
        rule::Warning,
        secret::is_secret_name,
        section::section,
        tls::TlsSettings,
    },
};

section! {
    /// Settings of the grpc prober, which calls the health service of a gRPC server.
    #[derive(Debug, Clone, PartialEq)]
    pub struct GrpcProber {
        /// Service to check; empty means the server as a whole.
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

/// The port of a target without one.
pub(super) const fn default_port(tls: bool) -> &'static str {
    if tls { "443" } else { "80" }
}

impl ProberSettings for GrpcProber {
    fn sends_credentials(&self) -> bool {
        self.metadata.headers().any(|(name, _)| is_secret_name(name.as_str()))
    }

    fn checks(&self) -> Vec<CheckName> {
        let name = self.service.name.as_ref();
        name.map(|name| CheckName::of_key("service").or_given(Some(name))).into_iter().collect()
    }

    fn warnings(&self) -> Vec<Warning> {
        let mut warnings: Vec<_> = self.ip.preferred_ip_protocol.warning().into_iter().collect();
        for key in self.metadata.ignored() {
            let message = format!("'{key}' is reserved by gRPC and not sent; remove it");
            warnings.push(Warning::at("metadata", message));
        }
        let tls = self.tls_config.settings().warnings((!self.tls).then_some("'tls: true'"));
        warnings.extend(tls.into_iter().map(|warning| warning.inside("tls_config")));
        warnings
    }

    fn explain(&self, words: &mut Explanation) {
        let port = default_port(self.tls);
        let text = format!(
            "host:port, or a URL, of which only host and port are used; the default port is {port}."
        );
        words.say(Topic::Target, text);
        self.ip.explain(words);
        if self.tls {
            let start = "From the start, with HTTP/2 (ALPN h2)";
            self.tls_config.settings().explain(start, ServerName::Host, words);
        } else {
            words.say_default(Topic::Tls, "Not used.");
        }
        let (is_default, service) = match self.service.as_str() {
            "" => (true, "the whole server".to_owned()),
            name => (false, format!("the service {name}")),
        };
        let text = format!("One call over HTTP/2: grpc.health.v1.Health/Check for {service}.");
        words.say_of(is_default, Topic::Sends, text);
        for (name, value) in self.metadata.headers() {
            let value = String::from_utf8_lossy(value.as_bytes());
            words.say(Topic::Sends, format!("The metadata {}.", header(name.as_str(), &value)));
        }
        let text = "The call ends with the status OK, and the service reports SERVING.";
        words.check(false, self.service.name.as_ref(), text);
        let text = "Connection refused, server without HTTP/2, or timeout.";
        words.say(Topic::Fails, text);
    }
}
