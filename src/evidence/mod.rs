//! What a probe notes while it runs: its log, its phases, where it went, what it checked, why it
//! failed, what it was waiting for when it was cut off, and what it must not tell.

pub mod checks;
pub mod errno;
pub mod failure;
pub mod hidden;
pub mod log;
pub mod logfmt;
pub mod phases;
pub mod reason;
pub mod stage_mark;
pub mod trail;
pub mod waiting;
pub mod words;

pub use checks::{Check, CheckName, Checks};
pub use errno::{Call, Cause};
pub use failure::Failure;
pub use hidden::{Hidden, Scrubber};
pub use log::{LogEntry, ProbeLog};
pub use phases::{Phase, Phases, Span};
pub use reason::{Reason, Stage};
pub use trail::Trail;
pub use waiting::Waits;
