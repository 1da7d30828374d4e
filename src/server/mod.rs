//! The web face of the exporter, and the only folder that knows actix.
//!
//! It knows no protocol that is probed: a request becomes a [`crate::probe::ProbeRequest`], and
//! what comes back is shown.

mod content_negotiation;
mod exporter;
mod external_url;
mod handlers;
mod metrics;
mod pages;
mod pipelining;
mod query;
mod response;
mod response_format;
mod routes;
mod web_config;

use std::{
    future::Future,
    io,
    net::{SocketAddr, TcpListener},
    pin::pin,
    sync::Arc,
    time::Duration,
};

use actix_http::{HttpService, error::DispatchError};
use actix_server::Server;
use actix_service::{Service as _, ServiceFactory, ServiceFactoryExt as _, fn_service, map_config};
use actix_web::{
    App,
    dev::AppConfig,
    middleware::{Condition, NormalizePath, TrailingSlash, from_fn},
    web,
};
use futures_util::future::{Either, select};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    sync::watch,
};
use tokio_rustls::server::TlsStream;

pub use exporter::{Exporter, Settings, Trigger};
pub use external_url::{AddressError, ExternalUrl, RoutePrefix};
pub use web_config::{Guard, WebConfigError};

use self::{pipelining::Turns, web_config::admit};

/// The running server.
pub struct WebServer {
    running: Server,
    stop: watch::Sender<bool>,
}

/// Connections per worker; each scrape in flight and each idle scraper holds one.
const MOST_CONNECTIONS: usize = 50_000;

/// Prometheus lets idle connections go after five minutes; closing them a little earlier would
/// race with its next scrape.
const KEEP_ALIVE: Duration = Duration::from_secs(330);

/// How long the head of a request may take to arrive.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// How long running probes may take after the exporter was told to stop; their own deadlines are
/// shorter.
const DRAIN: Duration = Duration::from_mins(10);

impl WebServer {
    /// Begins to serve; must be called inside a tokio runtime.
    pub fn start(
        listeners: Vec<TcpListener>,
        exporter: &Arc<Exporter>,
        threads: usize,
    ) -> io::Result<Self> {
        let (stop, stopping) = watch::channel(false);
        let mut server = Server::build()
            .workers(threads.max(1))
            .max_concurrent_connections(MOST_CONNECTIONS)
            .shutdown_timeout(DRAIN.as_secs())
            .disable_signals();
        for listener in listeners {
            let exporter = web::Data::from(Arc::clone(exporter));
            let stopping = stopping.clone();
            let guard = exporter.guard().filter(|guard| guard.speaks_tls()).map(Arc::clone);
            server = if let Some(guard) = guard {
                server.listen("web", listener, move || {
                    let guard = Arc::clone(&guard);
                    fn_service(move |stream| with_tls(stream, Arc::clone(&guard)))
                        .and_then(connections(exporter.clone(), stopping.clone()))
                })?
            } else {
                server.listen("web", listener, move || {
                    fn_service(async |stream| Ok::<_, DispatchError>(plain(stream)))
                        .and_then(connections(exporter.clone(), stopping.clone()))
                })?
            };
        }
        Ok(Self { running: server.run(), stop })
    }

    /// Serves until `shutdown`, then refuses new connections and lets running requests finish.
    pub async fn run_until(self, shutdown: impl Future<Output = ()>) -> io::Result<()> {
        let handle = self.running.handle();
        match select(self.running, pin!(shutdown)).await {
            Either::Left((result, _)) => result,
            Either::Right(((), running)) => {
                self.stop.send_replace(true);
                let ((), result) = tokio::join!(handle.stop(true), running);
                result
            }
        }
    }
}

/// A connection as it comes. Small answers must not wait for the acknowledgement of those before
/// them; a socket that refuses that serves all the same.
fn plain(stream: TcpStream) -> (Turns<TcpStream>, Option<SocketAddr>) {
    drop(stream.set_nodelay(true));
    let client = stream.peer_addr().ok();
    (Turns::new(stream), client)
}

/// A connection after its handshake.
async fn with_tls(
    stream: TcpStream,
    guard: Arc<Guard>,
) -> Result<(Turns<TlsStream<TcpStream>>, Option<SocketAddr>), DispatchError> {
    drop(stream.set_nodelay(true));
    let client = stream.peer_addr().ok();
    match web_config::accept(stream, &guard).await {
        Ok(stream) => Ok((Turns::new(stream), client)),
        Err(error) => {
            let client = client.map(|client| client.to_string());
            log::debug!(client, err:% = error; "TLS handshake failed");
            Err(DispatchError::Io(error))
        }
    }
}

/// What serves the connections of one listener.
fn connections<S: AsyncRead + AsyncWrite + Unpin + 'static>(
    exporter: web::Data<Exporter>,
    stopping: watch::Receiver<bool>,
) -> impl ServiceFactory<
    (S, Option<SocketAddr>),
    Config = (),
    Response = (),
    Error = DispatchError,
    InitError = (),
> {
    let guard = exporter.guard().map(Arc::clone);
    let guarded = {
        let guard = guard.clone();
        move |request, next| admit(guard.clone(), request, next)
    };
    let application = App::new()
        .wrap(routes::headers())
        .wrap(from_fn(routes::panics_are_answers))
        .wrap(NormalizePath::new(TrailingSlash::MergeOnly))
        .wrap(Condition::new(guard.is_some(), from_fn(guarded)))
        .wrap_fn(|mut request, service| {
            routes::fit_head(&mut request);
            service.call(request)
        })
        .configure(|services| routes::add(services, &exporter.settings))
        .app_data(exporter);
    HttpService::build()
        .keep_alive(KEEP_ALIVE)
        .client_request_timeout(HEAD_TIMEOUT)
        // A scraper that hung up needs no answer: its handler is dropped, and the probe with it.
        .h1_allow_half_closed(false)
        // Idle connections are closed then. The method is not documented; actix-web calls it too.
        .graceful_shutdown_signal(move || {
            let mut stopping = stopping.clone();
            async move {
                stopping.wait_for(|stopping| *stopping).await.ok();
            }
        })
        .h1(map_config(application, |()| AppConfig::default()))
}
