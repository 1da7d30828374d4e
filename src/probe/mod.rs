//! Runs one probe, from request to report.
//!
//! This module applies the deadline of the probe, and decides whether a probe failed or was refused.
//! It does not depend on the exporter's HTTP server.

mod deadline;
pub mod failure_log;
pub mod history;
pub mod history_json;
pub mod query;
pub mod refused;
pub mod report;
pub mod request;
mod target_encoding;
mod verdict;

use std::{
    future::{Future, pending},
    panic::AssertUnwindSafe,
    pin::pin,
    sync::Arc,
    time::SystemTime,
};

use futures_util::FutureExt as _;
use tokio::time::Instant;

use crate::{
    config::{self, Module, with_prober},
    diagnostics::{Failure, Reason, Recording},
    metrics::{Description, Export, MetricSet},
    net::{
        Context,
        http::url::hostname,
        oauth2,
        policy::PolicyGuard,
        proxy,
        resolve::{self, Resolver},
        tls, wire,
    },
    policy::Question,
    probers::{Measurements as _, Prober, Target, query_response},
    scheduling::poll_times::section,
    settings::{redact, secret::HIDDEN},
};

use self::{
    deadline::{Account, End, Limits},
    verdict::Times,
};
pub use failure_log::FailureLog;
pub use history::History;
pub use query::Query;
pub use report::ProbeReport;
pub use request::{BadRequest, ProbeRequest, Wait};

/// Runs a probe to its end or to its deadline.
///
/// Never fails: errors are part of the report.
pub async fn run(request: ProbeRequest, resolver: Arc<Resolver>) -> ProbeReport {
    run_until(request, resolver, pending()).await
}

/// Runs a probe like [`run`], but aborts it when the client is `gone`. The report of an aborted
/// probe is returned too, so that the history contains it.
pub async fn run_until(
    request: ProbeRequest,
    resolver: Arc<Resolver>,
    gone: impl Future<Output = ()> + Send,
) -> ProbeReport {
    let module = Arc::clone(&request.module);
    // Each future is boxed on its own: a probe takes the memory of its prober, not of the largest.
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

/// Initial capacity for samples; most probes have fewer.
const INITIAL_SAMPLES: usize = 24;

/// The state of a running probe, apart from its future.
struct Progress<M> {
    measurements: M,
    account: Account,
}

/// Runs a prober within its deadline and builds the report.
async fn run_prober<P: Prober>(
    prober: &P,
    request: ProbeRequest,
    resolver: Arc<Resolver>,
    gone: impl Future<Output = ()> + Send,
) -> ProbeReport {
    let ProbeRequest {
        module_name,
        module,
        target,
        timeout,
        spare,
        wait,
        exporters,
        memory,
        wants_response,
    } = request;
    let started = SystemTime::now();
    let start = Instant::now();
    let mut context = Context::new(start + timeout, resolver);
    context.exporters = exporters;
    context.recording = Recording::of(module.show_response, wants_response);
    context.memory = memory;
    context.policy = PolicyGuard::new(module.policy.clone());
    context.hide_secrets_of(&target.name);
    context.log.debug(
        "Beginning probe",
        &[("probe", &module.prober_name()), ("timeout_seconds", &timeout.as_secs_f64())],
    );
    if let Some(wait) = &wait {
        let seconds = wait.duration.as_secs_f64();
        context.log.debug("Waited until it could run", &[("seconds", &seconds)]);
    }
    // Boxed, so that the task of an http probe fits into 4 KiB.
    let mut progress = Box::new(Progress {
        measurements: P::Measurements::default(),
        account: Account::new(Limits { timeout, spare }),
    });
    let Progress { measurements, account } = &mut *progress;
    let end = match judge_request(&context, &module, &target) {
        Ok(()) => {
            // Pinned here: a future that is an argument of another takes its memory twice.
            let probe = pin!(Some(
                AssertUnwindSafe(run_with_retry(prober, &context, &target, measurements))
                    .catch_unwind()
            ));
            deadline::run(probe, account, gone, || context.cut_off()).await
        }
        denied => End::Done(Ok(denied)),
    };
    let duration = start.elapsed();
    let waited = measurements.waited();
    let refusal = deadline::refusal(&end, &account.limits, waited);
    let mut result = verdict::result(end, &context, timeout);
    let times = Times { wait: wait.as_deref(), timeout, duration };
    // A late exporter reads what has come too late.
    if result.is_ok() && duration > timeout && waited > timeout {
        result = Err(verdict::late_failure(&context, &times));
    }
    result = verdict::under_policy(&context, result);
    let mut metrics = MetricSet::with_capacity(INITIAL_SAMPLES);
    section("metrics", || measurements.export(&mut metrics));
    let transcript = verdict::transcript(&context, &result);
    let hops = section("hops", || {
        report::hops(measurements.findings(), context.attempts.take(), start, transcript)
    });
    if let Err(failure) = &mut result
        && failure.reason == Reason::Timeout
    {
        failure.message.push_str(&report::longest_phase(&hops, duration));
    }
    let checks = context.checks.finish(&result, || module.prober.settings().checks());
    let verdict = verdict::conclude(&context, result, refusal, &times);
    let redactor = section("secrets", || context.secrets.take(module.secrets(), HIDDEN));
    let report = ProbeReport {
        module_name,
        module,
        target: redact::url(&target.name).into_owned(),
        hostname: target.hostname,
        started,
        duration,
        waited,
        timeout,
        wait,
        checks,
        verdict,
        hops,
        metrics,
        log: context.log.take(),
        denial: context.policy.take_denial(),
    };
    let report = report.with_own_metrics();
    // Nothing but the report is alive here, so that a running probe needs no memory for the rest.
    if redactor.is_idle() {
        report.with_finished_transcript()
    } else {
        Box::pin(report.without_secrets(redactor)).await
    }
}

/// Runs the prober, and again with new measurements if the first run requests it (to use the
/// fallback TLS library).
async fn run_with_retry<P: Prober>(
    prober: &P,
    context: &Context,
    target: &Target,
    measurements: &mut P::Measurements,
) -> Result<(), Failure> {
    loop {
        let verdict = prober.probe(context, target, measurements).await;
        if verdict.is_ok() || !context.is_retried() {
            return verdict;
        }
        *measurements = P::Measurements::default();
    }
}

/// Asks the policy about what the request names besides the host: the prober, and the parameter
/// `hostname`, which selects another site on a shared server.
fn judge_request(context: &Context, module: &Module, target: &Target) -> Result<(), Failure> {
    let host = target.hostname.as_deref().map(|written| hostname(written.trim()));
    let prober = Some(module.prober_name());
    context.policy.judge(&Question { prober, host, is_named: true, ..Question::default() })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::task::yield_now;

    use super::*;
    use crate::{
        config::Config,
        diagnostics::{Check, CheckName, LogEntry, Refusal, Stage, Verdict},
        memory::{MemoryBudget, ProbeMemory},
        probers,
    };

    /// A prober with a scripted behaviour.
    enum Script {
        Panic,
        Hang,
        /// Never ends and never waits, like a probe that receives a flood of data.
        Busy,
        Succeed,
        End(Result<(), Failure>),
        /// Is refused, and ends with this result.
        Refuse(Result<(), Failure>),
    }

    #[derive(Default)]
    struct FakeMeasurements(bool);

    impl Export for FakeMeasurements {
        fn export(&self, _metrics: &mut MetricSet) {}
    }

    impl probers::Measurements for FakeMeasurements {
        fn waited(&self) -> Duration {
            Duration::ZERO
        }

        fn findings(&mut self) -> probers::Findings {
            probers::Findings::default()
        }
    }

    impl Prober for Script {
        type Measurements = FakeMeasurements;

        async fn probe(
            &self,
            context: &Context,
            _target: &Target,
            measurements: &mut FakeMeasurements,
        ) -> Result<(), Failure> {
            context.enter(Stage::Tls);
            measurements.0 = true;
            let _waiting = context.waiting_for(|| "no answer".to_owned());
            match self {
                Self::Panic => panic!("a defect"),
                Self::Hang => pending().await,
                Self::Busy => loop {
                    tokio::task::coop::consume_budget().await;
                },
                Self::Succeed => Ok(()),
                Self::End(result) => result.clone(),
                Self::Refuse(result) => {
                    context.memory.keep(1 << 20).unwrap_err();
                    context.checks.add(Check::new(CheckName::of_key("key"), Ok(())));
                    result.clone()
                }
            }
        }
    }

    /// A waiting probe takes the memory of its task; larger ones need the next size of the allocator.
    #[tokio::test]
    async fn the_task_of_an_http_probe_is_small() {
        let config = Config::parse("modules: {m: {prober: http}}", "").unwrap();
        let raw = request::RawRequest { query: "module=m&target=t", scrape_timeout: None };
        let request = ProbeRequest::parse(raw, &config, 0.0).unwrap();
        let prober = probers::http::HttpProber::default();
        let probe = run_prober(&prober, request, Arc::default(), pending());
        let size = size_of_val(&probe);
        assert!(size <= 4 << 10, "{size} bytes");
    }

    async fn verdict_of(
        script: Script,
        gone: impl Future<Output = ()> + Send,
    ) -> (Result<(), Failure>, bool, Option<String>) {
        let timeout = Duration::from_secs(5);
        let context = Context::new(Instant::now() + timeout, Arc::default());
        let target = Target { name: "target".into(), hostname: None };
        let mut measurements = FakeMeasurements::default();
        let probe = run_with_retry(&script, &context, &target, &mut measurements);
        let probe = AssertUnwindSafe(probe).catch_unwind();
        let cut_off = || context.cut_off();
        let limits = Limits { timeout, spare: Duration::ZERO };
        let end = deadline::run(pin!(Some(probe)), &mut Account::new(limits), gone, cut_off).await;
        (verdict::result(end, &context, timeout), measurements.0, context.waited_for())
    }

    #[tokio::test(start_paused = true)]
    async fn a_probe_that_times_out_keeps_its_measurements() {
        let (verdict, measurements, wait) = verdict_of(Script::Hang, pending()).await;
        let failure = verdict.unwrap_err();
        assert_eq!((failure.stage, failure.reason), (Stage::Tls, Reason::Timeout));
        assert!(measurements);
        assert_eq!(wait.as_deref(), Some("no answer"));
    }

    #[tokio::test]
    async fn a_probe_ends_when_its_client_disconnects() {
        let (verdict, measurements, wait) = verdict_of(Script::Hang, yield_now()).await;
        let failure = verdict.unwrap_err();
        assert_eq!((failure.stage, failure.reason), (Stage::Tls, Reason::Abandoned));
        assert!(measurements);
        assert_eq!(wait.as_deref(), Some("no answer"));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_busy_probe_ends_when_its_client_disconnects() {
        let (scraper, gone) = tokio::sync::oneshot::channel::<()>();
        let probe = tokio::spawn(verdict_of(Script::Busy, gone.map(|_| ())));
        drop(scraper);
        let (verdict, ..) = probe.await.unwrap();
        assert_eq!(verdict.unwrap_err().reason, Reason::Abandoned);
    }

    #[tokio::test]
    async fn a_panic_is_a_failed_probe() {
        let (verdict, measurements, wait) = verdict_of(Script::Panic, pending()).await;
        let failure = verdict.unwrap_err();
        assert_eq!((failure.stage, failure.reason), (Stage::Tls, Reason::Internal));
        assert!(failure.message.contains("a defect"), "{failure}");
        assert!(measurements);
        assert_eq!(wait, None, "it waited for nothing");
    }

    /// Runs a prober that is refused and ends with `result`.
    async fn refuse(result: Result<(), Failure>) -> ProbeReport {
        let config = Config::parse("modules: {m: {prober: icmp}}", "").unwrap();
        let raw = request::RawRequest { query: "module=m&target=t", scrape_timeout: None };
        let mut request = ProbeRequest::parse(raw, &config, 0.0).unwrap();
        let budget = MemoryBudget::new(Some(2 << 20));
        let other = ProbeMemory::new(Arc::clone(&budget));
        other.keep(2 << 20).unwrap();
        request.memory = Arc::new(ProbeMemory::new(budget));
        run_prober(&Script::Refuse(result), request, Arc::default(), pending()).await
    }

    #[tokio::test]
    async fn a_refused_probe_has_a_log_but_neither_metrics_nor_checks() {
        let failure = Failure::new(Stage::Response, Reason::OutOfResources, "no room for 9 MiB");
        let report = refuse(Err(failure)).await;
        assert_eq!(report.verdict, Verdict::Refused(Refusal::body_memory()));
        assert!(report.metrics.samples().next().is_none() && report.checks.is_empty());
        let log: Vec<_> = report.log.iter().map(LogEntry::to_logfmt).collect();
        assert!(log[0].contains("msg=\"Beginning probe\""), "{log:?}");
        let end = "level=WARN msg=\"Probe refused\" cause=body_memory err=\"no room for 9 MiB\" ";
        assert!(log[1].contains(end), "{log:?}");
    }

    #[tokio::test]
    async fn a_probe_without_a_resource_of_the_exporter_is_refused() {
        let failure = Failure::new(Stage::Connect, Reason::OutOfResources, "no port is left");
        let config = Config::parse("modules: {m: {prober: icmp}}", "").unwrap();
        let raw = request::RawRequest { query: "module=m&target=t", scrape_timeout: None };
        let request = ProbeRequest::parse(raw, &config, 0.0).unwrap();
        let script = Script::End(Err(failure));
        let report = run_prober(&script, request, Arc::default(), pending()).await;
        let refusal = Refusal::out_of_resources("no port is left");
        assert_eq!(report.verdict, Verdict::Refused(refusal));
    }

    #[tokio::test]
    async fn a_probe_that_succeeds_in_spite_of_a_refusal_is_a_success() {
        let report = refuse(Ok(())).await;
        assert!(report.verdict.is_ok() && report.metrics.render().contains("probe_success 1"));
        assert_eq!(report.checks.len(), 1);
    }

    #[tokio::test]
    async fn a_bug_is_a_failure_even_after_a_refusal() {
        let bug = Failure::new(Stage::Response, Reason::Internal, "a defect");
        assert_eq!(refuse(Err(bug.clone())).await.verdict, Verdict::Failed(bug));
    }

    /// Runs a probe that waited for two of the ten seconds that its scraper allows.
    async fn after_wait(script: Script, module: &str) -> ProbeReport {
        let config = format!("modules: {{m: {{prober: icmp{module}}}}}");
        let config = Config::parse(config, "").unwrap();
        let raw = request::RawRequest { query: "module=m&target=t", scrape_timeout: Some("10") };
        let request = ProbeRequest::parse(raw, &config, 0.0).unwrap();
        let request = request.after_wait(Duration::from_secs(2), Duration::from_secs(10));
        run_prober(&script, request, Arc::default(), pending()).await
    }

    #[tokio::test(start_paused = true)]
    async fn a_deadline_that_waiting_made_shorter_is_a_refusal() {
        let report = after_wait(Script::Hang, "").await;
        let [waited, part, whole] = [2, 8, 10].map(Duration::from_secs);
        let refusal = Refusal::queue_deadline(waited, part, whole);
        assert_eq!(report.verdict, Verdict::Refused(refusal));
        assert_eq!((report.timeout, report.duration), (part, part));
        // The wait took nothing from the timeout of the module.
        let report = after_wait(Script::Hang, ", timeout: 8s").await;
        assert_eq!(report.verdict.failure().unwrap().reason, Reason::Timeout);
        let report = after_wait(Script::Hang, ", timeout: 9s").await;
        assert!(report.verdict.refusal().is_some());
        // The target decided, or a bug did.
        let failed = Failure::new(Stage::Connect, Reason::Timeout, "the kernel gave up");
        let report = after_wait(Script::End(Err(failed.clone())), "").await;
        assert_eq!(report.verdict, Verdict::Failed(failed));
        assert!(after_wait(Script::Succeed, "").await.verdict.is_ok());
        let report = after_wait(Script::Panic, "").await;
        assert_eq!(report.verdict.failure().unwrap().reason, Reason::Internal);
    }

    #[tokio::test]
    async fn a_prober_without_a_failure_is_a_success() {
        assert_eq!(verdict_of(Script::Succeed, pending()).await, (Ok(()), true, None));
    }
}
