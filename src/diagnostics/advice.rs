//! Advice for a failure. It depends on the prober if that of the reason is too general.

use crate::diagnostics::{Failure, Reason, Stage};

/// Returns the advice for a failure of a probe by `prober`, in one or more sentences.
#[must_use]
pub fn of(failure: &Failure, prober: &str) -> &'static str {
    match failure.reason {
        Reason::Timeout => for_timeout(failure.stage, prober),
        Reason::Status if prober == "websocket" => {
            "Check the path of the target, and the log of the server: it did not accept the upgrade to \
             a WebSocket."
        }
        Reason::Refused if prober == "unix" => {
            "Check that the service runs, and that it listens on this path on the exporter's host."
        }
        reason => reason.advice(),
    }
}

fn for_timeout(stage: Stage, prober: &str) -> &'static str {
    match (stage, prober) {
        (Stage::Resolve, _) => {
            "Look the name up on the exporter's host, and check the name servers that it uses: at least \
             one did not respond."
        }
        (Stage::Connect, "unix") => {
            "Check the service that listens on the socket: it accepts no connections."
        }
        (Stage::Connect, _) => {
            "Connect to the address from the exporter's host. The host is down, or a firewall discards \
             the packets."
        }
        (Stage::Proxy, _) => {
            "Check the log of the proxy: it did not respond, or could not reach the target."
        }
        (Stage::Tls, _) => {
            "Check that this port expects TLS, and the load of the server: it accepted the connection, \
             but did not complete the handshake."
        }
        (Stage::Request, _) => {
            "Check what the message names: a file of the module, a token server, or a server that \
             does not read the request."
        }
        (Stage::Response, "dns") => {
            "Send the same query to the name server from the exporter's host. It is down or ignores \
             the query, or a firewall discards the packets."
        }
        (Stage::Response, "icmp") => {
            "Ping the target from the exporter's host. It is down, or it or a firewall ignores echo \
             requests."
        }
        (Stage::Response, "tcp" | "unix" | "websocket") => {
            "Compare what came last with the step in the message, and correct the module or the \
             service. If nothing came, check the log of the service."
        }
        (Stage::Response, _) => {
            "Look for this request in the log of the server. If it is answered later, compare the \
             timeout of the module and the scrape timeout with its usual response time."
        }
        (Stage::Target | Stage::Check, _) => {
            "The response was complete. Simplify the expressions of the module, or raise its timeout."
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_advice_depends_on_stage_and_prober() {
        let failure = |stage, reason| Failure::new(stage, reason, "");
        let timeout = |stage, prober| of(&failure(stage, Reason::Timeout), prober);
        for stage in Stage::ALL {
            for prober in ["http", "tcp", "dns", "icmp", "grpc", "unix", "websocket"] {
                let text = timeout(*stage, prober);
                assert!(text.ends_with('.') && !text.contains("  "), "{text}");
            }
        }
        assert!(timeout(Stage::Response, "icmp").contains("Ping"));
        assert!(timeout(Stage::Connect, "http").contains("firewall"));
        let status = failure(Stage::Check, Reason::Status);
        assert!(of(&status, "http").contains("valid_status_codes"));
        assert!(!of(&status, "websocket").contains("valid_status_codes"));
        let refused = failure(Stage::Connect, Reason::Refused);
        assert!(of(&refused, "unix").contains("path") && of(&refused, "tcp").contains("port"));
    }
}
