//! What a probe notes while it runs: its log, its phases, and why it failed.

pub mod failure;
pub mod log;
pub mod logfmt;
pub mod phases;

pub use failure::{Failure, Reason, Stage};
pub use log::ProbeLog;
pub use phases::{Phase, Phases};
