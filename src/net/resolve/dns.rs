//! Lookups in the hosts file and by DNS.

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use dns_text::QueryName;

use super::{
    answer::{A, AAAA, Answer, NoAnswer},
    attempts::Attempts,
    config::{Environment, ResolverConfig},
    files::{Files, Watched},
    hosts::Hosts,
    lookup::{Found, LookupError, Source, Wanted},
    server::{Heard, Query, Server, ServerError},
};
use crate::settings::{host_name, ip::IpFamily};

/// A stub resolver with a hosts file.
#[derive(Debug)]
pub(super) struct Dns {
    watched: Watched,
    /// Number of lookups, for the option `rotate`.
    turn: AtomicUsize,
}

impl Dns {
    pub(super) fn of_files(files: Files) -> Self {
        Self::new(Watched::of_files(files, Environment::of_process()))
    }

    pub(super) fn of_config(config: ResolverConfig, hosts: Hosts) -> Self {
        Self::new(Watched::of_config(config, hosts))
    }

    fn new(watched: Watched) -> Self {
        Self { watched, turn: AtomicUsize::new(0) }
    }

    /// Returns the configuration that was read last.
    pub(super) fn config(&self) -> Arc<ResolverConfig> {
        self.watched.config()
    }

    /// Looks `host` up. As in Go, names in the hosts file are arbitrary text, and only host names are
    /// looked up by DNS.
    pub(super) async fn lookup(
        &self,
        host: &str,
        wanted: Wanted,
        attempts: &Attempts,
    ) -> Result<Found, LookupError> {
        let loaded = self.watched.up_to_date().await;
        if let Some(addresses) = loaded.hosts.addresses(host) {
            let address = wanted.choose(&addresses).ok_or(LookupError::NoSuitableAddress)?;
            return Ok(Found { address, source: None });
        }
        host_name::check(host)?;
        let config = &*loaded.config;
        let turn =
            if config.options.rotate { self.turn.fetch_add(1, Ordering::Relaxed) } else { 0 };
        let lookup = Lookup { config, turn, attempts };
        let mut missed = Missed::NoSuchName(None);
        for name in config.candidates(host) {
            match lookup.ask(&name, wanted).await {
                Ok(found) => return Ok(found),
                Err(error) => missed = missed.or(error),
            }
            // As in glibc: these servers will not answer for another name either.
            if matches!(missed, Missed::Failed { by_servers: false }) {
                break;
            }
        }
        Err(missed.of(host, attempts))
    }
}

/// One lookup by DNS.
struct Lookup<'l> {
    config: &'l ResolverConfig,
    /// The index of the server that is queried first, modulo the number of servers.
    turn: usize,
    attempts: &'l Attempts,
}

/// The reason for which an absolute name has no address.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Missed {
    /// The server, if there was one, says that the name does not exist.
    NoSuchName(Option<Arc<str>>),
    NoAddress,
    /// No server answered; `by_servers` if some of them returned an error.
    Failed {
        by_servers: bool,
    },
}

impl Lookup<'_> {
    /// Looks up one absolute name. Both families are queried concurrently, and an address of the
    /// preferred one is used without waiting for the other.
    async fn ask(&self, name: &QueryName, wanted: Wanted) -> Result<Found, Missed> {
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
                    let Err(missed) = answer else { return answer };
                    let fallback = match fallback {
                        Some(answer) => answer,
                        None => other.await,
                    };
                    return fallback.map_err(|also| missed.or(also));
                }
                answer = &mut other, if fallback.is_none() && !self.config.options.single_request =>
                    fallback = Some(answer),
            }
        }
    }

    /// Looks up the first address of this family. The servers are queried in turn, in as many rounds
    /// as configured. The first response decides, also if the name does not exist.
    async fn ask_family(&self, name: &QueryName, family: IpFamily) -> Result<Found, Missed> {
        let kind = match family {
            IpFamily::V6 if self.config.options.no_aaaa => return Err(Missed::NoAddress),
            IpFamily::V6 => AAAA,
            IpFamily::V4 => A,
        };
        let (mut by_servers, mut nothing) = (false, false);
        for round in 0..self.config.options.attempts {
            // Without EDNS in later rounds: a firewall may drop queries with it.
            let query = Query { name, kind, edns: round == 0 };
            for server in self.servers() {
                let attempt = self.attempts.begin(server);
                let hear = |heard| match heard {
                    Heard::Unrelated(message) => self.attempts.ignore(attempt, message),
                    Heard::Late(unread) => self.attempts.add_unread(family, unread),
                };
                match server.ask(query, &self.config.options, &hear).await {
                    Ok(answer) => {
                        self.attempts.end(attempt, None);
                        return found(answer, server, self.attempts.unread(family));
                    }
                    Err(error) => {
                        nothing |= matches!(error, ServerError::NoAnswer(NoAnswer::Nothing));
                        by_servers |= error.is_response();
                        self.attempts.end(attempt, Some((error, name.as_str().to_owned())));
                    }
                }
            }
            // An empty response counts if no other server has a better one.
            if nothing {
                return Err(Missed::NoAddress);
            }
        }
        Err(Missed::Failed { by_servers })
    }

    /// Returns all servers in the order of this lookup.
    fn servers(&self) -> impl Iterator<Item = &Server> {
        let servers = &self.config.servers;
        let first = self.turn.checked_rem(servers.len()).unwrap_or_default();
        servers.iter().cycle().skip(first).take(servers.len())
    }
}

fn found(answer: Answer, server: &Server, unread: Duration) -> Result<Found, Missed> {
    match answer {
        Answer::Addresses(addresses, ttl) => {
            let address = addresses.first().copied().ok_or(Missed::NoAddress)?.into();
            Ok(Found { address, source: Some(Source { server: server.name(), ttl, unread }) })
        }
        Answer::NoSuchName => Err(Missed::NoSuchName(Some(server.name()))),
    }
}

impl Missed {
    /// Returns the more informative of two: a failed server may hide an address.
    fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Failed { by_servers: one }, Self::Failed { by_servers: two }) => {
                Self::Failed { by_servers: one || two }
            }
            (Self::Failed { .. }, _) | (_, Self::Failed { .. }) => {
                Self::Failed { by_servers: true }
            }
            (Self::NoAddress, _) | (_, Self::NoAddress) => Self::NoAddress,
            (one, other @ Self::NoSuchName(None)) => {
                if other == one {
                    other
                } else {
                    one
                }
            }
            (_, other) => other,
        }
    }

    fn of(self, host: &str, attempts: &Attempts) -> LookupError {
        match self {
            Self::NoSuchName(server) => LookupError::NoSuchName(server),
            Self::NoAddress => LookupError::NoSuitableAddress,
            Self::Failed { .. } => {
                let (reason, message) = attempts.failure(host);
                LookupError::Failed(reason, message)
            }
        }
    }
}
