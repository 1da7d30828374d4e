//! What all probers that speak HTTP share: URLs, credentials, and one exchange on one connection.

pub(crate) mod connection;
pub(crate) mod credentials;
pub(crate) mod fields;
pub(crate) mod head;
pub(crate) mod http1;
pub(crate) mod http2;
#[cfg(feature = "http3")]
pub(crate) mod http3;
pub(crate) mod not_http;
pub(crate) mod send;
pub(crate) mod stream_watch;
mod tail;
pub(crate) mod url;
pub(crate) mod version;

use std::io;

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;

/// How the exporter introduces itself. The word is upstream's, because servers' allow-lists and
/// log filters know it; the version is ours.
pub(crate) const USER_AGENT: &str = concat!("Blackbox-Exporter/", env!("CARGO_PKG_VERSION"));

/// The body of a request.
pub(crate) type RequestBody = UnsyncBoxBody<Bytes, io::Error>;
