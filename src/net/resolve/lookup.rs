//! The question and the outcomes of a lookup.

use std::{fmt, sync::Arc, time::Duration};

use super::address::Address;
use crate::{
    diagnostics::{Failure, Reason, Stage},
    settings::{
        host_name::NotAHost,
        ip::{IpFamily, IpSettings},
    },
};

/// The address to choose: the first of this family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Only addresses of this family.
    Only(IpFamily),
    /// If there is none, the first of the other family.
    Prefer(IpFamily),
}

/// An address that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) address: Address,
    /// The name server that returned it, if it was one.
    pub(super) source: Option<Source>,
}

/// The name server that returned an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Source {
    pub(super) server: Arc<str>,
    /// Time to live of the answer in seconds.
    pub(super) ttl: u32,
    /// Time for which responses to the queries for it had arrived and were not read.
    pub(super) unread: Duration,
}

/// The error of a lookup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum LookupError {
    /// The text is not a host name; no query was sent.
    NotAHost(NotAHost),
    /// The name does not exist, according to this name server if it was one.
    NoSuchName(Option<Arc<str>>),
    NoSuitableAddress,
    /// The lookup failed; the message describes how.
    Failed(Reason, String),
}

impl Wanted {
    /// Returns the choice of these settings.
    pub(super) fn of(ip: &IpSettings) -> Self {
        if ip.ip_protocol_fallback {
            Self::Prefer(ip.preferred())
        } else {
            Self::Only(ip.preferred())
        }
    }

    /// Returns the result for a name that is this literal address.
    pub(super) fn literal(self, address: Address) -> Result<Found, LookupError> {
        match self {
            Self::Only(family) if family != address.family() => Err(LookupError::NoSuitableAddress),
            Self::Only(_) | Self::Prefer(_) => Ok(Found { address, source: None }),
        }
    }

    /// Returns the first suitable address.
    pub(super) fn choose(self, addresses: &[Address]) -> Option<Address> {
        let first = |family| addresses.iter().copied().find(|address| address.family() == family);
        match self {
            Self::Only(family) => first(family),
            Self::Prefer(family) => first(family).or_else(|| addresses.first().copied()),
        }
    }
}

impl fmt::Display for Wanted {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Only(IpFamily::V4) => "ip4",
            Self::Only(IpFamily::V6) => "ip6",
            Self::Prefer(IpFamily::V4) => "ip4, else ip6",
            Self::Prefer(IpFamily::V6) => "ip6, else ip4",
        })
    }
}

/// The server and the TTL of its answer, for the log.
impl fmt::Display for Source {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} (TTL {} s)", self.server, self.ttl)
    }
}

impl From<NotAHost> for LookupError {
    fn from(error: NotAHost) -> Self {
        Self::NotAHost(error)
    }
}

impl LookupError {
    /// Returns the failure of a probe whose lookup of `host` failed. The texts begin as upstream's.
    pub(super) fn of(self, host: &str) -> Failure {
        let (stage, reason, message) = match self {
            Self::NotAHost(error) => (Stage::Target, Reason::InvalidTarget, error.message(host)),
            Self::NoSuchName(server) => {
                let server = server.map(|server| format!(" on {server}")).unwrap_or_default();
                let message = format!("lookup {host}{server}: no such host");
                (Stage::Resolve, Reason::NoSuchName, message)
            }
            Self::NoSuitableAddress => {
                let message = format!("address {host}: no suitable address found");
                (Stage::Resolve, Reason::NoSuitableAddress, message)
            }
            Self::Failed(reason, message) => (Stage::Resolve, reason, message),
        };
        Failure::new(stage, reason, message)
    }
}
