//! Name resolution: the address of a host name.

mod address;
mod answer;
mod attempts;
mod config;
mod dns;
mod files;
mod hosts;
mod lookup;
mod operating_system;
mod options;
mod pin;
mod resolver;
mod server;
#[cfg(test)]
mod tests;

use std::{fmt, pin::pin, time::Duration};

use tokio::time::Instant;

use crate::{
    diagnostics::{Failure, Stage},
    metrics::{Description, Export, Metric, MetricSet, Unit},
    net::{
        Context,
        policy::Destination,
        wire::{self, Timestamp, Wait},
    },
    policy::{Question, Role},
    settings::{
        host_name::{NotAHost, to_ascii},
        ip::{IpFamily, IpSettings},
    },
};

pub use self::{
    address::Address, operating_system::IS_AVAILABLE as HAS_OPERATING_SYSTEM, pin::Pin,
    resolver::Resolver,
};
use self::{
    attempts::Attempts,
    lookup::{Found, LookupError, Wanted},
};

const LOOKUP_TIME: Metric = Metric::new(
    "probe_dns_lookup_time_seconds",
    "Duration of resolving the target's name in seconds.",
    [],
)
.when("if the lookup of the target was started")
.unit(Unit::Seconds);
const IP_PROTOCOL: Metric = Metric::new(
    "probe_ip_protocol",
    "IP version of the probed address: 4 or 6; 0 if the name was not resolved.",
    [],
)
.when("if the lookup of the target was started");
const ADDRESS_HASH: Metric = Metric::new(
    "probe_ip_addr_hash",
    "FNV-1a hash of the probed IP address; it changes when the address does.",
    [],
)
.when("if the target has an address");

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

/// Asks the policy about the destination, resolves its host and chooses the address that is probed.
///
/// `resolution` is set from the start, so that a cancelled lookup is reported too.
///
/// Unlike upstream: an address of the preferred family is used as soon as it is known, without
/// waiting for the other family. Of the other family the first address is used, not the last.
///
/// # Errors
/// A failure of the stage [`Stage::Resolve`], [`Stage::Target`] if the host is not a
/// host name, or a denial.
pub async fn resolve(
    context: &Context,
    destination: Destination<'_>,
    ip: &IpSettings,
    resolution: &mut Option<Resolution>,
) -> Result<Address, Failure> {
    context.policy.judge_destination(destination)?;
    let host = destination.host;
    context.enter(Stage::Resolve);
    let resolution = resolution.insert(Resolution::default());
    let mut stopwatch =
        Stopwatch { started_at: Instant::now(), resolution, unread: Duration::ZERO };
    let wanted = Wanted::of(ip);
    context.log.debug("Resolving target address", &[("target", &host), ("wanted", &wanted)]);
    let Found { address, source } = find(context, host, destination.port, wanted).await?;
    stopwatch.resolution.address = Some(address);
    let mut fields: Vec<(_, &dyn fmt::Display)> = vec![("target", &host), ("ip", &address)];
    if let Some(source) = &source {
        fields.push(("server", source));
        stopwatch.unread = source.unread;
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

/// Resolves a host to its first address of `family`, for a connection to this port of another host
/// than the target.
///
/// # Errors
/// As of [`resolve`].
pub async fn resolve_family(
    context: &Context,
    (host, port): (&str, u16),
    family: IpFamily,
    role: Role,
) -> Result<Address, Failure> {
    context.policy.judge(&Question { role, host: Some(host), ..Question::default() })?;
    context.enter(Stage::Resolve);
    find(context, host, Some(port), Wanted::Only(family)).await.map(|found| found.address)
}

async fn find(
    context: &Context,
    host: &str,
    port: Option<u16>,
    wanted: Wanted,
) -> Result<Found, Failure> {
    let refused = |error: NotAHost| LookupError::NotAHost(error).of(host);
    let name = to_ascii(host).map_err(|error| refused(error.into()))?;
    let found = match Address::literal(&name) {
        Some(literal) => wanted.literal(literal.map_err(refused)?),
        // Boxed, since the future is large, short-lived, and not needed for a literal address.
        None => Box::pin(look_up(context, &name, port, wanted)).await,
    };
    found.map_err(|error| error.of(host))
}

async fn look_up(
    context: &Context,
    host: &str,
    port: Option<u16>,
    wanted: Wanted,
) -> Result<Found, LookupError> {
    let attempts = Attempts::default();
    let _waiting = context.waiting_for(|| attempts.waiting(host));
    let start = Timestamp::now();
    let wait = || Wait { since: start + attempts.longest_unread(), earlier: Duration::ZERO };
    wire::waiting(pin!(context.resolver.lookup(host, port, wanted, &attempts)), wait).await
}

/// Sets the duration of the lookup, also if the future is dropped.
struct Stopwatch<'a> {
    started_at: Instant,
    resolution: &'a mut Resolution,
    /// Time for which responses had arrived and were not read.
    unread: Duration,
}

impl Drop for Stopwatch<'_> {
    fn drop(&mut self) {
        self.resolution.lookup = self.started_at.elapsed().saturating_sub(self.unread);
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
