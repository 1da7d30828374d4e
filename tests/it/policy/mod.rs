//! The target policy: what probes may connect to.

mod answers;
mod sink;
mod table;
mod unix_links;
