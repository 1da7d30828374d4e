//! The tcp prober: a connection, TLS if asked for, and a dialogue.

mod settings;

pub use settings::TcpProber;
