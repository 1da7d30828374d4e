//! Looks names up: in the hosts file and by DNS, or by the operating system's own means.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use futures_util::future::join;
use tokio::sync::Semaphore;

use crate::{
    evidence::Failure,
    net::resolve::{
        dns::Dns,
        files::{Files, Setup},
        operating_system,
    },
    settings::ip::{IpFamily, IpSettings},
};

/// Resolves names; one for the whole process. Nothing is cached.
pub struct Resolver {
    way: Way,
}

enum Way {
    Dns(Dns),
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

/// Why a name gave no address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum LookupError {
    NoSuchName,
    NoSuitableAddress,
    Failed(String),
}

impl Resolver {
    /// Asks the hosts file and the DNS servers that the system is configured with. Both files are
    /// read again when they change.
    #[must_use]
    pub fn system() -> Self {
        Self { way: Way::Dns(Dns::of_files(Files::system())) }
    }

    /// All that connections to a host may go to that is not a target: its first address of each
    /// family.
    pub(crate) async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, Failure> {
        if let Ok(address) = host.parse() {
            return Ok(vec![address]);
        }
        let of = |family| self.lookup(host, Wanted::Only(family));
        match join(of(IpFamily::V6), of(IpFamily::V4)).await {
            (Err(_), Err(error)) => Err(error.of(host)),
            (six, four) => Ok(six.into_iter().chain(four).collect()),
        }
    }

    /// Asks these DNS servers alone.
    #[must_use]
    pub fn of_servers(servers: Vec<SocketAddr>) -> Self {
        Self::of_setup(Setup { servers, ..Setup::default() })
    }

    /// Asks the operating system (`getaddrinfo`), for those who need what only it knows, such as
    /// the sources in nsswitch.conf. A lookup cannot be cancelled and holds a thread, so there is a
    /// limit to how many run at once.
    #[must_use]
    pub fn operating_system() -> Self {
        const MOST_AT_ONCE: usize = 64;
        Self { way: Way::OperatingSystem(Arc::new(Semaphore::new(MOST_AT_ONCE))) }
    }

    pub(super) fn of_setup(setup: Setup) -> Self {
        Self { way: Way::Dns(Dns::of_setup(setup)) }
    }

    pub(super) async fn lookup(&self, host: &str, wanted: Wanted) -> Result<IpAddr, LookupError> {
        match &self.way {
            Way::Dns(dns) => dns.lookup(host, wanted).await,
            Way::OperatingSystem(limit) => operating_system::lookup(limit, host, wanted).await,
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
        formatter.write_str(match self.way {
            Way::Dns(_) => "Resolver::Dns",
            Way::OperatingSystem(_) => "Resolver::OperatingSystem",
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
    pub(super) fn choose(self, addresses: &[IpAddr]) -> Option<IpAddr> {
        let first = |family: IpFamily| {
            addresses.iter().copied().find(|address| address.is_ipv4() == (family == IpFamily::V4))
        };
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

impl LookupError {
    /// The one of two that says more: a resolver that fails may hide an address.
    pub(super) fn or(self, other: Self) -> Self {
        match (&self, &other) {
            (Self::Failed(_), _) | (_, Self::NoSuchName) => self,
            _ => other,
        }
    }
}
