//! Name resolution: the address of a host name.

mod answer;
mod attempts;
mod config;
mod dns;
mod files;
mod hosts;
mod operating_system;
mod resolver;
mod server;
#[cfg(test)]
mod tests;

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6},
    time::Duration,
};

use tokio::time::Instant;

use crate::{
    diagnostics::{Failure, Stage},
    metrics::{Description, Export, Metric, MetricSet, Unit},
    net::Context,
    settings::{
        host_name::{NotAHost, to_ascii},
        ip::{IpFamily, IpSettings},
    },
};

pub use self::resolver::Resolver;
use self::{
    attempts::Attempts,
    resolver::{Found, LookupError, Wanted},
};

const LOOKUP_TIME: Metric =
    Metric::new("probe_dns_lookup_time_seconds", "Time that resolving the target's name took.", [])
        .when("once the lookup of the target began")
        .unit(Unit::Seconds);
const IP_PROTOCOL: Metric = Metric::new(
    "probe_ip_protocol",
    "IP version that was probed, 4 or 6; 0 when the name was not resolved.",
    [],
)
.when("once the lookup of the target began");
const ADDRESS_HASH: Metric = Metric::new(
    "probe_ip_addr_hash",
    "FNV-1a hash of the IP address that was probed; it changes when the address does.",
    [],
)
.when("once the target has an address");

/// Every metric of a resolution.
pub const METRICS: &[Description] =
    &[LOOKUP_TIME.describe(), IP_PROTOCOL.describe(), ADDRESS_HASH.describe()];

/// The result of resolving the target's name.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Resolution {
    /// The address that was chosen, if there was one.
    pub address: Option<Address>,
    /// Duration of the lookup, also if it failed or was cancelled.
    pub lookup: Duration,
}

/// An IP address to probe, with the interface of a link-local address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Address {
    ip: IpAddr,
    scope: u32,
}

/// Resolves `host` and chooses the address that is probed.
///
/// `resolution` is set from the start, so that a cancelled lookup is reported too.
///
/// Unlike upstream: an address of the preferred family is used as soon as it is known, without
/// waiting for the other family. Of the other family the first address is used, not the last.
///
/// # Errors
/// A failure of the stage [`Stage::Resolve`], or [`Stage::Target`] if `host` is not a host name.
pub async fn resolve(
    context: &Context,
    host: &str,
    ip: &IpSettings,
    resolution: &mut Option<Resolution>,
) -> Result<Address, Failure> {
    context.enter(Stage::Resolve);
    let resolution = resolution.insert(Resolution::default());
    let stopwatch = Stopwatch { started_at: Instant::now(), resolution };
    let wanted = Wanted::of(ip);
    context.log.debug("Resolving target address", &[("target", &host), ("wanted", &wanted)]);
    let Found { address, source } = find(context, host, wanted).await?;
    stopwatch.resolution.address = Some(address);
    let mut fields: Vec<(_, &dyn fmt::Display)> = vec![("target", &host), ("ip", &address)];
    if let Some(source) = &source {
        fields.push(("server", source));
    }
    context.log.debug("Resolved target address", &fields);
    Ok(address)
}

/// Sets the resolution of a target that is rejected before the lookup: its address if `host` is a
/// literal address.
pub fn note_literal(host: &str, ip: &IpSettings, resolution: &mut Option<Resolution>) {
    let literal = Address::literal(host).and_then(Result::ok);
    let found = literal.and_then(|address| Wanted::of(ip).literal(address).ok());
    let address = found.map(|found| found.address);
    *resolution = Some(Resolution { address, ..Resolution::default() });
}

/// Resolves `host` to its first address of `family`, for a connection to another host than the
/// target.
///
/// # Errors
/// As of [`resolve`].
pub async fn resolve_family(
    context: &Context,
    host: &str,
    family: IpFamily,
) -> Result<Address, Failure> {
    context.enter(Stage::Resolve);
    find(context, host, Wanted::Only(family)).await.map(|found| found.address)
}

async fn find(context: &Context, host: &str, wanted: Wanted) -> Result<Found, Failure> {
    let refused = |error: NotAHost| LookupError::NotAHost(error).of(host);
    let name = to_ascii(host).map_err(|error| refused(error.into()))?;
    let found = match Address::literal(&name) {
        Some(literal) => literal.and_then(|address| wanted.literal(address)),
        // Boxed, since the future is large, short-lived, and not needed for a literal address.
        None => Box::pin(look_up(context, &name, wanted)).await,
    };
    found.map_err(|error| error.of(host))
}

async fn look_up(context: &Context, host: &str, wanted: Wanted) -> Result<Found, LookupError> {
    let attempts = Attempts::default();
    let _waiting = context.waiting_for(|| attempts.waiting(host));
    context.resolver.lookup(host, wanted, &attempts).await
}

/// Sets the duration of the lookup, also if the future is dropped.
struct Stopwatch<'a> {
    started_at: Instant,
    resolution: &'a mut Resolution,
}

impl Drop for Stopwatch<'_> {
    fn drop(&mut self) {
        self.resolution.lookup = self.started_at.elapsed();
    }
}

impl Address {
    /// Returns the address without the interface.
    #[must_use]
    pub fn ip(self) -> IpAddr {
        self.ip
    }

    /// Returns the socket address with this port.
    #[must_use]
    pub fn with_port(self, port: u16) -> SocketAddr {
        match self.ip {
            IpAddr::V4(ip) => (ip, port).into(),
            IpAddr::V6(ip) => SocketAddrV6::new(ip, port, 0, self.scope).into(),
        }
    }

    /// Parses a literal address. The error is for an interface that does not exist.
    fn literal(host: &str) -> Option<Result<Self, LookupError>> {
        if let Ok(ip) = host.parse::<IpAddr>() {
            return Some(Ok(ip.into()));
        }
        let (ip, zone) = host.split_once('%')?;
        let ip = ip.parse::<Ipv6Addr>().ok()?.into();
        let scope = zone.parse().ok().or_else(|| interface_index(zone));
        let unknown = || LookupError::NotAHost(NotAHost::Interface(zone.to_owned()));
        Some(scope.map(|scope| Self { ip, scope }).ok_or_else(unknown))
    }

    fn family(self) -> IpFamily {
        if self.ip.is_ipv4() { IpFamily::V4 } else { IpFamily::V6 }
    }

    /// Returns the 32-bit FNV-1a hash of the address's bytes.
    fn hash(self) -> u32 {
        let fnv1a = |bytes: &[u8]| {
            bytes.iter().fold(0x811c_9dc5_u32, |hash, byte| {
                (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193)
            })
        };
        match self.ip {
            IpAddr::V4(ip) => fnv1a(&ip.octets()),
            IpAddr::V6(ip) => fnv1a(&ip.octets()),
        }
    }
}

impl From<IpAddr> for Address {
    fn from(ip: IpAddr) -> Self {
        Self { ip: ip.to_canonical(), scope: 0 }
    }
}

impl From<SocketAddr> for Address {
    fn from(at: SocketAddr) -> Self {
        let scope = match at {
            SocketAddr::V4(_) => 0,
            SocketAddr::V6(at) => at.scope_id(),
        };
        Self { ip: at.ip().to_canonical(), scope }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.scope {
            0 => write!(formatter, "{}", self.ip),
            scope => write!(formatter, "{}%{scope}", self.ip),
        }
    }
}

impl Wanted {
    fn literal(self, address: Address) -> Result<Found, LookupError> {
        match self {
            Self::Only(family) if family != address.family() => Err(LookupError::NoSuitableAddress),
            Self::Only(_) | Self::Prefer(_) => Ok(Found { address, source: None }),
        }
    }
}

impl Export for Resolution {
    fn export(&self, metrics: &mut MetricSet) {
        let protocol = self.address.map_or(0, |address| match address.family() {
            IpFamily::V4 => 4,
            IpFamily::V6 => 6,
        });
        metrics.add(&LOOKUP_TIME, [], self.lookup.as_secs_f64());
        metrics.add(&IP_PROTOCOL, [], protocol);
        metrics.add(&ADDRESS_HASH, [], self.address.map_or(0, Address::hash));
    }
}

/// Returns the index of the interface with this name.
#[cfg(target_os = "linux")]
fn interface_index(name: &str) -> Option<u32> {
    use rustix::net::{AddressFamily, SocketType, netdevice, socket};
    let any = socket(AddressFamily::INET, SocketType::DGRAM, None).ok()?;
    netdevice::name_to_index(any, name).ok()
}

#[cfg(not(target_os = "linux"))]
fn interface_index(_: &str) -> Option<u32> {
    None
}
