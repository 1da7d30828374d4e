//! Connections, and what is learned while making them.
//!
//! Nothing here knows of modules or probers.

pub mod connect;
pub mod context;
pub mod host_port;
pub mod http;
pub mod icmp_error;
pub mod oauth2;
pub mod policy;
pub mod proxy;
#[cfg(feature = "http3")]
pub mod quic;
pub(crate) mod redact_text;
pub mod resolve;
pub mod tls;
pub mod wire;

pub use context::Context;
