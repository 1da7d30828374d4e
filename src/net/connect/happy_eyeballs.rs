//! Connections to a name, over whichever family works first.

use std::{future::Future, pin::pin, sync::OnceLock, time::Duration};

use tokio::{
    sync::oneshot,
    time::{Instant, sleep_until},
};

use crate::{
    diagnostics::{Failure, Stage},
    net::{
        Context,
        connect::{SocketOptions, dial},
        resolve,
        wire::WireStream,
    },
    settings::ip::IpFamily,
};

/// A connection, and what went before it.
#[derive(Debug)]
pub struct Reached {
    /// The connection.
    pub stream: WireStream,
    /// How long the name was looked up, until it was known where to connect to.
    pub lookup: Duration,
    /// How long the other family was tried then, without success.
    pub incomplete: Duration,
}

/// Connects to a host that is not the target itself, such as one that a redirect named. As upstream
/// does it, either family will do there, and both are looked up at once: IPv6 goes first, and IPv4
/// follows when that fails or takes long.
///
/// # Errors
/// A failure of the stage [`Stage::Resolve`] or [`Stage::Connect`].
pub async fn connect(
    context: &Context,
    host: &str,
    port: u16,
    options: &SocketOptions,
) -> Result<Reached, Failure> {
    let begun = Instant::now();
    let looked_up = OnceLock::new();
    let first = async {
        let address = resolve::resolve_family(context, host, IpFamily::V6).await;
        let (lookup, _) = *looked_up.get_or_init(|| (begun.elapsed(), address.is_ok()));
        let stream = dial::tcp(context, address?.with_port(port), options).await?;
        Ok(Reached { stream, lookup, incomplete: Duration::ZERO })
    };
    let second = async |turn: Turn| {
        let address = resolve::resolve_family(context, host, IpFamily::V4).await?;
        let own = begun.elapsed();
        turn.come().await;
        let before = begun.elapsed();
        let (lookup, incomplete) = match looked_up.get() {
            // While IPv6 is looked up, it is the lookup that is waited for.
            None => (before, Duration::ZERO),
            Some((ended, found)) => {
                let lookup = own.max(*ended);
                (lookup, if *found { before.saturating_sub(lookup) } else { Duration::ZERO })
            }
        };
        let stream = dial::tcp(context, address.with_port(port), options).await?;
        Ok(Reached { stream, lookup, incomplete })
    };
    race(first, second).await
}

/// How long IPv4 waits for IPv6, in Go's client.
const HEAD_START: Duration = Duration::from_millis(300);

/// When the second way may begin.
struct Turn {
    /// Ends when the first way has failed.
    failed: oneshot::Receiver<()>,
    latest: Instant,
}

impl Turn {
    /// Waits until the first way has failed, or has had its head start.
    async fn come(self) {
        tokio::select! {
            _ = self.failed => {}
            () = sleep_until(self.latest) => {}
        }
    }
}

/// The first of two ways that works. The second waits for its turn, since the first may soon work.
async fn race<T, W: Future<Output = Result<T, Failure>>>(
    first: impl Future<Output = Result<T, Failure>>,
    second: impl FnOnce(Turn) -> W,
) -> Result<T, Failure> {
    let (running, failed) = oneshot::channel();
    let mut first = pin!(first);
    let mut second = pin!(second(Turn { failed, latest: Instant::now() + HEAD_START }));
    tokio::select! {
        outcome = &mut first => match outcome {
            Ok(done) => Ok(done),
            Err(failure) => {
                drop(running);
                second.await.map_err(|other| more_telling(failure, other))
            }
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
    use crate::diagnostics::Reason;

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
            let second = async |turn: Turn| {
                turn.come().await;
                way(second.0, second.1).await
            };
            let outcome = race(way(first.0, first.1), second).await;
            assert_eq!(outcome.map_err(|failure| failure.stage), expected, "{name}");
            assert_eq!(begun.elapsed(), Duration::from_millis(time), "{name}");
        }
    }
}
