//! Scrapes as Prometheus makes them, each on a connection of its own or over kept ones.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

/// A client of one exporter.
#[derive(Clone)]
pub(super) struct Client {
    exporter: SocketAddr,
    timeout: Duration,
    /// The idle connections, if they are kept.
    idle: Option<Arc<Mutex<Vec<TcpStream>>>>,
}

/// The response to a scrape.
#[derive(Debug)]
pub(super) struct Response {
    pub(super) status: u16,
    pub(super) body: String,
}

impl Client {
    pub(super) fn new(exporter: SocketAddr, timeout: Duration, keep_alive: bool) -> Self {
        Self { exporter, timeout, idle: keep_alive.then(Arc::default) }
    }

    /// The scrape timeout.
    pub(super) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Sends the request, and waits for the response until the scrape timeout, after which the
    /// connection is closed.
    #[expect(clippy::disallowed_methods, reason = "a scrape has no deadline of a probe")]
    pub(super) async fn scrape(&self, path: &str) -> Result<Response, String> {
        match timeout(self.timeout, self.exchange(path)).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("no answer within the scrape timeout".to_owned()),
        }
    }

    async fn exchange(&self, path: &str) -> io::Result<Response> {
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {}\r\nX-Prometheus-Scrape-Timeout-Seconds: {}\r\n\r\n",
            self.exporter,
            self.timeout.as_secs_f64()
        );
        let kept = self.idle.as_ref().and_then(|idle| lock(idle).pop());
        let is_kept = kept.is_some();
        let mut stream = match kept {
            Some(stream) => stream,
            None => self.connect().await?,
        };
        let mut response = converse(&mut stream, &request).await;
        // The exporter may have closed a kept connection at the same moment.
        if is_kept && response.is_err() {
            stream = self.connect().await?;
            response = converse(&mut stream, &request).await;
        }
        if let (Some(idle), Ok(_)) = (&self.idle, &response) {
            lock(idle).push(stream);
        }
        response
    }

    #[expect(clippy::disallowed_methods, reason = "a scraper has no policy")]
    async fn connect(&self) -> io::Result<TcpStream> {
        let stream = TcpStream::connect(self.exporter).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

fn lock(idle: &Mutex<Vec<TcpStream>>) -> std::sync::MutexGuard<'_, Vec<TcpStream>> {
    idle.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn converse(stream: &mut TcpStream, request: &str) -> io::Result<Response> {
    stream.write_all(request.as_bytes()).await?;
    let mut received = Vec::with_capacity(8192);
    loop {
        if stream.read_buf(&mut received).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if let Some(response) = parse(&String::from_utf8_lossy(&received)) {
            return Ok(response);
        }
    }
}

/// Parses a response; `None` if it is incomplete.
fn parse(received: &str) -> Option<Response> {
    let (head, rest) = received.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let header = |name: &str| {
        head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    };
    let body = match header("content-length") {
        Some(length) => rest.get(..length.parse().ok()?)?.to_owned(),
        None => dechunked(rest)?,
    };
    Some(Response { status, body })
}

fn dechunked(mut rest: &str) -> Option<String> {
    let mut body = String::new();
    loop {
        let (size, after) = rest.split_once("\r\n")?;
        let size = usize::from_str_radix(size, 16).ok()?;
        body.push_str(after.get(..size)?);
        rest = after.get(size..)?.strip_prefix("\r\n")?;
        if size == 0 {
            return Some(body);
        }
    }
}
