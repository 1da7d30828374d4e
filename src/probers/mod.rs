//! One protocol per module, whole: settings, measurements, probe and metrics.
//!
//! A prober knows nothing of other probers, of the exporter's web face, or of what becomes of its
//! measurements.

pub mod dns;
mod findings;
pub mod grpc;
pub mod http;
pub mod icmp;
mod list;
pub mod query_response;
pub mod tcp;
pub mod unix;
pub mod websocket;

use std::{future::Future, time::Duration};

pub use findings::{Findings, GroupedSpan, Hop};
pub use list::ProberSettings;

use crate::{
    diagnostics::{Failure, Reason, Stage},
    metrics::{Description, Export},
    net::Context,
    settings::section::section,
};

list::probers! {
    $
    Http: http::HttpProber,
    Tcp: tcp::TcpProber,
    Icmp: icmp::IcmpProber,
    Dns: dns::DnsProber,
    Grpc: grpc::GrpcProber,
    Unix: unix::UnixProber,
    Websocket: websocket::WebsocketProber,
}

/// What is to be probed, as the request names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The `target` parameter.
    pub name: String,
    /// The `hostname` parameter; each prober says what it makes of it.
    pub hostname: Option<String>,
}

impl Target {
    /// Checks that the `hostname` parameter has the form of a host, with a port or without.
    ///
    /// # Errors
    /// A failure of the stage [`Stage::Target`].
    fn check_hostname(&self) -> Result<(), Failure> {
        let Some(hostname) = self.hostname.as_deref() else { return Ok(()) };
        let is_foreign = |character: char| {
            matches!(character, '/' | '@' | '?' | '#')
                || character.is_whitespace()
                || character.is_control()
        };
        if hostname.trim().contains(is_foreign) {
            let message = format!(
                "the parameter hostname is {hostname:?}: write a host name, with a port or without"
            );
            return Err(Failure::new(Stage::Target, Reason::InvalidTarget, message));
        }
        Ok(())
    }
}

/// What a prober learns; kept also when the probe fails or is cut off.
pub trait Measurements: Default + Export + Send {
    /// How long the probe waited for the peer, the network and the resolver, as far as its phases
    /// tell; the rest of its duration was the exporter's own.
    fn waited(&self) -> Duration;

    /// What there is to tell beside metrics; takes out what is large.
    fn findings(&mut self) -> Findings;
}

/// One protocol's way of deciding whether a target is up.
///
/// Implemented by the settings of the matching YAML section.
pub trait Prober: Sync {
    /// What is learned on the way, kept even when the probe fails or is cut off.
    type Measurements: Measurements;

    /// Probes `target`, noting each fact in `seen` as soon as it is known.
    ///
    /// The future is dropped at the deadline, wherever it stands.
    fn probe(
        &self,
        context: &Context,
        target: &Target,
        seen: &mut Self::Measurements,
    ) -> impl Future<Output = Result<(), Failure>> + Send;
}

/// Patterns are matched [`run_blocking`] against what has more bytes than this.
const MOST_INLINE: usize = 64 << 10;

/// Does what costs much CPU time off the thread that probes, which serves others too.
async fn run_blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| {
        Err(Failure::new(Stage::Check, Reason::Internal, format!("A check broke off: {error}")))
    })
}
#[cfg(test)]
mod sizes;
