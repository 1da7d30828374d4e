//! The http prober against servers with given responses.

mod bodies;
mod hostile;
mod http2;
#[cfg(feature = "http3")]
mod http3;
mod odd;
mod proxies;
mod redirects;
mod requests;
mod times;
mod tls;
mod tokens;

/// Returns a module with these keys of the section that prefers IPv4.
fn module(keys: &str) -> String {
    format!("{{prober: http, http: {{preferred_ip_protocol: ip4, {keys}}}}}")
}

/// Returns the same module with a timeout of three seconds.
fn short_module(keys: &str) -> String {
    format!("{{prober: http, timeout: 3s, http: {{preferred_ip_protocol: ip4, {keys}}}}}")
}

/// The time of a phase.
pub(crate) fn phase(name: &str) -> String {
    format!("probe_http_duration_seconds{{phase=\"{name}\"}}")
}
