//! The times of one hop, read off the wire.

use std::time::Duration;

use http::Request;
use http_body::Body as _;

use crate::{
    diagnostics::{Phases, humanize::count},
    net::{
        http::{RequestBody, http1::HeadWatch, stream_watch::StreamWatch},
        wire::{Timestamp, WireClock},
    },
    probers::http::{
        measurements::{HttpMeasurements, HttpPhase},
        request::FileLength,
    },
};

/// A request that is under way, from the moment it is sent.
#[derive(Debug)]
pub(super) struct Running {
    clock: WireClock,
    watch: Watch,
    /// Whether the body lasts until the connection ends.
    until_end: bool,
    progress: Progress,
    /// The number of bytes of the request's body, where that is known.
    upload: u64,
}

/// What tells the bytes of the exchange from others.
#[derive(Debug)]
enum Watch {
    Http1(HeadWatch),
    /// HTTP/2 and HTTP/3.
    Framed(StreamWatch),
}

#[derive(Debug, Clone, Copy)]
enum Progress {
    /// The head of the response is not there yet.
    Waiting,
    /// The head is there, and nothing else is timed.
    Answered(Answered),
    /// The body of the final response is on its way.
    Transferring(Answered),
    /// The final response is there.
    Complete(Answered),
}

#[derive(Debug, Clone, Copy, Default)]
struct Answered {
    processing: Duration,
    first_byte: Option<Timestamp>,
}

impl Answered {
    fn charge_processing(&self, phases: &mut Phases<HttpPhase>) {
        let end = self.first_byte.unwrap_or_else(Timestamp::now).instant();
        phases.add_until(HttpPhase::Processing, self.processing, end);
    }

    /// For a head that arrived at `head`, to a request whose last frame was sent at `sent`.
    fn framed(sent: Option<Timestamp>, head: Timestamp) -> Self {
        let processing = sent.map(|sent| head.since(sent)).unwrap_or_default();
        Self { processing, first_byte: Some(head) }
    }
}

impl Running {
    /// For a request that is about to be sent over HTTP/1 on a connection with this clock.
    pub(super) fn over_http1(clock: WireClock, head: HeadWatch) -> Self {
        Self::new(clock, Watch::Http1(head))
    }

    /// For a request that is about to be sent over HTTP/2 or HTTP/3 on a connection with this clock.
    pub(super) fn framed(clock: WireClock, stream: StreamWatch) -> Self {
        Self::new(clock, Watch::Framed(stream))
    }

    fn new(clock: WireClock, watch: Watch) -> Self {
        Self { clock, watch, until_end: false, progress: Progress::Waiting, upload: 0 }
    }

    /// The same for this request, whose body's length is noted.
    pub(super) fn of(self, request: &Request<RequestBody>) -> Self {
        let file = request.extensions().get().map(|FileLength(length)| *length);
        Self { upload: file.unwrap_or_else(|| request.body().size_hint().lower()), ..self }
    }

    /// Describes the wait for the head of the response.
    pub(super) fn describe_wait(&self) -> String {
        let lap = self.clock.so_far();
        if lap.sent < self.upload.max(1) {
            let body = match self.upload {
                0 => String::new(),
                length => format!(" of a request whose body has {}", count(length, "byte")),
            };
            return format!(
                "sending the request: {}{body} were sent, and the peer takes no more",
                count(lap.sent, "byte")
            );
        }
        match &self.watch {
            Watch::Http1(head) => head.describe_wait(),
            Watch::Framed(stream) => stream.describe_wait(lap.received),
        }
    }

    /// How long the peer took until it answered, if it did.
    fn answered(&self) -> Option<Answered> {
        match &self.watch {
            Watch::Http1(head) => head
                .first_read()
                .map(|lap| Answered { processing: lap.answer_time(), first_byte: lap.last_byte }),
            Watch::Framed(stream) => {
                stream.head().map(|head| Answered::framed(stream.sent(), head))
            }
        }
    }

    /// Since when the peer is waited for in vain.
    fn waiting_since(&self) -> Option<Timestamp> {
        let lap = self.clock.so_far();
        match &self.watch {
            Watch::Http1(head) if head.first_read().is_some() => lap.last_byte,
            Watch::Http1(_) => lap.last_send,
            Watch::Framed(stream) => stream.sent(),
        }
    }

    /// When the last byte of the response arrived, or what told that no more will come.
    fn last_byte(&self) -> Option<Timestamp> {
        let lap = self.clock.so_far();
        match &self.watch {
            _ if self.until_end => lap.end.or(lap.last_byte),
            Watch::Http1(_) => lap.last_byte,
            Watch::Framed(stream) => stream.last_byte(),
        }
    }
}

impl HttpMeasurements {
    /// Describes the wait for the head of the response that is under way.
    pub(super) fn describe_wait(&self) -> String {
        self.running.as_ref().map(Running::describe_wait).unwrap_or_default()
    }

    /// Notes that the head of the response is there, and whether its body lasts until the connection
    /// ends.
    pub(super) fn note_head(&mut self, until_end: bool) {
        if let Some(running) = &mut self.running {
            running.until_end = until_end;
            let answered = running.answered().unwrap_or_default();
            answered.charge_processing(&mut self.phases);
            running.progress = Progress::Answered(answered);
        }
    }

    /// Notes that the response is the final one, whose body counts.
    pub(super) fn begin_transfer(&mut self) {
        if let Some(running) = &mut self.running
            && let Progress::Answered(answered) = running.progress
        {
            running.progress = Progress::Transferring(answered);
        }
    }

    /// Notes that the body of the final response is there, or that no more of it will come.
    pub(super) fn end_transfer(&mut self) {
        if let Some(running) = &mut self.running
            && let Progress::Transferring(answered) = running.progress
        {
            running.progress = Progress::Complete(answered);
        }
    }

    /// Notes that the body of the final response broke off.
    pub(super) fn break_transfer(&mut self) {
        if let Some(running) = &mut self.running {
            running.until_end = true;
        }
        self.end_transfer();
    }

    /// Adds up what is known of a hop that is over, or that was cut off.
    pub(super) fn settle_hop(&mut self) {
        let Some(running) = self.running.take() else { return };
        let transfer = match running.progress {
            Progress::Waiting => {
                // The peer may have begun to answer, if only that.
                if let Some(answered) = running.answered() {
                    answered.charge_processing(&mut self.phases);
                }
                let since = running.waiting_since();
                let waited = since.map(Timestamp::elapsed).unwrap_or_default();
                self.phases.add_incomplete(HttpPhase::Processing, waited);
                None
            }
            Progress::Answered(_) => None,
            Progress::Transferring(Answered { first_byte, .. }) => {
                first_byte.map(|first| (first, Timestamp::now()))
            }
            Progress::Complete(Answered { first_byte, .. }) => first_byte.zip(running.last_byte()),
        };
        if let Some((first, last)) = transfer {
            self.phases.add_until(HttpPhase::Transfer, last.since(first), last.instant());
        }
    }
}
