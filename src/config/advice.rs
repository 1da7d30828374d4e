//! What is surprising about a module as a whole: defaults that do not go with what it asks for.

use http::Method;

use crate::{
    config::AnyProber,
    net::tls::TlsClient,
    probers::{http::HttpProber, query_response::QueryResponse},
};

/// The status codes that lead elsewhere.
const REDIRECTS: [i64; 5] = [301, 302, 303, 307, 308];

/// What is surprising; each text begins with the key of the prober's section that it is about.
pub(super) fn on(prober: &AnyProber) -> Vec<String> {
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

fn unused(tls: &TlsClient, needed: &str) -> Vec<String> {
    let is_set = *tls != TlsClient::default();
    is_set.then(|| format!("tls_config has no effect without {needed}")).into_iter().collect()
}

fn on_http(http: &HttpProber) -> Vec<String> {
    let mut advice = Vec::new();
    let codes = &http.valid_status_codes;
    let only_redirects = !codes.is_empty() && codes.iter().all(|code| REDIRECTS.contains(code));
    if only_redirects && http.client.follow_redirects {
        let text = "valid_status_codes has only those of redirects, which are followed unless \
                    follow_redirects is false";
        advice.push(text.to_owned());
    }
    let has_body = !http.body.is_empty() || !http.body_file.is_empty();
    if has_body && matches!(http.method, Method::GET | Method::HEAD) {
        let key = if http.body.is_empty() { "body_file" } else { "body" };
        advice.push(format!(
            "{key} is sent with the method {}, which few servers expect; set method, such as to POST",
            http.method
        ));
    }
    advice
}
