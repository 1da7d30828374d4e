//! What a probe notes while it runs: its log, its phases, where it went, what it checked, why it
//! failed, what it was waiting for when it was cut off, and what it must not tell.

pub mod attempts;
pub mod checks;
pub mod current_stage;
pub mod errno;
pub mod failure;
pub mod humanize;
pub mod log;
pub mod logfmt;
pub mod phases;
pub mod reason;
pub mod redaction;
pub mod waiting;

pub use attempts::Attempts;
pub use checks::{Check, CheckName, Checks};
pub use errno::{Call, Cause};
pub use failure::Failure;
pub use log::{LogEntry, ProbeLog};
pub use phases::{Phase, Phases, Span};
pub use reason::{Reason, Stage};
pub use redaction::{Redactor, Secrets};
pub use waiting::Waits;
