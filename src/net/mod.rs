//! Connections, and what is learned while making them.
//!
//! Nothing here knows of modules or probers.

pub mod context;
pub mod resolve;
pub mod tls;

pub use context::Context;
