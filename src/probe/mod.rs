//! One probe from request to report.
//!
//! Here a probe gets its one deadline, and here a defect of a prober becomes a failed probe
//! instead of a lost answer. Nothing here knows of HTTP requests of the exporter's own server.

pub mod failure_log;
pub mod history;
pub mod query;
pub mod report;
pub mod request;
mod target_encoding;

use std::{
    future::{Future, pending},
    panic::AssertUnwindSafe,
    pin::pin,
    sync::Arc,
    time::{Duration, SystemTime},
};

use futures_util::{
    FutureExt as _,
    future::{Either, select},
};
use tokio::time::Instant;

use crate::{
    config::{self, with_prober},
    diagnostics::{Failure, Reason},
    metrics::{Description, Export, MetricSet},
    net::{
        Context, oauth2, proxy,
        resolve::{self, Resolver},
        tls, wire,
    },
    probers::{Measurements as _, Prober, Target, query_response},
    settings::{redact, secret::HIDDEN},
};

pub use failure_log::FailureLog;
pub use history::History;
pub use query::Query;
pub use report::ProbeReport;
pub use request::{BadRequest, ProbeRequest};

/// Runs the probe that was asked for, to its end or to its deadline.
///
/// Never fails: whatever goes wrong is in the report.
pub async fn run(request: ProbeRequest, resolver: Arc<Resolver>) -> ProbeReport {
    run_until(request, resolver, pending()).await
}

/// As [`run`], but cuts the probe off also when whoever asked for it has `gone`. There is a report
/// all the same, so that the history shows who did not wait.
pub async fn run_until(
    request: ProbeRequest,
    resolver: Arc<Resolver>,
    gone: impl Future<Output = ()> + Send,
) -> ProbeReport {
    let module = Arc::clone(&request.module);
    // Boxed one by one: a probe in flight takes the memory of its own prober, not of the largest.
    with_prober!(&module.prober, prober => {
        Box::pin(run_prober(prober.as_ref(), request, resolver, gone)).await
    })
}

/// Every metric that a probe can export, by the probes that export it.
pub fn catalogue() -> impl Iterator<Item = (&'static str, &'static [Description])> {
    let shared = [
        ("Every probe", report::METRICS),
        ("Probes of a name or an address", resolve::METRICS),
        ("Probes over TCP", wire::METRICS),
        ("Probes over TLS", tls::METRICS),
    ];
    let optional = [
        ("http, through a proxy", proxy::METRICS),
        ("http, with a token", oauth2::METRICS),
        ("tcp and unix", query_response::METRICS),
    ];
    let of_probers = config::METRICS.iter().copied().filter(|(_, metrics)| !metrics.is_empty());
    shared.into_iter().chain(of_probers).chain(optional)
}

/// Most probes have no more samples.
const USUAL_SAMPLES: usize = 24;

/// Runs one prober under its deadline and gathers everything it learned.
async fn run_prober<P: Prober>(
    prober: &P,
    request: ProbeRequest,
    resolver: Arc<Resolver>,
    gone: impl Future<Output = ()> + Send,
) -> ProbeReport {
    let ProbeRequest { module_name, module, target, timeout } = request;
    let started = SystemTime::now();
    let start = Instant::now();
    let context = Context::new(start + timeout, resolver);
    context.hide_secrets_of(&target.name);
    context.log.debug(
        "Beginning probe",
        &[("probe", &module.prober_name()), ("timeout_seconds", &timeout.as_secs_f64())],
    );
    let mut seen = P::Measurements::default();
    let mut verdict = run_until_deadline(prober, &context, &target, timeout, gone, &mut seen).await;
    let duration = start.elapsed();
    if let (Err(failure), Some(wait)) = (&mut verdict, context.waited_for()) {
        failure.message = format!("{}: {wait}", failure.message);
    }
    let mut metrics = MetricSet::with_capacity(USUAL_SAMPLES);
    seen.export(&mut metrics);
    let hops = report::hops(seen.findings(), context.attempts.take(), start);
    if let Err(failure) = &mut verdict
        && failure.reason == Reason::Timeout
    {
        failure.message.push_str(&report::where_time_went(&hops, duration));
    }
    let seconds = duration.as_secs_f64();
    match &verdict {
        Ok(()) => context.log.debug("Probe succeeded", &[("duration_seconds", &seconds)]),
        Err(failure) => context.log.error(
            "Probe failed",
            &[
                ("stage", &failure.stage),
                ("reason", &failure.reason),
                (report::FAILURE_FIELD, failure),
                ("duration_seconds", &seconds),
            ],
        ),
    }
    let known = module.secrets().iter().map(|secret| (secret.clone(), HIDDEN.to_owned()));
    let redactor = context.secrets.take(known);
    ProbeReport {
        module_name,
        module,
        target: redact::url(&target.name).into_owned(),
        hostname: target.hostname,
        started,
        duration,
        waited: seen.waited(),
        timeout,
        checks: context.checks.finish(&verdict),
        verdict,
        hops,
        metrics,
        log: context.log.take(),
    }
    .with_own_metrics()
    .without_secrets(&redactor)
}

/// The verdict of a prober, or of its deadline, or of a defect in it, or none that anybody waits
/// for.
async fn run_until_deadline<P: Prober>(
    prober: &P,
    context: &Context,
    target: &Target,
    timeout: Duration,
    gone: impl Future<Output = ()> + Send,
    seen: &mut P::Measurements,
) -> Result<(), Failure> {
    let probe = AssertUnwindSafe(run_with_retry(prober, context, target, seen)).catch_unwind();
    #[expect(clippy::disallowed_methods, reason = "the one place that holds the deadline")]
    let verdict = pin!(tokio::time::timeout_at(context.deadline, probe));
    // The scraper comes first: behind a probe that never pauses, the task's turn would always be
    // over before anybody looked whether it is still there.
    match select(pin!(gone), verdict).await {
        Either::Left(((), _)) => {
            context.cut_off();
            let message = "The scraper hung up before the probe was done";
            Err(Failure::new(context.stage(), Reason::Abandoned, message))
        }
        Either::Right((Ok(Ok(verdict)), _)) => verdict,
        Either::Right((Ok(Err(panic)), _)) => Err(internal_failure(context, panic.as_ref())),
        Either::Right((Err(_), _)) => {
            context.cut_off();
            Err(timeout_failure(context, timeout))
        }
    }
}

/// Runs the prober, a second time if the first has found that another way is needed. What the first
/// attempt measured is not mixed with the second's.
async fn run_with_retry<P: Prober>(
    prober: &P,
    context: &Context,
    target: &Target,
    seen: &mut P::Measurements,
) -> Result<(), Failure> {
    loop {
        let verdict = prober.probe(context, target, seen).await;
        if verdict.is_ok() || !context.is_retried() {
            return verdict;
        }
        *seen = P::Measurements::default();
    }
}

fn timeout_failure(context: &Context, timeout: Duration) -> Failure {
    let stage = context.stage();
    let message = format!("Timed out after {} s in stage {stage}", timeout.as_secs_f64());
    Failure::new(stage, Reason::Timeout, message)
}

/// A panic is a defect of the exporter, and the process lives on: the caught payload is named so
/// that the defect can be reported.
fn internal_failure(context: &Context, panic: &(dyn std::any::Any + Send)) -> Failure {
    let text = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    Failure::new(context.stage(), Reason::Internal, format!("The prober panicked: {text}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{diagnostics::Stage, probers};

    /// What a scripted prober does.
    enum Script {
        Panic,
        Hang,
        /// Is never done and never waits, as a probe of a flood.
        Toil,
        Succeed,
    }

    #[derive(Default)]
    struct Seen(bool);

    impl Export for Seen {
        fn export(&self, _metrics: &mut MetricSet) {}
    }

    impl probers::Measurements for Seen {
        fn waited(&self) -> Duration {
            Duration::ZERO
        }

        fn findings(&mut self) -> probers::Findings {
            probers::Findings::default()
        }
    }

    impl Prober for Script {
        type Measurements = Seen;

        async fn probe(
            &self,
            context: &Context,
            _target: &Target,
            seen: &mut Seen,
        ) -> Result<(), Failure> {
            context.enter(Stage::Tls);
            seen.0 = true;
            let _waiting = context.waiting_for(|| "no answer".to_owned());
            match self {
                Self::Panic => panic!("a defect"),
                Self::Hang => pending().await,
                Self::Toil => loop {
                    tokio::task::coop::consume_budget().await;
                },
                Self::Succeed => Ok(()),
            }
        }
    }

    async fn verdict_of(
        script: Script,
        gone: impl Future<Output = ()> + Send,
    ) -> (Result<(), Failure>, bool, Option<String>) {
        let timeout = Duration::from_secs(5);
        let context = Context::new(Instant::now() + timeout, Arc::default());
        let target = Target { name: "target".into(), hostname: None };
        let mut seen = Seen::default();
        let verdict =
            run_until_deadline(&script, &context, &target, timeout, gone, &mut seen).await;
        (verdict, seen.0, context.waited_for())
    }

    #[tokio::test(start_paused = true)]
    async fn a_probe_that_hangs_is_cut_off_and_keeps_what_it_saw() {
        let (verdict, seen, wait) = verdict_of(Script::Hang, pending()).await;
        let failure = verdict.unwrap_err();
        assert_eq!((failure.stage, failure.reason), (Stage::Tls, Reason::Timeout));
        assert!(seen);
        assert_eq!(wait.as_deref(), Some("no answer"));
    }

    #[tokio::test]
    async fn a_probe_that_nobody_waits_for_ends_at_once() {
        let (verdict, seen, wait) = verdict_of(Script::Hang, tokio::task::yield_now()).await;
        let failure = verdict.unwrap_err();
        assert_eq!((failure.stage, failure.reason), (Stage::Tls, Reason::Abandoned));
        assert!(seen);
        assert_eq!(wait.as_deref(), Some("no answer"));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_probe_that_never_waits_ends_when_nobody_waits_for_it() {
        let (scraper, gone) = tokio::sync::oneshot::channel::<()>();
        let probe = tokio::spawn(verdict_of(Script::Toil, gone.map(|_| ())));
        drop(scraper);
        let (verdict, ..) = probe.await.unwrap();
        assert_eq!(verdict.unwrap_err().reason, Reason::Abandoned);
    }

    #[tokio::test]
    async fn a_panic_is_a_failed_probe_and_not_a_lost_answer() {
        let (verdict, seen, wait) = verdict_of(Script::Panic, pending()).await;
        let failure = verdict.unwrap_err();
        assert_eq!((failure.stage, failure.reason), (Stage::Tls, Reason::Internal));
        assert!(failure.message.contains("a defect"), "{failure}");
        assert!(seen);
        assert_eq!(wait, None, "it waited for nothing");
    }

    #[tokio::test]
    async fn a_probe_that_ends_well_is_a_success() {
        assert_eq!(verdict_of(Script::Succeed, pending()).await, (Ok(()), true, None));
    }
}
