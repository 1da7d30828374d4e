//! Disables HTTP pipelining on a connection, and closes it when it is stalled.

use std::{
    future::Future as _,
    io,
    pin::Pin,
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use bytes::BytesMut;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Sleep, sleep},
};

use crate::server::connections::{Connection, Expiry};

/// A connection that holds back the next request until the client starts reading the response to
/// the current one.
///
/// Actix reads all pipelined requests and buffers their responses. A client that pipelines requests
/// and reads no response would take megabytes of memory. While a response is pending, one byte is
/// read ahead, as Go's server does, to detect that the client has disconnected.
///
/// Actix limits the time for the head of the first request only, and that for writing not at all.
pub(super) struct OneRequestAtATime<S> {
    stream: S,
    connection: Connection,
    /// Set from the end of a request's head until the first byte of its response is written.
    awaits_response: bool,
    /// Set after the first line of a head that is not empty.
    is_inside_head: bool,
    /// Set while the current line is empty. An empty line ends a head.
    line_is_empty: bool,
    /// Bytes that were read but not passed on yet.
    read_ahead: BytesMut,
    /// Wakes the reader that waits for the response to be written.
    reader: Option<Waker>,
    progress: Progress,
    /// Limits the time for the rest of a head, during a stop for the first request, and at last for
    /// the client to close.
    head_timer: Timer,
    /// Limits the time without progress of a write.
    write_timer: Timer,
}

/// Progress of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    /// No request has arrived.
    New,
    /// A request has arrived.
    Used,
    /// The last request has arrived: the connection is to be closed because there are too many.
    Last,
    /// Nothing more is sent.
    ShutDown,
}

/// Maximum number of bytes read at once.
const MAX_READ_BYTES: usize = 2048;

/// Timeout for receiving the head of a request: of the first one from the start of the connection,
/// of others from their first byte.
pub(super) const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// Timeout for writing a part of a response.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// Time during a stop in which a new connection can still send its request.
const FIRST_REQUEST_TIMEOUT: Duration = Duration::from_millis(500);

/// Time during a stop after which a request that has arrived is known: the runtime looks at its
/// sockets before its timers.
const ARRIVAL_TIMEOUT: Duration = Duration::from_millis(1);

/// Time for the client to close a connection that the server ends.
const LINGER_TIMEOUT: Duration = Duration::from_millis(500);

/// Beginning of an interim response, after which the response still follows.
const CONTINUE: &[u8] = b"HTTP/1.1 100 ";

/// A timer that exists only while it is needed.
#[derive(Default)]
struct Timer(Option<Pin<Box<Sleep>>>);

impl Timer {
    /// Ready when the timer has run for `timeout`. Starts it if it is not running.
    fn poll(&mut self, context: &mut Context<'_>, timeout: Duration) -> Poll<()> {
        self.0.get_or_insert_with(|| Box::pin(sleep(timeout))).as_mut().poll(context)
    }

    fn stop(&mut self) {
        self.0 = None;
    }
}

impl<S> OneRequestAtATime<S> {
    pub(super) fn new(stream: S, connection: Connection) -> Self {
        Self {
            stream,
            connection,
            awaits_response: false,
            is_inside_head: false,
            line_is_empty: false,
            read_ahead: BytesMut::new(),
            reader: None,
            progress: Progress::New,
            head_timer: Timer::default(),
            write_timer: Timer::default(),
        }
    }

    pub(super) fn expiry(&self) -> Option<Expiry> {
        self.connection.expiry
    }

    /// Looks for the end of a head in the bytes to pass on, and returns their length up to it. Like
    /// actix, accepts lines that end without a carriage return, and ignores empty lines before a head
    /// (RFC 9112, section 2.2).
    fn find_end_of_head(&mut self, bytes: &[u8]) -> usize {
        let mut rest = bytes;
        while !rest.is_empty() {
            let end = rest.iter().position(|byte| *byte == b'\n');
            let (line, after) = rest.split_at(end.unwrap_or(rest.len()));
            if line.iter().any(|byte| *byte != b'\r') {
                if !self.is_inside_head {
                    self.is_inside_head = true;
                    self.head_timer.stop();
                }
                self.line_is_empty = false;
            }
            if end.is_none() {
                break;
            }
            rest = after.get(1..).unwrap_or_default();
            if self.line_is_empty {
                self.request_started();
                return bytes.len() - rest.len();
            }
            self.line_is_empty = self.is_inside_head;
        }
        bytes.len()
    }

    /// Records that the head of a request was read.
    fn request_started(&mut self) {
        self.awaits_response = true;
        self.progress = Progress::Used;
        self.is_inside_head = false;
        self.line_is_empty = false;
        self.head_timer.stop();
        self.connection.set_busy();
    }

    /// Records that a part of the response was written, and wakes the reader.
    fn response_started(&mut self) {
        self.awaits_response = false;
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }
}

impl<S> OneRequestAtATime<S> {
    /// Limits the time of a write that waits for the client. It fails if the connection is closed.
    fn limit<T>(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.write_timer.stop();
            return written;
        }
        if self.progress != Progress::Last && self.connection.poll_closing(context).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        self.write_timer.poll(context, WRITE_TIMEOUT).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> OneRequestAtATime<S> {
    /// Reads at most `limit` bytes into `read_ahead`. If none were read, the connection has ended.
    fn poll_read_ahead(&mut self, context: &mut Context<'_>, limit: usize) -> Poll<io::Result<()>> {
        let mut piece = [0; MAX_READ_BYTES];
        let mut piece = ReadBuf::new(piece.get_mut(..limit).unwrap_or_default());
        ready!(Pin::new(&mut self.stream).poll_read(context, &mut piece))?;
        self.read_ahead.extend_from_slice(piece.filled());
        Poll::Ready(Ok(()))
    }

    /// Ready when the client has disconnected or reading failed.
    fn poll_disconnect(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        // After one byte was read ahead, a later disconnect is not detected any more.
        if self.read_ahead.is_empty() {
            ready!(self.poll_read_ahead(context, 1))?;
            if self.read_ahead.is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
        self.reader = Some(context.waker().clone());
        Poll::Pending
    }

    /// Ready when an idle connection ends, because the server stops.
    fn poll_end(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let timeout = match self.progress {
            // The first request may be on its way. Clients repeat requests only on used connections.
            Progress::New => FIRST_REQUEST_TIMEOUT,
            Progress::Used | Progress::Last | Progress::ShutDown => ARRIVAL_TIMEOUT,
        };
        self.head_timer.poll(context, timeout).map(Ok)
    }

    /// Discards what the client sends until it closes the connection: closing with unread bytes
    /// resets the connection, which discards the response, and clients repeat a request only after
    /// a clean end.
    fn poll_linger(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.head_timer.poll(context, LINGER_TIMEOUT).is_ready() {
            return Poll::Ready(());
        }
        loop {
            self.read_ahead.clear();
            match self.poll_read_ahead(context, MAX_READ_BYTES) {
                Poll::Ready(Ok(())) if !self.read_ahead.is_empty() => {}
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for OneRequestAtATime<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let is_closing = this.connection.poll_closing(context).is_ready();
        if this.awaits_response {
            if is_closing {
                this.progress = Progress::Last;
            }
            return this.poll_disconnect(context);
        }
        if is_closing && this.progress == Progress::Last {
            return Poll::Ready(Ok(()));
        }
        if this.read_ahead.is_empty() {
            match this.poll_read_ahead(context, MAX_READ_BYTES) {
                Poll::Ready(result) => result?,
                Poll::Pending if is_closing => return Poll::Ready(Ok(())),
                // The end of the connection, as if the client had closed it.
                Poll::Pending if this.is_inside_head => {
                    return this.head_timer.poll(context, HEAD_TIMEOUT).map(Ok);
                }
                Poll::Pending if this.connection.ends() => return this.poll_end(context),
                Poll::Pending => return Poll::Pending,
            }
        }
        let mut read = std::mem::take(&mut this.read_ahead);
        let possible = read.get(..buffer.remaining()).unwrap_or(&read);
        let length = this.find_end_of_head(possible);
        if is_closing {
            if !this.awaits_response {
                return Poll::Ready(Ok(()));
            }
            this.progress = Progress::Last;
        }
        buffer.put_slice(&read.split_to(length));
        this.read_ahead = read;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for OneRequestAtATime<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        let written = Pin::new(&mut this.stream).poll_write(context, bytes);
        let written = ready!(this.limit(context, written));
        if !bytes.starts_with(CONTINUE) {
            this.response_started();
        }
        Poll::Ready(written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let flushed = Pin::new(&mut this.stream).poll_flush(context);
        let flushed = ready!(this.limit(context, flushed));
        // Responses are written as a whole.
        if !this.awaits_response {
            let became_idle = this.connection.set_idle();
            if became_idle && this.connection.ends() {
                context.waker().wake_by_ref();
            }
        }
        Poll::Ready(flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.progress != Progress::ShutDown {
            let shut_down = Pin::new(&mut this.stream).poll_shutdown(context);
            ready!(this.limit(context, shut_down))?;
            this.progress = Progress::ShutDown;
            this.head_timer.stop();
        }
        if this.connection.ends_after_response() {
            ready!(this.poll_linger(context));
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use std::{
        future::poll_fn,
        pin::pin,
        sync::{
            Arc,
            atomic::{AtomicBool, Ordering},
        },
        task::Wake,
    };

    use futures_util::future::select;
    use prometheus::Registry;
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex},
        time::{Instant, timeout},
    };

    use super::*;
    use crate::server::connections::{Capacity, ConnectionMetrics, Connections};

    const REQUEST: &str = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";

    /// A connection that is closed when another one is opened in the returned list.
    fn registered() -> (Connection, Arc<Connections>) {
        let metrics = ConnectionMetrics::register(&Registry::new()).unwrap();
        let capacity = Capacity { connections: 1, has_turnover: false };
        let connections = Connections::new(capacity, metrics, Arc::default(), None);
        (connections.try_open(None).unwrap(), connections)
    }

    /// A connection on which the client has sent `text`, and the client's end.
    async fn connection(text: &str) -> (OneRequestAtATime<DuplexStream>, DuplexStream) {
        let (stream, mut client) = duplex(1 << 20);
        client.write_all(text.as_bytes()).await.unwrap();
        (OneRequestAtATime::new(stream, registered().0), client)
    }

    /// Number of bytes that can be read now.
    #[expect(clippy::disallowed_methods, reason = "tests that nothing can be read")]
    async fn readable(connection: &mut OneRequestAtATime<DuplexStream>) -> Option<usize> {
        let mut bytes = vec![0; 1 << 16];
        let read = timeout(Duration::from_millis(50), connection.read(&mut bytes)).await;
        read.ok().map(Result::unwrap)
    }

    #[tokio::test(start_paused = true)]
    async fn the_next_request_waits_for_the_response() {
        let long = format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(MAX_READ_BYTES));
        let (mut connection, _client) = connection(&format!("{long}{long}")).await;
        let first: usize = [readable(&mut connection).await, readable(&mut connection).await]
            .map(Option::unwrap)
            .iter()
            .sum();
        assert_eq!(first, long.len());
        assert_eq!(readable(&mut connection).await, None);
        connection.write_all(b"answer").await.unwrap();
        let rest =
            readable(&mut connection).await.unwrap() + readable(&mut connection).await.unwrap();
        assert_eq!(rest, long.len());
    }

    #[tokio::test(start_paused = true)]
    async fn requests_that_arrive_together_are_passed_on_one_by_one() {
        let (mut connection, _client) = connection(&REQUEST.repeat(3)).await;
        for _ in 0..3 {
            assert_eq!(readable(&mut connection).await, Some(REQUEST.len()));
            assert_eq!(readable(&mut connection).await, None);
            connection.write_all(b"answer").await.unwrap();
        }
        assert_eq!(readable(&mut connection).await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn the_response_wakes_the_reader() {
        let (mut connection, mut client) = connection(REQUEST).await;
        assert_eq!(readable(&mut connection).await, Some(REQUEST.len()));
        client.write_all(REQUEST.as_bytes()).await.unwrap();
        let (mut reading, mut writing) = tokio::io::split(connection);
        let next = tokio::spawn(async move { reading.read(&mut [0; 100]).await });
        tokio::task::yield_now().await;
        writing.write_all(b"answer").await.unwrap();
        assert_eq!(next.await.unwrap().unwrap(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_disconnect_is_detected_while_a_response_is_pending() {
        let (mut connection, client) = connection(REQUEST).await;
        assert_eq!(readable(&mut connection).await, Some(REQUEST.len()));
        assert_eq!(readable(&mut connection).await, None);
        drop(client);
        assert_eq!(readable(&mut connection).await, Some(0));
    }

    #[tokio::test(start_paused = true)]
    async fn the_end_of_a_head_can_be_split_between_reads() {
        let (mut connection, mut client) = connection("GET / HTTP/1.1\r\n\r").await;
        assert_eq!(readable(&mut connection).await, Some(17));
        assert!(!connection.awaits_response);
        client.write_all(b"\n").await.unwrap();
        assert_eq!(readable(&mut connection).await, Some(1));
        assert!(connection.awaits_response);
    }

    #[tokio::test(start_paused = true)]
    async fn empty_lines_before_a_head_are_not_a_request() {
        let (mut connection, _client) = connection("\r\n\n\r\nGET / HTTP/1.1\r\n\r\n").await;
        assert!(readable(&mut connection).await.is_some());
        assert!(connection.awaits_response);
        let (mut connection, _client) = self::connection("\r\n\n\r\n").await;
        assert!(readable(&mut connection).await.is_some());
        assert!(!connection.awaits_response);
    }

    #[tokio::test(start_paused = true)]
    async fn a_part_of_a_head_has_a_timeout() {
        let (mut connection, mut client) = connection(&format!("{REQUEST}G")).await;
        let start = Instant::now();
        let mut bytes = [0; 100];
        assert_eq!(connection.read(&mut bytes).await.unwrap(), REQUEST.len());
        connection.write_all(b"answer").await.unwrap();
        connection.awaits_response = false;
        let trickle = async {
            loop {
                sleep(Duration::from_secs(1)).await;
                client.write_all(b"E").await.unwrap();
            }
        };
        let until_end = async { while connection.read(&mut bytes).await.unwrap() > 0 {} };
        select(pin!(trickle), pin!(until_end)).await;
        assert_eq!(start.elapsed().as_secs(), HEAD_TIMEOUT.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_connection_has_no_timeout_here() {
        let (mut connection, _client) = connection("").await;
        assert_eq!(readable(&mut connection).await, None);
        assert!(connection.head_timer.0.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_does_not_read_has_a_timeout() {
        let (stream, _client) = duplex(10);
        let mut connection = OneRequestAtATime::new(stream, registered().0);
        let error = connection.write_all(&[0; 100]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_can_be_closed_while_it_waits() {
        for is_reading in [true, false] {
            let ((first, connections), (stream, _client)) = (registered(), duplex(10));
            let mut connection = OneRequestAtATime::new(stream, first);
            let waiting = tokio::spawn(async move {
                if is_reading {
                    return connection.read(&mut [0]).await;
                }
                connection.write_all(&[0; 100]).await.map(|()| 100)
            });
            tokio::task::yield_now().await;
            let _second = connections.try_open(None).unwrap();
            let start = Instant::now();
            let result = waiting.await.unwrap();
            assert_eq!(start.elapsed(), Duration::ZERO);
            assert_eq!(result.ok(), is_reading.then_some(0));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_has_arrived_is_served_before_the_connection_is_closed() {
        for (sent, read) in [(REQUEST.repeat(2), REQUEST.len()), ("GET / HTTP/1.1\r\n".into(), 0)] {
            let (mut connection, _client, connections) = stoppable(&sent).await;
            let _second = connections.try_open(None).unwrap();
            assert_eq!(readable(&mut connection).await, Some(read));
            if read > 0 {
                assert_eq!(readable(&mut connection).await, None, "the response is awaited");
                connection.write_all(b"answer").await.unwrap();
                connection.flush().await.unwrap();
                assert_eq!(readable(&mut connection).await, Some(0), "it was the last request");
            }
        }
    }

    /// A connection on which the client has sent `text`, the client's end, and the list.
    async fn stoppable(
        text: &str,
    ) -> (OneRequestAtATime<DuplexStream>, DuplexStream, Arc<Connections>) {
        let ((connection, connections), (stream, mut client)) = (registered(), duplex(1 << 20));
        client.write_all(text.as_bytes()).await.unwrap();
        (OneRequestAtATime::new(stream, connection), client, connections)
    }

    #[tokio::test(start_paused = true)]
    async fn a_stop_ends_an_idle_connection_and_passes_on_an_arrived_request() {
        for second in ["", REQUEST] {
            let (mut connection, mut client, connections) = stoppable(REQUEST).await;
            assert_eq!(readable(&mut connection).await, Some(REQUEST.len()));
            connection.write_all(b"answer").await.unwrap();
            connection.flush().await.unwrap();
            let start = Instant::now();
            let waiting = async {
                let mut bytes = [0; 100];
                let read = connection.read(&mut bytes).await.unwrap();
                assert_eq!(read, second.len());
            };
            let stop = async {
                // The request arrives and the stop begins before the connection is polled again.
                client.write_all(second.as_bytes()).await.unwrap();
                connections.shut_down();
            };
            tokio::join!(waiting, stop);
            let expected = if second.is_empty() { ARRIVAL_TIMEOUT } else { Duration::ZERO };
            assert_eq!(start.elapsed(), expected);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_stop_waits_for_the_response_and_for_a_head_that_has_begun() {
        let (mut connection, _client, connections) = stoppable(REQUEST).await;
        assert_eq!(readable(&mut connection).await, Some(REQUEST.len()));
        connections.shut_down();
        assert_eq!(readable(&mut connection).await, None);
        connection.write_all(b"answer").await.unwrap();
        assert_eq!(readable(&mut connection).await, None, "the response may have more parts");
        connection.flush().await.unwrap();
        assert_eq!(readable(&mut connection).await, Some(0));

        let (mut connection, _client, connections) = stoppable("GET / ").await;
        assert_eq!(readable(&mut connection).await, Some(6));
        connections.shut_down();
        let start = Instant::now();
        assert_eq!(connection.read(&mut [0]).await.unwrap(), 0);
        assert_eq!(start.elapsed().as_secs(), HEAD_TIMEOUT.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn a_flush_that_ends_a_response_during_a_stop_wakes_the_reader() {
        let (stream, mut client) = duplex(10);
        let (connection, connections) = registered();
        let mut connection = OneRequestAtATime::new(stream, connection);
        client
            .write_all(
                b"GET / 

",
            )
            .await
            .unwrap();
        assert_eq!(readable(&mut connection).await, Some(8));
        connections.shut_down();
        connection.write_all(b"answer").await.unwrap();
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(Arc::clone(&woken));
        let (mut context, mut bytes) = (Context::from_waker(&waker), [0; 10]);
        let mut connection = pin!(connection);
        let mut buffer = ReadBuf::new(&mut bytes);
        assert!(connection.as_mut().poll_read(&mut context, &mut buffer).is_pending());
        assert!(connection.as_mut().poll_flush(&mut context).is_ready());
        assert!(woken.0.load(Ordering::Relaxed));
    }

    /// Records that it was woken.
    #[derive(Default)]
    struct Woken(AtomicBool);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::Relaxed);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_new_connection_can_send_its_request_during_a_stop() {
        let (mut connection, mut client, connections) = stoppable("").await;
        connections.shut_down();
        assert_eq!(readable(&mut connection).await, None);
        // The rest of its head has the usual time.
        let (begin, end) = REQUEST.split_at(10);
        client.write_all(begin.as_bytes()).await.unwrap();
        assert_eq!(readable(&mut connection).await, Some(begin.len()));
        sleep(FIRST_REQUEST_TIMEOUT).await;
        assert_eq!(readable(&mut connection).await, None);
        client.write_all(end.as_bytes()).await.unwrap();
        assert_eq!(readable(&mut connection).await, Some(end.len()));
        let (mut connection, _client, connections) = stoppable("").await;
        connections.shut_down();
        let start = Instant::now();
        assert_eq!(connection.read(&mut [0]).await.unwrap(), 0);
        assert_eq!(start.elapsed(), FIRST_REQUEST_TIMEOUT);
    }

    #[tokio::test(start_paused = true)]
    async fn the_end_of_a_connection_waits_for_the_client_for_a_limited_time() {
        for client_closes in [true, false] {
            let (mut connection, mut client, connections) = stoppable(REQUEST).await;
            connections.shut_down();
            let start = Instant::now();
            let flood = async {
                let mut rest = Vec::new();
                client.read_to_end(&mut rest).await.unwrap();
                sleep(Duration::from_millis(100)).await;
                if client_closes {
                    return drop(client);
                }
                while client.write_all(&[0; 10_000]).await.is_ok() {
                    sleep(Duration::from_millis(1)).await;
                }
            };
            let end = async {
                // The server flushes before each attempt.
                let mut pinned = Pin::new(&mut connection);
                poll_fn(|context| {
                    ready!(pinned.as_mut().poll_flush(context))?;
                    pinned.as_mut().poll_shutdown(context)
                })
                .await
                .unwrap();
                drop(connection);
                start.elapsed()
            };
            let (elapsed, ()) = tokio::join!(end, flood);
            let expected = if client_closes { Duration::from_millis(100) } else { LINGER_TIMEOUT };
            assert_eq!(elapsed, expected);
        }
        let (mut connection, _client, _connections) = stoppable(REQUEST).await;
        let start = Instant::now();
        connection.shutdown().await.unwrap();
        assert_eq!(start.elapsed(), Duration::ZERO, "only connections that the server ends");
    }

    #[tokio::test(start_paused = true)]
    async fn lines_of_a_head_can_end_without_carriage_return() {
        let (mut connection, _client) = connection("GET / HTTP/1.1\nHost: x\n\n").await;
        assert_eq!(readable(&mut connection).await, Some(24));
        assert!(connection.awaits_response);
    }
}
