//! Connections to a name, over whichever family works first.

use std::{future::Future, pin::pin, time::Duration};

use tokio::time::Instant;

use crate::{
    evidence::{Failure, Stage},
    net::{Context, dial, resolve, wire::WireStream},
    settings::ip::IpFamily,
};

/// Connects to a host that is not the target itself, such as one that a redirect named. As upstream
/// does it, either family will do there: IPv6 goes first, and IPv4 follows when that fails or takes
/// long. Also says how long the lookup took.
///
/// # Errors
/// A failure of the stage [`Stage::Resolve`] or [`Stage::Connect`].
pub async fn connect(
    context: &Context,
    host: &str,
    port: u16,
) -> Result<(Duration, WireStream), Failure> {
    let attempt = async |family: IpFamily| {
        let begun = Instant::now();
        let address = resolve::resolve_family(context, host, family).await?;
        let lookup = begun.elapsed();
        let stream = dial::connect(context, address.with_port(port), None).await?;
        Ok((lookup, stream))
    };
    race(attempt(IpFamily::V6), attempt(IpFamily::V4)).await
}

/// How long IPv4 waits for IPv6, in Go's client.
const HEAD_START: Duration = Duration::from_millis(300);

/// The first of two ways that works; the second is not tried while the first may soon work.
async fn race<T>(
    first: impl Future<Output = Result<T, Failure>>,
    second: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let mut first = pin!(first);
    let mut second = pin!(second);
    let early = tokio::select! {
        outcome = &mut first => Some(outcome),
        () = tokio::time::sleep(HEAD_START) => None,
    };
    if let Some(outcome) = early {
        return match outcome {
            Ok(done) => Ok(done),
            Err(failure) => second.await.map_err(|other| more_telling(failure, other)),
        };
    }
    tokio::select! {
        outcome = &mut first => match outcome {
            Ok(done) => Ok(done),
            Err(failure) => second.await.map_err(|other| more_telling(failure, other)),
        },
        outcome = &mut second => match outcome {
            Ok(done) => Ok(done),
            Err(failure) => first.await.map_err(|other| more_telling(other, failure)),
        },
    }
}

/// Of two ways that failed, the one that got further says why.
fn more_telling(first: Failure, second: Failure) -> Failure {
    if first.stage == Stage::Connect { first } else { second }
}

#[cfg(test)]
mod tests {
    use tokio::time::sleep;

    use super::*;
    use crate::evidence::Reason;

    /// A way that takes this many milliseconds and then works, or fails at a stage.
    async fn way(time: u64, outcome: Result<&'static str, Stage>) -> Result<&'static str, Failure> {
        sleep(Duration::from_millis(time)).await;
        outcome.map_err(|stage| Failure::new(stage, Reason::Refused, stage.label()))
    }

    #[tokio::test(start_paused = true)]
    async fn the_second_way_waits_for_the_first_but_not_for_long() {
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
            let begun = Instant::now();
            let outcome = race(way(first.0, first.1), way(second.0, second.1)).await;
            assert_eq!(outcome.map_err(|failure| failure.stage), expected, "{name}");
            assert_eq!(begun.elapsed(), Duration::from_millis(time), "{name}");
        }
    }
}
