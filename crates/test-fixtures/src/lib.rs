//! Fixtures of the unit tests and the integration tests: certificates, TLS servers and OCSP responses,
//! all made on the fly, a [hostile server](hostile), and [`skip`] for tests that cannot run everywhere.

#![forbid(unsafe_code)]
#![expect(
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]
#![expect(
    clippy::must_use_candidate,
    clippy::return_self_not_must_use,
    missing_docs,
    reason = "only tests use it"
)]

pub mod hostile;
pub mod ocsp;
mod skipping;
pub mod tls;

pub use skipping::{Missing, skip};
