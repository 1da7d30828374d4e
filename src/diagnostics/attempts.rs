//! Connection attempts of a probe: the peers that it contacted, and when.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    sync::{Mutex, PoisonError},
};

use tokio::time::Instant;

/// Connection attempts of a probe, in order.
#[derive(Debug, Default)]
pub struct Attempts(Mutex<Vec<Attempt>>);

/// A connection attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// Start of the attempt.
    pub at: Instant,
    /// The contacted peer.
    pub peer: Peer,
}

/// A peer that a probe can contact.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Peer {
    /// A host.
    Host(IpAddr),
    /// A port of a host.
    Port(SocketAddr),
    /// A unix socket, by its path or by its abstract name after `@`.
    Local(String),
}

/// Maximum number of recorded attempts. The number of redirects is limited, and each makes at most two.
const MAX_ATTEMPTS: usize = 64;

impl Attempts {
    /// Records an attempt that starts now.
    pub fn note(&self, peer: Peer) {
        self.note_unless(peer, |_| false);
    }

    /// Records which of several concurrent attempts the probe continues with.
    pub fn settle(&self, peer: &Peer) {
        self.note_unless(peer.clone(), |last| last.peer == *peer);
    }

    fn note_unless(&self, peer: Peer, is_known: impl Fn(&Attempt) -> bool) {
        let mut attempts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if attempts.len() < MAX_ATTEMPTS && !attempts.last().is_some_and(is_known) {
            attempts.push(Attempt { at: Instant::now(), peer });
        }
    }

    /// Returns the peer of the last attempt.
    #[must_use]
    pub fn last(&self) -> Option<Peer> {
        let attempts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        attempts.last().map(|attempt| attempt.peer.clone())
    }

    /// Returns and removes all attempts.
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
    fn a_peer_that_is_contacted_again_counts_again() {
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
