//! Lookups in the hosts file and by DNS.

use std::{
    net::{IpAddr, SocketAddr},
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use arc_swap::ArcSwap;
use hickory_resolver::{
    TokioResolver,
    config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig},
    net::{DnsError, NetError, runtime::TokioRuntimeProvider},
    proto::{
        op::ResponseCode,
        rr::{Name, RecordType},
    },
};
use tokio::time::Instant;

use crate::{
    net::resolve::{
        files::{Files, Setup},
        resolver::{LookupError, Wanted},
    },
    settings::ip::IpFamily,
};

/// Lookups in the hosts file and by DNS.
pub(super) struct Dns {
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
    pub(super) fn of_files(files: Files) -> Self {
        let loaded = Loaded::of_files(&files);
        Self::new(Some(files), loaded)
    }

    pub(super) fn of_setup(setup: Setup) -> Self {
        Self::new(None, Loaded::new(setup, [None; 2]))
    }

    fn new(files: Option<Files>, loaded: Loaded) -> Self {
        let current = ArcSwap::from_pointee(loaded);
        Self { files, current, checked: Mutex::new(Instant::now()) }
    }

    pub(super) async fn lookup(&self, host: &str, wanted: Wanted) -> Result<IpAddr, LookupError> {
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

#[cfg(test)]
mod tests {
    use std::fs::{self, File};

    use super::*;

    #[tokio::test]
    async fn changed_files_are_read_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let [resolv_conf, hosts] = ["resolv.conf", "hosts"].map(|name| folder.path().join(name));
        fs::write(&hosts, "192.0.2.1 web\n").expect("writable");
        let dns = Dns::of_files(Files { resolv_conf, hosts: hosts.clone() });
        let wanted = Wanted::Prefer(IpFamily::V4);
        assert_eq!(dns.lookup("web", wanted).await, Ok([192, 0, 2, 1].into()));
        fs::write(&hosts, "192.0.2.2 web\n").expect("writable");
        let long_ago = SystemTime::UNIX_EPOCH + CHECK_INTERVAL;
        File::options().append(true).open(&hosts).unwrap().set_modified(long_ago).unwrap();
        assert_eq!(dns.lookup("web", wanted).await, Ok([192, 0, 2, 1].into()), "not looked at yet");
        *dns.checked.lock().unwrap() = Instant::now().checked_sub(CHECK_INTERVAL).unwrap();
        assert_eq!(dns.lookup("web", wanted).await, Ok([192, 0, 2, 2].into()));
    }
}
