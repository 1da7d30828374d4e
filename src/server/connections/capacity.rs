//! The number of connections that the server can have.

/// The number of connections, and what follows from it.
#[derive(Debug, Clone, Copy)]
pub(in crate::server) struct Capacity {
    /// Number of connections above which idle ones are closed. Each scrape and each idle client holds
    /// one.
    pub(in crate::server) connections: usize,
}

/// Maximum number of connections.
const MAX_CONNECTIONS: usize = 50_000;

/// Number of connections that can be open, however few descriptors there are.
const MIN_CONNECTIONS: usize = 16;

/// Number of file descriptors that the process itself needs.
const OWN_DESCRIPTORS: u64 = 100;

/// Number of connections of a client that are left for refused probes and other requests while as many
/// of its probes run and wait as may.
const MIN_OTHERS: usize = 8;

impl Capacity {
    /// Returns the capacity of a process with so many file descriptors: half of them, since each request
    /// can need another one for its probe.
    pub(in crate::server) fn of(descriptors: u64) -> Self {
        let half = descriptors.saturating_sub(OWN_DESCRIPTORS) / 2;
        let half = usize::try_from(half).unwrap_or(usize::MAX);
        Self { connections: half.clamp(MIN_CONNECTIONS, MAX_CONNECTIONS) }
    }

    /// Returns the maximum number of connections of one client. The rest is for others.
    pub(in crate::server) const fn per_client(self) -> usize {
        self.connections - self.connections / 4
    }

    /// Returns the maximum number of probes that wait while so many run: a client that requests all of
    /// them has connections left, so that the probes beyond are refused with a response.
    pub(in crate::server) fn max_queued(self, in_flight: Option<u32>) -> u32 {
        let per_client = self.per_client();
        let in_flight = in_flight.and_then(|number| usize::try_from(number).ok());
        let running = in_flight.unwrap_or(per_client / 2);
        let left = per_client.saturating_sub(running + MIN_OTHERS).max(1);
        u32::try_from(left).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::limits::{Limits, Resources};

    #[test]
    fn probes_that_run_and_wait_leave_connections_to_others() {
        for descriptors in [64, 128, 256, 512, 1024, 4096, 65_536, 1 << 20, u64::MAX] {
            for memory in [None, Some(40 << 20), Some(1 << 30), Some(64 << 30)] {
                let capacity = Capacity::of(descriptors);
                let in_flight = Limits::default().max_in_flight(Resources {
                    memory,
                    descriptors,
                    ..Resources::default()
                });
                let queued = usize::try_from(capacity.max_queued(in_flight)).unwrap();
                let running = usize::try_from(in_flight.unwrap()).unwrap();
                assert!(
                    running + queued < capacity.per_client(),
                    "{descriptors} {memory:?}: {running} + {queued} of {capacity:?}"
                );
            }
        }
        assert_eq!(Capacity::of(1024).max_queued(Some(100_000)), 1);
        assert_eq!(Capacity::of(1024).max_queued(None), 166);
    }
}
