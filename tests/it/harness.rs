//! The exporter in this process, on a free port, used over HTTP.
//!
//! ```ignore
//! let exporter = Exporter::start("modules: {icmp: {prober: icmp}}");
//! exporter.probe("icmp", "127.0.0.1").expect(&["probe_success 1", "probe_ip_protocol 4"]);
//! ```
//!
//! All methods block, so that tests need no runtime and a failure points at its line. In an
//! asynchronous test, call them in [`aside`].

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::PathBuf,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use probe_exporter::app::{App, Listen, Options};
use tempfile::TempDir;
use tokio::sync::oneshot;

use crate::metric_text::Metrics;

/// Does blocking work of an asynchronous test.
#[expect(clippy::disallowed_methods, reason = "a test may panic if there is no thread")]
pub(crate) async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}

/// An exporter that serves until it is dropped.
pub(crate) struct Exporter {
    pub(crate) address: SocketAddr,
    folder: TempDir,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<anyhow::Result<()>>>,
}

/// Maximum time of a wait, even on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(100);

impl Exporter {
    /// Starts one with this configuration.
    pub(crate) fn start(yaml: &str) -> Self {
        Self::start_with(yaml, |_| ())
    }

    /// Starts one with this configuration and changed options.
    pub(crate) fn start_with(yaml: &str, change: impl FnOnce(&mut Options)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = config_path(&folder);
        fs::write(&path, yaml).unwrap();
        let mut options = Options {
            config_file: Some(path),
            listen: Listen::Addresses(vec!["127.0.0.1:0".parse().unwrap()]),
            ..Options::default()
        };
        change(&mut options);
        let app = App::build(options).unwrap_or_else(|error| panic!("{error:#}\nin\n{yaml}"));
        let address = app.addresses()[0];
        let (stop, stopped) = oneshot::channel();
        let serve = move || {
            app.run_until(async {
                stopped.await.ok();
            })
        };
        Self { address, folder, stop: Some(stop), thread: Some(thread::spawn(serve)) }
    }

    /// The configuration file, to be changed before a reload.
    pub(crate) fn config_file(&self) -> PathBuf {
        config_path(&self.folder)
    }

    /// `GET path`
    pub(crate) fn get(&self, path: &str) -> Answer {
        self.request("GET", path, &[])
    }

    /// One request on a connection of its own.
    pub(crate) fn request(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
        request(self.address, method, path, headers)
    }

    /// Probes once; returns the metrics. Module and target are encoded.
    pub(crate) fn probe(&self, module: &str, target: &str) -> Metrics {
        self.probe_with(module, target, "", &[])
    }

    /// Probes once with more parameters (`&hostname=...`) and headers.
    pub(crate) fn probe_with(
        &self,
        module: &str,
        target: &str,
        query: &str,
        headers: &[(&str, &str)],
    ) -> Metrics {
        let path = format!("{}{query}", probe_path(module, target));
        let answer = self.request("GET", &path, headers);
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        answer.metrics()
    }

    /// The debug text of one probe: its log, its metrics, its module.
    pub(crate) fn debug(&self, module: &str, target: &str) -> String {
        self.get(&format!("{}&debug=true", probe_path(module, target))).text()
    }

    /// The exporter's own metrics.
    pub(crate) fn own_metrics(&self) -> Metrics {
        self.get("/metrics").metrics()
    }

    /// Stops it and waits for its end.
    pub(crate) fn stop(mut self) {
        self.finish();
    }

    /// Requests its stop.
    pub(crate) fn begin_stop(&mut self) {
        if let Some(stop) = self.stop.take() {
            stop.send(()).ok();
        }
    }

    fn finish(&mut self) {
        self.begin_stop();
        if let Some(thread) = self.thread.take()
            && !thread::panicking()
        {
            thread.join().unwrap().unwrap();
        }
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        self.finish();
    }
}

fn config_path(folder: &TempDir) -> PathBuf {
    folder.path().join("blackbox.yml")
}

/// `/probe` with a module and a target in its query.
pub(crate) fn probe_path(module: &str, target: &str) -> String {
    let query = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("module", module)
        .append_pair("target", target)
        .finish();
    format!("/probe?{query}")
}

/// One request over a connection of its own.
pub(crate) fn request(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
) -> Answer {
    let mut stream = connect(address);
    write!(stream, "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n").unwrap();
    for (name, value) in headers {
        write!(stream, "{name}: {value}\r\n").unwrap();
    }
    write!(stream, "\r\n").unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    Answer::parse(&bytes)
}

/// Connects with timeouts.
pub(crate) fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect_timeout(&address, PATIENCE).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Polls until a condition holds; panics after [`PATIENCE`].
#[track_caller]
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "never: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// An HTTP response.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    /// The body as it was sent, possibly compressed.
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// Parses a whole response.
    pub(crate) fn parse(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
        let end = end.unwrap_or_else(|| panic!("no head in {:?}", String::from_utf8_lossy(bytes)));
        let head = std::str::from_utf8(&bytes[..end]).unwrap();
        let (status_line, headers) = head.split_once("\r\n").unwrap_or((head, ""));
        let status = status_line.split(' ').nth(1).unwrap().parse().unwrap();
        let headers = headers
            .split("\r\n")
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
            .collect();
        Self { status, headers, body: bytes[end + 4..].to_vec() }
    }

    /// A header's value; the name in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The body as text, decompressed if need be.
    pub(crate) fn text(&self) -> String {
        if self.header("content-encoding") != Some("gzip") {
            return String::from_utf8(self.body.clone()).unwrap();
        }
        let mut text = String::new();
        flate2::read::GzDecoder::new(self.body.as_slice()).read_to_string(&mut text).unwrap();
        text
    }

    /// The body as metrics; malformed lines fail the test.
    pub(crate) fn metrics(&self) -> Metrics {
        let content_type = self.header("content-type").unwrap_or_default();
        assert!(content_type.starts_with("text/plain; version=0.0.4"), "{content_type}");
        Metrics::parse(&self.text())
    }
}
