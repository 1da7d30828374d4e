//! The http prober against servers whose answers are known to the byte.

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

/// A module with these keys of the section, that looks names up in IPv4 alone.
fn module(keys: &str) -> String {
    format!("{{prober: http, http: {{preferred_ip_protocol: ip4, {keys}}}}}")
}

/// The same, cut off after three seconds.
fn short_module(keys: &str) -> String {
    format!("{{prober: http, timeout: 3s, http: {{preferred_ip_protocol: ip4, {keys}}}}}")
}

/// The time of a phase.
pub(crate) fn phase(name: &str) -> String {
    format!("probe_http_duration_seconds{{phase=\"{name}\"}}")
}
