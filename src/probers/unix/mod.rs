//! The unix prober: a connection to a local socket, TLS if asked for, and a dialogue.

mod settings;

pub use settings::UnixProber;
