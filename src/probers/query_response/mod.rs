//! Connections with a dialogue: what to expect and what to send, as the tcp, unix and websocket
//! probers have it, and what the first two do around it.

mod conversation;
mod dialogue;
mod explain;
mod facts;
mod progress;
mod read_buffer;
mod settings;
mod stream_measurements;

pub use conversation::Conversation;
pub use dialogue::{MOST_BYTES, Standing, begin_step, end_check, expand, talk};
pub use facts::{DialogueFacts, METRICS};
pub use settings::{Label, QueryResponse, Step};
pub use stream_measurements::{StreamMeasurements, StreamPhase};
