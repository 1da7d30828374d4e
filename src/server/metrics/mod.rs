//! The exporter's own metrics: those of upstream, of the process, and of the probes.

mod admission;
mod clock;
mod memory;
mod module_names;
mod openmetrics;
mod policy;
#[cfg(target_os = "linux")]
mod process;
mod web_config;

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::UNIX_EPOCH,
};

use prometheus::{
    Gauge, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, Opts, Registry,
    TextEncoder, core::Collector,
};

#[cfg(target_os = "linux")]
use self::process::ProcessMetrics;
use self::{
    admission::AdmissionMetrics, clock::ClockMetrics, memory::MemoryMetrics,
    module_names::ModuleNames, policy::PolicyMetrics, web_config::WebConfigMetrics,
};
use crate::{
    admission::Admission,
    config::{Config, LastReload},
    diagnostics::{Failure, RefusalCause, Verdict},
    logging,
    memory::MemoryBudget,
    metrics::Format,
    probe::ProbeReport,
    server::{connections::ConnectionMetrics, response::Size, web_config::AccessControl},
    version,
};

/// All metrics of the exporter, with their registry.
pub(super) struct ExporterMetrics {
    registry: Registry,
    #[cfg(target_os = "linux")]
    process: ProcessMetrics,
    clock: ClockMetrics,
    last_reload_successful: IntGauge,
    last_reload_success: Gauge,
    unknown_modules: IntCounter,
    loops: IntCounter,
    dropped_log_lines: IntCounter,
    memory: MemoryMetrics,
    pub(super) admission: AdmissionMetrics,
    pub(super) connections: ConnectionMetrics,
    modules: ModuleNames,
    probes: IntCounterVec,
    failures: IntCounterVec,
    refusals: IntCounterVec,
    policy: PolicyMetrics,
    durations: HistogramVec,
    in_flight: IntGauge,
    web_config: Option<WebConfigMetrics>,
    /// Locked while counters are updated from other sources: two scrapes at once would add the
    /// difference twice.
    refreshing: Mutex<()>,
    /// Length of the text that was rendered last, in bytes. Modules that were removed are part of it.
    last_length: AtomicUsize,
}

/// Maximum length in bytes of a text that is rendered on the thread that serves the client.
const MAX_SMALL_TEXT: usize = 64 << 10;

/// Upper bounds of the duration histogram in seconds.
const DURATION_BUCKETS: [f64; 12] =
    [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

const SUCCESS: &str = "success";
const FAILURE: &str = "failure";

impl ExporterMetrics {
    pub(super) fn new(
        memory: Arc<MemoryBudget>,
        admission: Arc<Admission>,
        max_modules: usize,
    ) -> prometheus::Result<Self> {
        let registry = Registry::new();
        register(&registry, build_info()?)?;
        Ok(Self {
            #[cfg(target_os = "linux")]
            process: ProcessMetrics::register(&registry)?,
            clock: ClockMetrics::register(&registry)?,
            last_reload_successful: register(
                &registry,
                IntGauge::new(
                    "blackbox_exporter_config_last_reload_successful",
                    "Whether the last attempt to load the configuration succeeded.",
                )?,
            )?,
            last_reload_success: register(
                &registry,
                Gauge::new(
                    "blackbox_exporter_config_last_reload_success_timestamp_seconds",
                    "Unix time of the last successful load of the configuration, in seconds.",
                )?,
            )?,
            unknown_modules: register(
                &registry,
                IntCounter::new(
                    "blackbox_module_unknown_total",
                    "Number of requests for a module that is not in the configuration.",
                )?,
            )?,
            loops: register(
                &registry,
                IntCounter::new(
                    "probe_exporter_loops_detected_total",
                    "Number of requests to /probe and /-/reload that were refused because they came \
                     from a probe of this exporter, or may be part of a loop.",
                )?,
            )?,
            dropped_log_lines: register(
                &registry,
                IntCounter::new(
                    "probe_exporter_log_lines_dropped_total",
                    "Number of log lines that were dropped because stderr did not accept them.",
                )?,
            )?,
            memory: MemoryMetrics::register(&registry, memory)?,
            admission: AdmissionMetrics::register(&registry, admission)?,
            connections: ConnectionMetrics::register(&registry)?,
            modules: ModuleNames::new(max_modules),
            probes: register(
                &registry,
                IntCounterVec::new(
                    Opts::new("probe_exporter_probes_total", "Number of finished probes."),
                    &["module", "prober", "result"],
                )?,
            )?,
            failures: register(
                &registry,
                IntCounterVec::new(
                    Opts::new(
                        "probe_exporter_probe_failures_total",
                        "Number of failed probes by stage and reason of the failure.",
                    ),
                    &["module", "stage", "reason"],
                )?,
            )?,
            refusals: register(
                &registry,
                IntCounterVec::new(
                    Opts::new(
                        "probe_exporter_probes_refused_total",
                        "Number of probes that the exporter refused, by cause. They are not counted \
                         as finished, unless the refusal came after the probe.",
                    ),
                    &["module", "cause"],
                )?,
            )?,
            policy: PolicyMetrics::register(&registry)?,
            durations: register(
                &registry,
                HistogramVec::new(
                    HistogramOpts::new(
                        "probe_exporter_probe_duration_seconds",
                        "Duration of probes in seconds.",
                    )
                    .buckets(DURATION_BUCKETS.to_vec()),
                    &["module"],
                )?,
            )?,
            in_flight: register(
                &registry,
                IntGauge::new("probe_exporter_probes_in_flight", "Number of running probes.")?,
            )?,
            registry,
            web_config: None,
            refreshing: Mutex::default(),
            last_length: AtomicUsize::new(0),
        })
    }

    /// Adds the metrics of the web config file.
    pub(super) fn register_web_config(
        &mut self,
        access_control: &Arc<AccessControl>,
    ) -> prometheus::Result<()> {
        let access_control = Arc::clone(access_control);
        self.web_config = Some(WebConfigMetrics::register(&self.registry, access_control)?);
        Ok(())
    }

    /// Returns the expected size of the text of all metrics.
    pub(super) fn size(&self, config: &Config) -> Size {
        if self.last_length.load(Ordering::Relaxed) > MAX_SMALL_TEXT {
            return Size::Large;
        }
        Size::of_modules(config)
    }

    /// Renders all metrics with their current values.
    pub(super) fn render(&self, reload: LastReload, format: Format) -> String {
        let success_time = reload.success_time.duration_since(UNIX_EPOCH).unwrap_or_default();
        self.last_reload_success.set(success_time.as_secs_f64());
        self.last_reload_successful.set(i64::from(reload.succeeded));
        self.refresh();
        let families = self.registry.gather();
        let text = match format {
            // Fails only for families without samples, which `gather` leaves out.
            Format::Text => TextEncoder::new().encode_to_string(&families).unwrap_or_default(),
            Format::OpenMetrics => openmetrics::encode(&families),
        };
        self.last_length.store(text.len(), Ordering::Relaxed);
        text
    }

    /// Updates metrics whose values are kept elsewhere.
    fn refresh(&self) {
        let _exclusive = self.refreshing.lock().unwrap_or_else(PoisonError::into_inner);
        #[cfg(target_os = "linux")]
        self.process.refresh();
        self.clock.refresh();
        self.memory.refresh();
        self.admission.refresh();
        let dropped = &self.dropped_log_lines;
        dropped.inc_by(logging::dropped_lines().saturating_sub(dropped.get()));
        if let Some(web_config) = &self.web_config {
            web_config.refresh();
        }
    }

    /// Applies the configuration, and creates counters of its modules. `increase()` sees the first probe only
    /// if the counter was exported as 0 before.
    pub(super) fn initialize_counters(&self, config: &Config) {
        let labels = self.modules.announce(config);
        for [name, prober] in &labels {
            for result in [SUCCESS, FAILURE] {
                self.probes.with_label_values(&[name, prober, result]);
            }
            for cause in RefusalCause::ALL {
                self.refusals.with_label_values(&[name, cause.label()]);
            }
        }
        self.policy.apply(config, &labels);
    }

    /// Counts a request for a module that does not exist.
    pub(super) fn count_unknown_module(&self) {
        self.unknown_modules.inc();
    }

    /// Counts a request that came from a probe of this exporter.
    pub(super) fn count_loop(&self) {
        self.loops.inc();
    }

    /// Counts a probe as running until the returned value is dropped.
    pub(super) fn in_flight(&self) -> InFlight {
        self.in_flight.inc();
        InFlight(self.in_flight.clone())
    }

    /// Counts a refused probe, or a finished one whose result was refused.
    pub(super) fn count_refusal(&self, module: &str, cause: RefusalCause) {
        let [module, _] = self.modules.labels(module, "");
        self.refusals.with_label_values(&[module, cause.label()]).inc();
    }

    /// Counts a finished or refused probe.
    pub(super) fn count_probe(&self, report: &ProbeReport) {
        let [module, prober] =
            self.modules.labels(&report.module_name, report.module.prober_name());
        self.policy.count(report, module);
        let result = match &report.verdict {
            Verdict::Ok => SUCCESS,
            Verdict::Failed(Failure { stage, reason, .. }) => {
                self.failures.with_label_values(&[module, stage.label(), reason.label()]).inc();
                FAILURE
            }
            Verdict::Refused(refusal) => {
                self.refusals.with_label_values(&[module, refusal.cause.label()]).inc();
                return;
            }
        };
        self.probes.with_label_values(&[module, prober, result]).inc();
        self.durations.with_label_values(&[module]).observe(report.duration.as_secs_f64());
    }
}

/// Counts a running probe for as long as it exists.
pub(super) struct InFlight(IntGauge);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// The build info metric with upstream's labels. `goversion` contains the version of Rust.
fn build_info() -> prometheus::Result<Gauge> {
    let options =
        Opts::new("blackbox_exporter_build_info", "Build of the exporter, as labels; always 1.")
            .const_label("branch", version::BRANCH)
            .const_label("goarch", version::architecture())
            .const_label("goos", version::operating_system())
            .const_label("goversion", version::RUST_VERSION)
            .const_label("revision", version::REVISION)
            .const_label("tags", version::TAGS)
            .const_label("version", version::VERSION);
    let gauge = Gauge::with_opts(options)?;
    gauge.set(1.0);
    Ok(gauge)
}

/// Registers a metric and returns it.
pub(super) fn register<C: Collector + Clone + 'static>(
    registry: &Registry,
    collector: C,
) -> prometheus::Result<C> {
    registry.register(Box::new(collector.clone()))?;
    Ok(collector)
}
