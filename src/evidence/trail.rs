//! Where a probe went: the addresses that it turned to, and when.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
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
    /// What it turned to.
    pub place: Place,
}

/// What a probe can turn to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Place {
    /// A host.
    Host(IpAddr),
    /// A port of a host.
    Port(SocketAddr),
    /// A socket of this machine, by its path or its abstract name after `@`.
    Local(String),
}

/// More are not kept; redirects are limited, and each takes two at most.
const MOST: usize = 64;

impl Trail {
    /// Notes that the probe turns to `place` now.
    pub fn note(&self, place: Place) {
        self.note_unless(place, |_| false);
    }

    /// Notes that it is `place`, of several that the probe turned to at once, where it goes on.
    pub fn settle(&self, place: &Place) {
        self.note_unless(place.clone(), |last| last.place == *place);
    }

    fn note_unless(&self, place: Place, is_known: impl Fn(&Stop) -> bool) {
        let mut stops = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if stops.len() < MOST && !stops.last().is_some_and(is_known) {
            stops.push(Stop { at: Instant::now(), place });
        }
    }

    /// The one that the probe turned to last.
    #[must_use]
    pub fn last(&self) -> Option<Place> {
        let stops = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        stops.last().map(|stop| stop.place.clone())
    }

    /// Takes all of them out.
    #[must_use]
    pub fn take(&self) -> Vec<Stop> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(address) => address.fmt(formatter),
            Self::Port(address) => address.fmt(formatter),
            Self::Local(name) => formatter.write_str(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_counts_again_when_the_probe_turns_to_it_again() {
        let trail = Trail::default();
        let place = |name: &str| Place::Local(name.to_owned());
        trail.note(place("a"));
        trail.settle(&place("a"));
        trail.note(place("a"));
        trail.note(place("b"));
        trail.settle(&place("a"));
        let names: Vec<_> = trail.take().iter().map(|stop| stop.place.to_string()).collect();
        assert_eq!(names, ["a", "a", "b", "a"]);
    }
}
