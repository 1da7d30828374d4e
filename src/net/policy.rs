//! The policy on the peers that probes may connect to.

use crate::diagnostics::{Failure, attempts::Peer};

/// Decides which peers a probe may connect to.
///
/// [`Context::attempt`](crate::net::Context::attempt) asks about every peer just before the probe
/// connects to it: the target, hosts of redirects, proxies and token servers. No module can set a
/// policy yet; the default allows every peer.
#[derive(Debug, Clone, Copy)]
pub struct Policy(fn(&Peer) -> Result<(), Failure>);

impl Policy {
    /// Creates a policy that asks `check`, which returns the failure of a probe for a peer that is
    /// denied.
    #[must_use]
    pub fn new(check: fn(&Peer) -> Result<(), Failure>) -> Self {
        Self(check)
    }

    /// Checks a peer.
    ///
    /// # Errors
    /// The failure of a probe that must not connect to it.
    pub fn check(&self, peer: &Peer) -> Result<(), Failure> {
        (self.0)(peer)
    }
}

impl Default for Policy {
    /// Allows every peer; while fuzzing only this host, because inputs contain arbitrary addresses.
    fn default() -> Self {
        #[cfg(fuzzing)]
        return Self::new(allow_loopback);
        #[cfg(not(fuzzing))]
        Self::new(|_| Ok(()))
    }
}

#[cfg(fuzzing)]
fn allow_loopback(peer: &Peer) -> Result<(), Failure> {
    use crate::diagnostics::{Reason, Stage};
    match peer {
        Peer::Port(address) if address.ip().is_loopback() => Ok(()),
        _ => {
            let message = format!("{peer} is not on this host");
            Err(Failure::new(Stage::Connect, Reason::PermissionDenied, message))
        }
    }
}
