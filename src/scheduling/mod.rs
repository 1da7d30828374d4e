//! The share of CPU time that each task gets on a thread.
//!
//! A thread serves scrapers and runs their probes, so that long work for one target delays all
//! others.

pub mod delay;
pub mod pace;
pub mod poll_times;
pub mod pool;
pub mod turn;
