//! The times of an exchange, measured on the wire.

use std::time::Duration;

use http::Request;
use http_body::Body as _;

use crate::{
    diagnostics::humanize::count,
    net::{
        http::{RequestBody, http1::HeadWatch, stream_watch::StreamWatch},
        wire::{Timestamp, WireClock},
    },
};

/// The times of an exchange. They can be read while it is running, and after it was cancelled.
#[derive(Debug)]
pub(crate) struct ExchangeTiming {
    clock: WireClock,
    watch: Watch,
    /// Number of bytes of the body of the request, if it is known.
    upload: u64,
}

/// The times of the response itself, without other bytes of the connection.
#[derive(Debug)]
enum Watch {
    Http1(HeadWatch),
    /// HTTP/2 and HTTP/3.
    Framed(StreamWatch),
}

/// The arrival of the first byte of a response.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Answered {
    /// Time from the last byte of the request to the first byte of the response.
    pub(crate) processing: Duration,
    pub(crate) first_byte: Option<Timestamp>,
}

impl Answered {
    /// For a head that arrived at `head`, after the last frame of the request was sent at `sent`.
    fn framed(sent: Option<Timestamp>, head: Timestamp) -> Self {
        let processing = sent.map(|sent| head.since(sent)).unwrap_or_default();
        Self { processing, first_byte: Some(head) }
    }
}

impl ExchangeTiming {
    /// Returns the times of an exchange over HTTP/1.
    pub(super) fn of_http1(
        clock: WireClock,
        watch: HeadWatch,
        request: &Request<RequestBody>,
    ) -> Self {
        Self::new(clock, Watch::Http1(watch), request)
    }

    /// Returns the times of an exchange over HTTP/2 or HTTP/3.
    pub(super) fn framed(
        clock: WireClock,
        watch: StreamWatch,
        request: &Request<RequestBody>,
    ) -> Self {
        Self::new(clock, Watch::Framed(watch), request)
    }

    fn new(clock: WireClock, watch: Watch, request: &Request<RequestBody>) -> Self {
        Self { clock, watch, upload: request.body().size_hint().lower() }
    }

    /// Describes the wait for the head of the response.
    pub(crate) fn describe_wait(&self) -> String {
        let lap = self.clock.so_far();
        if lap.sent < self.upload.max(1) {
            let body = match self.upload {
                0 => String::new(),
                length => format!(" (the body has {})", count(length, "byte")),
            };
            return format!(
                "sending the request: {} sent{body}, but the peer does not read more",
                count(lap.sent, "byte")
            );
        }
        self.describe_wait_for_response()
    }

    /// Describes the wait for the head of the response to a request that was sent.
    pub(crate) fn describe_wait_for_response(&self) -> String {
        match &self.watch {
            Watch::Http1(head) => head.describe_wait(),
            Watch::Framed(stream) => stream.describe_wait(self.clock.so_far().received),
        }
    }

    /// Returns the arrival of the first byte of the response, if it has arrived.
    pub(crate) fn answered(&self) -> Option<Answered> {
        match &self.watch {
            Watch::Http1(head) => head
                .first_read()
                .map(|lap| Answered { processing: lap.response_time(), first_byte: lap.last_byte }),
            Watch::Framed(stream) => {
                stream.head().map(|head| Answered::framed(stream.sent(), head))
            }
        }
    }

    /// Returns the begin of the wait for the head of a response that has not arrived.
    pub(crate) fn waiting_since(&self) -> Option<Timestamp> {
        let lap = self.clock.so_far();
        match &self.watch {
            Watch::Http1(head) if head.first_read().is_some() => lap.last_byte,
            Watch::Http1(_) => lap.last_send,
            Watch::Framed(stream) => stream.sent(),
        }
    }

    /// Returns the arrival of the last byte of the response so far.
    pub(crate) fn last_byte(&self) -> Option<Timestamp> {
        match &self.watch {
            Watch::Http1(_) => self.clock.so_far().last_byte,
            Watch::Framed(stream) => stream.last_byte(),
        }
    }

    /// Returns the end of the connection, or else the arrival of its last byte so far.
    pub(crate) fn end_of_connection(&self) -> Option<Timestamp> {
        let lap = self.clock.so_far();
        lap.end.or(lap.last_byte)
    }

    /// Returns the time from the last byte of the request to the last byte of the response.
    pub(crate) fn response_time(&self) -> Option<Duration> {
        match &self.watch {
            Watch::Http1(_) => None,
            Watch::Framed(stream) => {
                stream.last_byte().zip(stream.sent()).map(|(last, sent)| last.since(sent))
            }
        }
    }
}
