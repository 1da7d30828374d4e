//! What a probe notes while it runs: its log, its phases, where it went, what it checked, why it
//! failed, and what it must not tell.

pub mod checks;
pub mod failure;
pub mod hidden;
pub mod log;
pub mod logfmt;
pub mod phases;
pub mod reason;
pub mod stage_mark;
pub mod trail;
pub mod words;

pub use checks::{Check, CheckName, Checks};
pub use failure::Failure;
pub use hidden::{Hidden, Scrubber};
pub use log::{LogEntry, ProbeLog};
pub use phases::{Phase, Phases, Span};
pub use reason::{Reason, Stage};
pub use trail::Trail;
