//! Where a probe goes: the URL that a target means, and the way to it and to where it redirects.

#[cfg(feature = "http3")]
mod http3;

use std::borrow::Cow;

use crate::{
    diagnostics::{Failure, Reason, Stage},
    net::{
        Context,
        connect::{SocketOptions, dial, happy_eyeballs},
        http::{
            connection::Connection,
            transport::Transport,
            url::{Url, hostname},
        },
        proxy::{Endpoint, Proxy},
        resolve::Address,
        tls::{Handshake, TlsClient},
        wire::WireClock,
    },
    probers::http::{
        measurements::HttpMeasurements, phases::HttpPhase, request::Hop, settings::HttpProber,
    },
};

/// The URL that a target means: `http://` is added where neither that nor `https://` is there.
pub(super) fn url_of(target: &str) -> Result<Url, Failure> {
    parse(target, "http")
}

/// The URL that a target of HTTP/3 means, which is always over TLS.
pub(super) fn url_over_quic(context: &Context, target: &str) -> Result<Url, Failure> {
    let mut url = parse(target, "https")?;
    if url.scheme != "https" {
        let message = "HTTP/3 is always over TLS: the target is taken for one with https://";
        context.log.warn(message, &[("target", &target)]);
        "https".clone_into(&mut url.scheme);
    }
    Ok(url)
}

fn parse(target: &str, usual: &str) -> Result<Url, Failure> {
    let has_scheme = |scheme: &str| {
        target.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    };
    let url = if has_scheme("http://") || has_scheme("https://") {
        Url::parse(target)
    } else {
        Url::parse(&format!("{usual}://{target}"))
    };
    url.map_err(|error| {
        let message = format!("The target is not a URL: {error}");
        Failure::new(Stage::Target, Reason::InvalidTarget, message)
    })
}

/// The host that a probe is about, at the address that was chosen for it.
#[derive(Debug, Clone)]
pub(super) struct Pinned {
    hostname: String,
    /// Absent where a proxy is to find it.
    address: Option<Address>,
}

impl Pinned {
    pub(super) fn new(url: &Url, address: Option<Address>) -> Self {
        Self { hostname: url.hostname().to_owned(), address }
    }

    /// Whether a URL leads to this host, on whichever port.
    pub(super) fn is_host_of(&self, url: &Url) -> bool {
        url.hostname().eq_ignore_ascii_case(&self.hostname)
    }

    /// The address that was chosen, if a URL leads to this host.
    pub(super) fn address_of(&self, url: &Url) -> Option<Address> {
        self.address.filter(|_| self.is_host_of(url))
    }

    /// Whether credentials for this host are for that of a URL too: it is the same, or a subdomain.
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

/// The port that a URL leads to.
fn port_of(url: &Url) -> Result<u16, Failure> {
    url.port_or(if url.scheme == "https" { 443 } else { 80 })
        .map_err(|message| Failure::new(Stage::Connect, Reason::InvalidTarget, message))
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
    seen: &mut HttpMeasurements,
) -> Result<(Connection, Option<Proxy>), Failure> {
    #[cfg(feature = "http3")]
    if prober.enable_http3 {
        let connection = Box::pin(http3::connect(prober, context, hop, pinned, seen)).await?;
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
    let way = Way { prober, context, hop, endpoint, is_own };
    match proxy {
        // Boxed, or every probe would have room for what few do.
        Some(proxy) => Box::pin(way.through(proxy, seen)).await,
        None => Ok((way.directly(seen).await?, None)),
    }
}

/// The way to where a hop leads.
struct Way<'w> {
    prober: &'w HttpProber,
    context: &'w Context,
    hop: &'w Hop,
    endpoint: Endpoint<'w>,
    /// Whether it leads to the target's own host.
    is_own: bool,
}

impl Way<'_> {
    async fn directly(self, seen: &mut HttpMeasurements) -> Result<Connection, Failure> {
        let Endpoint { host, address, port } = self.endpoint;
        let connecting = seen.phases.stopwatch(HttpPhase::Connect);
        let options = SocketOptions::default();
        let (lookup, stream) = if let Some(address) = address {
            (None, dial::tcp(self.context, address.with_port(port), &options).await?)
        } else {
            let connected =
                Box::pin(happy_eyeballs::connect(self.context, host, port, &options)).await;
            let connected = connected.map_err(|failure| self.hop.blame(failure, self.is_own))?;
            (Some(connected.lookup), connected.stream)
        };
        connecting.stop_now(stream.connect_time());
        if let Some(lookup) = lookup {
            // As upstream does it, the phase is absent if the lookup was to be skipped.
            if self.is_own {
                seen.phases.add_incomplete_until(HttpPhase::Resolve, lookup.time, lookup.end());
            } else {
                seen.phases.add_until(HttpPhase::Resolve, lookup.time, lookup.end());
            }
            let (lost, end) = (lookup.lost, lookup.end_of_lost());
            seen.phases.add_incomplete_until(HttpPhase::Connect, lost, end);
        }
        let clock = stream.clock();
        seen.clock = Some(clock.clone());
        if self.is_plain() {
            return Ok(Connection::http1(Box::new(stream), clock));
        }
        self.secure(stream, clock, seen).await
    }

    async fn through(
        self,
        proxy: Proxy,
        seen: &mut HttpMeasurements,
    ) -> Result<(Connection, Option<Proxy>), Failure> {
        let connecting = seen.phases.stopwatch(HttpPhase::Connect);
        let stream = proxy.connect(self.context, &mut seen.proxy).await?;
        connecting.stop_now(stream.connect_time());
        let clock = stream.clock();
        seen.clock = Some(clock.clone());
        let to = (self.endpoint, !self.is_plain());
        let tls = (&self.prober.tls_client, &self.prober.client.proxy.proxy_connect_header);
        let (stream, proxy) = proxy.pass(self.context, stream, to, tls, &mut seen.proxy).await?;
        let connection = if self.is_plain() {
            Connection::http1(stream, clock)
        } else {
            self.secure(stream, clock, seen).await?
        };
        Ok((connection, proxy))
    }

    fn is_plain(&self) -> bool {
        self.hop.url.scheme != "https"
    }

    /// Speaks TLS with the target.
    async fn secure<S: Transport + 'static>(
        self,
        stream: S,
        clock: WireClock,
        seen: &mut HttpMeasurements,
    ) -> Result<Connection, Failure> {
        let (client, server_name) = tls_of(self.prober, self.hop, self.is_own);
        // Over HTTP/2 a request cannot ask for another protocol.
        let offers_http2 = self.prober.client.enable_http2 && !self.hop.upgrades;
        let alpn: &[&[u8]] = if offers_http2 { &[b"h2", b"http/1.1"] } else { &[] };
        let request = Handshake { server_name, alpn };
        let securing = seen.phases.stopwatch(HttpPhase::Tls);
        let shaken = client.handshake(self.context, stream, request, &mut seen.tls).await;
        securing.stop_at(clock.lap().waiting);
        let stream = Box::new(shaken?);
        let agreed = seen.tls.as_ref().and_then(|session| session.alpn.as_deref());
        Ok(match agreed {
            Some(b"h2") => Connection::http2(stream, clock),
            _ => Connection::http1(stream, clock),
        })
    }
}

/// Who speaks TLS with the host of a hop, and which name it asks for; `is_own` says whether that is
/// the target's host.
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
    fn http_is_what_is_meant_without_a_scheme() {
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
