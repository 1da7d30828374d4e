//! The resolver and its two backends: DNS with the hosts file, or the operating system.

use std::{fmt, net::SocketAddr, sync::Arc};

use tokio::sync::Semaphore;

use super::{
    address::Address,
    attempts::Attempts,
    config::ResolverConfig,
    dns::Dns,
    files::Files,
    hosts::Hosts,
    lookup::{Found, LookupError, Wanted},
    operating_system,
    pin::Pin,
};
use crate::{
    diagnostics::Failure,
    settings::{host_name, ip::IpFamily},
};

/// Resolves names, without a cache. The probes of the process share one.
pub struct Resolver {
    backend: Backend,
    pins: Vec<Pin>,
}

enum Backend {
    Dns(Box<Dns>),
    OperatingSystem(Arc<Semaphore>),
}

impl Resolver {
    /// Returns a resolver with the system's hosts file and DNS servers. Both files are read again
    /// when they change.
    #[must_use]
    pub fn system() -> Self {
        Backend::Dns(Box::new(Dns::of_files(Files::system()))).into()
    }

    /// Returns a resolver that queries only these DNS servers.
    #[must_use]
    pub fn of_servers(servers: impl IntoIterator<Item = SocketAddr>) -> Self {
        Self::of_config(ResolverConfig::of_servers(servers), Hosts::default())
    }

    /// Returns a resolver that calls the operating system (`getaddrinfo`), for sources that only it
    /// has, such as those of nsswitch.conf. A lookup cannot be cancelled and occupies a thread, so
    /// the number of concurrent lookups is limited.
    #[must_use]
    pub fn operating_system() -> Self {
        const MAX_CONCURRENT: usize = 64;
        Backend::OperatingSystem(Arc::new(Semaphore::new(MAX_CONCURRENT))).into()
    }

    /// Returns the resolver with addresses that replace those of names.
    #[must_use]
    pub fn with_pins(self, pins: Vec<Pin>) -> Self {
        Self { pins, ..self }
    }

    /// Returns the name servers and the search domains, each separated by spaces; none if the operating
    /// system has them.
    #[must_use]
    pub fn servers_and_search(&self) -> Option<(String, String)> {
        match &self.backend {
            Backend::Dns(dns) => {
                let config = dns.config();
                let servers: Vec<_> = config.servers.iter().map(ToString::to_string).collect();
                Some((servers.join(" "), config.search.join(" ")))
            }
            Backend::OperatingSystem(_) => None,
        }
    }

    /// Returns the address of a host that no probe has to do with; an IPv4 address if the name has one.
    ///
    /// # Errors
    /// As of [`super::resolve`].
    pub async fn address(&self, host: &str) -> Result<Address, Failure> {
        let address = if let Some(literal) = Address::literal(host) {
            literal.map_err(LookupError::from)
        } else {
            let wanted = Wanted::Prefer(IpFamily::V4);
            let found = self.lookup(host, None, wanted, &Attempts::default()).await;
            found.map(|found| found.address)
        };
        address.map_err(|error| error.of(host))
    }

    pub(super) fn of_config(config: ResolverConfig, hosts: Hosts) -> Self {
        Backend::Dns(Box::new(Dns::of_config(config, hosts))).into()
    }

    /// Looks up a name that is not a literal address, for connections to `port` if there is one.
    /// `attempts` notes the servers that are queried.
    pub(super) async fn lookup(
        &self,
        host: &str,
        port: Option<u16>,
        wanted: Wanted,
        attempts: &Attempts,
    ) -> Result<Found, LookupError> {
        if let Some(addresses) = Pin::find(&self.pins, host, port) {
            let address = wanted.choose(addresses).ok_or(LookupError::NoSuitableAddress)?;
            return Ok(Found { address, source: None });
        }
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

impl From<Backend> for Resolver {
    fn from(backend: Backend) -> Self {
        Self { backend, pins: Vec::new() }
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
