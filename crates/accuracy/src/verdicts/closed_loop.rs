//! A closed loop of scrapes, for the capacity of an exporter.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{task::JoinSet, time::sleep};

use super::{
    client::Client,
    judge::{Verdict, judge},
    target::Target,
};

/// The pause after a scrape without a verdict.
const BACK_OFF: Duration = Duration::from_millis(500);

/// The rate of right answers, per second, with so many scrapes at a time. The first third of the
/// time does not count.
pub(super) async fn rate(client: &Client, concurrent: usize, time: Duration) -> f64 {
    let (next, right) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicU32::new(0)));
    let mut loops = JoinSet::new();
    for _ in 0..concurrent {
        let (client, next, right) = (client.clone(), Arc::clone(&next), Arc::clone(&right));
        loops.spawn(async move {
            loop {
                let target = Target::of_mix(next.fetch_add(1, Ordering::Relaxed));
                let answer = client.scrape(&target.path()).await;
                match judge(target.kind, &answer) {
                    Verdict::Right => {
                        right.fetch_add(1, Ordering::Relaxed);
                    }
                    // A loop of refusals would take the CPU time of the right answers.
                    Verdict::Refused(_) | Verdict::Unanswered(_) => sleep(BACK_OFF).await,
                    Verdict::FalseFailure(_) | Verdict::MissedFailure => {}
                }
            }
        });
    }
    sleep(time / 3).await;
    let before = right.load(Ordering::Relaxed);
    sleep(time * 2 / 3).await;
    let count = right.load(Ordering::Relaxed) - before;
    loops.shutdown().await;
    // The exporter ends the probes of scrapers that hung up.
    sleep(Duration::from_millis(500)).await;
    f64::from(count) / (time * 2 / 3).as_secs_f64()
}
