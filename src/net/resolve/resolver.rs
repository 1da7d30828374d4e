//! Looks names up: in the hosts file and by DNS, or by the operating system's own means.

use std::{
    fmt,
    net::{IpAddr, SocketAddr, ToSocketAddrs},
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use arc_swap::ArcSwap;
use hickory_resolver::{
    TokioResolver,
    config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts},
    net::{DnsError, NetError, runtime::TokioRuntimeProvider},
    proto::{
        op::ResponseCode,
        rr::{Name, RecordType},
    },
};
use tokio::{sync::Semaphore, time::Instant};

use crate::{
    net::resolve::files::{Files, Setup},
    settings::ip::IpFamily,
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
            Way::OperatingSystem(limit) => ask_operating_system(limit, host, wanted).await,
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
    /// The first address that fits.
    fn choose(self, addresses: &[IpAddr]) -> Option<IpAddr> {
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
    fn or(self, other: Self) -> Self {
        match (&self, &other) {
            (Self::Failed(_), _) | (_, Self::NoSuchName) => self,
            _ => other,
        }
    }
}

/// Lookups in the hosts file and by DNS.
struct Dns {
    files: Option<Files>,
    current: ArcSwap<Loaded>,
    checked: Mutex<Instant>,
}

/// A setup, ready for use.
struct Loaded {
    setup: Setup,
    servers: Vec<Server>,
    changed: [Option<SystemTime>; 2],
}

/// How often the files are looked at, at most.
const CHECK_INTERVAL: Duration = Duration::from_secs(5);

impl Dns {
    fn of_files(files: Files) -> Self {
        let loaded = Loaded::of_files(&files);
        Self::new(Some(files), loaded)
    }

    fn of_setup(setup: Setup) -> Self {
        Self::new(None, Loaded::new(setup, [None; 2]))
    }

    fn new(files: Option<Files>, loaded: Loaded) -> Self {
        let current = ArcSwap::from_pointee(loaded);
        Self { files, current, checked: Mutex::new(Instant::now()) }
    }

    async fn lookup(&self, host: &str, wanted: Wanted) -> Result<IpAddr, LookupError> {
        let loaded = self.up_to_date();
        if let Some(addresses) = loaded.setup.fixed(host) {
            return wanted.choose(addresses).ok_or(LookupError::NoSuitableAddress);
        }
        let mut failed = LookupError::NoSuchName;
        for name in loaded.setup.candidates(host) {
            match loaded.ask(&name, wanted).await {
                Ok(address) => return Ok(address),
                Err(error) => failed = failed.or(error),
            }
        }
        Err(failed)
    }

    /// What is loaded, read again if a file has changed.
    fn up_to_date(&self) -> Arc<Loaded> {
        if let Some(files) = &self.files
            && self.check_is_due()
            && self.current.load().changed != files.changed()
        {
            self.current.store(Arc::new(Loaded::of_files(files)));
        }
        self.current.load_full()
    }

    fn check_is_due(&self) -> bool {
        let mut checked = self.checked.lock().unwrap_or_else(PoisonError::into_inner);
        let due = checked.elapsed() >= CHECK_INTERVAL;
        if due {
            *checked = Instant::now();
        }
        due
    }
}

impl Loaded {
    fn of_files(files: &Files) -> Self {
        // The times come first: a change while the files are read is then seen the next time.
        let changed = files.changed();
        Self::new(files.read(), changed)
    }

    fn new(setup: Setup, changed: [Option<SystemTime>; 2]) -> Self {
        let servers =
            setup.servers.iter().filter_map(|at| Server::new(*at, setup.timeout).ok()).collect();
        Self { setup, servers, changed }
    }

    /// The address of one absolute name. Both families are asked at once, and an address of the
    /// preferred one does not wait for the other.
    async fn ask(&self, name: &Name, wanted: Wanted) -> Result<IpAddr, LookupError> {
        let (preferred, other) = match wanted {
            Wanted::Only(family) => return self.ask_family(name, family).await,
            Wanted::Prefer(IpFamily::V4) => (IpFamily::V4, IpFamily::V6),
            Wanted::Prefer(IpFamily::V6) => (IpFamily::V6, IpFamily::V4),
        };
        let mut preferred = pin!(self.ask_family(name, preferred));
        let mut other = pin!(self.ask_family(name, other));
        let mut fallback = None;
        loop {
            tokio::select! {
                biased;
                answer = &mut preferred => {
                    let Err(error) = answer else { return answer };
                    let fallback = match fallback {
                        Some(answer) => answer,
                        None => other.await,
                    };
                    return fallback.map_err(|also| error.or(also));
                }
                answer = &mut other, if fallback.is_none() => fallback = Some(answer),
            }
        }
    }

    /// The first address of this family. The servers are asked in turn, as often as the setup says;
    /// the first that answers decides, also when it says that there is no such name.
    async fn ask_family(&self, name: &Name, family: IpFamily) -> Result<IpAddr, LookupError> {
        let mut failed = "no DNS server is configured".to_owned();
        for _ in 0..self.setup.attempts {
            for server in &self.servers {
                match server.ask(name, family).await {
                    Err(LookupError::Failed(why)) => failed = why,
                    answered => return answered,
                }
            }
        }
        Err(LookupError::Failed(failed))
    }
}

/// One DNS server.
///
/// Each has a resolver of its own, because one with several asks them side by side and takes
/// whichever answer comes first, so that the order in the setup would mean nothing.
struct Server {
    at: SocketAddr,
    resolver: TokioResolver,
}

impl Server {
    fn new(at: SocketAddr, timeout: Duration) -> Result<Self, NetError> {
        let connections =
            [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
                connection.port = at.port();
                connection
            });
        let server = NameServerConfig::new(at.ip(), true, connections.into());
        let config = ResolverConfig::from_parts(None, Vec::new(), vec![server]);
        let mut builder =
            TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
        let options = builder.options_mut();
        options.timeout = timeout;
        options.attempts = 0;
        options.cache_size = 0;
        options.use_hosts_file = ResolveHosts::Never;
        // A server that cuts answers short is asked by TCP, where all lookups share a connection.
        options.max_active_requests = usize::from(u16::MAX);
        Ok(Self { at, resolver: builder.build()? })
    }

    async fn ask(&self, name: &Name, family: IpFamily) -> Result<IpAddr, LookupError> {
        let record_type = match family {
            IpFamily::V4 => RecordType::A,
            IpFamily::V6 => RecordType::AAAA,
        };
        match self.resolver.lookup(name.clone(), record_type).await {
            Ok(lookup) => lookup
                .answers()
                .iter()
                .find_map(|record| record.data.ip_addr())
                .ok_or(LookupError::NoSuitableAddress),
            Err(error) if error.is_nx_domain() => Err(LookupError::NoSuchName),
            Err(NetError::Dns(DnsError::NoRecordsFound(none)))
                if none.response_code == ResponseCode::NoError =>
            {
                Err(LookupError::NoSuitableAddress)
            }
            Err(error) => Err(LookupError::Failed(format!("{error} on {}", self.at))),
        }
    }
}

/// `getaddrinfo` on a thread of its own.
async fn ask_operating_system(
    limit: &Arc<Semaphore>,
    host: &str,
    wanted: Wanted,
) -> Result<IpAddr, LookupError> {
    let failed = |error: &dyn fmt::Display| LookupError::Failed(error.to_string());
    // The permit goes with the thread: a lookup that nobody waits for any more still occupies it.
    let permit = Arc::clone(limit).acquire_owned().await.map_err(|error| failed(&error))?;
    let name = host.to_owned();
    let lookup = tokio::task::spawn_blocking(move || {
        let _permit = permit;
        (name.as_str(), 0).to_socket_addrs().map(|found| found.map(|at| at.ip()).collect())
    });
    let addresses: Vec<IpAddr> = match lookup.await.map_err(|error| failed(&error))? {
        Ok(addresses) => addresses,
        Err(error) if means_no_such_name(&error.to_string()) => {
            return Err(LookupError::NoSuchName);
        }
        Err(error) => return Err(failed(&error)),
    };
    wanted.choose(&addresses).ok_or(LookupError::NoSuitableAddress)
}

/// Whether this is how a C library says that there is no such name. The standard library passes
/// on the text alone.
fn means_no_such_name(error: &str) -> bool {
    [
        "Name or service not known",
        "No address associated",
        "does not resolve",
        "nodename nor servname",
    ]
    .iter()
    .any(|text| error.contains(text))
}
