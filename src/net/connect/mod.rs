//! The way to a peer: the connections that probes make.

pub mod dial;
pub mod happy_eyeballs;
pub mod unix_socket;
