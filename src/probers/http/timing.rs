//! The times of one hop, read off the wire.

use std::time::Duration;

use crate::{
    net::wire::{Mark, WireClock},
    probers::http::{
        head::HeadWatch,
        measurements::{HttpMeasurements, HttpPhase},
    },
};

/// A request that is under way, from the moment it is sent.
#[derive(Debug)]
pub(super) struct Running {
    clock: WireClock,
    head: HeadWatch,
    http2: bool,
    /// When the request was sent, over HTTP/2.
    sent: Option<Mark>,
    progress: Progress,
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
    first_byte: Option<Mark>,
}

impl Running {
    /// For a request that is about to be sent on a connection with this clock.
    pub(super) fn new(clock: WireClock, head: HeadWatch, http2: bool) -> Self {
        Self { clock, head, http2, sent: None, progress: Progress::Waiting }
    }

    /// How long the peer took until it answered.
    fn answered(&self) -> Answered {
        if let Some(lap) = self.head.first_read().filter(|_| !self.http2) {
            return Answered { processing: lap.waiting, first_byte: lap.last_byte };
        }
        // HTTP/2 begins with frames about the connection, of the peer's and then of ours. So neither
        // the first byte nor the last send says anything.
        let arrival = self.clock.so_far().last_byte;
        let processing = arrival.zip(self.sent).map(|(arrival, sent)| arrival.since(sent));
        Answered { processing: processing.unwrap_or_default(), first_byte: arrival }
    }
}

impl HttpMeasurements {
    /// Notes when the request was sent, where the wire alone does not tell.
    pub(super) fn note_sent(&mut self, sent: Option<Mark>) {
        if let Some(running) = &mut self.running {
            running.sent = sent;
        }
    }

    /// Notes that the head of the response is there.
    pub(super) fn note_head(&mut self) {
        if let Some(running) = &mut self.running {
            let answered = running.answered();
            self.phases.add(HttpPhase::Processing, answered.processing);
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

    /// Adds up what is known of a hop that is over, or that was cut off.
    pub(super) fn settle_hop(&mut self) {
        let Some(running) = self.running.take() else { return };
        let lap = running.clock.so_far();
        let transfer = match running.progress {
            Progress::Waiting => {
                // The peer may have begun to answer, if only that.
                let begun = !running.http2 && running.head.first_read().is_some();
                if begun {
                    self.phases.add(HttpPhase::Processing, running.answered().processing);
                }
                let since = if begun { lap.last_byte } else { lap.last_send };
                self.phases.add_in_vain(since.map(Mark::elapsed).unwrap_or_default());
                None
            }
            Progress::Answered(_) => None,
            Progress::Transferring(Answered { first_byte, .. }) => first_byte.map(Mark::elapsed),
            Progress::Complete(Answered { first_byte, .. }) => {
                lap.last_byte.zip(first_byte).map(|(last, first)| last.since(first))
            }
        };
        if let Some(transfer) = transfer {
            self.phases.add(HttpPhase::Transfer, transfer);
        }
    }
}
