//! What all requests share: configuration, history, metrics.

use std::{
    convert::Infallible,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use futures_util::FutureExt as _;
use log::Level;
use tokio::{sync::oneshot, task::spawn_blocking};

use crate::{
    config::{Config, ConfigStore, LoadError, Reload},
    logging,
    metrics::Format,
    net::resolve::Resolver,
    probe::{self, FailureLog, History, ProbeReport, ProbeRequest, history::Entry},
    server::{
        external_url::{ExternalUrl, RoutePrefix},
        metrics::OwnMetrics,
        web_config::Guard,
    },
};

/// What the web face has to be told.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Seconds taken off the scraper's timeout.
    pub timeout_offset: f64,
    /// Lines of probes from this level on are copied to the log of the process.
    pub probe_log: Option<Level>,
    /// The level of the line about a failed probe, where its own lines are not copied.
    pub failure_log: Option<Level>,
    /// Where users reach the exporter, when that was said.
    pub external_url: Option<ExternalUrl>,
    /// Where the routes lie.
    pub route_prefix: RoutePrefix,
}

/// The exporter behind the routes.
pub struct Exporter {
    pub(super) settings: Settings,
    pub(super) history: History,
    pub(super) metrics: OwnMetrics,
    config: ConfigStore,
    resolver: Arc<Resolver>,
    guard: Option<Arc<Guard>>,
    last_reload_error: Mutex<Option<String>>,
    failure_log: Option<FailureLog>,
}

/// What made the configuration be read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trigger {
    /// Somebody asked for it, by signal or by request.
    Demand,
    /// The regular look at the file.
    Poll,
}

impl Exporter {
    /// An exporter that looks names up with `resolver`.
    pub fn new(
        settings: Settings,
        config: ConfigStore,
        history: History,
        resolver: Arc<Resolver>,
    ) -> Result<Self, prometheus::Error> {
        let metrics = OwnMetrics::new()?;
        metrics.expect(&config.current());
        // A copy of the probe's lines says the same.
        let failure_log = settings.failure_log.filter(|_| settings.probe_log.is_none());
        Ok(Self {
            failure_log: failure_log.map(FailureLog::new),
            settings,
            history,
            metrics,
            config,
            resolver,
            guard: None,
            last_reload_error: Mutex::default(),
        })
    }

    /// Lets nobody in but past `guard`.
    pub fn guarded_by(mut self, guard: Guard) -> Result<Self, prometheus::Error> {
        let guard = Arc::new(guard);
        self.metrics.watch(&guard)?;
        self.guard = Some(guard);
        Ok(self)
    }

    /// Who stands before the routes, if anybody does.
    #[must_use]
    pub fn guard(&self) -> Option<&Arc<Guard>> {
        self.guard.as_ref()
    }

    /// The configuration in force.
    pub(super) fn config(&self) -> Arc<Config> {
        self.config.current()
    }

    /// Why the last attempt to reload failed, if it did.
    pub(super) fn last_reload_error(&self) -> Option<String> {
        self.last_reload_error.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Runs a probe, on the thread that serves its scraper; `None` if that broke down.
    ///
    /// It is a task of its own, so that it can still tell what it found when the future is dropped,
    /// which ends it.
    pub(super) async fn probe(self: Arc<Self>, request: ProbeRequest) -> Option<Entry> {
        // Nothing is ever sent: the channel closes when the scraper is gone.
        let (scraper, gone) = oneshot::channel::<Infallible>();
        let task = actix_web::rt::spawn(async move {
            let in_flight = self.metrics.in_flight();
            let resolver = Arc::clone(&self.resolver);
            let report = probe::run_until(request, resolver, gone.map(|_| ())).await;
            drop(in_flight);
            self.finish(report)
        });
        let finished = task.await.ok();
        drop(scraper);
        finished
    }

    /// Everything that becomes of a report.
    fn finish(&self, report: ProbeReport) -> Entry {
        let report = Arc::new(report);
        self.metrics.probed(&report);
        if let Some(least) = self.settings.probe_log {
            logging::mirror(&report.log, least, &report.module_name, &report.target);
        }
        if let Some(log) = &self.failure_log {
            log.note(&report);
        }
        let id = self.history.record(Arc::clone(&report));
        Entry { id, report }
    }

    /// The exporter's own metrics as text.
    pub(super) fn own_metrics(&self, format: Format) -> prometheus::Result<String> {
        self.metrics.render(self.config.last_reload(), format)
    }

    /// Reads the configuration again; a bad file leaves the old one in force.
    pub async fn reload(self: &Arc<Self>, trigger: Trigger) -> Result<(), LoadError> {
        let exporter = Arc::clone(self);
        let result = spawn_blocking(move || exporter.reload_blocking(trigger)).await;
        // Only a defect or the end of the process interrupts it.
        result.unwrap_or_else(|_| {
            log::error!("The reload was interrupted");
            Ok(())
        })
    }

    fn reload_blocking(&self, trigger: Trigger) -> Result<(), LoadError> {
        let result = self.config.reload();
        let text = result.as_ref().err().map(ToString::to_string);
        match &result {
            // A look that found nothing new is nothing to talk about.
            Ok(Reload::Unchanged) if trigger == Trigger::Poll => {}
            Ok(_) => {
                self.metrics.expect(&self.config());
                log::info!("Reloaded config file");
            }
            Err(_) => {
                for fault in text.iter().flat_map(|text| text.lines()) {
                    log::error!(err = fault; "Error reloading config");
                }
            }
        }
        *self.last_reload_error.lock().unwrap_or_else(PoisonError::into_inner) = text;
        result.map(|_| ())
    }
}

impl fmt::Debug for Exporter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Exporter").field("settings", &self.settings).finish_non_exhaustive()
    }
}
