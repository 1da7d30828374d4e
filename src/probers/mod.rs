//! One protocol per module, whole: settings, measurements, probe and metrics.
//!
//! A prober knows nothing of other probers, of the exporter's web face, or of what becomes of its
//! measurements.

pub mod dns;
mod findings;
pub mod grpc;
pub mod http;
pub mod icmp;
pub mod query_response;
pub mod tcp;
pub mod unix;
pub mod websocket;

use std::{future::Future, time::Duration};

pub use findings::{Findings, GroupedSpan, Hop};

use crate::{
    diagnostics::{Failure, Reason, Stage},
    metrics::Export,
    net::Context,
    settings::{
        explain::Explanation,
        rule::{RuleError, Warning},
    },
};

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

/// The settings of a prober, as a module needs them.
pub trait ProberSettings {
    /// Refuses settings with which no probe can be made. Modules of other probers may have them.
    ///
    /// # Errors
    /// A setting is not supported.
    fn check_use(&self) -> Result<(), RuleError> {
        Ok(())
    }

    /// Warnings about settings that are valid, but unlikely to do what they are meant to do.
    fn warnings(&self) -> Vec<Warning>;

    /// Describes a probe in words.
    fn explain(&self, words: &mut Explanation);

    /// The header `Host` that the settings configure.
    fn configured_host(&self) -> Option<&str> {
        None
    }

    /// Returns whether the target is the path of a file, in which no character is special.
    fn takes_paths(&self) -> bool {
        false
    }
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
