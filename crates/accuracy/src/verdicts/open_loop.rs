//! An open loop of scrapes: at a fixed rate, whatever becomes of those before.

use std::time::Duration;

use anyhow::Result;
use nix::sys::signal::Signal;
use tokio::{
    task::JoinSet,
    time::{Instant, sleep, sleep_until},
};

use super::super::exporter::Exporter;
use super::{
    client::{Client, Connections},
    judge::{Verdict, judge},
    lateness::{self, LatePeriods},
    target::Target,
    throttling::Throttling,
};

/// The scrapes of one measurement.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// Scrapes per second.
    pub rate: f64,
    /// Time before answers count as goodput, until probes of silent targets end as often as they
    /// begin.
    pub lead: Duration,
    /// Time in which answers count as goodput.
    pub time: Duration,
    pub connections: Connections,
    pub disturbance: Option<Disturbance>,
}

/// An event in the middle of the measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disturbance {
    /// A thread per processor computes.
    Burners,
    /// SIGSTOP, and SIGCONT after this time.
    Stop(Duration),
}

/// A scrape and its result.
pub(super) struct Scrape {
    pub(super) target: Target,
    pub(super) sent: Instant,
    pub(super) ended: Instant,
    pub(super) verdict: Verdict,
    /// The response, if the verdict is wrong.
    pub(super) wrong: Option<String>,
}

/// All scrapes of a measurement.
pub(super) struct Run {
    pub(super) scrapes: Vec<Scrape>,
    pub(super) throttling: Throttling,
    pub(super) scrape_timeout: Duration,
    pub(super) has_burners: bool,
    /// The time in which answers count as goodput.
    pub(super) window: (Instant, Instant),
    /// The time in which the exporter was stopped.
    pub(super) stopped: Option<(Instant, Instant)>,
    /// The largest delay of a scrape by the load generator.
    pub(super) send_delay: Duration,
    /// The periods in which the load generator was late.
    pub(super) late: LatePeriods,
}

pub(super) async fn run(client: Client, exporter: &Exporter, load: &Load) -> Result<Run> {
    let (start, scrape_timeout) = (Instant::now(), client.timeout());
    let window = (start + load.lead, start + load.lead + load.time);
    let mut scrapes = JoinSet::new();
    let (mut send_delay, mut late) = (Duration::ZERO, LatePeriods::default());
    let send = async {
        for number in 0.. {
            let due = start + Duration::from_secs_f64(f64::from(number) / load.rate);
            if due >= window.1 {
                break;
            }
            sleep_until(due).await;
            let delay = due.elapsed();
            send_delay = send_delay.max(delay);
            if delay > lateness::LIMIT {
                late.add(due.into(), (due + delay).into());
            }
            let (client, number) = (client.clone(), usize::try_from(number).unwrap_or_default());
            scrapes.spawn(scrape(client, number));
        }
        let mut ended = Vec::new();
        while let Some(scrape) = scrapes.join_next().await {
            ended.extend(scrape);
        }
        ended
    };
    let mut throttling = Throttling::default();
    let observe = async {
        loop {
            throttling.note(exporter.group());
            sleep(Duration::from_millis(50)).await;
        }
    };
    let disturb = async {
        match load.disturbance {
            Some(Disturbance::Stop(time)) => {
                sleep_until(window.0 + load.time / 4).await;
                let from = Instant::now();
                exporter.signal(Signal::SIGSTOP)?;
                sleep(time).await;
                exporter.signal(Signal::SIGCONT)?;
                anyhow::Ok(Some((from, Instant::now())))
            }
            Some(Disturbance::Burners) | None => Ok(None),
        }
    };
    let (scrapes, stopped) = tokio::select! {
        both = async { tokio::join!(send, disturb) } => both,
        () = observe => return Err(anyhow::anyhow!("the observation ended")),
    };
    throttling.note(exporter.group());
    let has_burners = load.disturbance == Some(Disturbance::Burners);
    Ok(Run {
        scrapes,
        throttling,
        scrape_timeout,
        has_burners,
        window,
        stopped: stopped?,
        send_delay,
        late,
    })
}

async fn scrape(client: Client, number: usize) -> Scrape {
    let target = Target::of_mix(number);
    let sent = Instant::now();
    let answer = client.scrape(&target.path()).await;
    let ended = Instant::now();
    let verdict = judge(target.kind, &answer);
    let is_wrong = matches!(verdict, Verdict::FalseFailure(_) | Verdict::MissedFailure);
    let wrong = answer.ok().filter(|_| is_wrong).map(|response| response.body);
    Scrape { target, sent, ended, verdict, wrong }
}
