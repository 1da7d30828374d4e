//! State shared by all requests: configuration, history, metrics.

use std::{
    convert::Infallible,
    fmt,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use futures_util::FutureExt as _;
use log::Level;
use tokio::{
    sync::{Semaphore, oneshot},
    task::yield_now,
};

use crate::{
    admission::{Admission, Missing, Scope, Tickets, UNLIMITED},
    blocking::{self, BlockingError},
    config::{Config, ConfigStore, LoadError, Reload, Reread},
    diagnostics::Refusal,
    logging,
    memory::{MemoryBudget, ProbeMemory},
    metrics::Format,
    net::{http::loop_detection::MAX_UNCHAINED, resolve::Resolver},
    probe::{
        self, FailureLog, History, ProbeReport, ProbeRequest, history::HistoryEntry,
        request::WrittenTarget,
    },
    scheduling::poll_times::{self, section},
    server::{
        connections::Capacity,
        delay,
        external_url::{ExternalUrl, RoutePrefix},
        metrics::ExporterMetrics,
        prometheus_url::PrometheusUrl,
        shutdown::Shutdown,
        web_config::AccessControl,
    },
    settings::{limits::Resources, redact, size::ByteSize},
};

/// Settings of the HTTP server.
#[derive(Debug, Clone)]
pub struct ServerSettings {
    /// Seconds subtracted from the scrape timeout.
    pub timeout_offset: f64,
    /// Minimum level of the probe log lines that are copied to the log of the process.
    pub probe_log: Option<Level>,
    /// Level of the line about a failed probe. Not used if probe log lines are copied.
    pub failure_log: Option<Level>,
    /// URL under which users reach the exporter, if configured.
    pub external_url: Option<ExternalUrl>,
    /// URL of the Prometheus to link to, if configured.
    pub prometheus_url: Option<PrometheusUrl>,
    /// Path prefix of all routes.
    pub route_prefix: RoutePrefix,
    /// Maximum number of modules with metrics of their own.
    pub max_modules: usize,
    /// Age above which a connection is closed after its response.
    pub max_connection_age: Option<Duration>,
    /// The memory and the file descriptors that the process may use.
    pub resources: Resources,
}

/// The exporter, as the request handlers use it.
pub struct Exporter {
    pub(super) settings: ServerSettings,
    pub(super) history: History,
    pub(super) metrics: ExporterMetrics,
    pub(super) admission: Arc<Admission>,
    pub(super) shutdown: Arc<Shutdown>,
    /// Permits for requests of exporters that do not name those that led to them.
    pub(super) unchained: Semaphore,
    config: ConfigStore,
    /// The number of connections, by the configuration at the start.
    pub(super) capacity: Capacity,
    resolver: Arc<Resolver>,
    memory: Arc<MemoryBudget>,
    access_control: Option<Arc<AccessControl>>,
    last_reload_error: Mutex<Option<String>>,
    failure_log: FailureLog,
}

/// Cause of a configuration reload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReloadTrigger {
    /// A signal or an HTTP request.
    Requested,
    /// The periodic check of the file.
    Poll,
}

/// Maximum number of log lines of a probe that are copied before other tasks run.
const MAX_LINES_AT_ONCE: usize = 64;

impl Exporter {
    /// Creates an exporter whose probes resolve names with `resolver`.
    pub fn new(
        settings: ServerSettings,
        config: ConfigStore,
        history: History,
        resolver: Arc<Resolver>,
    ) -> Result<Self, prometheus::Error> {
        // `apply_limits` sets the limit.
        let memory = MemoryBudget::new(Some(0));
        let admission = Arc::new(Admission::default());
        let metrics = ExporterMetrics::new(
            Arc::clone(&memory),
            Arc::clone(&admission),
            settings.max_modules,
        )?;
        metrics.initialize_counters(&config.current());
        // The copied probe log lines contain the failure already.
        let failure_log = settings.failure_log.filter(|_| settings.probe_log.is_none());
        let exporter = Self {
            failure_log: FailureLog::new(failure_log),
            capacity: Capacity::of(settings.resources, config.current().limits()),
            settings,
            history,
            metrics,
            admission,
            shutdown: Arc::default(),
            unchained: Semaphore::new(MAX_UNCHAINED),
            config,
            resolver,
            memory,
            access_control: None,
            last_reload_error: Mutex::default(),
        };
        exporter.admission.set_cpu(exporter.settings.resources.cpu);
        exporter.apply_limits();
        Ok(exporter)
    }

    /// Applies the limits of the active configuration, and logs changes.
    fn apply_limits(&self) {
        let (config, resources) = (self.config(), self.settings.resources);
        let limits = config.limits();
        let max_in_flight = limits.max_in_flight(resources);
        let of_modules = config
            .modules()
            .filter_map(|(name, module)| module.limits.in_flight.map(|number| (name, number)));
        self.admission.set_modules(&of_modules.collect());
        let has_queue = limits.queue_timeout.positive().is_some();
        let max_queued = if has_queue { self.capacity.max_queued(max_in_flight) } else { 0 };
        self.admission.set_max_queued(max_queued);
        self.history.set_memory(usize::try_from(limits.history_bytes()).unwrap_or(usize::MAX));
        let body_memory = limits.body_memory.limit(resources.memory);
        let in_flight = max_in_flight.unwrap_or(UNLIMITED);
        if (body_memory, in_flight) == (self.memory.limit(), self.admission.limit()) {
            return;
        }
        self.memory.set_limit(body_memory);
        self.admission.set_limit(in_flight);
        let size = |bytes: Option<u64>| {
            bytes.map_or("0".to_owned(), |bytes| ByteSize::rounded(bytes).to_string())
        };
        let (in_flight, memory) = (max_in_flight.unwrap_or_default(), size(resources.memory));
        let (cpu, open_files) = (resources.cpu.as_secs_f64(), resources.descriptors);
        log::info!(in_flight, body_memory = size(body_memory), memory, cpu, open_files; "Limits");
    }

    /// Applies a web config file to all connections and requests.
    pub fn with_access_control(
        mut self,
        access_control: AccessControl,
    ) -> Result<Self, prometheus::Error> {
        let access_control = Arc::new(access_control);
        self.metrics.register_web_config(&access_control)?;
        self.access_control = Some(access_control);
        Ok(self)
    }

    /// Announces a stop: the exporter is not ready any more, and connections end with their next
    /// response.
    pub fn request_shutdown(&self) {
        self.shutdown.request();
    }

    /// The active web configuration, if there is a web config file.
    #[must_use]
    pub fn access_control(&self) -> Option<&Arc<AccessControl>> {
        self.access_control.as_ref()
    }

    /// The active configuration.
    pub(super) fn config(&self) -> Arc<Config> {
        self.config.current()
    }

    /// Time of the last successful load of the configuration.
    pub(super) fn loaded_at(&self) -> SystemTime {
        self.config.last_reload().success_time
    }

    /// Error of the last reload; none if it succeeded.
    pub(super) fn last_reload_error(&self) -> Option<String> {
        self.last_reload_error.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns the memory of a probe that begins.
    pub(super) fn new_memory(&self) -> Arc<ProbeMemory> {
        Arc::new(ProbeMemory::new(Arc::clone(&self.memory)))
    }

    /// Records a probe that may not run.
    pub(super) fn refuse(
        &self,
        module: &str,
        missing: Missing,
        target: WrittenTarget<'_>,
    ) -> Refusal {
        let refusal = match missing {
            Missing { scope: Scope::All, running } => Refusal::in_flight(running),
            Missing { scope: Scope::Cpu, running } => Refusal::cpu(format_args!(
                "{running} probes are running, and the CPU time is not enough for more"
            )),
            Missing { scope: Scope::Module, running } => Refusal::module_in_flight(running, module),
        };
        self.record_refusal(module, &refusal, target);
        refusal
    }

    /// Adds the refusal of a probe without a report to metrics, log and history.
    pub(super) fn record_refusal(
        &self,
        module: &str,
        refusal: &Refusal,
        target: WrittenTarget<'_>,
    ) {
        self.metrics.count_refusal(module, refusal.cause);
        self.failure_log.log_refused(module, refusal, || target.redacted());
        self.history.record_refused_request(module, target, refusal);
    }

    /// Runs a probe on the thread that serves the client. Returns `None` if the task panicked.
    ///
    /// The probe is a task of its own. When the client disconnects and this future is dropped, the
    /// task ends the probe, still records its report, and gives its places back.
    pub(super) async fn probe(
        self: Arc<Self>,
        request: ProbeRequest,
        tickets: Tickets,
        client_address: Option<Box<IpAddr>>,
    ) -> Option<HistoryEntry> {
        delay::watch(&self.admission);
        // Nothing is ever sent: the channel closes when this future is dropped.
        let (client, client_gone) = oneshot::channel::<Infallible>();
        let module = &request.module;
        let name =
            poll_times::name(|| format!("probe {} {}", request.module_name, module.prober_name()));
        let probe = poll_times::watch(name, async move {
            let in_flight = self.metrics.in_flight();
            let resolver = Arc::clone(&self.resolver);
            let report = probe::run_until(request, resolver, client_gone.map(|_| ())).await;
            let report = Arc::new(report);
            drop((in_flight, tickets));
            self.record(report, client_address).await
        });
        let entry = actix_web::rt::spawn(probe).await.ok();
        drop(client);
        entry
    }

    /// Adds a report to metrics, log and history.
    async fn record(&self, report: Arc<ProbeReport>, client: Option<Box<IpAddr>>) -> HistoryEntry {
        self.metrics.count_probe(&report);
        if let Some(min_level) = self.settings.probe_log {
            for (index, lines) in report.log.chunks(MAX_LINES_AT_ONCE).enumerate() {
                if index > 0 {
                    yield_now().await;
                }
                section("probe log", || {
                    logging::copy_probe_log(lines, min_level, &report.module_name, &report.target);
                });
            }
        }
        section("failure log", || self.failure_log.log(&report, client.as_deref().copied()));
        section("history", || self.history.record(report))
    }

    /// Adds a request for a module that does not exist to metrics and log.
    pub(super) fn record_unknown_module(&self, module: &str, target: &str) {
        self.metrics.count_unknown_module();
        self.failure_log.log_unknown_module(module, &redact::url(target));
    }

    /// Renders the exporter's own metrics.
    pub(super) fn render_metrics(&self, format: Format) -> String {
        self.metrics.render(self.config.last_reload(), format)
    }

    /// Reloads the configuration. If the file is invalid or does not respond, the previous
    /// configuration stays active.
    pub async fn reload(self: &Arc<Self>, trigger: ReloadTrigger) -> Result<(), LoadError> {
        let exporter = Arc::clone(self);
        // A task of its own, so that it ends also if the client disconnects.
        let reload = tokio::spawn(async move {
            let reread = exporter.config.read_again().await;
            blocking::run(move || exporter.activate(reread, trigger)).await?
        });
        match reload.await {
            Err(_) | Ok(Err(LoadError::Blocking(BlockingError::Panicked))) => {
                log::error!("Reloading the configuration was interrupted by an internal error");
                Ok(())
            }
            Ok(result) => {
                if let Err(LoadError::Blocking(err)) = &result {
                    log::error!(err:%; "Error reloading config");
                }
                result
            }
        }
    }

    fn activate(&self, reread: Reread, trigger: ReloadTrigger) -> Result<(), LoadError> {
        let result = self.config.activate(reread);
        let text = result.as_ref().err().map(ToString::to_string);
        match &result {
            Ok(Reload::Unchanged) if trigger == ReloadTrigger::Poll => {}
            Ok(_) => {
                self.metrics.initialize_counters(&self.config());
                self.apply_limits();
                log::info!("Reloaded config file");
            }
            Err(_) => {
                for line in text.iter().flat_map(|text| text.lines()) {
                    log::error!(err = line; "Error reloading config");
                }
            }
        }
        // A reload that a later one has overtaken is not the last one.
        if self.config.last_reload().succeeded == text.is_none() {
            *self.last_reload_error.lock().unwrap_or_else(PoisonError::into_inner) = text;
        }
        result.map(|_| ())
    }
}

impl fmt::Debug for Exporter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Exporter").field("settings", &self.settings).finish_non_exhaustive()
    }
}
