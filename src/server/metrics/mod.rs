//! The exporter's own metrics: upstream's names, those of the process, and a few bounded ones.

mod clock;
mod openmetrics;
#[cfg(target_os = "linux")]
mod process;
mod web_config;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::UNIX_EPOCH,
};

use prometheus::{
    Gauge, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, Opts, Registry,
    TextEncoder, core::Collector,
};

#[cfg(target_os = "linux")]
use self::process::ProcessMetrics;
use self::{clock::StampMetrics, web_config::GuardMetrics};
use crate::{
    config::{Config, LastReload, Module},
    diagnostics::Failure,
    metrics::Format,
    probe::ProbeReport,
    server::web_config::Guard,
    version,
};

/// All of them, with the registry that renders them.
pub(super) struct OwnMetrics {
    registry: Registry,
    #[cfg(target_os = "linux")]
    process: ProcessMetrics,
    stamps: StampMetrics,
    last_reload_successful: IntGauge,
    last_reload_success: Gauge,
    unknown_modules: IntCounter,
    probes: IntCounterVec,
    failures: IntCounterVec,
    durations: HistogramVec,
    in_flight: IntGauge,
    guard: Option<GuardMetrics>,
    /// Locked while counters catch up with what others count: two scrapes at once would each add
    /// what is missing.
    refreshing: Mutex<()>,
}

/// From a neighbour's answer to the longest scrape that anybody configures.
const DURATION_BUCKETS: [f64; 12] =
    [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

const SUCCESS: &str = "success";
const FAILURE: &str = "failure";

impl OwnMetrics {
    pub(super) fn new() -> prometheus::Result<Self> {
        let registry = Registry::new();
        register(&registry, build_info()?)?;
        Ok(Self {
            #[cfg(target_os = "linux")]
            process: ProcessMetrics::register(&registry)?,
            stamps: StampMetrics::register(&registry)?,
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
                    "When the configuration was last found good, in Unix time.",
                )?,
            )?,
            unknown_modules: register(
                &registry,
                IntCounter::new(
                    "blackbox_module_unknown_total",
                    "Requests for modules that the configuration does not have.",
                )?,
            )?,
            probes: register(
                &registry,
                IntCounterVec::new(
                    Opts::new("probe_exporter_probes_total", "Finished probes."),
                    &["module", "prober", "result"],
                )?,
            )?,
            failures: register(
                &registry,
                IntCounterVec::new(
                    Opts::new(
                        "probe_exporter_probe_failures_total",
                        "Failed probes, by the stage and the reason of the failure.",
                    ),
                    &["module", "stage", "reason"],
                )?,
            )?,
            durations: register(
                &registry,
                HistogramVec::new(
                    HistogramOpts::new(
                        "probe_exporter_probe_duration_seconds",
                        "How long probes took.",
                    )
                    .buckets(DURATION_BUCKETS.to_vec()),
                    &["module"],
                )?,
            )?,
            in_flight: register(
                &registry,
                IntGauge::new("probe_exporter_probes_in_flight", "Probes that are running.")?,
            )?,
            registry,
            guard: None,
            refreshing: Mutex::default(),
        })
    }

    /// Shows how the web config file fares.
    pub(super) fn watch(&mut self, guard: &Arc<Guard>) -> prometheus::Result<()> {
        self.guard = Some(GuardMetrics::register(&self.registry, Arc::clone(guard))?);
        Ok(())
    }

    /// All of them, as they are now.
    pub(super) fn render(&self, reload: LastReload, format: Format) -> prometheus::Result<String> {
        let success_time = reload.success_time.duration_since(UNIX_EPOCH).unwrap_or_default();
        self.last_reload_success.set(success_time.as_secs_f64());
        self.last_reload_successful.set(i64::from(reload.succeeded));
        self.refresh();
        let families = self.registry.gather();
        match format {
            Format::Text => TextEncoder::new().encode_to_string(&families),
            Format::OpenMetrics => Ok(openmetrics::encode(&families)),
        }
    }

    /// Takes over what others count.
    fn refresh(&self) {
        let _alone = self.refreshing.lock().unwrap_or_else(PoisonError::into_inner);
        #[cfg(target_os = "linux")]
        self.process.refresh();
        self.stamps.refresh();
        if let Some(guard) = &self.guard {
            guard.refresh();
        }
    }

    /// Makes the counters of all modules known; one that begins at 0 shows its first step to
    /// `increase()`.
    pub(super) fn expect(&self, config: &Config) {
        for (name, module) in config.modules() {
            for result in [SUCCESS, FAILURE] {
                self.counter(name, module, result);
            }
        }
    }

    fn counter(&self, name: &str, module: &Module, result: &str) -> IntCounter {
        self.probes.with_label_values(&[name, module.prober_name(), result])
    }

    /// Notes a request for a module that does not exist.
    pub(super) fn unknown_module(&self) {
        self.unknown_modules.inc();
    }

    /// Counts a probe as running until the guard is dropped.
    pub(super) fn in_flight(&self) -> InFlight {
        self.in_flight.inc();
        InFlight(self.in_flight.clone())
    }

    /// Notes a finished probe.
    pub(super) fn probed(&self, report: &ProbeReport) {
        let result = if report.verdict.is_ok() { SUCCESS } else { FAILURE };
        let module = report.module_name.as_str();
        self.counter(module, &report.module, result).inc();
        if let Err(Failure { stage, reason, .. }) = &report.verdict {
            self.failures.with_label_values(&[module, stage.label(), reason.label()]).inc();
        }
        self.durations.with_label_values(&[module]).observe(report.duration.as_secs_f64());
    }
}

/// A probe that is running.
pub(super) struct InFlight(IntGauge);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// Upstream's labels, which name Go; here they name what stands in its place.
fn build_info() -> prometheus::Result<Gauge> {
    let options =
        Opts::new("blackbox_exporter_build_info", "1, with labels that say what build this is.")
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

/// Registers a metric and hands it back.
pub(super) fn register<C: Collector + Clone + 'static>(
    registry: &Registry,
    collector: C,
) -> prometheus::Result<C> {
    registry.register(Box::new(collector.clone()))?;
    Ok(collector)
}
