//! Scrapes as Prometheus makes them.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

/// The use of connections by scrapes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connections {
    /// A scrape uses the latest idle connection, or a new one if all are in use, as Go's
    /// `http.Transport` does.
    Kept,
    /// A new one for each scrape.
    New,
}

/// A client of one exporter.
#[derive(Clone)]
pub(super) struct Client {
    exporter: SocketAddr,
    timeout: Duration,
    connections: Connections,
    idle: Arc<Mutex<Vec<TcpStream>>>,
}

/// The response to a scrape.
#[derive(Debug)]
pub(super) struct Response {
    pub(super) status: u16,
    pub(super) body: String,
    keeps_connection: bool,
}

impl Client {
    pub(super) fn new(exporter: SocketAddr, timeout: Duration, connections: Connections) -> Self {
        Self { exporter, timeout, connections, idle: Arc::default() }
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
        if let Some(mut stream) = self.idle_connection() {
            match converse(&mut stream, &request).await {
                // The exporter closed the connection while the request was sent.
                Err(Broken { has_answered: false, .. }) => {}
                answered => return self.end(stream, answered),
            }
        }
        let mut stream = self.connect().await?;
        let answered = converse(&mut stream, &request).await;
        self.end(stream, answered)
    }

    /// Returns the idle connection that was used last, and drops those that the exporter closed.
    fn idle_connection(&self) -> Option<TcpStream> {
        let mut idle = self.idle();
        std::iter::from_fn(|| idle.pop()).find(is_open)
    }

    fn end(&self, stream: TcpStream, answered: Result<Response, Broken>) -> io::Result<Response> {
        let response = answered.map_err(|broken| broken.error)?;
        if self.connections == Connections::Kept && response.keeps_connection {
            self.idle().push(stream);
        }
        Ok(response)
    }

    fn idle(&self) -> MutexGuard<'_, Vec<TcpStream>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[expect(clippy::disallowed_methods, reason = "a scraper has no policy")]
    async fn connect(&self) -> io::Result<TcpStream> {
        let stream = TcpStream::connect(self.exporter).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

/// An exchange without a whole answer.
struct Broken {
    error: io::Error,
    has_answered: bool,
}

fn is_open(stream: &TcpStream) -> bool {
    matches!(stream.try_read(&mut [0]), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
}

async fn converse(stream: &mut TcpStream, request: &str) -> Result<Response, Broken> {
    let mut received = Vec::with_capacity(8192);
    let error = match stream.write_all(request.as_bytes()).await {
        Ok(()) => loop {
            match stream.read_buf(&mut received).await {
                Ok(0) => break io::ErrorKind::UnexpectedEof.into(),
                Ok(_) => {}
                Err(error) => break error,
            }
            if let Some(response) = parse(&String::from_utf8_lossy(&received)) {
                return Ok(response);
            }
        },
        Err(error) => error,
    };
    Err(Broken { error, has_answered: !received.is_empty() })
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
    let keeps_connection = header("connection") != Some("close");
    Some(Response { status, body, keeps_connection })
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

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use tokio::net::TcpListener;

    use super::*;

    const WHOLE: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nup";

    /// The answers to the requests on one connection; it is closed after the last one.
    type Script = &'static [&'static str];

    /// Starts an exporter with one connection after another, and returns a client of it.
    async fn client_of(connections: Connections, scripts: &'static [Script]) -> Client {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            for script in scripts {
                let (mut stream, _) = listener.accept().await.unwrap();
                for answer in *script {
                    let mut request = Vec::new();
                    while !request.ends_with(b"\r\n\r\n") {
                        assert_ne!(stream.read_buf(&mut request).await.unwrap(), 0);
                    }
                    stream.write_all(answer.as_bytes()).await.unwrap();
                }
            }
        });
        Client::new(address, Duration::from_secs(30), connections)
    }

    async fn scrape(client: &Client) -> bool {
        client.scrape("/probe").await.is_ok_and(|response| response.body == "up")
    }

    #[tokio::test]
    async fn an_idle_connection_is_used_again() {
        let client = client_of(Connections::Kept, &[&[WHOLE, WHOLE]]).await;
        assert!(scrape(&client).await && scrape(&client).await);
        let client = client_of(Connections::New, &[&[WHOLE], &[WHOLE]]).await;
        assert!(scrape(&client).await && scrape(&client).await);
        assert!(client.idle().is_empty());
    }

    #[tokio::test]
    async fn a_request_that_is_not_answered_on_a_kept_connection_is_repeated() {
        let client = client_of(Connections::Kept, &[&[WHOLE, ""], &[WHOLE]]).await;
        assert!(scrape(&client).await && scrape(&client).await);
    }

    #[tokio::test]
    async fn a_request_is_repeated_neither_on_a_new_connection_nor_after_a_part_of_the_answer() {
        const PART: &str = "HTTP/1.1 200";
        let cases: [&[Script]; 2] = [&[&[""], &[WHOLE]], &[&[PART], &[WHOLE]]];
        for scripts in cases {
            assert!(!scrape(&client_of(Connections::Kept, scripts).await).await);
        }
        let client = client_of(Connections::Kept, &[&[WHOLE, PART], &[WHOLE]]).await;
        assert!(scrape(&client).await && !scrape(&client).await);
    }

    #[tokio::test]
    async fn a_scrape_that_times_out_closes_its_connection() {
        let mut client = client_of(Connections::Kept, &[&["", WHOLE], &[WHOLE]]).await;
        client.timeout = Duration::from_millis(50);
        assert_eq!(
            client.scrape("/probe").await.unwrap_err(),
            "no answer within the scrape timeout"
        );
        assert!(client.idle().is_empty());
    }
}
