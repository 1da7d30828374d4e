//! The dialogue of the tcp, unix and websocket probers: what to expect and what to send.

mod settings;

pub use settings::{Label, QueryResponse, Step};
