//! The whole exporter: builds the parts, puts them together, runs until it is told to stop.

mod cpu_quota;
mod listen;
mod options;
mod probe_runner;
mod signals;

use std::{
    future::Future,
    net::{SocketAddr, TcpListener},
    pin::pin,
    sync::Arc,
    thread,
    time::Duration,
};

use anyhow::Context as _;
use futures_util::future::{Either, pending, select};
use tokio::{runtime::Runtime, sync::watch, task::spawn_blocking, time::MissedTickBehavior};

pub use listen::{ListenAddress, ListenAddressError};
pub use options::{Listen, Options, ResolverChoice};
pub use probe_runner::ProbeRunner;

use self::signals::Signals;
use crate::{
    config::ConfigStore,
    net::{resolve::Resolver, wire},
    probe::History,
    server::{AccessControl, Exporter, ReloadTrigger, ServerSettings, WebServer},
    version,
};

/// An exporter that listens, and serves once it is run.
#[derive(Debug)]
pub struct App {
    /// For signals, reloads and the start; requests and their probes run on threads of the server.
    runtime: Runtime,
    threads: usize,
    exporter: Arc<Exporter>,
    listeners: Vec<TcpListener>,
    addresses: Vec<SocketAddr>,
    auto_reload: Option<Duration>,
}

/// Checks the configuration as a start would load it.
pub fn check(options: &Options) -> anyhow::Result<()> {
    announce();
    load(options)?;
    load_web_config(options)?;
    log::info!("Config file is ok exiting...");
    Ok(())
}

impl App {
    /// Loads the configuration and opens the listeners.
    pub fn build(options: Options) -> anyhow::Result<Self> {
        announce();
        let config = load(&options)?;
        let access_control = load_web_config(&options)?;
        raise_file_limit();
        let threads = cpu_quota::worker_threads();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("Error starting the runtime")?;
        let settings = ServerSettings {
            timeout_offset: options.timeout_offset,
            probe_log: options.probe_log,
            failure_log: options.failure_log,
            external_url: options.external_url,
            route_prefix: options.route_prefix,
        };
        let history = History::new(options.history_limit);
        if options.kernel_stamps {
            prepare_stamps();
        } else {
            // Never switched on again: a process may hold more than one exporter.
            wire::set_kernel_timestamps(false);
            log::info!("Readings come from this process's clock, as was asked for");
        }
        let resolver = Arc::new(resolver(options.resolver));
        let mut exporter = Exporter::new(settings, config, history, resolver)?;
        if let Some(access_control) = access_control {
            exporter = exporter.with_access_control(access_control)?;
        }
        let listeners = open(&options.listen)?;
        let addresses = listeners.iter().map(TcpListener::local_addr).collect::<Result<_, _>>()?;
        let (exporter, auto_reload) = (Arc::new(exporter), options.auto_reload);
        Ok(Self { runtime, threads, exporter, listeners, addresses, auto_reload })
    }

    /// Where it listens, with the ports that were really given.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Serves until SIGTERM or SIGINT, then lets running probes finish; a second such signal
    /// cuts them off. SIGHUP reloads the configuration.
    pub fn run(self) -> anyhow::Result<()> {
        let (stops, stopped) = watch::channel(0);
        let signals = {
            let _context = self.runtime.enter();
            Signals::install().context("Error installing signal handlers")?
        };
        let exporter = Arc::clone(&self.exporter);
        // Whether the reload went well is in the log and in the metrics.
        let reload = move || {
            let exporter = Arc::clone(&exporter);
            async move { exporter.reload(ReloadTrigger::Requested).await.unwrap_or_default() }
        };
        self.runtime.spawn(signals.watch(stops, reload));
        self.serve(signals::stopped(stopped.clone(), 1), signals::stopped(stopped, 2))
    }

    /// Serves until `shutdown`, then lets running probes finish.
    pub fn run_until(self, shutdown: impl Future<Output = ()>) -> anyhow::Result<()> {
        self.serve(shutdown, pending())
    }

    fn serve(
        self,
        shutdown: impl Future<Output = ()>,
        hurry: impl Future<Output = ()>,
    ) -> anyhow::Result<()> {
        let Self { runtime, threads, exporter, listeners, addresses, auto_reload } = self;
        let result = runtime.block_on(async {
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
            let watching =
                access_control.map(|access_control| tokio::spawn(watch_web_config(access_control)));
            let polling = auto_reload.map(|interval| tokio::spawn(poll(exporter, interval)));
            let serving = pin!(server.run_until(shutdown));
            let result = match select(serving, pin!(hurry)).await {
                Either::Left((result, _)) => result.context("Error serving HTTP"),
                Either::Right(((), _)) => Ok(()),
            };
            for task in polling.iter().chain(&watching) {
                task.abort();
            }
            result
        });
        // Whatever still runs has nobody left to answer to.
        runtime.shutdown_background();
        result
    }
}

/// What lies behind an error, from the nearest cause to the last.
#[must_use]
pub fn causes(error: &anyhow::Error) -> String {
    error.chain().skip(1).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

fn announce() {
    log::info!(version = version::summary(); "Starting {}", version::PROGRAM);
    log::info!("{}", version::build_context());
}

fn load(options: &Options) -> anyhow::Result<ConfigStore> {
    ConfigStore::load(options.config_file.clone()).context("Error loading config")
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

/// Finds out whether the kernel stamps packets, while the start goes on: where it does not, that
/// takes some milliseconds. A probe that comes sooner waits for the answer.
fn prepare_stamps() {
    let prepare = || {
        if !wire::prepare() {
            log::info!("The kernel gives no time stamps; readings come from this process's clock");
        }
    };
    if thread::Builder::new().name("stamps".to_owned()).spawn(prepare).is_err() {
        prepare();
    }
}

/// Every probe and every scraper holds a descriptor; the soft limit is often far below what the
/// system grants, and Go programs raise it too.
fn raise_file_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current == maximum {
        return;
    }
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        log::debug!(err:% = error; "Cannot raise the limit of open files");
    }
}

/// Looks at the configuration regularly, for ever.
async fn poll(exporter: Arc<Exporter>, interval: Duration) {
    let mut ticks = tokio::time::interval(interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // The first tick is at once, and the file was just loaded.
    ticks.tick().await;
    loop {
        ticks.tick().await;
        // What went wrong is in the log and in the metrics.
        exporter.reload(ReloadTrigger::Poll).await.unwrap_or_default();
    }
}

/// How often to look whether the web config file changed.
const WEB_CONFIG_INTERVAL: Duration = Duration::from_secs(1);

/// Keeps what the web config file asks for in force, for ever.
async fn watch_web_config(access_control: Arc<AccessControl>) {
    loop {
        tokio::time::sleep(WEB_CONFIG_INTERVAL).await;
        let access_control = Arc::clone(&access_control);
        // A look that broke down is made again.
        spawn_blocking(move || access_control.reload_if_changed()).await.unwrap_or_default();
    }
}
