//! The CPU time of the checks of certificates, estimated from keys and numbers of names.
//!
//! A server chooses the number of its certificates, their names and their keys, and so the number and
//! the cost of the checks. The estimates are of a slow processor.

use std::cell::Cell;

use boring::{
    nid::Nid,
    pkey::{Id, PKeyRef, Public},
};

/// Maximum size of the exponent of an RSA key in bits, as in Go.
const MAX_EXPONENT_BITS: i32 = 31;

/// Estimated time of the checks of one handshake on the thread of the probe, in microseconds. Further
/// checks are made on the threads for work that needs much CPU time.
pub(super) const INLINE: u32 = 1_000;

/// Estimated time of all checks of one handshake in microseconds: about 100 checks of RSA keys of
/// 4096 bits. Go makes 100 checks of any keys.
const TOTAL: u32 = 25_000;

/// Number of comparisons of names with name constraints that take a microsecond. Go makes 250,000 at
/// most.
const COMPARISONS_PER_MICROSECOND: usize = 10;

/// The part of an estimated time that is left.
#[derive(Debug)]
pub(super) struct Effort {
    left: Cell<u32>,
    is_exhausted: Cell<bool>,
}

impl Default for Effort {
    fn default() -> Self {
        Self::new(TOTAL)
    }
}

impl Effort {
    /// Allows checks of an estimated time in microseconds.
    pub(super) fn new(limit: u32) -> Self {
        Self { left: Cell::new(limit), is_exhausted: Cell::new(false) }
    }

    /// Returns whether a check was not made because no time was left.
    pub(super) fn is_exhausted(&self) -> bool {
        self.is_exhausted.get()
    }

    /// Takes the time of one check of a signature by `key`; returns whether it may be made.
    pub(super) fn spend(&self, key: &PKeyRef<Public>) -> bool {
        self.spend_time(cost(key))
    }

    /// Spends the estimated time of comparing so many names with name constraints; returns false if
    /// too little is left.
    pub(super) fn spend_on_names(&self, comparisons: usize) -> bool {
        let time = comparisons / COMPARISONS_PER_MICROSECOND;
        self.spend_time(u32::try_from(time).unwrap_or(u32::MAX))
    }

    fn spend_time(&self, time: u32) -> bool {
        let left = self.left.get().checked_sub(time);
        self.left.set(left.unwrap_or_default());
        if left.is_none() {
            self.is_exhausted.set(true);
        }
        left.is_some()
    }
}

/// Returns whether an RSA key has an exponent that Go does not use.
pub(super) fn has_large_exponent(key: &PKeyRef<Public>) -> bool {
    key.rsa().is_ok_and(|rsa| rsa.e().num_bits() > MAX_EXPONENT_BITS)
}

/// Returns the estimated time of one check in microseconds.
fn cost(key: &PKeyRef<Public>) -> u32 {
    match key.id() {
        Id::RSA => {
            let kilobits = key.bits().div_ceil(1024);
            let exponent = key.rsa().map_or(64, |rsa| rsa.e().num_bits().max(1));
            // 65537 has 17 bits, and few of them are set.
            let squarings = u32::try_from(exponent).unwrap_or(64).max(17);
            let factor = if squarings > 17 { 2 * squarings } else { squarings };
            20 + kilobits * kilobits * factor / 2
        }
        Id::EC => {
            let curve = key.ec_key().ok().and_then(|key| key.group().curve_name());
            match curve {
                Some(Nid::X9_62_PRIME256V1) => 100,
                Some(Nid::SECP384R1) => 500,
                _ => 1_000,
            }
        }
        _ => 100,
    }
}
