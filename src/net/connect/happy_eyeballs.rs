//! Connections to a host by the first of its addresses that works, IPv6 before IPv4.
//!
//! This is "Happy Eyeballs" as Go's client has it (RFC 6555 rather than the newer RFC 8305): one
//! address of each family, and a fixed delay before IPv4 is tried.

use std::{future::Future, pin::pin, sync::OnceLock, time::Duration};

use tokio::{
    sync::oneshot,
    time::{Instant, sleep_until},
};

use crate::{
    diagnostics::{Failure, Reason, Stage},
    net::{
        Context,
        connect::{SocketOptions, dial},
        resolve,
        wire::WireStream,
    },
    settings::ip::IpFamily,
};

/// A connection, and the time until it was begun.
#[derive(Debug)]
pub struct Connected {
    /// The connection.
    pub stream: WireStream,
    /// The lookup of the address.
    pub lookup: Lookup,
}

/// The time until a connection was begun.
#[derive(Debug, Clone, Copy)]
pub struct Lookup {
    started_at: Instant,
    /// Duration of the lookup, until an address was known.
    pub time: Duration,
    /// Duration of the unsuccessful attempt with the other family that followed.
    pub lost: Duration,
}

impl Lookup {
    /// Returns the end of the lookup.
    #[must_use]
    pub fn end(&self) -> Instant {
        self.started_at + self.time
    }

    /// Returns the end of the unsuccessful attempt.
    #[must_use]
    pub fn end_of_lost(&self) -> Instant {
        self.end() + self.lost
    }
}

/// Connects to a TCP port of another host than the target, such as that of a redirect.
///
/// As upstream does it, both families are looked up concurrently, whatever the module prefers for
/// its target. IPv6 is tried first, IPv4 when that has failed or after `FALLBACK_DELAY`.
///
/// # Errors
/// A failure of the stage [`Stage::Resolve`] or [`Stage::Connect`].
pub async fn connect(
    context: &Context,
    host: &str,
    port: u16,
    options: &SocketOptions,
) -> Result<Connected, Failure> {
    let started_at = Instant::now();
    let connected =
        |stream, time, lost| Connected { stream, lookup: Lookup { started_at, time, lost } };
    // The end of the IPv6 lookup, and whether it found an address.
    let ipv6_lookup = OnceLock::new();
    let ipv6 = async {
        let address =
            resolve::resolve_family(context, (host, port), IpFamily::V6, options.role).await;
        let (time, _) = *ipv6_lookup.get_or_init(|| (started_at.elapsed(), address.is_ok()));
        let stream = dial::tcp(context, address?.with_port(port), options).await?;
        Ok(connected(stream, time, Duration::ZERO))
    };
    let ipv4 = async |delay: FallbackDelay| {
        let address =
            resolve::resolve_family(context, (host, port), IpFamily::V4, options.role).await?;
        let looked_up = started_at.elapsed();
        delay.wait().await;
        let waited = started_at.elapsed();
        let (time, lost) = match ipv6_lookup.get() {
            // The wait was for the IPv6 lookup.
            None => (waited, Duration::ZERO),
            Some((ended, found)) => {
                let time = looked_up.max(*ended);
                (time, if *found { waited.saturating_sub(time) } else { Duration::ZERO })
            }
        };
        let stream = dial::tcp(context, address.with_port(port), options).await?;
        Ok(connected(stream, time, lost))
    };
    race(ipv6, ipv4).await
}

/// The delay before IPv4 is tried, as in Go's client.
const FALLBACK_DELAY: Duration = Duration::from_millis(300);

/// The delay of the second attempt.
struct FallbackDelay {
    /// Completes when the first attempt has failed.
    first_failed: oneshot::Receiver<()>,
    ends_at: Instant,
}

impl FallbackDelay {
    /// Waits until the first attempt has failed, or for [`FALLBACK_DELAY`].
    async fn wait(self) {
        tokio::select! {
            _ = self.first_failed => {}
            () = sleep_until(self.ends_at) => {}
        }
    }
}

/// Runs two attempts and returns the result of the first that succeeds. A denial of the policy ends
/// both: the other address must not show which one is denied.
async fn race<T, W: Future<Output = Result<T, Failure>>>(
    first: impl Future<Output = Result<T, Failure>>,
    second: impl FnOnce(FallbackDelay) -> W,
) -> Result<T, Failure> {
    let (first_runs, first_failed) = oneshot::channel();
    let delay = FallbackDelay { first_failed, ends_at: Instant::now() + FALLBACK_DELAY };
    let mut first = pin!(first);
    let mut second = pin!(second(delay));
    tokio::select! {
        outcome = &mut first => match outcome {
            Err(failure) if failure.reason != Reason::Denied => {
                drop(first_runs);
                second.await.map_err(|other| more_specific(failure, other))
            }
            ended => ended,
        },
        outcome = &mut second => match outcome {
            Err(failure) if failure.reason != Reason::Denied => {
                first.await.map_err(|other| more_specific(other, failure))
            }
            ended => ended,
        },
    }
}

/// Returns the failure of the attempt that got further, or the denial.
fn more_specific(first: Failure, second: Failure) -> Failure {
    if first.stage == Stage::Connect && second.reason != Reason::Denied { first } else { second }
}

#[cfg(test)]
mod tests {
    use tokio::time::sleep;

    use super::*;

    /// An attempt that takes this many milliseconds and then succeeds, or fails at a stage.
    async fn attempt(
        time: u64,
        outcome: Result<&'static str, Stage>,
    ) -> Result<&'static str, Failure> {
        sleep(Duration::from_millis(time)).await;
        outcome.map_err(|stage| Failure::new(stage, Reason::Refused, stage.label()))
    }

    #[tokio::test(start_paused = true)]
    async fn the_second_attempt_waits_for_the_first_but_not_for_long() {
        let refused = Err(Stage::Connect);
        for (name, first, second, expected, time) in [
            ("the first is quick", (10, Ok("6")), (0, Ok("4")), Ok("6"), 10),
            ("the first fails", (10, refused), (20, Ok("4")), Ok("4"), 30),
            ("the first is slow", (5000, Ok("6")), (20, Ok("4")), Ok("4"), 320),
            ("both are slow", (1000, Ok("6")), (5000, Ok("4")), Ok("6"), 1000),
            ("the first fails late", (400, refused), (500, Ok("4")), Ok("4"), 800),
            ("the second fails", (1000, Ok("6")), (20, refused), Ok("6"), 1000),
            ("both fail", (10, refused), (20, Err(Stage::Resolve)), refused, 30),
            ("no such name", (10, Err(Stage::Resolve)), (20, refused), refused, 30),
        ] {
            let started_at = Instant::now();
            let second = async |delay: FallbackDelay| {
                delay.wait().await;
                attempt(second.0, second.1).await
            };
            let outcome = race(attempt(first.0, first.1), second).await;
            assert_eq!(outcome.map_err(|failure| failure.stage), expected, "{name}");
            assert_eq!(started_at.elapsed(), Duration::from_millis(time), "{name}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_denial_ends_both_attempts() {
        let denied = Failure::new(Stage::Connect, Reason::Denied, "denied");
        for (first, second) in [(10, 1_000), (1_000, 10)] {
            let started_at = Instant::now();
            let attempt = async |time: u64| {
                sleep(Duration::from_millis(time)).await;
                if time == 10 { Err(denied.clone()) } else { Ok("connected") }
            };
            let outcome = race(attempt(first), async |_delay| attempt(second).await).await;
            assert_eq!(outcome, Err(denied.clone()));
            assert_eq!(started_at.elapsed(), Duration::from_millis(10));
        }
    }
}
