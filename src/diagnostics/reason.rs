//! Stages and reasons of failures, and causes of refusals: closed lists, with the meaning of each entry
//! and the advice for it. Metrics, pages, JSON, the command line and the reference use these texts.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Declares an enum of label values. The documentation of a variant is also the text for users, so
/// the two cannot differ.
macro_rules! labels {
    ($(#[$meta:meta])* $name:ident {
        $($(#[doc = $doc:literal])+ $variant:ident => $label:literal, $advice:literal;)*
    }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum $name { $($(#[doc = $doc])+ $variant,)* }

        impl $name {
            /// All values, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Returns the value of the label.
            #[must_use]
            pub const fn label(self) -> &'static str {
                match self { $(Self::$variant => $label,)* }
            }

            /// Returns the meaning, in one or more sentences.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc),+).trim_ascii(),)* }
            }

            /// Returns the advice, in one or more sentences.
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
    /// Part of a probe in which it failed, or which the deadline interrupted.
    Stage {
        /// Parsing the target.
        Target => "target",
            "Check the target and the relabelling that produces it.";
        /// Resolving the host name.
        Resolve => "resolve",
            "Look the name up on the exporter's host, with the name servers that the exporter uses.";
        /// Opening the connection or the socket.
        Connect => "connect",
            "Connect to the address from the exporter's host. Check the listener, firewalls and \
             routes.";
        /// Connecting through a proxy.
        Proxy => "proxy",
            "Check the proxy, its log and the proxy settings of the module.";
        /// The TLS handshake.
        Tls => "tls",
            "Check the certificates that the server sends, and the tls_config of the module.";
        /// Building and sending the request.
        Request => "request",
            "Check the request that the module defines, with its credentials and files.";
        /// Waiting for the response and reading it.
        Response => "response",
            "Look for this request in the log of the server.";
        /// Evaluating the checks of the module.
        Check => "check",
            "The target responded. Compare the response with the checks of the module.";
    }
}

labels! {
    /// Cause of a failure.
    Reason {
        /// The expected response did not arrive before the timeout.
        Timeout => "timeout",
            "Read in the message what the probe was waiting for and what came last. If the server \
             sent something else, correct the module or the server. Otherwise compare the timeout of \
             the module and the scrape timeout with the usual response time of the target.";
        /// The client closed the connection before the probe finished; the result was not delivered.
        Abandoned => "abandoned",
            "Raise the timeout of the client, or lower the timeout of the module below it.";
        /// The target does not have the form that the prober requires.
        InvalidTarget => "invalid_target",
            "Correct the target in the scrape configuration or in its relabelling.";
        /// The host name does not exist.
        NoSuchName => "no_such_name",
            "Check the spelling, and whether the name servers of the exporter know the zone.";
        /// The name servers did not respond, or returned an error.
        ResolverFailure => "resolver_failure",
            "Check the name servers that the exporter's host uses. The target was not contacted.";
        /// The host name has no address of the required address family.
        NoSuitableAddress => "no_suitable_address",
            "Compare preferred_ip_protocol and ip_protocol_fallback with the A and AAAA records of \
             the name.";
        /// The connection was refused.
        Refused => "refused",
            "Check that the service runs and listens on this address and port.";
        /// The connection was reset by the server or by a device on the path.
        Reset => "reset",
            "Check whether the port expects TLS. Then check the log of the service for a crash or a \
             limit, and the firewalls on the path.";
        /// The server closed the connection, or over HTTP/2 and HTTP/3 the stream, before the response
        /// was complete.
        Closed => "closed",
            "Check whether the port expects TLS or another protocol. Then check the log of the \
             service for a crash, a limit or an intentional close (such as 'return 444' of nginx).";
        /// The network or the host is unreachable.
        Unreachable => "unreachable",
            "Check the routes and the address families of the exporter's host. The message contains \
             the address of the router that reported it, if any.";
        /// A router dropped the packet because its TTL or hop limit reached zero.
        TimeExceeded => "time_exceeded",
            "Check the ttl of the module, and the path for a routing loop. The message contains the \
             address of the router.";
        /// The packet exceeds the MTU of the path and must not be fragmented.
        MessageTooLong => "message_too_long",
            "Lower payload_size, or allow fragmentation.";
        /// The exporter lacks a permission, for example to open a raw socket.
        PermissionDenied => "permission_denied",
            "Grant the exporter what the message names, for example net.ipv4.ping_group_range or \
             CAP_NET_RAW.";
        /// A policy of the exporter denies the host that a redirect leads to.
        Denied => "denied",
            "Check the redirect and the policy of the exporter, whose log names the entry.";
        /// The proxy requires authentication or rejected the credentials.
        ProxyAuthentication => "proxy_authentication",
            "Check user and password in proxy_url, or proxy_connect_header.";
        /// The proxy denied the request.
        ProxyDenied => "proxy_denied",
            "Check the access rules of the proxy for this target and port.";
        /// The token server did not issue a token.
        TokenRefused => "token_refused",
            "Check the oauth2 settings of the module and the log of the token server.";
        /// The proxy could not connect to the target.
        ProxyFailure => "proxy_failure",
            "Connect to the target from the host of the proxy. The proxy is reachable, but cannot \
             reach the target.";
        /// The exporter ran out of file descriptors, threads, local ports or memory. The probe is
        /// refused.
        OutOfResources => "out_of_resources",
            "Raise the limit of the exporter or its host that the message names. The target is not \
             the cause, and other probes are refused for the same reason.";
        /// The server does not use TLS on this port.
        NotTls => "not_tls",
            "Check the port, or use a module without TLS or with starttls.";
        /// The server violated the TLS protocol, or ended the handshake with an alert.
        TlsProtocol => "tls_protocol",
            "Check the TLS log of the server. The message contains the alert.";
        /// Client and server have no TLS version or cipher suite in common.
        TlsIncompatible => "tls_incompatible",
            "Compare the TLS versions and cipher suites of the server with min_version and \
             max_version.";
        /// The server requires a client certificate.
        ClientCertificateRequired => "client_certificate_required",
            "Set cert_file and key_file in the tls_config of the module.";
        /// The server rejected the client certificate.
        ClientCertificateRejected => "client_certificate_rejected",
            "Check the validity and the issuer of the certificate in cert_file.";
        /// A certificate has expired.
        CertificateExpired => "certificate_expired",
            "Renew the certificate and reload the server.";
        /// A certificate is not valid yet.
        CertificateNotYetValid => "certificate_not_yet_valid",
            "Check the clocks of the exporter's host and of the issuer.";
        /// The certificate is not valid for the host name.
        CertificateWrongHost => "certificate_wrong_host",
            "Compare the names in the certificate with the target. If the target is an address, set \
             server_name or the parameter hostname.";
        /// No certificate chain leads to a trusted CA.
        CertificateUnknownAuthority => "certificate_unknown_authority",
            "If the certificate is self-signed or of a private CA, add it or the CA to ca_file. \
             Otherwise check that the server sends its intermediate certificates.";
        /// The certificate is revoked according to the stapled OCSP response.
        CertificateRevoked => "certificate_revoked",
            "Replace the certificate, and find out why it was revoked.";
        /// The certificate is invalid for another reason.
        CertificateInvalid => "certificate_invalid",
            "Correct the certificate. The message names the rule that it violates.";
        /// A file of the module cannot be read or used.
        UnusableFile => "unusable_file",
            "Check path, permissions and content of the file on the exporter's host.";
        /// Module and target do not make a valid request.
        InvalidRequest => "invalid_request",
            "Correct the module or the target as the message says.";
        /// The response violates the protocol.
        Protocol => "protocol",
            "Check that the service on this port uses the protocol of the prober.";
        /// The server does not use HTTP on this port.
        NotHttp => "not_http",
            "Check port and scheme. The message quotes the first bytes, and names the protocol if it \
             is known.";
        /// The response is larger than allowed.
        TooLarge => "too_large",
            "Raise body_size_limit if the message names it. Other limits are fixed: probe a smaller \
             resource.";
        /// The server redirected too often.
        TooManyRedirects => "too_many_redirects",
            "Check the Location headers for a redirect loop. At most 10 redirects are followed.";
        /// The exporter cannot follow a redirect.
        InvalidRedirect => "invalid_redirect",
            "Check the Location header of the response.";
        /// The body cannot be decompressed.
        Decompression => "decompression",
            "Compare compression of the module with the Content-Encoding header of the response.";
        /// Unexpected HTTP status code.
        Status => "status",
            "Read the response and the log of the server. Change valid_status_codes only if this status is \
             right for this URL.";
        /// Unexpected HTTP version.
        Version => "version",
            "Compare the HTTP versions of the server with valid_http_versions.";
        /// The probe required TLS but none was used, or vice versa.
        TlsPresence => "tls_presence",
            "Check the scheme of the target and of its redirects.";
        /// A header rule failed.
        Header => "header",
            "Compare the response headers with the rule in the message.";
        /// A body pattern failed.
        Body => "body",
            "Fetch the URL with curl on the exporter's host, and compare the body with the pattern \
             in the message.";
        /// A CEL expression over the JSON body failed.
        Json => "json",
            "Fetch the URL with curl on the exporter's host, and compare the body with the \
             expression in the message.";
        /// Unexpected DNS response code.
        Rcode => "rcode",
            "Send the same query to the name server. Check its zone and its access rules.";
        /// The DNS records do not satisfy a rule of the module.
        Records => "records",
            "Compare the records of the response with the rule in the message.";
        /// The gRPC call ended with a status other than OK.
        GrpcStatus => "grpc_status",
            "Check that the server registers the health service, and that it knows the service name.";
        /// The gRPC health service reported a status other than SERVING.
        NotServing => "not_serving",
            "Check the dependencies of the service. The server is reachable and reports that the \
             service does not serve.";
        /// The dialogue with the server failed.
        Dialogue => "dialogue",
            "Compare the data that the server sent with the step in the message.";
        /// Internal error of the exporter (bug).
        Internal => "internal",
            "Report the bug, with the log of the probe.";
    }
}

labels! {
    /// Cause of a refusal.
    RefusalCause {
        /// As many probes ran as the exporter allows, and none of them ended in time.
        InFlight => "in_flight",
            "Raise limits.in_flight within the memory and the file descriptors of the exporter, lower \
             the timeouts of modules, or distribute the probes among more exporters.";
        /// As many probes of the module ran as its limit allows, and none of them ended in time.
        ModuleInFlight => "module_in_flight",
            "Check whether the targets of the module respond. Otherwise raise limits.in_flight of the \
             module, or lower its timeout.";
        /// The probe had to wait until it could run, and its target did not respond in the rest of the
        /// time.
        QueueDeadline => "queue_deadline",
            "Set a timeout in the module that is shorter than the scrape timeout, so that waiting takes \
             nothing from it, or raise limits.in_flight.";
        /// The bodies of running probes filled the memory for bodies, so that the body of this probe
        /// did not fit.
        BodyMemory => "body_memory",
            "Raise limits.body_memory within the memory of the exporter, lower body_size_limit of \
             modules with large bodies, or distribute the probes among more exporters.";
        /// The exporter ran out of file descriptors, threads, local ports or memory.
        OutOfResources => "out_of_resources",
            "Raise the limit of the exporter or its host that the message names, or distribute the \
             probes among more exporters.";
        /// A policy of the exporter denies the target, or a proxy or token server that the probe needs.
        Denied => "denied",
            "Correct the target or the policy. The log of the exporter names the entry that denied it.";
        /// The exporter had too little CPU time: it had not read an answer that came in time, or the
        /// target had less than its time to answer.
        Cpu => "cpu",
            "Give the exporter more CPU time (in Kubernetes, raise or remove its CPU limit), or \
             distribute the probes among more exporters.";
        /// The exporter stops, and the request came after its shutdown delay.
        Stopping => "stopping",
            "Raise --web.shutdown-delay above the time after which the load balancer stops using an \
             exporter whose /-/ready is 503.";
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_unique_and_texts_are_sentences() {
        let mut labels: Vec<_> = Reason::ALL.iter().map(|reason| reason.label()).collect();
        labels.sort_unstable();
        labels.dedup();
        assert_eq!(labels.len(), Reason::ALL.len());
        let reasons = Reason::ALL.iter().flat_map(|reason| [reason.meaning(), reason.advice()]);
        let stages = Stage::ALL.iter().flat_map(|stage| [stage.meaning(), stage.advice()]);
        let causes = RefusalCause::ALL.iter().flat_map(|cause| [cause.meaning(), cause.advice()]);
        for text in reasons.chain(stages).chain(causes) {
            assert!(text.ends_with('.') && !text.contains("  ") && text.len() > 10, "{text:?}");
        }
    }
}
