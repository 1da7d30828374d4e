//! The probers. Each module contains one protocol: settings, measurements, probe and metrics.
//!
//! A prober depends neither on other probers nor on the HTTP server of the exporter.

pub mod dns;
mod findings;
pub mod grpc;
pub mod http;
pub mod icmp;
pub mod query_response;
pub mod tcp;
pub mod unix;
pub mod websocket;

use std::{borrow::Borrow, future::Future, time::Duration};

pub use findings::{Findings, GroupedSpan, Hop};

use crate::{
    diagnostics::{CheckName, Failure, Reason, Stage},
    metrics::Export,
    net::Context,
    scheduling::{
        pace,
        pool::{self, PoolError},
    },
    settings::{
        explain::Explanation,
        regexp::Regexp,
        rule::{RuleError, Warning},
    },
};

/// The target of a probe, from the parameters of the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The `target` parameter.
    pub name: String,
    /// The `hostname` parameter. Its meaning depends on the prober.
    pub hostname: Option<String>,
}

impl Target {
    /// Checks that the `hostname` parameter is a host name with an optional port.
    ///
    /// # Errors
    /// Returns a failure of the stage [`Stage::Target`] if it is not.
    fn check_hostname(&self) -> Result<(), Failure> {
        let Some(hostname) = self.hostname.as_deref() else { return Ok(()) };
        let is_foreign = |character: char| {
            matches!(character, '/' | '@' | '?' | '#')
                || character.is_whitespace()
                || character.is_control()
        };
        if hostname.trim().contains(is_foreign) {
            let message = format!(
                "invalid parameter hostname {hostname:?}; write a host name with an optional port"
            );
            return Err(Failure::new(Stage::Target, Reason::InvalidTarget, message));
        }
        Ok(())
    }
}

/// The measurements of a probe. They are kept if the probe fails or times out.
pub trait Measurements: Default + Export + Send {
    /// Returns the time that the phases spent waiting for the target, the network and the resolver.
    /// The rest of the probe's duration is exporter overhead.
    fn waited(&self) -> Duration;

    /// Returns the results that are not metrics. Moves large values out of the measurements.
    fn findings(&mut self) -> Findings;
}

/// The check of a target over one protocol.
///
/// Implemented by the settings of the matching YAML section.
pub trait Prober: Sync {
    /// The measurements of the probe. They are kept if the probe fails or times out.
    type Measurements: Measurements;

    /// Probes `target`. Writes each result to `measurements` as soon as it is known.
    ///
    /// The caller drops the future at the deadline, at any await point.
    fn probe(
        &self,
        context: &Context,
        target: &Target,
        measurements: &mut Self::Measurements,
    ) -> impl Future<Output = Result<(), Failure>> + Send;
}

/// The operations of a module on the settings of its prober.
pub trait ProberSettings {
    /// Rejects settings with which every probe would fail. It is called only for modules that use
    /// this prober.
    ///
    /// # Errors
    /// Returns an error if a setting is not supported.
    fn check_use(&self) -> Result<(), RuleError> {
        Ok(())
    }

    /// Returns warnings about settings that are valid, but probably a mistake.
    fn warnings(&self) -> Vec<Warning>;

    /// Describes a probe in plain text.
    fn explain(&self, words: &mut Explanation);

    /// Returns the names of the configured checks, in order, without those that every probe has.
    fn checks(&self) -> Vec<CheckName> {
        Vec::new()
    }

    /// Returns the configured `Host` header.
    fn configured_host(&self) -> Option<&str> {
        None
    }

    /// Returns whether requests to the target have credentials.
    fn sends_credentials(&self) -> bool {
        false
    }

    /// Returns whether the target is a file path, in which no character has a special meaning.
    fn takes_paths(&self) -> bool {
        false
    }
}

/// Maximum size in bytes of a text that is matched on the current thread. Larger ones are matched
/// in [`run_blocking`].
const MAX_INLINE: usize = 64 << 10;

/// Returns whether to match a text of `length` bytes on the current thread.
fn is_quick(patterns: impl IntoIterator<Item = impl Borrow<Regexp>>, length: usize) -> bool {
    let times = patterns.into_iter().map(|pattern| pattern.borrow().expected_time(length));
    length <= MAX_INLINE && times.fold(Duration::ZERO, Duration::saturating_add) <= pace::MAX_INLINE
}

/// Runs work that needs much CPU time on the threads for such work, so that it does not delay other
/// probes.
async fn run_blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    pool::run(work).await.unwrap_or_else(|error| {
        let doing = match error {
            PoolError::NoThread(_) => "the exporter cannot evaluate a check",
            PoolError::Panicked => "internal error in a check",
        };
        Err(Failure::new(Stage::Check, reason_of(&error), format!("{doing}: {error}")))
    })
}

/// Returns the reason why work was not done.
fn reason_of(error: &PoolError) -> Reason {
    match error {
        PoolError::NoThread(_) => Reason::OutOfResources,
        PoolError::Panicked => Reason::Internal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first match on a thread allocates memory for all states of a pattern.
    #[test]
    fn large_patterns_and_many_patterns_are_not_matched_inline() {
        let matched = |pattern: &str| {
            let regexp = Regexp::new(pattern).unwrap();
            assert!(!regexp.is_match(b"-"), "now it is compiled");
            regexp
        };
        let small = matched("a+b");
        assert!(is_quick([&small], 100));
        assert!(!is_quick([&matched(r"(?:(?:\pL?){50}b?c?){9}x$")], 100));
        assert!(!is_quick(std::iter::repeat_n(&small, 1_000), 100));
    }
}
