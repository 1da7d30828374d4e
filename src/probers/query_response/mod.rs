//! The key `query_response`: a dialogue of expected and sent data, for the tcp, unix and websocket
//! probers. Also the connection code that the tcp and unix probers share.

mod conversation;
mod dialogue;
mod explain;
mod facts;
mod progress;
mod read_buffer;
mod settings;
mod stream_measurements;

pub use conversation::Conversation;
pub use dialogue::{MAX_RECEIVED, Standing, begin_step, end_check, expand, talk};
pub use facts::DialogueFacts;
pub use settings::{Label, QueryResponse, Step};
pub use stream_measurements::{METRICS, StreamMeasurements, StreamPhase};
