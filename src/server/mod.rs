//! The HTTP server of the exporter. No other folder uses actix.
//!
//! The server does not know the protocols that are probed. A request becomes a
//! [`crate::probe::ProbeRequest`], and the resulting report is rendered.

mod connections;
mod content_negotiation;
mod delay;
mod exporter;
mod external_url;
mod handlers;
mod metrics;
mod pages;
mod pipelining;
mod prometheus_url;
mod query;
mod response;
mod response_format;
mod routes;
mod shutdown;
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
use actix_service::{
    Service as _, ServiceFactory, ServiceFactoryExt as _, apply_fn_factory, fn_service, map_config,
};
use actix_web::{
    App,
    dev::AppConfig,
    middleware::{Condition, from_fn},
    web,
};
use futures_util::{
    FutureExt as _,
    future::{Either, select},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::server::TlsStream;

pub use exporter::{Exporter, ReloadTrigger, ServerSettings};
pub use external_url::{AddressError, ExternalUrl, RoutePrefix};
pub use prometheus_url::{PrometheusUrl, PrometheusUrlError};
pub use web_config::{AccessControl, WebConfigError, check as check_web_config};

use self::{
    connections::{ClientError, Connection, ConnectionMetrics, Connections},
    pipelining::{HEAD_TIMEOUT, OneRequestAtATime},
    web_config::admit,
};
use crate::scheduling::poll_times;

/// A running HTTP server.
pub struct WebServer {
    running: Server,
    connections: Arc<Connections>,
}

/// Timeout of idle connections. Prometheus closes them after five minutes; a shorter timeout here
/// could close a connection just as the next scrape is sent.
const KEEP_ALIVE: Duration = Duration::from_secs(330);

/// Time that running probes get to finish during a shutdown. Their own deadlines are shorter.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_mins(10);

impl WebServer {
    /// Starts the server. Must be called inside a tokio runtime.
    pub fn start(
        listeners: Vec<TcpListener>,
        exporter: &Arc<Exporter>,
        threads: usize,
    ) -> io::Result<Self> {
        let (threads, max_connections) = (threads.max(1), exporter.capacity.connections);
        let connections = Connections::new(
            exporter.capacity,
            exporter.metrics.connections.clone(),
            Arc::clone(&exporter.shutdown),
            exporter.settings.max_connection_age,
        );
        let mut server = Server::build()
            .workers(threads)
            // Above its maximum, the list closes idle connections. If none is idle, new ones wait.
            .max_concurrent_connections((max_connections + max_connections / 2).div_ceil(threads))
            .shutdown_timeout(SHUTDOWN_TIMEOUT.as_secs())
            .disable_signals();
        for listener in listeners {
            let exporter = web::Data::from(Arc::clone(exporter));
            let list = Arc::clone(&connections);
            let access_control = exporter
                .access_control()
                .filter(|access_control| access_control.uses_tls())
                .map(Arc::clone);
            server = if let Some(access_control) = access_control {
                server.listen("web", listener, move || {
                    let (list, access_control) = (Arc::clone(&list), Arc::clone(&access_control));
                    fn_service(move |stream| {
                        with_tls(stream, Arc::clone(&list), Arc::clone(&access_control))
                    })
                    .and_then(requests(exporter.clone()))
                })?
            } else {
                server.listen("web", listener, move || {
                    let list = Arc::clone(&list);
                    fn_service(move |stream| plain(stream, Arc::clone(&list)))
                        .and_then(requests(exporter.clone()))
                })?
            };
        }
        Ok(Self { running: server.run(), connections })
    }

    /// Serves until `shutdown` completes, then refuses new connections and waits for running
    /// requests.
    pub async fn run_until(self, shutdown: impl Future<Output = ()>) -> io::Result<()> {
        let Self { running, connections } = self;
        let handle = running.handle();
        match select(running, pin!(shutdown)).await {
            Either::Left((result, _)) => result,
            Either::Right(((), running)) => {
                connections.shut_down();
                let ((), result) = tokio::join!(handle.stop(true), running);
                result
            }
        }
    }
}

/// A prepared connection, with the address of its client.
type Prepared<S> = Result<(OneRequestAtATime<S>, Option<SocketAddr>), DispatchError>;

/// Adds a connection to the list. A failure to set `TCP_NODELAY` is ignored: it only delays small
/// responses.
async fn register(
    stream: &TcpStream,
    connections: &Arc<Connections>,
) -> Result<(Connection, Option<SocketAddr>), DispatchError> {
    drop(stream.set_nodelay(true));
    let client = stream.peer_addr().ok();
    let too_many = || DispatchError::Io(io::Error::other("too many connections of one client"));
    Ok((connections.open(client).await.ok_or_else(too_many)?, client))
}

/// Prepares a connection without TLS.
async fn plain(stream: TcpStream, connections: Arc<Connections>) -> Prepared<TcpStream> {
    let (connection, client) = register(&stream, &connections).await?;
    Ok((OneRequestAtATime::new(stream, connection), client))
}

/// Performs the TLS handshake on a connection.
async fn with_tls(
    stream: TcpStream,
    connections: Arc<Connections>,
    access_control: Arc<AccessControl>,
) -> Prepared<TlsStream<TcpStream>> {
    let (connection, client) = register(&stream, &connections).await?;
    let name = poll_times::name(|| "TLS handshake of a client".to_owned());
    let handshake = web_config::accept(stream, &connection, &access_control);
    match poll_times::watch(name, handshake).await {
        Ok(stream) => Ok((OneRequestAtATime::new(stream, connection), client)),
        Err(error) => {
            connections.metrics.count_error(ClientError::TlsHandshake);
            let client = client.map(|client| client.to_string());
            log::debug!(client, err:% = error; "TLS handshake failed");
            Err(DispatchError::Io(error))
        }
    }
}

/// Counts and logs a request that is not valid HTTP.
fn count_error(metrics: &ConnectionMetrics, error: DispatchError) -> DispatchError {
    if let DispatchError::Parse(error) = &error {
        metrics.count_error(ClientError::BadRequest);
        log::debug!(err:% = error; "Invalid request");
    }
    error
}

/// Builds the service that handles the requests of one listener.
fn requests<S: AsyncRead + AsyncWrite + Unpin + 'static>(
    exporter: web::Data<Exporter>,
) -> impl ServiceFactory<
    (OneRequestAtATime<S>, Option<SocketAddr>),
    Config = (),
    Response = (),
    Error = DispatchError,
    InitError = (),
> {
    let access_control = exporter.access_control().map(Arc::clone);
    let metrics = exporter.metrics.connections.clone();
    let connections_age = exporter.settings.max_connection_age.is_some();
    let middleware = {
        let access_control = access_control.clone();
        move |request, next| admit(access_control.clone(), request, next)
    };
    let application = App::new()
        .wrap(routes::default_headers())
        .wrap(from_fn(routes::catch_panics))
        .wrap(Condition::new(access_control.is_some(), from_fn(middleware)))
        .wrap_fn(|mut request, service| {
            routes::shrink_headers(&mut request);
            routes::merge_slashes(&mut request);
            service.call(request).map(|answer| answer.map(routes::close_connection_if_due))
        })
        .configure(|services| routes::add(services, &exporter.settings))
        .app_data(exporter);
    let service = HttpService::build()
        .keep_alive(KEEP_ALIVE)
        .client_request_timeout(HEAD_TIMEOUT)
        // When the client closes the connection, its handler is dropped and the probe is cancelled.
        .h1_allow_half_closed(false);
    // Without a maximum age, connections need no data.
    let service = if connections_age {
        service.on_connect_ext(|connection: &OneRequestAtATime<S>, data| {
            if let Some(expiry) = connection.expiry() {
                data.insert(expiry);
            }
        })
    } else {
        service
    };
    let service = service.h1(map_config(application, |()| AppConfig::default()));
    let service = apply_fn_factory(service, |connection, service| {
        let name = poll_times::name(|| "connection of a client".to_owned());
        poll_times::watch(name, service.call(connection))
    });
    service.map_err(move |error| count_error(&metrics, error))
}
