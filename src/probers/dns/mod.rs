//! The dns prober: one question, one answer, and what its records must be.

pub mod message;
pub mod mnemonics;
mod presentation;
mod settings;
pub mod wire;

pub use settings::{DnsProber, RecordRules, Transport};
