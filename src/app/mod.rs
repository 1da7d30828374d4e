//! Assembles the exporter from its parts and runs it until it is stopped.

mod cgroup;
mod cpu_quota;
mod environment;
mod listen;
mod options;
mod probe_runner;
mod shutdown;
mod signals;
mod system_memory;

use std::{
    future::Future,
    net::{SocketAddr, TcpListener},
    path::PathBuf,
    pin::pin,
    sync::Arc,
    thread,
    time::Duration,
};

use anyhow::Context as _;
use futures_util::{
    FutureExt as _, Stream,
    future::{Either, select},
    stream,
};
use sd_notify::NotifyState;
use tokio::{
    runtime::Runtime,
    sync::{mpsc, oneshot},
    time::MissedTickBehavior,
};

pub use listen::{ListenAddress, ListenAddressError};
pub use options::{Listen, Options, ResolverChoice};
pub use probe_runner::ProbeRunner;

use self::signals::Signals;
use crate::{
    blocking,
    config::{ConfigStore, DEFAULT_FILE, LoadError},
    net::{resolve::Resolver, wire},
    probe::History,
    scheduling::pool,
    server::{AccessControl, Exporter, ReloadTrigger, ServerSettings, WebServer},
    settings::limits::Resources,
    version,
};

/// An exporter whose listeners are open. It serves requests once it is run.
#[derive(Debug)]
pub struct App {
    /// Runs the start, signals and reloads. Requests and probes run on the threads of the server.
    runtime: Runtime,
    threads: usize,
    exporter: Arc<Exporter>,
    listeners: Vec<TcpListener>,
    addresses: Vec<SocketAddr>,
    auto_reload: Option<Duration>,
    shutdown_delay: Duration,
}

/// Checks the configuration as at a start (`--config.check`), except that there must be a file.
pub fn check(options: &Options) -> anyhow::Result<()> {
    log_version();
    load(options.config_file.clone().or_else(|| Some(DEFAULT_FILE.into())), options)?;
    load_web_config(options)?;
    log::info!("Config file is ok exiting...");
    Ok(())
}

impl App {
    /// Loads the configuration and opens the listeners.
    pub fn build(options: Options) -> anyhow::Result<Self> {
        log_version();
        let config = load(options.config_file.clone(), &options)?;
        if let Some(replaced_file) = config.replaced_file() {
            log::warn!("Using the built-in modules, since {replaced_file}");
        }
        let access_control = load_web_config(&options)?;
        let descriptors = raise_file_limit();
        blocking::start();
        let threads = cpu_quota::worker_threads();
        pool::set_max_threads(threads);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("Error starting the runtime")?;
        let settings = ServerSettings {
            timeout_offset: options.timeout_offset,
            probe_log: options.probe_log,
            failure_log: options.failure_log,
            external_url: options.external_url,
            prometheus_url: options.prometheus_url,
            route_prefix: options.route_prefix,
            max_modules: options.max_modules,
            max_connection_age: options.max_connection_age,
            resources: Resources {
                memory: system_memory::system_memory(),
                descriptors,
                cpu: cpu_quota::cpu_per_second(),
            },
        };
        let history = History::new(options.history_limit);
        if options.kernel_timestamps {
            detect_kernel_timestamps();
        } else {
            // Never enabled again: a process can contain more than one exporter.
            wire::set_kernel_timestamps(false);
            log::info!("Kernel timestamps disabled by flag; using process clock");
        }
        let resolver = Arc::new(resolver(options.resolver));
        environment::log(&resolver, &config.current());
        let mut exporter = Exporter::new(settings, config, history, resolver)?;
        if let Some(access_control) = access_control {
            exporter = exporter.with_access_control(access_control)?;
        }
        let listeners = open(&options.listen)?;
        let addresses = listeners.iter().map(TcpListener::local_addr).collect::<Result<_, _>>()?;
        Ok(Self {
            runtime,
            threads,
            exporter: Arc::new(exporter),
            listeners,
            addresses,
            auto_reload: options.auto_reload,
            shutdown_delay: options.shutdown_delay,
        })
    }

    /// The listen addresses, with the actual ports.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Serves until SIGTERM or SIGINT and for the shutdown delay, then waits for running probes. Each
    /// further signal ends the step in progress. SIGHUP reloads the configuration.
    pub fn run(self) -> anyhow::Result<()> {
        let (stops, mut stopped) = mpsc::unbounded_channel();
        let signals = {
            let _context = self.runtime.enter();
            Signals::install().context("Error installing signal handlers")?
        };
        let exporter = Arc::clone(&self.exporter);
        // The result of the reload is in the log and in the metrics.
        let reload = move || {
            let exporter = Arc::clone(&exporter);
            async move {
                if let Ok(now) = NotifyState::monotonic_usec_now() {
                    notify(&[NotifyState::Reloading, now]);
                }
                exporter.reload(ReloadTrigger::Requested).await.unwrap_or_default();
                notify(&[NotifyState::Ready]);
            }
        };
        self.runtime.spawn(signals.watch(stops, reload));
        self.serve(stream::poll_fn(move |context| stopped.poll_recv(context)))
    }

    /// Serves until `shutdown` completes and for the shutdown delay, then waits for running probes.
    pub fn run_until(self, shutdown: impl Future<Output = ()>) -> anyhow::Result<()> {
        self.serve(stream::once(shutdown.map(|()| "a request to stop")))
    }

    fn serve(self, stops: impl Stream<Item = &'static str>) -> anyhow::Result<()> {
        let Self { runtime, threads, exporter, listeners, addresses, .. } = self;
        let result = runtime.block_on(async {
            // One thread accepts connections. The server panics if it cannot start a thread.
            blocking::check_threads(threads + 1).context("Error starting HTTP server")?;
            let server = WebServer::start(listeners, &exporter, threads)
                .context("Error starting HTTP server")?;
            let access_control = exporter.access_control().map(Arc::clone);
            let tls =
                access_control.as_ref().is_some_and(|access_control| access_control.uses_tls());
            let tls = if tls { "TLS is enabled." } else { "TLS is disabled." };
            for address in &addresses {
                log::info!(address:%; "Listening on");
                log::info!(http2 = false, address:%; "{tls}");
            }
            notify(&[NotifyState::Ready]);
            let watching =
                access_control.map(|access_control| tokio::spawn(watch_web_config(access_control)));
            let poll = |interval| tokio::spawn(poll(Arc::clone(&exporter), interval));
            let polling = self.auto_reload.map(poll);
            let (begin, delay_over) = oneshot::channel();
            let serving = pin!(server.run_until(delay_over.map(|_| ())));
            let announce = || {
                exporter.request_shutdown();
                notify(&[NotifyState::Stopping]);
            };
            let stopping = pin!(shutdown::run(stops, self.shutdown_delay, announce, begin));
            let result = match select(serving, stopping).await {
                Either::Left((result, _)) => {
                    result.map_err(blocking::named).context("Error serving HTTP")
                }
                Either::Right(((), _)) => Ok(()),
            };
            for task in polling.iter().chain(&watching) {
                task.abort();
            }
            result
        });
        // Aborts tasks that are still running; their clients are gone.
        runtime.shutdown_background();
        result
    }
}

/// Returns the causes of an error as one text, the direct cause first.
#[must_use]
pub fn causes(error: &anyhow::Error) -> String {
    error.chain().skip(1).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// Returns the number of errors of a configuration file, if they are the causes of `error`.
#[must_use]
pub fn config_errors(error: &anyhow::Error) -> Option<usize> {
    match error.downcast_ref()? {
        LoadError::Invalid(error) => Some(error.diagnostics.len()),
        LoadError::Unreadable(_) | LoadError::Blocking(_) => None,
    }
}

/// Sends a state to systemd, if it has started the process as a service of type `notify`.
fn notify(states: &[NotifyState<'_>]) {
    if let Err(err) = sd_notify::notify(states) {
        log::warn!(err:%; "Cannot notify systemd");
    }
}

/// Logs program, version and build.
fn log_version() {
    log::info!(version = version::summary(); "Starting {}", version::PROGRAM);
    log::info!("{}", version::build_context());
}

fn load(file: Option<PathBuf>, options: &Options) -> anyhow::Result<ConfigStore> {
    ConfigStore::load(file, options.policy_preset).context("Error loading config")
}

fn load_web_config(options: &Options) -> anyhow::Result<Option<AccessControl>> {
    let access_control = options.web_config_file.clone().map(AccessControl::load);
    access_control.transpose().context("Error loading web config")
}

fn resolver(choice: ResolverChoice) -> Resolver {
    match choice {
        ResolverChoice::Dns => Resolver::system(),
        ResolverChoice::System => Resolver::operating_system(),
    }
}

fn open(listen: &Listen) -> anyhow::Result<Vec<TcpListener>> {
    match listen {
        Listen::Systemd => {
            log::info!("Listening on systemd activated listeners instead of port listeners.");
            listen::from_systemd().context("Error starting HTTP server: systemd socket")
        }
        Listen::Addresses(addresses) => {
            let open = |address: &ListenAddress| {
                let error = || format!("Error starting HTTP server: listen tcp {address}");
                address.bind().with_context(error)
            };
            addresses.iter().map(open).collect()
        }
    }
}

/// Detects in the background whether the kernel supports timestamps. Without support the detection
/// takes 200 ms; an earlier probe waits for it.
fn detect_kernel_timestamps() {
    let prepare = || {
        if !wire::prepare() {
            log::info!("Kernel timestamps not available; using process clock");
        }
    };
    if thread::Builder::new().name("stamps".to_owned()).spawn(prepare).is_err() {
        prepare();
    }
}

/// Raises the soft limit of open files to the hard limit, as Go programs do. Every probe and every
/// client needs a file descriptor. Returns the limit.
fn raise_file_limit() -> u64 {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum
        && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })
    {
        log::debug!(err:% = error; "Cannot raise the limit of open files");
    }
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// Reloads a changed configuration file at each interval, until the task is aborted.
async fn poll(exporter: Arc<Exporter>, interval: Duration) {
    let mut ticks = tokio::time::interval(interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // The first tick completes immediately; the file was just loaded.
    ticks.tick().await;
    loop {
        ticks.tick().await;
        // The result of the reload is in the log and in the metrics.
        exporter.reload(ReloadTrigger::Poll).await.unwrap_or_default();
    }
}

/// Interval of checks for changes of the web config file.
const WEB_CONFIG_INTERVAL: Duration = Duration::from_secs(1);

/// Reloads a changed web config file, until the task is aborted.
async fn watch_web_config(access_control: Arc<AccessControl>) {
    loop {
        tokio::time::sleep(WEB_CONFIG_INTERVAL).await;
        access_control.reload_if_changed().await;
    }
}
