//! Where a probe goes: the URL that a target means, and the way to it and to where it redirects.

use std::{borrow::Cow, future::Future, pin::pin, time::Duration};

use tokio::time::Instant;

use crate::{
    evidence::{Failure, Reason, Stage},
    net::{
        Context, dial,
        http::url::{Url, hostname},
        resolve::{self, Address},
        tls::Handshake,
        wire::WireStream,
    },
    probers::http::{
        exchange::Connection,
        measurements::{HttpMeasurements, HttpPhase},
        request::Hop,
        settings::HttpProber,
    },
    settings::ip::IpFamily,
};

/// The URL that a target means: `http://` is added where neither that nor `https://` is there.
pub(super) fn url_of(target: &str) -> Result<Url, Failure> {
    let has_scheme = |scheme: &str| {
        target.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    };
    let url = if has_scheme("http://") || has_scheme("https://") {
        Url::parse(target)
    } else {
        Url::parse(&format!("http://{target}"))
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
    address: Address,
}

impl Pinned {
    pub(super) fn new(url: &Url, address: Address) -> Self {
        Self { hostname: url.hostname().to_owned(), address }
    }

    /// Whether a URL leads to this host, on whichever port.
    fn is_host_of(&self, url: &Url) -> bool {
        url.hostname().eq_ignore_ascii_case(&self.hostname)
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
    match url.port() {
        None if url.scheme == "https" => Ok(443),
        None => Ok(80),
        Some(port) => port.parse().map_err(|_| {
            let message = format!("{port} is not a port: the largest is {}", u16::MAX);
            Failure::new(Stage::Connect, Reason::InvalidTarget, message)
        }),
    }
}

/// Makes the connection for a hop, with TLS if its URL says so.
///
/// Unlike upstream: wherever a redirect leads back to the target's own host, the connection goes
/// to the address that was chosen and reported, and a configured `server_name` holds.
pub(super) async fn connect(
    prober: &HttpProber,
    context: &Context,
    hop: &Hop,
    pinned: &Pinned,
    seen: &mut HttpMeasurements,
) -> Result<Connection, Failure> {
    let port = port_of(&hop.url)?;
    let is_own = pinned.is_host_of(&hop.url);
    let connecting = seen.phases.stopwatch_of_whole(HttpPhase::Connect);
    let (lookup, stream) = if is_own {
        let stream = dial::connect(context, pinned.address.with_port(port), None).await?;
        (None, stream)
    } else {
        // Boxed, or every probe would have room for what few do.
        let elsewhere = Box::pin(connect_elsewhere(context, hop.url.hostname(), port));
        let (lookup, stream) = elsewhere.await?;
        (Some(lookup), stream)
    };
    connecting.stop_at(stream.connect_time());
    if let Some(lookup) = lookup {
        seen.phases.add(HttpPhase::Resolve, lookup);
    }
    let clock = stream.clock();
    seen.clock = Some(clock.clone());
    if hop.url.scheme != "https" {
        return Ok(Connection { stream: Box::new(stream), clock, http2: false, over_tls: false });
    }
    let (client, server_name) = if is_own {
        (Cow::Borrowed(&prober.tls_client), hostname(hop.host()))
    } else {
        (Cow::Owned(prober.tls_client.without_server_name()), hop.url.hostname())
    };
    let alpn: &[&[u8]] = if prober.client.enable_http2 { &[b"h2", b"http/1.1"] } else { &[] };
    let request = Handshake { server_name, alpn };
    let securing = seen.phases.stopwatch_of_whole(HttpPhase::Tls);
    let shaken = client.handshake(context, stream, request, &mut seen.tls).await;
    securing.stop_at(clock.lap().waiting);
    let stream = Box::new(shaken?);
    let agreed = seen.tls.as_ref().and_then(|session| session.alpn.as_deref());
    let http2 = agreed == Some(b"h2".as_slice());
    Ok(Connection { stream, clock, http2, over_tls: true })
}

/// Connects to a host that a redirect named. As upstream does it, either family will do there:
/// IPv6 goes first, and IPv4 follows when that fails or takes long. Also says how long the lookup
/// took.
async fn connect_elsewhere(
    context: &Context,
    host: &str,
    port: u16,
) -> Result<(Duration, WireStream), Failure> {
    let attempt = async |family: IpFamily| {
        let begun = Instant::now();
        let address = resolve::resolve_family(context, host, family).await?;
        let lookup = begun.elapsed();
        let stream = dial::connect(context, address.with_port(port), None).await?;
        Ok((lookup, stream))
    };
    race(attempt(IpFamily::V6), attempt(IpFamily::V4)).await
}

/// How long IPv4 waits for IPv6, in Go's client.
const HEAD_START: Duration = Duration::from_millis(300);

/// The first of two ways that works; the second is not tried while the first may soon work.
async fn race<T>(
    first: impl Future<Output = Result<T, Failure>>,
    second: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let mut first = pin!(first);
    let mut second = pin!(second);
    let early = tokio::select! {
        outcome = &mut first => Some(outcome),
        () = tokio::time::sleep(HEAD_START) => None,
    };
    if let Some(outcome) = early {
        return match outcome {
            Ok(done) => Ok(done),
            Err(failure) => second.await.map_err(|other| more_telling(failure, other)),
        };
    }
    tokio::select! {
        outcome = &mut first => match outcome {
            Ok(done) => Ok(done),
            Err(failure) => second.await.map_err(|other| more_telling(failure, other)),
        },
        outcome = &mut second => match outcome {
            Ok(done) => Ok(done),
            Err(failure) => first.await.map_err(|other| more_telling(other, failure)),
        },
    }
}

/// Of two ways that failed, the one that got further says why.
fn more_telling(first: Failure, second: Failure) -> Failure {
    if first.stage == Stage::Connect { first } else { second }
}

#[cfg(test)]
mod tests {
    use tokio::time::sleep;

    use super::*;

    /// A way that takes this many milliseconds and then works, or fails at a stage.
    async fn way(time: u64, outcome: Result<&'static str, Stage>) -> Result<&'static str, Failure> {
        sleep(Duration::from_millis(time)).await;
        outcome.map_err(|stage| Failure::new(stage, Reason::Refused, stage.label()))
    }

    #[tokio::test(start_paused = true)]
    async fn the_second_way_waits_for_the_first_but_not_for_long() {
        let refused = Err(Stage::Connect);
        for (name, first, second, expected, time) in [
            ("the first is quick", (10, Ok("6")), (0, Ok("4")), Ok("6"), 10),
            ("the first fails", (10, refused), (20, Ok("4")), Ok("4"), 30),
            ("the first is slow", (5000, Ok("6")), (20, Ok("4")), Ok("4"), 320),
            ("both are slow", (1000, Ok("6")), (5000, Ok("4")), Ok("6"), 1000),
            ("the first fails late", (400, refused), (500, Ok("4")), Ok("4"), 800),
            ("the second fails", (1000, Ok("6")), (20, refused), Ok("6"), 1000),
            ("both fail", (10, refused), (20, Err(Stage::Resolve)), refused, 30),
            ("no such name", (10, Err(Stage::Resolve)), (20, refused), refused, 30),
        ] {
            let begun = Instant::now();
            let outcome = race(way(first.0, first.1), way(second.0, second.1)).await;
            assert_eq!(outcome.map_err(|failure| failure.stage), expected, "{name}");
            assert_eq!(begun.elapsed(), Duration::from_millis(time), "{name}");
        }
    }

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
