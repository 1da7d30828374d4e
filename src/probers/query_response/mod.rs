//! The dialogue of the tcp, unix and websocket probers: what to expect and what to send.

mod dialogue;
mod facts;
mod inbox;
mod settings;

pub use dialogue::{Standing, talk};
pub use facts::{DialogueFacts, METRICS};
pub use settings::{Label, QueryResponse, Step};
