//! Where a probe went: the addresses that it turned to, and when.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    sync::{Mutex, PoisonError},
};

use tokio::time::Instant;

/// The addresses that a probe turned to, in order.
#[derive(Debug, Default)]
pub struct Attempts(Mutex<Vec<Attempt>>);

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// When the probe turned to it.
    pub at: Instant,
    /// What it turned to.
    pub peer: Peer,
}

/// What a probe can turn to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Peer {
    /// A host.
    Host(IpAddr),
    /// A port of a host.
    Port(SocketAddr),
    /// A socket of this machine, by its path or its abstract name after `@`.
    Local(String),
}

/// More are not kept; redirects are limited, and each takes two at most.
const MOST: usize = 64;

impl Attempts {
    /// Notes that the probe turns to `peer` now.
    pub fn note(&self, peer: Peer) {
        self.note_unless(peer, |_| false);
    }

    /// Notes that it is `peer`, of several that the probe turned to at once, where it goes on.
    pub fn settle(&self, peer: &Peer) {
        self.note_unless(peer.clone(), |last| last.peer == *peer);
    }

    fn note_unless(&self, peer: Peer, is_known: impl Fn(&Attempt) -> bool) {
        let mut attempts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if attempts.len() < MOST && !attempts.last().is_some_and(is_known) {
            attempts.push(Attempt { at: Instant::now(), peer });
        }
    }

    /// The one that the probe turned to last.
    #[must_use]
    pub fn last(&self) -> Option<Peer> {
        let attempts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        attempts.last().map(|attempt| attempt.peer.clone())
    }

    /// Takes all of them out.
    #[must_use]
    pub fn take(&self) -> Vec<Attempt> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Display for Peer {
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
        let attempts = Attempts::default();
        let peer = |name: &str| Peer::Local(name.to_owned());
        attempts.note(peer("a"));
        attempts.settle(&peer("a"));
        attempts.note(peer("a"));
        attempts.note(peer("b"));
        attempts.settle(&peer("a"));
        let names: Vec<_> =
            attempts.take().iter().map(|attempt| attempt.peer.to_string()).collect();
        assert_eq!(names, ["a", "a", "b", "a"]);
    }
}
