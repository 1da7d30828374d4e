//! The memory that running probes may hold together, so that peers that send much data do not use
//! up the memory of the process.
//!
//! Each probe counts what its peers make it hold. The first [`FREE`] bytes are its own; beyond, it
//! takes room from the [`MemoryBudget`] of the process in steps. It never waits for room: probes that
//! wait for each other would hold their memory for longer.

mod budget;
mod probe;

pub use self::{
    budget::MemoryBudget,
    probe::{Exhausted, Held, ProbeMemory},
};

/// Number of bytes that each probe may hold without room from the budget.
pub const FREE: u64 = 64 << 10;

/// Number of bytes of one step of the budget.
const STEP: u64 = 128 << 10;
