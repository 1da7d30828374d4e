//! Scrapes as Prometheus makes them: many at once, each on a connection that is kept.

use std::{
    io::Read as _,
    net::SocketAddr,
    time::{Duration, Instant},
};

use bytes::Bytes;
use flate2::read::GzDecoder;
use http_body_util::{BodyExt as _, Empty};
use hyper::{
    Request,
    client::conn::http1::{SendRequest, handshake},
    header::{ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, HOST, USER_AGENT},
};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, runtime::Runtime};

/// The `Accept` header of Prometheus 3.
const ACCEPTED: &str = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,\
     application/openmetrics-text;version=0.0.1;q=0.4,\
     text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,\
     text/plain;version=0.0.4;q=0.2,*/*;q=0.1";

/// One scrape.
pub(crate) struct Answer {
    pub(crate) latency: Duration,
    compressed: bool,
    body: Bytes,
}

impl Answer {
    /// The metrics.
    pub(crate) fn text(&self) -> String {
        if !self.compressed {
            return String::from_utf8_lossy(&self.body).into_owned();
        }
        let mut text = String::new();
        GzDecoder::new(&*self.body).read_to_string(&mut text).expect("a compressed answer");
        text
    }

    /// The metrics without their descriptions.
    pub(crate) fn samples(&self) -> String {
        let text = self.text();
        let samples = text.lines().filter(|line| !line.starts_with('#'));
        samples.collect::<Vec<_>>().join("\n")
    }

    /// Bytes of the body as it was sent.
    pub(crate) fn size(&self) -> usize {
        self.body.len()
    }

    /// The time that the lookup of the target took.
    pub(crate) fn lookup(&self) -> Option<Duration> {
        let text = self.text();
        let value =
            text.lines().find_map(|line| line.strip_prefix("probe_dns_lookup_time_seconds "));
        value.and_then(|seconds| Duration::try_from_secs_f64(seconds.parse().ok()?).ok())
    }

    /// Set if the probe succeeded.
    pub(crate) fn is_up(&self) -> bool {
        self.text().lines().any(|line| line == "probe_success 1")
    }
}

/// The scrapes of one turn.
pub(crate) struct Turn {
    pub(crate) answers: Vec<Answer>,
    /// From the first request to the last answer.
    pub(crate) elapsed: Duration,
}

/// Makes scrapes on one thread.
pub(crate) struct Load {
    runtime: Runtime,
}

impl Load {
    pub(crate) fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        Self { runtime: runtime.expect("a runtime") }
    }

    /// Asks for `paths` in turn, `at` of them at once, for as long as `duration`; those that were
    /// begun by then are waited for. `ready` is called when all connections are there.
    pub(crate) fn turn(
        &self,
        address: SocketAddr,
        paths: &[String],
        at: usize,
        duration: Duration,
        ready: impl FnOnce(),
    ) -> Turn {
        self.runtime.block_on(async {
            let targets = paths.len();
            let mut connections = Vec::new();
            for _ in 0..at {
                connections.push(connect(address).await);
            }
            ready();
            let begun = Instant::now();
            let scrapers: Vec<_> = connections
                .into_iter()
                .enumerate()
                .map(|(number, connection)| {
                    let mut paths = paths.to_vec();
                    paths.rotate_left(number % targets);
                    tokio::spawn(scrape(connection, paths, begun + duration))
                })
                .collect();
            let mut answers = Vec::new();
            for scraper in scrapers {
                answers.extend(scraper.await.expect("a scraper"));
            }
            Turn { answers, elapsed: begun.elapsed() }
        })
    }

    /// Lets the connections of earlier turns end.
    pub(crate) fn rest(&self) {
        self.runtime.block_on(async { tokio::time::sleep(Duration::from_millis(1)).await });
    }

    /// One scrape.
    pub(crate) fn one(&self, address: SocketAddr, path: &str) -> Answer {
        self.runtime.block_on(async { ask(&mut connect(address).await, path, 10).await })
    }

    /// Begins `count` scrapes of `path`, lets `meanwhile` look, waits for all answers, and lets
    /// `afterwards` look before it closes the connections, which Prometheus would keep.
    pub(crate) fn hold(
        &self,
        address: SocketAddr,
        path: &str,
        count: usize,
        meanwhile: impl AsyncFnOnce(),
        afterwards: impl AsyncFnOnce(),
    ) {
        self.runtime.block_on(async {
            let mut scrapes = Vec::new();
            for _ in 0..count {
                let mut connection = connect(address).await;
                let path = path.to_owned();
                scrapes.push(tokio::spawn(async move {
                    ask(&mut connection, &path, 120).await;
                    connection
                }));
            }
            meanwhile().await;
            let mut connections = Vec::new();
            for scrape in scrapes {
                connections.push(scrape.await.expect("a scrape"));
            }
            afterwards().await;
            drop(connections);
            // Thousands of connections take a while to end.
            tokio::time::sleep(Duration::from_secs(1)).await;
        });
    }
}

type Connection = SendRequest<Empty<Bytes>>;

async fn connect(address: SocketAddr) -> Connection {
    let stream = TcpStream::connect(address).await.expect("a connection to the exporter");
    stream.set_nodelay(true).expect("an open connection");
    let (sender, connection) = handshake(TokioIo::new(stream)).await.expect("a connection");
    tokio::spawn(connection);
    sender
}

async fn scrape(mut connection: Connection, paths: Vec<String>, until: Instant) -> Vec<Answer> {
    let mut answers = Vec::new();
    for path in paths.iter().cycle() {
        if Instant::now() >= until {
            break;
        }
        answers.push(ask(&mut connection, path, 10).await);
    }
    answers
}

async fn ask(connection: &mut Connection, path: &str, timeout: u32) -> Answer {
    let begun = Instant::now();
    let request = Request::get(path)
        .header(HOST, "localhost")
        .header(USER_AGENT, "Prometheus/3.5.0")
        .header(ACCEPT, ACCEPTED)
        .header(ACCEPT_ENCODING, "gzip")
        .header("X-Prometheus-Scrape-Timeout-Seconds", timeout)
        .body(Empty::new())
        .expect("a request");
    connection.ready().await.expect("a kept connection");
    let response = connection.send_request(request).await.expect("an answer");
    assert_eq!(response.status(), 200, "{path}");
    let compressed = response.headers().get(CONTENT_ENCODING).is_some();
    let body = response.into_body().collect().await.expect("a body").to_bytes();
    Answer { latency: begun.elapsed(), compressed, body }
}
