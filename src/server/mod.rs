//! The HTTP server of the exporter. No other folder uses actix.
//!
//! The server does not know the protocols that are probed. A request becomes a
//! [`crate::probe::ProbeRequest`], and the resulting report is rendered.

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

pub use exporter::{Exporter, ReloadTrigger, ServerSettings};
pub use external_url::{AddressError, ExternalUrl, RoutePrefix};
pub use web_config::{AccessControl, WebConfigError};

use self::{pipelining::OneRequestAtATime, web_config::admit};

/// A running HTTP server.
pub struct WebServer {
    running: Server,
    stop: watch::Sender<bool>,
}

/// Maximum number of connections per worker. Each scrape and each idle client holds one.
const MAX_CONNECTIONS: usize = 50_000;

/// Timeout of idle connections. Prometheus closes them after five minutes; a shorter timeout here
/// could close a connection just as the next scrape is sent.
const KEEP_ALIVE: Duration = Duration::from_secs(330);

/// Timeout for receiving the head of a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// Time that running probes get to finish during a shutdown. Their own deadlines are shorter.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_mins(10);

impl WebServer {
    /// Starts the server. Must be called inside a tokio runtime.
    pub fn start(
        listeners: Vec<TcpListener>,
        exporter: &Arc<Exporter>,
        threads: usize,
    ) -> io::Result<Self> {
        let (stop, stopping) = watch::channel(false);
        let mut server = Server::build()
            .workers(threads.max(1))
            .max_concurrent_connections(MAX_CONNECTIONS)
            .shutdown_timeout(SHUTDOWN_TIMEOUT.as_secs())
            .disable_signals();
        for listener in listeners {
            let exporter = web::Data::from(Arc::clone(exporter));
            let stopping = stopping.clone();
            let access_control = exporter
                .access_control()
                .filter(|access_control| access_control.uses_tls())
                .map(Arc::clone);
            server = if let Some(access_control) = access_control {
                server.listen("web", listener, move || {
                    let access_control = Arc::clone(&access_control);
                    fn_service(move |stream| with_tls(stream, Arc::clone(&access_control)))
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

    /// Serves until `shutdown` completes, then refuses new connections and waits for running
    /// requests.
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

/// Prepares a connection without TLS. A failure to set `TCP_NODELAY` is ignored: it only delays
/// small responses.
fn plain(stream: TcpStream) -> (OneRequestAtATime<TcpStream>, Option<SocketAddr>) {
    drop(stream.set_nodelay(true));
    let client = stream.peer_addr().ok();
    (OneRequestAtATime::new(stream), client)
}

/// Performs the TLS handshake on a connection.
async fn with_tls(
    stream: TcpStream,
    access_control: Arc<AccessControl>,
) -> Result<(OneRequestAtATime<TlsStream<TcpStream>>, Option<SocketAddr>), DispatchError> {
    drop(stream.set_nodelay(true));
    let client = stream.peer_addr().ok();
    match web_config::accept(stream, &access_control).await {
        Ok(stream) => Ok((OneRequestAtATime::new(stream), client)),
        Err(error) => {
            let client = client.map(|client| client.to_string());
            log::debug!(client, err:% = error; "TLS handshake failed");
            Err(DispatchError::Io(error))
        }
    }
}

/// Builds the service that handles the connections of one listener.
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
    let access_control = exporter.access_control().map(Arc::clone);
    let middleware = {
        let access_control = access_control.clone();
        move |request, next| admit(access_control.clone(), request, next)
    };
    let application = App::new()
        .wrap(routes::default_headers())
        .wrap(from_fn(routes::catch_panics))
        .wrap(NormalizePath::new(TrailingSlash::MergeOnly))
        .wrap(Condition::new(access_control.is_some(), from_fn(middleware)))
        .wrap_fn(|mut request, service| {
            routes::shrink_headers(&mut request);
            service.call(request)
        })
        .configure(|services| routes::add(services, &exporter.settings))
        .app_data(exporter);
    HttpService::build()
        .keep_alive(KEEP_ALIVE)
        .client_request_timeout(HEAD_TIMEOUT)
        // When the client closes the connection, its handler is dropped and the probe is cancelled.
        .h1_allow_half_closed(false)
        // Closes idle connections at shutdown. Undocumented, but actix-web calls it too.
        .graceful_shutdown_signal(move || {
            let mut stopping = stopping.clone();
            async move {
                stopping.wait_for(|stopping| *stopping).await.ok();
            }
        })
        .h1(map_config(application, |()| AppConfig::default()))
}
