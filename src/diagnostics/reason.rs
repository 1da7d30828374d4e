//! The two closed lists that say why a probe failed, with what each entry means and what to check
//! first. Metrics, pages, JSON, the command line and the reference all take their words from here.

use std::fmt;

/// Declares an enum whose variants are label values: its documentation is what users read too, so
/// that neither list can be left out of step.
macro_rules! labels {
    ($(#[$meta:meta])* $name:ident {
        $($(#[doc = $doc:literal])+ $variant:ident => $label:literal, $advice:literal;)*
    }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[doc = $doc])+ $variant,)* }

        impl $name {
            /// Every value, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The value of the label.
            #[must_use]
            pub const fn label(self) -> &'static str {
                match self { $(Self::$variant => $label,)* }
            }

            /// What it means, as one sentence or more.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc),+).trim_ascii(),)* }
            }

            /// What to look at first, as one sentence or more.
            #[must_use]
            pub const fn advice(self) -> &'static str {
                match self { $(Self::$variant => $advice,)* }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(self.label())
            }
        }
    };
}

labels! {
    /// The step of a probe that failed, or that the deadline cut off.
    Stage {
        /// Making sense of the target.
        Target => "target",
            "Look at how the target is written, and at the relabelling that makes it.";
        /// Resolving its name.
        Resolve => "resolve",
            "Look the name up on the exporter's host, with the resolvers that it uses.";
        /// Making the connection or the socket.
        Connect => "connect",
            "Try to connect from the exporter's host; look at listener, firewall and routes.";
        /// Getting through a proxy.
        Proxy => "proxy",
            "Look at the proxy, its log, and the module's proxy settings.";
        /// The TLS handshake.
        Tls => "tls",
            "Look at the certificates that the server sends, and at the module's tls_config.";
        /// Building and sending the request.
        Request => "request",
            "Look at the module: what it sends, with which credentials and files.";
        /// Waiting for the answer and reading it.
        Response => "response",
            "Look at the server's log for this very request.";
        /// Checking what was learned against the module.
        Check => "check",
            "The target answered; compare the answer with what the module demands.";
    }
}

labels! {
    /// Why it failed.
    Reason {
        /// The deadline passed.
        Timeout => "timeout",
            "See the message: it names what was waited for and what came last. Then compare the \
             module's timeout and the scrape timeout with the time that the target usually takes.";
        /// The scraper hung up before the probe was done; no scrape can show it.
        Abandoned => "abandoned",
            "Compare the scraper's timeout with that of the module: the scraper gave up first.";
        /// The target does not have the form that the prober needs.
        InvalidTarget => "invalid_target",
            "Correct the target in the scrape configuration or in its relabelling.";
        /// The name does not exist.
        NoSuchName => "no_such_name",
            "Check the spelling, and whether the exporter's resolver serves that zone.";
        /// The resolver did not answer, or answered with an error.
        ResolverFailure => "resolver_failure",
            "Check the resolvers of the exporter's host; the target itself was not asked.";
        /// The name has no address of the family that was asked for.
        NoSuitableAddress => "no_suitable_address",
            "Compare preferred_ip_protocol and ip_protocol_fallback with the name's A and AAAA \
             records.";
        /// The peer refused the connection.
        Refused => "refused",
            "Check that the service runs and listens on this address and port.";
        /// The peer or something in between reset the connection.
        Reset => "reset",
            "Check that port and scheme fit (with TLS or without); then the service's log for a crash or \
             a limit, and firewalls on the path.";
        /// The peer closed the connection before it had answered.
        Closed => "closed",
            "Check the service's log for a crash, a limit, or a deliberate close such as nginx's \
             'return 444'.";
        /// The network or the host cannot be reached.
        Unreachable => "unreachable",
            "Check routes and address family on the exporter's host; the log names the router that \
             said so, if one did.";
        /// A router dropped the packet because its time to live ran out.
        TimeExceeded => "time_exceeded",
            "Check the module's ttl, and the path for a loop; the log names the router.";
        /// The packet is larger than the path carries and must not be fragmented.
        MessageTooLong => "message_too_long",
            "Lower payload_size or allow fragments; the path has a smaller MTU.";
        /// The exporter may not do what the probe needs, such as opening a raw socket.
        PermissionDenied => "permission_denied",
            "Give the exporter what the message names, such as net.ipv4.ping_group_range or \
             CAP_NET_RAW.";
        /// A proxy wants other credentials than it got.
        ProxyAuthentication => "proxy_authentication",
            "Check user and password in proxy_url, or proxy_connect_header.";
        /// A proxy does not let the request through.
        ProxyDenied => "proxy_denied",
            "Check the proxy's access rules for this target and port.";
        /// A token server gives no token.
        TokenRefused => "token_refused",
            "Check the module's oauth2 settings, and the log of the token server.";
        /// A proxy found no way to the target.
        ProxyFailure => "proxy_failure",
            "Check the target from the proxy's host; the proxy works, the way behind it does not.";
        /// The exporter has no file descriptor, port or memory left.
        OutOfResources => "out_of_resources",
            "Check the exporter's limits (open files, local ports, memory): many probes fail then.";
        /// The peer does not speak TLS.
        NotTls => "not_tls",
            "Check the port, or use a module without TLS, or with starttls.";
        /// The peer breaks the TLS protocol, or ended it with an alert.
        TlsProtocol => "tls_protocol",
            "Check the server's TLS log; the message names the alert.";
        /// No TLS version or cipher in common.
        TlsIncompatible => "tls_incompatible",
            "Compare the server's TLS versions and ciphers with min_version and max_version.";
        /// The peer demands a certificate of the client.
        ClientCertificateRequired => "client_certificate_required",
            "Give the module cert_file and key_file.";
        /// The peer rejects the certificate of the client.
        ClientCertificateRejected => "client_certificate_rejected",
            "Check the validity and the issuer of the certificate in cert_file.";
        /// A certificate has expired.
        CertificateExpired => "certificate_expired",
            "Renew it, and check that the server has loaded the new one.";
        /// A certificate is not valid yet.
        CertificateNotYetValid => "certificate_not_yet_valid",
            "Check the clocks of the exporter's host and of whoever issued it.";
        /// The certificate is for other names.
        CertificateWrongHost => "certificate_wrong_host",
            "Compare the certificate's names with the target; set server_name or hostname if the \
             target is an address.";
        /// No chain to a trusted authority.
        CertificateUnknownAuthority => "certificate_unknown_authority",
            "Check that the server sends its intermediate certificates; for an authority of your \
             own, set ca_file.";
        /// The certificate is revoked, as the OCSP response says that the server sends along.
        CertificateRevoked => "certificate_revoked",
            "Replace the certificate, and find out why it was revoked.";
        /// The certificate is not acceptable for another reason.
        CertificateInvalid => "certificate_invalid",
            "See the message for the rule that it breaks.";
        /// A file that the module names cannot be read or used.
        UnusableFile => "unusable_file",
            "Check path, permissions and content of the file on the exporter's host.";
        /// The request cannot be made from what module and target say.
        InvalidRequest => "invalid_request",
            "Correct the module or the target as the message says.";
        /// The answer breaks the protocol.
        Protocol => "protocol",
            "Check that this port speaks what the prober expects.";
        /// The peer does not speak HTTP.
        NotHttp => "not_http",
            "Check port and scheme: the message quotes the first bytes, and names the protocol \
             if it is a known one.";
        /// The answer is larger than allowed.
        TooLarge => "too_large",
            "Raise body_size_limit if the message names it. Other limits are fixed: probe a smaller \
             resource.";
        /// More redirects than allowed.
        TooManyRedirects => "too_many_redirects",
            "Check the Location headers for a redirect loop; at most 10 redirects are followed.";
        /// A redirect leads to a place that cannot be followed.
        InvalidRedirect => "invalid_redirect",
            "Check the Location header that the server sends.";
        /// The body cannot be decompressed.
        Decompression => "decompression",
            "Compare the module's compression with the server's Content-Encoding.";
        /// Status code not among the valid ones.
        Status => "status",
            "Look at what the server answers, or adapt valid_status_codes.";
        /// Protocol version not among the valid ones.
        Version => "version",
            "Compare the server's HTTP versions with valid_http_versions.";
        /// TLS was used and must not be, or the other way round.
        TlsPresence => "tls_presence",
            "Check the scheme of the target and of its redirects.";
        /// A header rule failed.
        Header => "header",
            "Compare the answer's headers with the rule that the message names.";
        /// A body pattern failed.
        Body => "body",
            "Compare the answer's body with the pattern that the message names.";
        /// A rule over the JSON body failed.
        Json => "json",
            "Compare the answer's body with the expression that the message names.";
        /// DNS response code not among the valid ones.
        Rcode => "rcode",
            "Ask the server the same question; check its zone and who may ask.";
        /// A rule over resource records failed.
        Records => "records",
            "Compare the records of the answer with the rule that the message names.";
        /// The call ended with another gRPC status than OK.
        GrpcStatus => "grpc_status",
            "Check that the server registers the health service, and knows the service by that \
             name.";
        /// The health service says that it does not serve.
        NotServing => "not_serving",
            "The server works and says that this service does not: check what it depends on.";
        /// The dialogue did not go as expected.
        Dialogue => "dialogue",
            "Compare what the peer said with the step that the message names.";
        /// A defect of the exporter.
        Internal => "internal",
            "Report it, please, with the probe's log.";
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_unique_and_words_are_whole() {
        let mut labels: Vec<_> = Reason::ALL.iter().map(|reason| reason.label()).collect();
        labels.sort_unstable();
        labels.dedup();
        assert_eq!(labels.len(), Reason::ALL.len());
        let reasons = Reason::ALL.iter().flat_map(|reason| [reason.meaning(), reason.advice()]);
        let stages = Stage::ALL.iter().flat_map(|stage| [stage.meaning(), stage.advice()]);
        for text in reasons.chain(stages) {
            assert!(text.ends_with('.') && !text.contains("  ") && text.len() > 10, "{text:?}");
        }
    }
}
