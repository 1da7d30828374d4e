//! Scrapes as Prometheus makes them: over connections that are kept.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use anyhow::{Context as _, Result, bail};

/// Prometheus's default.
const SCRAPE_TIMEOUT_SECONDS: u64 = 10;

/// An exporter without CPU time may answer much later than it promises.
const PATIENCE: Duration = Duration::from_mins(1);

/// The connections to one exporter.
pub(super) struct Scraper {
    exporter: SocketAddr,
    idle: Vec<BufReader<TcpStream>>,
}

impl Scraper {
    pub(super) fn new(exporter: SocketAddr) -> Self {
        Self { exporter, idle: Vec::new() }
    }

    /// Asks for all paths at once, and gives the bodies of the answers. One thread does it: the
    /// answers wait in the kernel, so that reading them takes no CPU time while probes run.
    pub(super) fn scrape(&mut self, paths: &[String]) -> Vec<Result<String>> {
        let asked: Vec<_> = paths.iter().map(|path| self.ask(path)).collect();
        asked
            .into_iter()
            .map(|connection| {
                let mut connection = connection?;
                let body = answer(&mut connection)?;
                self.idle.push(connection);
                Ok(body)
            })
            .collect()
    }

    fn ask(&mut self, path: &str) -> Result<BufReader<TcpStream>> {
        let mut connection = match self.idle.pop() {
            Some(connection) => connection,
            None => self.connect().context("connecting to the exporter")?,
        };
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {}\r\n\
             X-Prometheus-Scrape-Timeout-Seconds: {SCRAPE_TIMEOUT_SECONDS}\r\n\r\n",
            self.exporter
        );
        connection.get_mut().write_all(request.as_bytes())?;
        Ok(connection)
    }

    fn connect(&self) -> Result<BufReader<TcpStream>> {
        let stream = TcpStream::connect(self.exporter)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(BufReader::new(stream))
    }
}

/// Reads one answer, so that the connection can be used again.
fn answer(connection: &mut BufReader<TcpStream>) -> Result<String> {
    let status = line(connection)?;
    let (mut length, mut chunked) = (None, false);
    loop {
        let header = line(connection)?.to_ascii_lowercase();
        if header.is_empty() {
            break;
        }
        if let Some(value) = header.strip_prefix("content-length:") {
            length = Some(value.trim().parse()?);
        }
        chunked |= header.starts_with("transfer-encoding:") && header.contains("chunked");
    }
    let body = match length {
        Some(length) => exactly(connection, length)?,
        None if chunked => chunks(connection)?,
        None => bail!("the response has no length: {status}"),
    };
    let body = String::from_utf8(body)?;
    if !status.contains(" 200 ") {
        bail!("{status}: {}", body.trim());
    }
    Ok(body)
}

fn chunks(connection: &mut BufReader<TcpStream>) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let length = usize::from_str_radix(&line(connection)?, 16)?;
        body.extend(exactly(connection, length)?);
        line(connection)?;
        if length == 0 {
            return Ok(body);
        }
    }
}

fn line(connection: &mut BufReader<TcpStream>) -> Result<String> {
    let mut line = String::new();
    if connection.read_line(&mut line)? == 0 {
        bail!("the exporter closed the connection");
    }
    line.truncate(line.trim_end().len());
    Ok(line)
}

fn exactly(connection: &mut BufReader<TcpStream>, length: usize) -> Result<Vec<u8>> {
    let mut bytes = vec![0; length];
    connection.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// The value of a series in a metric text.
pub(super) fn value(metrics: &str, series: &str) -> Option<f64> {
    let rest = |line: &str| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok();
    metrics.lines().find_map(rest)
}
