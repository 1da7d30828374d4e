//! The progress of a dialogue over messages, and its description in the message of a timeout.

use bytes::Bytes;

use crate::{
    diagnostics::{humanize::count, log::Quoted},
    probers::query_response::Step,
};

/// The current step and the last received message.
#[derive(Debug, Default)]
pub(super) struct Progress<'s> {
    step: Option<(usize, &'s Step)>,
    /// Number of bytes that the step is sending.
    pub(super) sending: Option<usize>,
    last: Option<Last<'s>>,
    /// Number of pings received since the last message.
    pub(super) pings: u64,
}

/// The last received message.
#[derive(Debug)]
struct Last<'s> {
    step: &'s Step,
    beginning: Bytes,
    length: usize,
}

/// Maximum number of bytes of a message that are kept.
const MAX_KEPT: usize = 100;

impl<'s> Progress<'s> {
    /// Records the start of a step.
    pub(super) fn begin_step(&mut self, index: usize, step: &'s Step) {
        (self.step, self.sending) = (Some((index, step)), None);
    }

    /// Records a received message.
    pub(super) fn note_message(&mut self, step: &'s Step, message: &Bytes) {
        let length = message.len();
        // The beginning is copied so that a long message is freed.
        let beginning = match message.get(..MAX_KEPT) {
            Some(beginning) => Bytes::copy_from_slice(beginning),
            None => message.clone(),
        };
        (self.last, self.pings) = (Some(Last { step, beginning, length }), 0);
    }

    /// Describes the pending wait and the received messages.
    pub(super) fn describe(&self) -> String {
        let Some((index, step)) = self.step else { return String::new() };
        let place = format!("query_response[{index}]");
        if let Some(length) = self.sending {
            let length = count(u64::try_from(length).unwrap_or_default(), "byte");
            return format!("{place}: sending a message of {length}, which the peer does not read");
        }
        let Some(pattern) = &step.expect else { return place };
        let last = self.last.as_ref().map(Last::describe).unwrap_or_default();
        let pings = match self.pings {
            0 => String::new(),
            pings => format!("; received {}", count(pings, "ping")),
        };
        let pattern = Quoted(pattern.as_str().as_bytes());
        format!(
            "{place}: no message received{last}, expected one that matches {}{pings}",
            step.shown(&pattern)
        )
    }
}

impl Last<'_> {
    /// Describes the message, as the end of a sentence.
    fn describe(&self) -> String {
        let Self { step, beginning, length } = self;
        let is_cut = beginning.len() < *length;
        let more = if is_cut { format!("… ({length} bytes)") } else { String::new() };
        format!(" after {}", step.shown(&format_args!("{}{more}", Quoted(beginning))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::regexp::Regexp;

    fn step(secret: bool) -> Step {
        Step { expect: Some(Regexp::new("^pong").unwrap()), secret, ..Step::default() }
    }

    #[test]
    fn the_description_contains_expected_and_received_data() {
        let (open, secret) = (step(false), step(true));
        let mut progress = Progress::default();
        progress.begin_step(0, &open);
        assert_eq!(
            progress.describe(),
            r#"query_response[0]: no message received, expected one that matches "^pong""#
        );
        progress.note_message(&open, &Bytes::from("pong\n"));
        progress.sending = Some(7);
        assert!(progress.describe().contains("sending a message of 7 bytes"));
        progress.begin_step(1, &open);
        progress.pings = 2;
        assert_eq!(
            progress.describe(),
            r#"query_response[1]: no message received after "pong\n", expected one that matches "^pong"; received 2 pings"#
        );
        progress.note_message(&open, &Bytes::from("x".repeat(5000)));
        assert!(progress.describe().contains("xxx\"… (5000 bytes), expected"));
        progress.note_message(&secret, &Bytes::from("s3cret"));
        progress.begin_step(2, &secret);
        assert_eq!(
            progress.describe(),
            "query_response[2]: no message received after <secret>, expected one that matches \
             <secret>"
        );
    }
}
