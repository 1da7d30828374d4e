//! The phases of one hop, from the times of its exchange.

use crate::{
    diagnostics::Phases,
    net::{
        http::timing::{Answered, ExchangeTiming},
        wire::Timestamp,
    },
    probers::http::phases::HttpPhase,
};

/// The times of the current hop.
#[derive(Debug)]
pub(super) struct HopTiming {
    exchange: ExchangeTiming,
    progress: Progress,
    /// True if the body lasts until the connection ends.
    until_end: bool,
}

#[derive(Debug, Clone, Copy)]
enum Progress {
    /// The head of the response has not arrived.
    Waiting,
    /// The head has arrived, and the rest is not timed.
    Answered { first_byte: Option<Timestamp> },
    /// The body of the final response is being received.
    Transferring { first_byte: Option<Timestamp> },
    /// The final response has arrived.
    Complete { first_byte: Option<Timestamp> },
}

impl HopTiming {
    /// Returns the times of a hop whose request is sent next.
    pub(super) fn new(exchange: ExchangeTiming) -> Self {
        Self { exchange, progress: Progress::Waiting, until_end: false }
    }

    /// Describes the wait for the head of the response.
    pub(super) fn describe_wait(&self) -> String {
        self.exchange.describe_wait()
    }

    /// Notes that the head of the response has arrived. `until_end` says whether its body lasts until
    /// the connection ends.
    pub(super) fn note_head(&mut self, until_end: bool, phases: &mut Phases<HttpPhase>) {
        self.until_end = until_end;
        let answered = self.exchange.answered().unwrap_or_default();
        add_processing(answered, phases);
        self.progress = Progress::Answered { first_byte: answered.first_byte };
    }

    /// Notes that the response is the final one, whose body is timed.
    pub(super) fn begin_transfer(&mut self) {
        if let Progress::Answered { first_byte } = self.progress {
            self.progress = Progress::Transferring { first_byte };
        }
    }

    /// Notes that the body of the final response has arrived, or that no more of it is read.
    pub(super) fn end_transfer(&mut self) {
        if let Progress::Transferring { first_byte } = self.progress {
            self.progress = Progress::Complete { first_byte };
        }
    }

    /// Notes that the body of the final response is incomplete.
    pub(super) fn break_transfer(&mut self) {
        self.until_end = true;
        self.end_transfer();
    }

    /// Adds the times of a hop that is over, or that was cancelled.
    pub(super) fn settle(self, phases: &mut Phases<HttpPhase>) {
        let transfer = match self.progress {
            Progress::Waiting => {
                // Some of the response may have arrived.
                if let Some(answered) = self.exchange.answered() {
                    add_processing(answered, phases);
                }
                let since = self.exchange.waiting_since();
                let waited = since.map(Timestamp::elapsed).unwrap_or_default();
                phases.add_incomplete(HttpPhase::Processing, waited);
                None
            }
            Progress::Answered { .. } => None,
            Progress::Transferring { first_byte } => {
                first_byte.map(|first| (first, Timestamp::now()))
            }
            Progress::Complete { first_byte } => first_byte.zip(self.last_byte()),
        };
        if let Some((first, last)) = transfer {
            phases.add_until(HttpPhase::Transfer, last.since(first), last.instant());
        }
    }

    /// Returns the arrival of the last byte of the response, or of the end of the connection.
    fn last_byte(&self) -> Option<Timestamp> {
        if self.until_end { self.exchange.end_of_connection() } else { self.exchange.last_byte() }
    }
}

fn add_processing(answered: Answered, phases: &mut Phases<HttpPhase>) {
    let Answered { processing, first_byte } = answered;
    let end = first_byte.unwrap_or_else(Timestamp::now).instant();
    phases.add_until(HttpPhase::Processing, processing, end);
}
