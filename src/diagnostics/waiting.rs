//! Description of the waits that the deadline interrupted.
//!
//! A guard lives as long as a wait. It builds the description only if it is dropped after the
//! deadline: a wait that ends in time costs one comparison.

use std::sync::{
    Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, Ordering},
};

/// Interrupted waits of a probe.
#[derive(Debug, Default)]
pub struct Waits {
    is_cut_off: AtomicBool,
    described: Mutex<Vec<String>>,
}

/// Maximum number of waits that are described; a probe waits for few things at once.
const MAX_DESCRIBED: usize = 4;

impl Waits {
    /// Records that the probe is interrupted: guards that are dropped from now on describe their waits.
    pub fn cut_off(&self) {
        self.is_cut_off.store(true, Ordering::Relaxed);
    }

    /// Returns a guard for a wait. `describe` returns what the probe is waiting for and what came last.
    #[must_use]
    pub fn wait<D: Fn() -> String>(&self, describe: D) -> Waiting<'_, D> {
        Waiting { waits: self, describe }
    }

    /// Returns a guard for the peer of all waits within it, such as a proxy.
    #[must_use]
    pub fn within<P: Fn() -> String>(&self, place: P) -> WaitingWithin<'_, P> {
        WaitingWithin { waits: self, place }
    }

    /// Returns the description of the interrupted waits.
    #[must_use]
    pub fn description(&self) -> Option<String> {
        let described = self.described();
        (!described.is_empty()).then(|| described.join("; "))
    }

    /// Returns whether the probe is interrupted.
    #[must_use]
    pub fn is_cut_off(&self) -> bool {
        self.is_cut_off.load(Ordering::Relaxed)
    }

    fn described(&self) -> MutexGuard<'_, Vec<String>> {
        self.described.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Guard of a wait; created by [`Waits::wait`].
#[derive(Debug)]
pub struct Waiting<'w, D: Fn() -> String> {
    waits: &'w Waits,
    describe: D,
}

impl<D: Fn() -> String> Drop for Waiting<'_, D> {
    fn drop(&mut self) {
        if self.waits.is_cut_off() {
            let description = (self.describe)();
            let mut described = self.waits.described();
            if described.len() < MAX_DESCRIBED && !described.contains(&description) {
                described.push(description);
            }
        }
    }
}

/// Guard of the peer of waits; created by [`Waits::within`].
#[derive(Debug)]
pub struct WaitingWithin<'w, P: Fn() -> String> {
    waits: &'w Waits,
    place: P,
}

impl<P: Fn() -> String> Drop for WaitingWithin<'_, P> {
    fn drop(&mut self) {
        if self.waits.is_cut_off() {
            let place = (self.place)();
            let mut described = self.waits.described();
            *described = match described.join("; ") {
                waits if waits.is_empty() => vec![place],
                waits => vec![format!("{place}: {waits}")],
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use futures_util::{FutureExt as _, future::join};

    use super::*;

    /// Returns the description after `work` is interrupted after its first poll.
    fn cut_off(waits: &Waits, work: impl Future<Output = ()>) -> Option<String> {
        let mut work = Box::pin(work);
        assert!(work.as_mut().now_or_never().is_none(), "it waits");
        waits.cut_off();
        drop(work);
        waits.description()
    }

    async fn wait_for(waits: &Waits, what: &str) {
        let _waiting = waits.wait(|| format!("no {what}"));
        pending::<()>().await;
    }

    #[test]
    fn only_the_interrupted_wait_is_described() {
        let waits = Waits::default();
        let work = async {
            drop(waits.wait(|| panic!("this wait ended in time")));
            let _within = waits.within(|| "the proxy".to_owned());
            wait_for(&waits, "answer").await;
        };
        assert_eq!(cut_off(&waits, work).as_deref(), Some("the proxy: no answer"));
    }

    #[test]
    fn concurrent_waits_are_described_together() {
        let waits = Waits::default();
        let work = join(
            wait_for(&waits, "IPv6"),
            join(wait_for(&waits, "IPv4"), async {
                wait_for(&waits, "IPv4").await;
            }),
        );
        assert_eq!(cut_off(&waits, work.map(drop)).as_deref(), Some("no IPv6; no IPv4"));
    }

    #[test]
    fn a_peer_without_a_wait_is_described_alone() {
        let waits = Waits::default();
        let work = async {
            let _within = waits.within(|| "the proxy".to_owned());
            pending::<()>().await;
        };
        assert_eq!(cut_off(&waits, work).as_deref(), Some("the proxy"));
        let nothing = Waits::default();
        nothing.cut_off();
        assert_eq!(nothing.description(), None);
    }
}
