//! Through a proxy: which one, and how to get through it.

mod choice;
mod connect;
mod socks;

use std::fmt;

use http::HeaderValue;
use tokio::time::Instant;

pub(crate) use self::connect::ConnectHeaders;
use crate::{
    diagnostics::{Failure, Phase, Phases, Reason, Stage},
    metrics::{Description, Metric, Unit},
    net::{
        Context,
        connect::{SocketOptions, happy_eyeballs},
        http::{credentials::basic, transport::Transport, url::host_header},
        resolve::Address,
        tls::{Handshake, TlsClient},
        wire::{WireClock, WireStream},
    },
    settings::{http_client::Destination, secret::Secret},
};

/// The time that a proxy took, by phase.
pub const DURATION: Metric<1> = Metric::new(
    "probe_proxy_duration_seconds",
    "How long it took to get through a proxy, in seconds, beside connecting to it.",
    ["phase"],
)
.extra()
.when("when the probe went through a proxy")
.unit(Unit::Seconds)
.labels_mean([
    "resolve: looking up the proxy; tls: the handshake with it; tunnel: asking it for a connection",
]);

/// The metrics of a proxy.
pub const METRICS: &[Description] = &[DURATION.describe()];

/// The phases of `probe_proxy_duration_seconds`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProxyPhase {
    /// Looking up the proxy's name.
    Resolve,
    /// The TLS handshake with the proxy itself.
    Tls,
    /// Asking the proxy for a connection to the target.
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

/// A proxy, and who we are for it.
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
    /// SOCKS5. As upstream does it, names are resolved by the proxy, whether it is written `socks5`
    /// or `socks5h`.
    Socks,
}

#[derive(Clone, PartialEq, Eq)]
struct User {
    name: Secret,
    password: Secret,
}

/// Where a proxy is asked to connect to.
#[derive(Debug, Clone, Copy)]
pub struct Endpoint<'e> {
    /// The name.
    pub host: &'e str,
    /// The address that was chosen for it, if one was; the proxy is then asked for that.
    pub address: Option<Address>,
    /// The port.
    pub port: u16,
}

impl Proxy {
    /// Whether requests over plain HTTP are given to the proxy itself, rather than to the target
    /// through a tunnel.
    #[must_use]
    pub fn takes_requests(&self) -> bool {
        self.kind != Kind::Socks
    }

    /// Connects to the proxy.
    ///
    /// # Errors
    /// A failure of the stage [`Stage::Proxy`], as of all that follows.
    pub async fn connect(
        &self,
        context: &Context,
        times: &mut Phases<ProxyPhase>,
    ) -> Result<WireStream, Failure> {
        let _held = context.hold(Stage::Proxy);
        let _waiting = context.waiting_within(|| format!("the proxy {self}"));
        self.hide_login(context);
        context.log.debug("Connecting to the proxy", &[("proxy", self)]);
        let begun = Instant::now();
        let connected =
            happy_eyeballs::connect(context, &self.host, self.port, &SocketOptions::default())
                .await;
        let reached = connected.map_err(|failure| self.blame(&failure))?;
        let found = begun + reached.lookup;
        times.add_until(ProxyPhase::Resolve, reached.lookup, found);
        times.add_incomplete_until(
            ProxyPhase::Resolve,
            reached.incomplete,
            found + reached.incomplete,
        );
        Ok(reached.stream)
    }

    /// Speaks TLS with the proxy if its URL says so.
    ///
    /// Unlike upstream: the name that is asked for and checked is the proxy's.
    pub(crate) async fn secure(
        &self,
        context: &Context,
        stream: WireStream,
        tls: &TlsClient,
        times: &mut Phases<ProxyPhase>,
    ) -> Result<Box<dyn Transport>, Failure> {
        if self.kind != Kind::Https {
            return Ok(Box::new(stream));
        }
        let _held = context.hold(Stage::Proxy);
        let _waiting = context.waiting_within(|| format!("the proxy {self}"));
        let clock = stream.clock();
        let request = Handshake { server_name: &self.host, alpn: &[] };
        let securing = times.stopwatch(ProxyPhase::Tls);
        let client = tls.without_server_name();
        let shaken = client.handshake(context, stream, request, &mut None).await;
        securing.stop_at(clock.lap().waiting);
        Ok(Box::new(shaken.map_err(|failure| self.blame(&failure))?))
    }

    /// Has the proxy connect to `endpoint`; what comes back leads there. `headers` are those of the
    /// CONNECT request.
    pub(crate) async fn tunnel(
        &self,
        context: &Context,
        stream: Box<dyn Transport>,
        clock: &WireClock,
        endpoint: Endpoint<'_>,
        headers: &ConnectHeaders,
        times: &mut Phases<ProxyPhase>,
    ) -> Result<Box<dyn Transport>, Failure> {
        let _held = context.hold(Stage::Proxy);
        let _waiting = context.waiting_within(|| format!("the proxy {self}"));
        let tunnelling = times.stopwatch(ProxyPhase::Tunnel);
        let tunnelled = match self.kind {
            Kind::Http | Kind::Https => {
                let _waiting = context.waiting_for(|| {
                    let received = clock.so_far().received;
                    connect::describe_wait(endpoint, received)
                });
                connect::connect(stream, clock, endpoint, headers, self.authorization()).await
            }
            Kind::Socks => socks::connect(context, stream, endpoint, self.user.as_ref()).await,
        };
        tunnelling.stop_at(clock.lap().waiting);
        let tunnelled = tunnelled.map_err(|failure| self.blame(&failure))?;
        context.log.debug("The proxy has connected", &[("proxy", self), ("to", &endpoint)]);
        Ok(tunnelled)
    }

    /// The value of `Proxy-Authorization`, if the proxy's URL names a user.
    pub(crate) fn authorization(&self) -> Option<HeaderValue> {
        let User { name, password } = self.user.as_ref()?;
        basic(name.expose(), password.expose()).ok()
    }

    /// The environment may have named the proxy, so the module need not know the password.
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

    /// A failure on the way to the proxy, or of its own.
    fn blame(&self, failure: &Failure) -> Failure {
        let reason = match failure.reason {
            // The proxy's host is meant, not the target.
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

/// Without the user.
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

/// As it is named to a proxy: host and port, as they go on the wire.
impl fmt::Display for Endpoint<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self.address {
            Some(address) => authority(&address.ip().to_string(), self.port),
            None => authority(self.host, self.port),
        };
        formatter.write_str(&host_header(&text))
    }
}

/// Host and port, with brackets around an IPv6 address.
fn authority(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// A failure of the proxy's own.
fn refusal(reason: Reason, message: impl Into<String>) -> Failure {
    Failure::new(Stage::Proxy, reason, message)
}
