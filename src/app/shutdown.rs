//! The steps of a stop: serve on for the shutdown delay, finish running probes, abort them.

use std::{future::pending, pin::pin, time::Duration};

use futures_util::{
    Stream, StreamExt as _,
    future::{Either, select},
};
use tokio::{sync::oneshot, time::sleep};

use crate::settings::duration::GoDuration;

/// Runs the steps of a stop. Each item of `requests` names a request to stop, and ends the step in
/// progress. Completes when running probes are to be aborted.
///
/// Calls `announce` at the first request, and sends to `begin` when no new probes are to be started.
pub(super) async fn run(
    requests: impl Stream<Item = &'static str>,
    delay: Duration,
    announce: impl FnOnce(),
    begin: oneshot::Sender<()>,
) {
    let mut requests = pin!(requests);
    let mut next = async || match requests.next().await {
        Some(name) => name,
        None => pending().await,
    };
    let name = next().await;
    log::info!("Received {name}, exiting gracefully...");
    announce();
    if !delay.is_zero() {
        log::info!(delay:% = GoDuration::from(delay); "Not ready, serving for the shutdown delay");
        if let Either::Right((name, _)) = select(pin!(sleep(delay)), pin!(next())).await {
            log::info!("Received {name} again, ending the shutdown delay");
        }
    }
    // The server may have ended already.
    begin.send(()).ok();
    let name = next().await;
    log::warn!("Received {name} again, aborting running probes");
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use futures_util::{FutureExt as _, stream};
    use tokio::{
        sync::mpsc,
        time::{Instant, advance},
    };

    use super::*;

    const DELAY: Duration = Duration::from_secs(30);

    /// Runs a stop; `requests` are the times in seconds of the requests. Returns the times in seconds
    /// of the announcement, of the beginning and of the abortion.
    async fn times(delay: Duration, requests: &[u64]) -> [Option<u64>; 3] {
        let start = Instant::now();
        let seconds = || Some(start.elapsed().as_secs());
        let (announced, aborted) = (Cell::new(None), Cell::new(None));
        let (begin, mut delay_over) = oneshot::channel();
        let (sender, mut receiver) = mpsc::unbounded_channel();
        let signals = stream::poll_fn(move |context| receiver.poll_recv(context));
        let steps = async {
            run(signals, delay, || announced.set(seconds()), begin).await;
            aborted.set(seconds());
        };
        let mut steps = pin!(steps.fuse());
        let mut begun_at = None;
        for second in 0..100 {
            for _ in requests.iter().filter(|at| **at == second) {
                sender.send("SIGTERM").unwrap();
            }
            select(&mut steps, pin!(tokio::task::yield_now())).await;
            if begun_at.is_none() && delay_over.try_recv().is_ok() {
                begun_at = Some(second);
            }
            advance(Duration::from_secs(1)).await;
        }
        [announced.get(), begun_at, aborted.get()]
    }

    #[tokio::test(start_paused = true)]
    async fn each_request_ends_a_step() {
        for (requests, expected) in [
            (vec![], [None, None, None]),
            (vec![5], [Some(5), Some(35), None]),
            (vec![5, 15], [Some(5), Some(15), None]),
            (vec![5, 15, 25], [Some(5), Some(15), Some(25)]),
            (vec![5, 50], [Some(5), Some(35), Some(50)]),
            (vec![5, 5], [Some(5), Some(5), None]),
        ] {
            assert_eq!(times(DELAY, &requests).await, expected, "{requests:?}");
        }
        assert_eq!(times(Duration::ZERO, &[5]).await, [Some(5), Some(5), None]);
        assert_eq!(times(Duration::ZERO, &[5, 7]).await, [Some(5), Some(5), Some(7)]);
    }
}
