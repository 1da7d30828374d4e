//! Records of a running probe: log, phases, connection attempts, checks, verdict, interrupted waits,
//! excerpts of the response, and the secrets to redact.

pub mod advice;
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
pub mod transcript;
pub mod verdict;
pub mod waiting;

pub use attempts::Attempts;
pub use checks::{Check, CheckName, Checks};
pub use errno::{Call, Cause};
pub use failure::Failure;
pub use log::{LogEntry, ProbeLog};
pub use phases::{Phase, Phases, Span};
pub use reason::{Reason, RefusalCause, Stage};
pub use redaction::{Redactor, Secrets};
pub use transcript::{Encoding, Part, PartKind, Recording, Transcript};
pub use verdict::{Refusal, Verdict};
pub use waiting::Waits;
