//! Disables HTTP pipelining on a connection, and closes it when it is stalled.

#[cfg(test)]
mod tests;

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
        if self.connection.poll_closing(context).is_ready() {
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
            Progress::Used | Progress::ShutDown => ARRIVAL_TIMEOUT,
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
            return this.poll_disconnect(context);
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
        // A connection that is to be closed stays open for a request that has arrived, if it can.
        let stays = if this.awaits_response { this.connection.set_busy() } else { !is_closing };
        if !stays {
            return Poll::Ready(Ok(()));
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
