//! HTTP for all probers: URLs, credentials, and one exchange on one connection.

pub(crate) mod connection;
mod content_length;
pub(crate) mod credentials;
pub(crate) mod error;
pub(crate) mod exchange;
mod fields;
pub(crate) mod head_excerpt;
mod http1;
pub(crate) mod http2;
#[cfg(feature = "http3")]
pub(crate) mod http3;
pub(crate) mod limits;
pub mod loop_detection;
pub(crate) mod not_http;
mod stream_watch;
mod tail;
pub(crate) mod timing;
pub(crate) mod transport;
pub(crate) mod url;
pub(crate) mod version;

use std::io;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty, Full, combinators::UnsyncBoxBody};

/// The `User-Agent` of the exporter. The product name is upstream's, because servers' allow-lists
/// and log filters know it; the version is ours.
pub(crate) const USER_AGENT: &str = concat!("Blackbox-Exporter/", env!("CARGO_PKG_VERSION"));

/// The body of a request.
pub(crate) type RequestBody = UnsyncBoxBody<Bytes, io::Error>;

/// Returns a body that consists of these bytes.
pub(crate) fn full_body(bytes: impl Into<Bytes>) -> RequestBody {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

/// Returns a body without bytes.
pub(crate) fn empty_body() -> RequestBody {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}
