//! Connections through proxies.

mod choice;
mod connect;
mod socks;

use std::fmt;

pub(crate) use self::connect::ConnectHeaders;
use crate::{
    diagnostics::{Failure, Phase, Phases, Reason, Stage},
    metrics::{Description, Metric, Unit},
    net::{
        Context,
        connect::{
            SocketOptions,
            happy_eyeballs::{self, Connected},
        },
        http::{credentials::basic, transport::Transport, url::host_header},
        resolve::Address,
        tls::{Handshake, TlsClient, TlsStream},
        wire::{WireClock, WireStream},
    },
    policy::{Question, Role},
    settings::{http_client::Destination, secret::Secret},
};
use http::HeaderValue;

/// Duration by phase.
pub const DURATION: Metric<1> = Metric::new(
    "probe_proxy_duration_seconds",
    "Time that the proxy added, by phase, in seconds; the phase connect of \
     probe_http_duration_seconds contains the connection to the proxy.",
    ["phase"],
)
.extra()
.when("if the probe used a proxy")
.unit(Unit::Seconds)
.labels_mean([
    "resolve: lookup of the proxy's name; tls: TLS handshake with the proxy; tunnel: CONNECT or \
     SOCKS request",
]);

/// The metrics of a proxy.
pub const METRICS: &[Description] = &[DURATION.describe()];

/// The phases of `probe_proxy_duration_seconds`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProxyPhase {
    /// Resolving the proxy's name.
    Resolve,
    /// The TLS handshake with the proxy itself.
    Tls,
    /// Requesting a connection to the target from the proxy.
    Tunnel,
}

impl Phase for ProxyPhase {
    fn label(self) -> &'static str {
        match self {
            Self::Resolve => "resolve",
            Self::Tls => "tls",
            Self::Tunnel => "tunnel",
        }
    }
}

/// A proxy, with the credentials of its URL.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    kind: Kind,
    host: String,
    port: u16,
    user: Option<User>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Http,
    Https,
    /// SOCKS5. As upstream does it, the proxy resolves names, for `socks5` and `socks5h`.
    Socks,
}

#[derive(Clone, PartialEq, Eq)]
struct User {
    name: Secret,
    password: Secret,
}

/// The host and port to which the proxy connects.
#[derive(Debug, Clone, Copy)]
pub struct Endpoint<'e> {
    /// The host name.
    pub host: &'e str,
    /// The resolved address of the host, if any. The proxy then connects to this address.
    pub address: Option<Address>,
    /// The port.
    pub port: u16,
}

impl Proxy {
    /// Connects to the proxy, for requests to `endpoint`, whose role is `role`. The policy is asked about
    /// both.
    ///
    /// # Errors
    /// A failure of the stage [`Stage::Proxy`], or a denial.
    pub(crate) async fn connect(
        &self,
        context: &Context,
        (endpoint, over_tls): (Endpoint<'_>, bool),
        role: Role,
        times: &mut Phases<ProxyPhase>,
    ) -> Result<WireStream, Failure> {
        context.policy.judge(&self.question(endpoint, over_tls, role))?;
        let _held = context.hold(Stage::Proxy);
        let _waiting = context.waiting_within(|| format!("the proxy {self}"));
        self.hide_login(context);
        context.log.debug("Connecting to the proxy", &[("proxy", self)]);
        let connected = happy_eyeballs::connect(
            context,
            &self.host,
            self.port,
            &SocketOptions::to_peer(Role::Proxy),
        )
        .await;
        let Connected { stream, lookup } = connected.map_err(|failure| self.blame(&failure))?;
        times.add_until(ProxyPhase::Resolve, lookup.time, lookup.end());
        times.add_incomplete_until(ProxyPhase::Resolve, lookup.lost, lookup.end_of_lost());
        Ok(stream)
    }

    /// Returns what the policy judges of the host behind the proxy. A request without a tunnel carries
    /// its name, also if it was resolved here.
    fn question<'e>(&self, endpoint: Endpoint<'e>, over_tls: bool, role: Role) -> Question<'e> {
        let Endpoint { host, address, port } = endpoint;
        let has_tunnel = over_tls || self.kind == Kind::Socks;
        let address = address.map(Address::ip).filter(|_| has_tunnel);
        Question {
            role,
            host: Some(host),
            address,
            port: Some(port),
            is_unresolved: address.is_none(),
            ..Question::default()
        }
    }

    /// Prepares a connection to the proxy for requests to `endpoint`: TLS with the proxy if its URL
    /// is https, then a tunnel. Requests without TLS need no tunnel through an HTTP proxy; the
    /// proxy is returned then.
    ///
    /// # Errors
    /// A failure of the stage [`Stage::Proxy`].
    pub(crate) async fn pass(
        self,
        context: &Context,
        stream: WireStream,
        (endpoint, over_tls): (Endpoint<'_>, bool),
        (tls, headers): (&TlsClient, &ConnectHeaders),
        times: &mut Phases<ProxyPhase>,
    ) -> Result<(Box<dyn Transport>, Option<Self>), Failure> {
        let _held = context.hold(Stage::Proxy);
        let waiting = context.waiting_within(|| format!("the proxy {self}"));
        let clock = stream.clock();
        let stream: Box<dyn Transport> = match self.kind {
            Kind::Https => Box::new(self.secure(context, stream, tls, times).await?),
            Kind::Http | Kind::Socks => Box::new(stream),
        };
        if !over_tls && self.kind != Kind::Socks {
            drop(waiting);
            return Ok((stream, Some(self)));
        }
        let stream = self.tunnel(context, (stream, &clock), endpoint, headers, times).await?;
        Ok((stream, None))
    }

    /// Negotiates TLS with the proxy.
    ///
    /// Unlike upstream: the certificate must match the host name of the proxy.
    async fn secure(
        &self,
        context: &Context,
        stream: WireStream,
        tls: &TlsClient,
        times: &mut Phases<ProxyPhase>,
    ) -> Result<TlsStream<WireStream>, Failure> {
        let clock = stream.clock();
        let request = Handshake { server_name: &self.host, alpn: &[] };
        let stopwatch = times.stopwatch(ProxyPhase::Tls);
        let client = tls.without_server_name();
        let secured = client.handshake(context, stream, request, &mut None).await;
        stopwatch.stop_at(clock.lap().waiting);
        secured.map_err(|failure| self.blame(&failure))
    }

    /// Requests a tunnel to `endpoint`; `headers` are added to a CONNECT request.
    async fn tunnel(
        &self,
        context: &Context,
        (stream, clock): (Box<dyn Transport>, &WireClock),
        endpoint: Endpoint<'_>,
        headers: &ConnectHeaders,
        times: &mut Phases<ProxyPhase>,
    ) -> Result<Box<dyn Transport>, Failure> {
        let stopwatch = times.stopwatch(ProxyPhase::Tunnel);
        let tunnelled = match self.kind {
            Kind::Http | Kind::Https => {
                let _waiting = context.waiting_for(|| {
                    let received = clock.so_far().received;
                    connect::describe_wait(endpoint, received)
                });
                let connection = (stream, clock);
                connect::connect(context, connection, endpoint, headers, self.authorization()).await
            }
            Kind::Socks => socks::connect(context, stream, endpoint, self.user.as_ref()).await,
        };
        stopwatch.stop_at(clock.lap().waiting);
        let tunnelled = tunnelled.map_err(|failure| self.blame(&failure))?;
        context
            .log
            .debug("Tunnel through the proxy established", &[("proxy", self), ("to", &endpoint)]);
        Ok(tunnelled)
    }

    /// Returns the value of `Proxy-Authorization`, if the proxy's URL has a user.
    pub(crate) fn authorization(&self) -> Option<HeaderValue> {
        let User { name, password } = self.user.as_ref()?;
        basic(name.expose(), password.expose()).ok()
    }

    /// Adds the credentials to the secrets to redact. A proxy from the environment is not among the
    /// secrets of the module.
    fn hide_login(&self, context: &Context) {
        if let Some(User { password, .. }) = &self.user {
            context.hide(password.expose());
            if let Some(Ok(authorization)) = self.authorization().as_ref().map(HeaderValue::to_str)
            {
                context.hide(authorization.trim_start_matches("Basic "));
            }
        }
    }

    fn scheme(&self) -> &'static str {
        match self.kind {
            Kind::Http => "http",
            Kind::Https => "https",
            Kind::Socks => "socks5",
        }
    }

    /// Converts a failure of the connection to the proxy, or of the proxy, to the stage proxy.
    fn blame(&self, failure: &Failure) -> Failure {
        let reason = match failure.reason {
            // The invalid host is that of the proxy, not the target.
            Reason::InvalidTarget => Reason::InvalidRequest,
            reason => reason,
        };
        Failure::new(Stage::Proxy, reason, format!("the proxy {self}: {failure}"))
    }
}

impl<'e> From<Endpoint<'e>> for Destination<'e> {
    fn from(endpoint: Endpoint<'e>) -> Self {
        let Endpoint { host, address, port } = endpoint;
        Self { host, address: address.map(Address::ip), port }
    }
}

/// The URL without user and password.
impl fmt::Display for Proxy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}://{}", self.scheme(), authority(&self.host, self.port))
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

/// Host and port in the format for a proxy.
impl fmt::Display for Endpoint<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self.address {
            Some(address) => authority(&address.ip().to_string(), self.port),
            None => authority(self.host, self.port),
        };
        formatter.write_str(&host_header(&text))
    }
}

/// Joins host and port, with brackets around an IPv6 address.
fn authority(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// Returns a failure of the stage proxy.
fn refusal(reason: Reason, message: impl Into<String>) -> Failure {
    Failure::new(Stage::Proxy, reason, message)
}
