//! Looks names up: in the hosts file and by DNS, or by the operating system's own means.

use std::{fmt, net::SocketAddr, sync::Arc};

use tokio::sync::Semaphore;

use super::{
    Address, attempts::Attempts, config::ResolverConfig, dns::Dns, files::Files, hosts::Hosts,
    operating_system,
};
use crate::{
    diagnostics::{Failure, Reason, Stage},
    settings::{
        host_name::{self, NotAHost},
        ip::{IpFamily, IpSettings},
    },
};

/// Resolves names; one for the whole process. Nothing is cached.
pub struct Resolver {
    backend: Backend,
}

enum Backend {
    Dns(Box<Dns>),
    OperatingSystem(Arc<Semaphore>),
}

/// Which address of a name is wanted: the first of this family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// None of the other family will do.
    Only(IpFamily),
    /// Where there is none, the first of the other family.
    Prefer(IpFamily),
}

/// An address that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) address: Address,
    /// The name server that said so, if it was one.
    pub(super) source: Option<Source>,
}

/// The name server that an address comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Source {
    pub(super) server: Arc<str>,
    /// How many seconds its answer may be kept.
    pub(super) ttl: u32,
}

/// Why a name gave no address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum LookupError {
    /// Nobody was asked.
    NotAHost(NotAHost),
    /// As this name server says, if it was one.
    NoSuchName(Option<Arc<str>>),
    NoSuitableAddress,
    /// With what happened, for people.
    Failed(Reason, String),
}

impl Resolver {
    /// Asks the hosts file and the DNS servers that the system is configured with. Both files are
    /// read again when they change.
    #[must_use]
    pub fn system() -> Self {
        Self { backend: Backend::Dns(Box::new(Dns::of_files(Files::system()))) }
    }

    /// Asks these DNS servers alone.
    #[must_use]
    pub fn of_servers(servers: impl IntoIterator<Item = SocketAddr>) -> Self {
        Self::of_config(ResolverConfig::of_servers(servers), Hosts::default())
    }

    /// Asks the operating system (`getaddrinfo`), for those who need what only it knows, such as
    /// the sources in nsswitch.conf. A lookup cannot be cancelled and holds a thread, so there is a
    /// limit to how many run at once.
    #[must_use]
    pub fn operating_system() -> Self {
        const MAX_AT_ONCE: usize = 64;
        Self { backend: Backend::OperatingSystem(Arc::new(Semaphore::new(MAX_AT_ONCE))) }
    }

    pub(super) fn of_config(config: ResolverConfig, hosts: Hosts) -> Self {
        Self { backend: Backend::Dns(Box::new(Dns::of_config(config, hosts))) }
    }

    /// Looks up what is not an address. `attempts` notes which servers are asked meanwhile.
    pub(super) async fn lookup(
        &self,
        host: &str,
        wanted: Wanted,
        attempts: &Attempts,
    ) -> Result<Found, LookupError> {
        match &self.backend {
            Backend::Dns(dns) => dns.lookup(host, wanted, attempts).await,
            Backend::OperatingSystem(limit) => {
                host_name::check(host)?;
                let address = operating_system::lookup(limit, host, wanted).await?;
                Ok(Found { address, source: None })
            }
        }
    }
}

impl Default for Resolver {
    fn default() -> Self {
        Self::system()
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self.backend {
            Backend::Dns(_) => "Resolver::Dns",
            Backend::OperatingSystem(_) => "Resolver::OperatingSystem",
        })
    }
}

impl Wanted {
    /// What these settings want.
    pub(super) fn of(ip: &IpSettings) -> Self {
        if ip.ip_protocol_fallback {
            Self::Prefer(ip.preferred())
        } else {
            Self::Only(ip.preferred())
        }
    }

    /// The first address that fits.
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

/// The server and how long its answer may be kept, for the log.
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
    /// The failure of a probe that looked `host` up. The texts begin as upstream's.
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
