//! The times of one hop, read off the wire.

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
    progress: Progress,
}

#[derive(Debug, Clone, Copy)]
enum Progress {
    /// The head of the response is not there yet.
    Waiting,
    /// The head is there, and nothing else is timed.
    Answered { first_byte: Option<Mark> },
    /// The body of the final response is on its way.
    Transferring { first_byte: Option<Mark> },
    /// The final response is there.
    Complete { first_byte: Option<Mark> },
}

impl Running {
    /// For a request that is about to be sent on a connection with this clock.
    pub(super) fn new(clock: WireClock, head: HeadWatch, http2: bool) -> Self {
        Self { clock, head, http2, progress: Progress::Waiting }
    }
}

impl HttpMeasurements {
    /// Notes that the head of the response is there.
    pub(super) fn note_head(&mut self) {
        let Some(running) = &mut self.running else { return };
        // HTTP/2 begins with frames about the connection, so there the first byte says nothing.
        let lap = match running.head.first_read() {
            Some(lap) if !running.http2 => lap,
            _ => running.clock.so_far(),
        };
        self.phases.add(HttpPhase::Processing, lap.waiting);
        running.progress = Progress::Answered { first_byte: lap.last_byte };
    }

    /// Notes that the response is the final one, whose body counts.
    pub(super) fn begin_transfer(&mut self) {
        if let Some(running) = &mut self.running
            && let Progress::Answered { first_byte } = running.progress
        {
            running.progress = Progress::Transferring { first_byte };
        }
    }

    /// Notes that the body of the final response is there, or that no more of it will come.
    pub(super) fn end_transfer(&mut self) {
        if let Some(running) = &mut self.running
            && let Progress::Transferring { first_byte } = running.progress
        {
            running.progress = Progress::Complete { first_byte };
        }
    }

    /// Adds up what is known of a hop that is over, or that was cut off.
    pub(super) fn settle_hop(&mut self) {
        let Some(running) = self.running.take() else { return };
        let lap = running.clock.lap();
        self.waiting += lap.waiting;
        match running.progress {
            Progress::Waiting => {
                // The peer began to answer, if only that.
                if let Some(lap) = running.head.first_read().filter(|_| !running.http2) {
                    self.phases.add(HttpPhase::Processing, lap.waiting);
                }
            }
            Progress::Answered { .. } => {}
            Progress::Transferring { first_byte } => {
                let cut_off = first_byte.map(Mark::elapsed);
                self.phases.add(HttpPhase::Transfer, cut_off.unwrap_or_default());
            }
            Progress::Complete { first_byte } => {
                let (Some(first), Some(last)) = (first_byte, lap.last_byte) else { return };
                self.phases.add(HttpPhase::Transfer, last.since(first));
            }
        }
    }
}
