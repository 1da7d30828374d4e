//! The icmp prober: one echo request and its reply.

mod settings;

pub use settings::IcmpProber;
