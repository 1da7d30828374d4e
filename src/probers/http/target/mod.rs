//! The URL of a target, and connections to its server and to those of redirects.

#[cfg(feature = "http3")]
mod http3;

use std::borrow::Cow;

use crate::{
    diagnostics::{Failure, Reason, Stage},
    net::{
        Context,
        connect::{ConnectionMeasurements, SocketOptions},
        http::{
            connection::Connection,
            transport::Transport,
            url::{Url, hostname},
        },
        policy::Destination,
        proxy::{Endpoint, Proxy},
        resolve::Address,
        tls::{Handshake, TlsClient},
        wire::{WireClock, WireStream},
    },
    policy::{Role, Scheme},
    probers::http::{
        measurements::HttpMeasurements, phases::HttpPhase, request::Hop, settings::HttpProber,
    },
};

/// Parses a target as a URL; `http://` is added if it has neither that nor `https://`.
pub(super) fn url_of(target: &str) -> Result<Url, Failure> {
    parse(target, "http")
}

/// Parses a target of HTTP/3 as a URL, which is always over TLS.
pub(super) fn url_over_quic(context: &Context, target: &str) -> Result<Url, Failure> {
    let mut url = parse(target, "https")?;
    if url.scheme != "https" {
        let message = "HTTP/3 requires TLS: https:// is used instead of http://";
        context.log.warn(message, &[("target", &target)]);
        "https".clone_into(&mut url.scheme);
    }
    Ok(url)
}

fn parse(target: &str, default_scheme: &str) -> Result<Url, Failure> {
    let has_scheme = |scheme: &str| {
        target.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    };
    let url = if has_scheme("http://") || has_scheme("https://") {
        Url::parse(target)
    } else {
        Url::parse(&format!("{default_scheme}://{target}"))
    };
    url.map_err(|error| {
        let message = format!("the target is not a URL: {error}");
        Failure::new(Stage::Target, Reason::InvalidTarget, message)
    })
}

/// The host of the target, at the address that was chosen for it.
#[derive(Debug, Clone)]
pub(super) struct Pinned {
    hostname: String,
    /// Absent if a proxy resolves the name.
    address: Option<Address>,
}

impl Pinned {
    pub(super) fn new(url: &Url, address: Option<Address>) -> Self {
        Self { hostname: url.hostname().to_owned(), address }
    }

    /// Returns whether a URL has this host, with any port.
    pub(super) fn is_host_of(&self, url: &Url) -> bool {
        url.hostname().eq_ignore_ascii_case(&self.hostname)
    }

    /// Returns the address that was chosen, if a URL has this host.
    pub(super) fn address_of(&self, url: &Url) -> Option<Address> {
        self.address.filter(|_| self.is_host_of(url))
    }

    /// Returns whether credentials for this host may be sent to that of a URL: the same or a subdomain.
    pub(super) fn shares_credentials_with(&self, url: &Url) -> bool {
        let host = url.hostname();
        self.is_host_of(url)
            || !host.contains([':', '%'])
                && host.len() > self.hostname.len()
                && host
                    .to_ascii_lowercase()
                    .strip_suffix(&self.hostname.to_ascii_lowercase())
                    .is_some_and(|sub| sub.ends_with('.'))
    }
}

/// Returns the port of a URL.
fn port_of(url: &Url) -> Result<u16, Failure> {
    url.port_or(if url.scheme == "https" { 443 } else { 80 })
        .map_err(|message| Failure::new(Stage::Connect, Reason::InvalidTarget, message))
}

/// Returns what the policy judges of a URL before its host is resolved.
pub(super) fn destination_of(url: &Url, over_quic: bool) -> Destination<'_> {
    let scheme = match url.scheme.as_str() {
        "https" if over_quic => Scheme::Http3,
        "https" => Scheme::Https,
        _ => Scheme::Http,
    };
    Destination { scheme: Some(scheme), host: url.hostname(), port: port_of(url).ok() }
}

/// Connects to the server of a hop, with TLS if its URL says so, or to the proxy that takes the
/// request in its place; that proxy is returned too.
///
/// Unlike upstream: wherever a redirect leads back to the target's own host, the connection goes
/// to the address that was chosen and reported, and a configured `server_name` holds.
pub(super) async fn connect(
    prober: &HttpProber,
    context: &Context,
    hop: &Hop,
    pinned: &Pinned,
    measurements: &mut HttpMeasurements,
) -> Result<(Connection, Option<Proxy>), Failure> {
    #[cfg(feature = "http3")]
    if prober.enable_http3 {
        let connection =
            Box::pin(http3::connect(prober, context, hop, pinned, measurements)).await?;
        return Ok((connection, None));
    }
    let is_own = pinned.is_host_of(&hop.url);
    let endpoint = Endpoint {
        host: hop.url.hostname(),
        address: pinned.address_of(&hop.url),
        port: port_of(&hop.url)?,
    };
    let over_tls = hop.url.scheme == "https";
    let proxy = Proxy::choose(&prober.client.proxy, over_tls, endpoint.into())
        .inspect_err(|_| context.enter(Stage::Proxy))?;
    let route = Route { prober, context, hop, endpoint, is_own };
    match proxy {
        // Boxed, since few probes need it.
        Some(proxy) => Box::pin(route.through(proxy, measurements)).await,
        None => Ok((route.directly(&mut measurements.connection).await?, None)),
    }
}

/// The measurements of the connection of a hop.
type HopConnection = ConnectionMeasurements<HttpPhase>;

/// The route to the server of a hop.
struct Route<'r> {
    prober: &'r HttpProber,
    context: &'r Context,
    hop: &'r Hop,
    endpoint: Endpoint<'r>,
    /// True if the server is the target's own host.
    is_own: bool,
}

impl Route<'_> {
    async fn directly(self, connection: &mut HopConnection) -> Result<Connection, Failure> {
        let Endpoint { address, port, .. } = self.endpoint;
        let stream = match address {
            Some(address) => {
                let options = SocketOptions::default();
                connection.connect(self.context, address.with_port(port), &options).await?
            }
            None => Box::pin(self.connect_by_name(connection)).await?,
        };
        let clock = stream.clock();
        if self.is_plain() {
            return Ok(Connection::http1(Box::new(stream), clock));
        }
        self.secure(stream, clock, connection).await
    }

    /// Connects to a host whose address was not looked up before.
    async fn connect_by_name(&self, connection: &mut HopConnection) -> Result<WireStream, Failure> {
        let Endpoint { host, port, .. } = self.endpoint;
        let options = SocketOptions::default();
        let connected = connection.connect_by_name(self.context, host, port, &options).await;
        let (stream, lookup) = connected.map_err(|failure| self.hop.blame(failure, self.is_own))?;
        let phases = &mut connection.phases;
        // As upstream does it, the phase is absent if the module skips the lookup of the target.
        if self.is_own {
            phases.add_incomplete_until(HttpPhase::Resolve, lookup.time, lookup.end());
        } else {
            phases.add_until(HttpPhase::Resolve, lookup.time, lookup.end());
        }
        phases.add_incomplete_until(HttpPhase::Connect, lookup.lost, lookup.end_of_lost());
        Ok(stream)
    }

    async fn through(
        self,
        proxy: Proxy,
        measurements: &mut HttpMeasurements,
    ) -> Result<(Connection, Option<Proxy>), Failure> {
        let HttpMeasurements { connection, proxy: times, .. } = measurements;
        let to = (self.endpoint, !self.is_plain());
        let connecting = proxy.connect(self.context, to, Role::Target, times);
        let stream = connection.connect_with(connecting).await?;
        let clock = stream.clock();
        let tls = (&self.prober.tls_client, &self.prober.client.proxy.proxy_connect_header);
        let (stream, proxy) = proxy.pass(self.context, stream, to, tls, times).await?;
        let connection = if self.is_plain() {
            Connection::http1(stream, clock)
        } else {
            self.secure(stream, clock, connection).await?
        };
        Ok((connection, proxy))
    }

    fn is_plain(&self) -> bool {
        self.hop.url.scheme != "https"
    }

    /// Negotiates TLS with the server.
    async fn secure<S: Transport + 'static>(
        self,
        stream: S,
        clock: WireClock,
        connection: &mut HopConnection,
    ) -> Result<Connection, Failure> {
        let (client, server_name) = tls_of(self.prober, self.hop, self.is_own);
        // A request cannot ask for another protocol over HTTP/2.
        let offers_http2 = self.prober.client.enable_http2 && !self.hop.upgrades;
        let alpn: &[&[u8]] = if offers_http2 { &[b"h2", b"http/1.1"] } else { &[] };
        let handshake = Handshake { server_name, alpn };
        let stream = connection.secure(self.context, stream, &client, handshake).await?;
        let agreed = connection.tls.as_ref().and_then(|session| session.alpn.as_deref());
        Ok(match agreed {
            Some(b"h2") => Connection::http2(Box::new(stream), clock),
            _ => Connection::http1(Box::new(stream), clock),
        })
    }
}

/// Returns the TLS client and the server name for the server of a hop; `is_own` if that is the
/// target's host.
fn tls_of<'a>(prober: &'a HttpProber, hop: &'a Hop, is_own: bool) -> (Cow<'a, TlsClient>, &'a str) {
    if is_own {
        (Cow::Borrowed(&prober.tls_client), hostname(hop.host()))
    } else {
        (Cow::Owned(prober.tls_client.without_server_name()), hop.url.hostname())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_the_schemes_unless_written() {
        for (url, port) in [
            ("http://h/", Some(80)),
            ("https://h/", Some(443)),
            ("https://h:80/", Some(80)),
            ("http://h:/", Some(80)),
            ("http://h:08080/", Some(8080)),
            ("http://h:65536/", None),
        ] {
            assert_eq!(port_of(&Url::parse(url).unwrap()).ok(), port, "{url}");
        }
    }

    #[test]
    fn http_is_the_default_scheme() {
        for (target, url) in [
            ("h", "http://h"),
            ("h:8080/x", "http://h:8080/x"),
            ("HTTPS://h/", "https://h/"),
            ("ftp://h/", "http://ftp://h/"),
        ] {
            assert_eq!(url_of(target).unwrap().to_string(), url, "{target}");
        }
        assert!(url_of("http://h/%zz").is_err());
    }
}
