//! Maximum age of a connection.

use std::time::Duration;

use tokio::time::Instant;

/// Time after which a connection ends with its next response.
///
/// An idle connection is not closed: the next request could be on its way, and a connection without
/// requests is no load.
#[derive(Debug, Clone, Copy)]
pub(in crate::server) struct Expiry(Instant);

impl Expiry {
    /// Returns the expiry of a new connection. Connections that were opened together do not expire
    /// together.
    pub(super) fn after(max_age: Duration) -> Option<Self> {
        let age = max_age.mul_f64(rand::random_range(1.0 - AGE_SPREAD..=1.0 + AGE_SPREAD));
        Instant::now().checked_add(age).map(Self)
    }

    pub(in crate::server) fn is_over(self) -> bool {
        Instant::now() >= self.0
    }
}

/// Part of the maximum age by which the age of a connection differs from it at most.
const AGE_SPREAD: f64 = 0.1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_expire_within_a_tenth_of_the_maximum_age() {
        const AGE: Duration = Duration::from_secs(1000);
        let start = Instant::now();
        let ages: Vec<_> =
            (0..1000).map(|_| Expiry::after(AGE).unwrap().0.duration_since(start)).collect();
        let late = start.elapsed();
        let (first, last) = (ages.iter().min().unwrap(), ages.iter().max().unwrap());
        assert!(*first >= AGE.mul_f64(0.9) && *last <= AGE.mul_f64(1.1) + late, "{ages:?}");
        assert!(*last > *first + AGE.mul_f64(0.15), "they do not end together: {ages:?}");
        assert!(Expiry::after(Duration::MAX.mul_f64(0.9)).is_none(), "after the end of the clock");
    }
}
