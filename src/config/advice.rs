//! What is surprising about a module as a whole: defaults that do not go with what it asks for.

use std::time::Duration;

use http::Method;

use crate::{
    config::{AnyProber, module::DEFAULT_SCRAPE_TIMEOUT},
    net::tls::TlsClient,
    probers::{http::HttpProber, query_response::QueryResponse},
    settings::{
        duration::GoDuration,
        ip,
        regexp::Subject,
        rule::{KeyPath, Warning},
    },
};

/// The status codes that lead elsewhere.
const REDIRECTS: [i64; 5] = [301, 302, 303, 307, 308];

/// What is surprising; each text begins with the key of the prober's section that it is about.
pub(super) fn on(prober: &AnyProber) -> Vec<Warning> {
    let mut advice = unused_tls(prober);
    let tls = match prober {
        AnyProber::Dns(dns) => Some((&["tls_config"][..], dns.tls_config.settings())),
        AnyProber::Grpc(grpc) => Some((&["tls_config"][..], grpc.tls_config.settings())),
        AnyProber::Http(http) => Some((&["tls_config"][..], http.tls_client.settings())),
        AnyProber::Tcp(tcp) => Some((&["tls_config"][..], tcp.tls_config.settings())),
        AnyProber::Unix(unix) => Some((&["tls_config"][..], unix.tls_config.settings())),
        AnyProber::Websocket(websocket) => {
            Some((&["http_config", "tls_config"][..], websocket.tls_client.settings()))
        }
        AnyProber::Icmp(_) => None,
    };
    if let Some((key, tls)) = tls {
        let doubt = tls.doubt_of_server_name();
        let path = key.iter().fold(KeyPath::default(), |path, key| path.key(*key));
        let path = path.key("server_name");
        advice.extend(doubt.map(|doubt| Warning::at(path, doubt)));
    }
    advice.extend(match prober {
        AnyProber::Dns(dns) => ip::doubt_of_source(dns.source_ip_address, &dns.ip),
        AnyProber::Icmp(icmp) => ip::doubt_of_source(icmp.source_ip_address, &icmp.ip),
        AnyProber::Tcp(tcp) => ip::doubt_of_source(tcp.source_ip_address, &tcp.ip),
        AnyProber::Grpc(_) | AnyProber::Http(_) | AnyProber::Unix(_) | AnyProber::Websocket(_) => {
            None
        }
    });
    advice.extend(match prober {
        AnyProber::Tcp(tcp) => tcp.query_response.doubts(Subject::Line),
        AnyProber::Unix(unix) => unix.query_response.doubts(Subject::Line),
        AnyProber::Websocket(websocket) => websocket.query_response.doubts(Subject::Text),
        _ => Vec::new(),
    });
    advice
}

/// The reasons to doubt the timeout of a module.
pub(super) fn on_timeout(timeout: Duration) -> Option<Warning> {
    let shown = GoDuration::from(timeout);
    if timeout < SHORTEST_TIMEOUT {
        let message = format!("{shown} is too short for any probe; write more, such as 5s");
        return Some(Warning::at("timeout", message));
    }
    (timeout > DEFAULT_SCRAPE_TIMEOUT).then(|| {
        let longest = GoDuration::from(DEFAULT_SCRAPE_TIMEOUT);
        let message = format!(
            "{shown} is reached only if the scrape timeout is longer still; without one a probe \
             takes at most {longest}"
        );
        Warning::at("timeout", message)
    })
}

/// No exchange over a network takes less.
const SHORTEST_TIMEOUT: Duration = Duration::from_millis(1);

fn unused_tls(prober: &AnyProber) -> Vec<Warning> {
    match prober {
        AnyProber::Dns(dns) if !dns.dns_over_tls => unused(&dns.tls_config, "'dns_over_tls: true'"),
        AnyProber::Tcp(tcp) if !speaks_tls(tcp.tls, &tcp.query_response) => {
            unused(&tcp.tls_config, "'tls: true' or a step with starttls")
        }
        AnyProber::Unix(unix) if !speaks_tls(unix.tls, &unix.query_response) => {
            unused(&unix.tls_config, "'tls: true' or a step with starttls")
        }
        AnyProber::Http(http) => on_http(http),
        AnyProber::Dns(_)
        | AnyProber::Grpc(_)
        | AnyProber::Icmp(_)
        | AnyProber::Tcp(_)
        | AnyProber::Unix(_)
        | AnyProber::Websocket(_) => Vec::new(),
    }
}

fn speaks_tls(from_the_start: bool, dialogue: &QueryResponse) -> bool {
    from_the_start || dialogue.steps().iter().any(|step| step.starttls)
}

fn unused(tls: &TlsClient, needed: &str) -> Vec<Warning> {
    let is_set = *tls != TlsClient::default();
    let unused = || Warning::at("tls_config", format!("no effect without {needed}"));
    is_set.then(unused).into_iter().collect()
}

fn on_http(http: &HttpProber) -> Vec<Warning> {
    let mut advice = Vec::new();
    let codes = &http.valid_status_codes;
    let only_redirects = !codes.is_empty() && codes.iter().all(|code| REDIRECTS.contains(code));
    if only_redirects && http.client.follow_redirects {
        let message = "only redirect codes, but redirects are followed; set follow_redirects: \
                       false";
        advice.push(Warning::at("valid_status_codes", message));
    }
    let has_body = !http.body.is_empty() || !http.body_file.is_empty();
    if has_body && matches!(http.method, Method::GET | Method::HEAD) {
        let key = if http.body.is_empty() { "body_file" } else { "body" };
        let message = format!(
            "a request body is sent with the method {}, which few servers expect; set method: POST",
            http.method
        );
        advice.push(Warning::at(key, message));
    }
    advice
}
