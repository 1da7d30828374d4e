//! Where a probe went: the addresses that it turned to, and when.

use std::{
    fmt::Display,
    sync::{Mutex, PoisonError},
};

use tokio::time::Instant;

/// The addresses that a probe turned to, in order.
#[derive(Debug, Default)]
pub struct Trail(Mutex<Vec<Stop>>);

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stop {
    /// When the probe turned to it.
    pub at: Instant,
    /// An address with its port, or the path of a socket.
    pub address: String,
}

/// More are not kept; redirects are limited, and each takes two at most.
const MOST: usize = 64;

impl Trail {
    /// Notes that the probe turns to `address` now.
    pub fn note(&self, address: &dyn Display) {
        let mut stops = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if stops.len() < MOST {
            stops.push(Stop { at: Instant::now(), address: address.to_string() });
        }
    }

    /// Takes all of them out.
    #[must_use]
    pub fn take(&self) -> Vec<Stop> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
