//! The number of connections that the server can have.

use crate::settings::limits::{Limits, Resources};

/// The number of connections, and what follows from it.
#[derive(Debug, Clone, Copy)]
pub(in crate::server) struct Capacity {
    /// Number of connections above which idle ones are closed. Each scrape and each idle client holds
    /// one.
    pub(in crate::server) connections: usize,
    /// True if probes that run and wait leave connections to a client, whose requests end soon.
    pub(in crate::server) has_turnover: bool,
}

/// Maximum number of connections.
const MAX_CONNECTIONS: usize = 50_000;

/// Number of connections that can be open, however few descriptors there are.
const MIN_CONNECTIONS: usize = 16;

/// Memory of an idle connection in bytes, that of the kernel included.
const CONNECTION_MEMORY: u64 = 14 << 10;

/// Number of connections for which there is memory, however little it is.
const MIN_BY_MEMORY: u64 = 192;

/// Number of file descriptors that the process itself needs.
const OWN_DESCRIPTORS: u64 = 100;

/// Number of connections of a client that are left for refused probes and other requests while as many
/// of its probes run and wait as may.
const MIN_OTHERS: usize = 8;

impl Capacity {
    /// Returns the capacity of a process: half of its file descriptors, since each request can need
    /// another one for its probe, and as many as need half of the memory, or three for each probe that
    /// may run if that is more.
    pub(in crate::server) fn of(resources: Resources, limits: &Limits) -> Self {
        let half = resources.descriptors.saturating_sub(OWN_DESCRIPTORS) / 2;
        let in_flight = limits.max_in_flight(resources);
        let of_probes = in_flight.map_or(0, |number| 3 * u64::from(number));
        let by_memory = limits.free_memory(resources).map_or(u64::MAX, |bytes| {
            (bytes / 2 / CONNECTION_MEMORY).max(MIN_BY_MEMORY).max(of_probes)
        });
        let number = usize::try_from(half.min(by_memory)).unwrap_or(usize::MAX);
        let connections = number.clamp(MIN_CONNECTIONS, MAX_CONNECTIONS);
        let capacity = Self { connections, has_turnover: false };
        let in_flight =
            in_flight.map_or(usize::MAX, |number| usize::try_from(number).unwrap_or(usize::MAX));
        Self {
            has_turnover: in_flight.saturating_add(MIN_OTHERS) < capacity.per_client(),
            ..capacity
        }
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

    fn capacity(memory: Option<u64>, descriptors: u64) -> (Capacity, Option<u32>) {
        let (limits, resources) =
            (Limits::default(), Resources { memory, descriptors, ..Resources::default() });
        (Capacity::of(resources, &limits), limits.max_in_flight(resources))
    }

    #[test]
    fn probes_that_run_and_wait_leave_connections_to_others() {
        for descriptors in [64, 128, 256, 512, 1024, 4096, 65_536, 1 << 20, u64::MAX] {
            for memory in [None, Some(16 << 20), Some(40 << 20), Some(1 << 30), Some(64 << 30)] {
                let (capacity, in_flight) = capacity(memory, descriptors);
                let queued = usize::try_from(capacity.max_queued(in_flight)).unwrap();
                let running = usize::try_from(in_flight.unwrap()).unwrap();
                assert!(
                    running + queued < capacity.per_client(),
                    "{descriptors} {memory:?}: {running} + {queued} of {capacity:?}"
                );
            }
        }
        let (capacity, _) = capacity(None, 1024);
        assert_eq!(capacity.max_queued(Some(100_000)), 1);
        assert_eq!(capacity.max_queued(None), 166);
    }

    #[test]
    fn connections_are_limited_by_descriptors_and_memory() {
        for (mib, descriptors, expected) in [
            (None, 1024, 462),
            (Some(1024), 1024, 462),
            (Some(40), 1 << 20, 219),
            (Some(16), 1 << 20, 192),
            (Some(128), 1 << 20, 2_633),
            (Some(1 << 16), 1 << 20, 50_000),
        ] {
            let (capacity, _) = capacity(mib.map(|mib: u64| mib << 20), descriptors);
            assert_eq!(capacity.connections, expected, "{mib:?} {descriptors}");
        }
    }
}
