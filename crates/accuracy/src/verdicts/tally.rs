//! The numbers of right, wrong and missing verdicts.

use std::{collections::BTreeMap, ops::AddAssign, time::Duration};

use serde::Serialize;

use super::{
    super::statistics::ratio,
    judge::Verdict,
    lateness::LatePeriods,
    open_loop::{Run, Scrape},
    target::{Kind, Prober, Target},
};

/// Delay with which the load generator may notice the end of the scrape timeout.
const MAX_READ_DELAY: Duration = Duration::from_millis(200);

/// Number of wrong responses that are kept.
const MAX_WRONG: usize = 3;

/// Numbers of scrapes by result.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    pub right: usize,
    /// Targets that answer in time and are called down.
    pub false_failures: usize,
    /// Targets that do not answer in time and are called up.
    pub missed_failures: usize,
    pub refused: usize,
    /// Of the refused ones, targets that do not answer in time while the exporter had CPU time.
    pub refused_with_cpu: usize,
    /// Scrapes without an answer within the scrape timeout.
    pub unanswered: usize,
    /// Scrapes during which the responders or the load generator were late.
    pub discarded: usize,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.right += other.right;
        self.false_failures += other.false_failures;
        self.missed_failures += other.missed_failures;
        self.refused += other.refused;
        self.refused_with_cpu += other.refused_with_cpu;
        self.unanswered += other.unanswered;
        self.discarded += other.discarded;
    }
}

/// The results of one measurement.
#[derive(Debug, Clone)]
pub struct Tally {
    pub counts: BTreeMap<(Prober, Kind), Counts>,
    /// Reasons of wrong verdicts, refusals and missing answers.
    pub causes: BTreeMap<String, usize>,
    /// Responses with the first wrong verdicts.
    pub wrong: Vec<String>,
    /// Right answers per second.
    pub goodput: f64,
    /// Seconds from scrape to answer, smallest first; without scrapes that got none.
    pub latencies: Vec<f64>,
    /// CPU time of the exporter.
    pub cpu: Duration,
    /// The largest delay of a scrape by the load generator.
    pub send_delay: Duration,
}

impl Tally {
    pub(super) fn of(run: &Run, late: &LatePeriods, cpu: Duration) -> Self {
        let (mut counts, mut causes) = (BTreeMap::<_, Counts>::new(), BTreeMap::new());
        let (mut latencies, mut wrong, mut right) = (Vec::new(), Vec::new(), 0);
        for scrape in &run.scrapes {
            let cell = counts.entry((scrape.target.prober, scrape.target.kind)).or_default();
            let (sent, ended) = (scrape.sent.into(), scrape.ended.into());
            let is_answered_late = scrape.target.kind.is_up() && late.touch(sent, ended);
            let is_read_late = run.late.touch(sent, ended)
                || scrape.ended - scrape.sent > run.scrape_timeout + MAX_READ_DELAY;
            if is_answered_late || is_read_late {
                cell.discarded += 1;
                continue;
            }
            *cell += one(scrape, run);
            if let Some(cause) = cause(scrape) {
                *causes.entry(cause).or_default() += 1;
            }
            if let (Some(body), 0..MAX_WRONG) = (&scrape.wrong, wrong.len()) {
                wrong.push(format!("{}\n{body}", scrape.target.path()));
            }
            let is_in_window = run.window.0 <= scrape.ended && scrape.ended < run.window.1;
            right += usize::from(is_in_window && scrape.verdict == Verdict::Right);
            if !matches!(scrape.verdict, Verdict::Unanswered(_)) {
                latencies.push((scrape.ended - scrape.sent).as_secs_f64());
            }
        }
        latencies.sort_by(f64::total_cmp);
        let goodput = ratio(right, 1) / (run.window.1 - run.window.0).as_secs_f64();
        Self { counts, causes, wrong, goodput, latencies, cpu, send_delay: run.send_delay }
    }

    /// All counts together.
    pub fn total(&self) -> Counts {
        self.sum(|_| true)
    }

    /// The counts of these kinds.
    pub fn sum(&self, is_wanted: impl Fn(Kind) -> bool) -> Counts {
        let mut sum = Counts::default();
        for ((_, kind), counts) in &self.counts {
            if is_wanted(*kind) {
                sum += *counts;
            }
        }
        sum
    }
}

fn one(scrape: &Scrape, run: &Run) -> Counts {
    let mut one = Counts::default();
    match &scrape.verdict {
        Verdict::Right => one.right = 1,
        Verdict::FalseFailure(_) => one.false_failures = 1,
        Verdict::MissedFailure => one.missed_failures = 1,
        Verdict::Unanswered(_) => one.unanswered = 1,
        Verdict::Refused(_) => {
            one.refused = 1;
            let (sent, ended) = (scrape.sent, scrape.ended);
            let was_stopped = run.stopped.is_some_and(|(from, to)| from < ended && sent < to);
            // The throttled time does not tell how long it waited for a processor.
            let had_cpu = !was_stopped
                && !run.has_burners
                && run.throttling.had_cpu(sent.into(), ended.into());
            one.refused_with_cpu = usize::from(!scrape.target.kind.is_up() && had_cpu);
        }
    }
    one
}

fn cause(scrape: &Scrape) -> Option<String> {
    let Target { prober, kind, .. } = scrape.target;
    match &scrape.verdict {
        Verdict::Right => None,
        Verdict::MissedFailure => Some(format!("missed failure: {prober}, {kind}")),
        Verdict::FalseFailure(why) => Some(format!("false failure: {prober}, {kind}: {why}")),
        Verdict::Refused(why) => Some(format!("refused: {why}")),
        Verdict::Unanswered(why) => Some(format!("unanswered: {why}")),
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::super::throttling::Throttling;
    use super::*;

    #[test]
    fn scrapes_are_discarded_while_the_load_generator_is_late() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let scrape = |sent, ended| Scrape {
            target: Target { prober: Prober::Http, kind: Kind::Silent, number: 0 },
            sent: at(sent),
            ended: at(ended),
            verdict: Verdict::Unanswered("no answer".to_owned()),
            wrong: None,
        };
        let mut run = Run {
            // The last one was read too late.
            scrapes: vec![scrape(0, 4), scrape(3, 7), scrape(6, 10), scrape(20, 25)],
            throttling: Throttling::default(),
            scrape_timeout: Duration::from_secs(4),
            has_burners: false,
            window: (start, at(30)),
            stopped: None,
            send_delay: Duration::ZERO,
            late: LatePeriods::default(),
        };
        let total = |run: &Run| Tally::of(run, &LatePeriods::default(), Duration::ZERO).total();
        let counts = total(&run);
        assert_eq!((counts.unanswered, counts.discarded), (3, 1));
        run.late.add(at(5).into(), at(6).into());
        let counts = total(&run);
        assert_eq!((counts.unanswered, counts.discarded), (2, 2));
    }
}
