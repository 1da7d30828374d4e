//! The connection below the frames, and the times of its bytes.

use std::{
    future::Future as _,
    io,
    pin::{Pin, pin},
    task::{Context, Poll, ready},
};

use bytes::{Buf as _, Bytes, BytesMut};
use tokio::io::{AsyncReadExt as _, AsyncWrite as _};

use crate::net::{
    http::{limits::spend_budget, stream_watch::StreamWatch, transport::Transport},
    wire::{Timestamp, WireClock},
};

/// Number of bytes that wait to be sent, from which nothing more is read.
const MAX_UNSENT: usize = 64 << 10;

/// Number of bytes that wait to be sent, below which more of a body is added.
const MIN_UNSENT: usize = 16 << 10;

/// Number of bytes that are read at once, before the head and after it: what a TLS record holds.
const READ_HEAD: usize = 4 << 10;
const READ_BODY: usize = 16 << 10;

/// The connection of one exchange.
pub(super) struct Wire {
    stream: Box<dyn Transport>,
    clock: WireClock,
    watch: StreamWatch,
    /// The send buffer.
    pub(super) out: BytesMut,
    /// Number of bytes of that up to the last one of the request.
    request_end: usize,
    /// The bytes that are being sent. TLS requires the same bytes again until it has accepted them.
    sending: Bytes,
    /// Number of bytes of that up to the last one of the request.
    sending_request: usize,
    is_flushed: bool,
    /// The error of sending. What the server has sent can still be read.
    write_error: Option<io::Error>,
    pub(super) is_answered: bool,
}

impl Wire {
    pub(super) fn new(stream: Box<dyn Transport>, clock: WireClock, watch: StreamWatch) -> Self {
        Self {
            stream,
            clock,
            watch,
            out: BytesMut::new(),
            request_end: 0,
            sending: Bytes::new(),
            sending_request: 0,
            is_flushed: true,
            write_error: None,
            is_answered: false,
        }
    }

    /// Notes that what is to be sent ends with some of the request.
    pub(super) fn note_request(&mut self) {
        self.request_end = self.out.len();
    }

    /// Returns whether there is room for more of the request's body.
    pub(super) fn has_room(&self) -> bool {
        self.unsent() < MIN_UNSENT && self.write_error.is_none()
    }

    /// Returns whether some of what waits to be sent is to be sent before more is read: it is of the
    /// request, or the rest is too much.
    pub(super) fn has_urgent(&self) -> bool {
        self.request_end + self.sending_request > 0 || self.is_congested()
    }

    /// Returns whether so much waits to be sent that no more is to be read.
    pub(super) fn is_congested(&self) -> bool {
        self.unsent() >= MAX_UNSENT
    }

    fn unsent(&self) -> usize {
        self.out.len() + self.sending.len()
    }

    /// Sends what waits; returns whether all of it was sent by now.
    pub(super) fn send(&mut self, context: &mut Context<'_>) -> bool {
        if self.write_error.is_none()
            && let Poll::Ready(Err(error)) = self.poll_send(context)
        {
            self.write_error = Some(error);
        }
        if self.write_error.is_some() {
            self.out.clear();
            self.sending.clear();
            (self.request_end, self.sending_request) = (0, 0);
            return false;
        }
        self.unsent() == 0
    }

    fn poll_send(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            if self.sending.is_empty() {
                if self.out.is_empty() {
                    break;
                }
                self.sending = self.out.split().freeze();
                self.sending_request = std::mem::take(&mut self.request_end);
            }
            let written = ready!(Pin::new(&mut self.stream).poll_write(context, &self.sending))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.sending.advance(written);
            self.is_flushed = false;
            // What is sent after the answer is nothing that it waited for.
            if self.sending_request > 0 && !self.is_answered {
                self.watch.note_sent(self.clock.so_far().last_send);
            }
            self.sending_request = self.sending_request.saturating_sub(written);
        }
        if !self.is_flushed {
            ready!(Pin::new(&mut self.stream).poll_flush(context))?;
            self.is_flushed = true;
        }
        Poll::Ready(Ok(()))
    }

    /// Reads into `buffer`; returns whether there was anything before the end.
    pub(super) fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut BytesMut,
    ) -> Poll<io::Result<bool>> {
        buffer.reserve(if self.is_answered { READ_BODY } else { READ_HEAD });
        let read = pin!(self.stream.read_buf(buffer)).poll(context);
        if read.is_pending()
            && let Some(error) = self.write_error.take()
        {
            return Poll::Ready(Err(error));
        }
        let length = ready!(read)?;
        spend_budget(context, length);
        Poll::Ready(Ok(length > 0))
    }

    /// Returns when the last bytes arrived.
    pub(super) fn arrival(&self) -> Option<Timestamp> {
        // TLS gives no more than one record at once. So no byte of these arrived after its end.
        self.clock.last_arrival()
    }

    pub(super) fn watch(&self) -> &StreamWatch {
        &self.watch
    }
}
