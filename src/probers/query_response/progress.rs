//! The progress of a dialogue, and its description in the message of a timeout.

use std::fmt;

use bytes::BytesMut;

use super::Step;
use crate::diagnostics::{humanize::count, log::Quoted};

/// The current step and the lines received in it.
#[derive(Debug)]
pub(super) struct Progress {
    step: usize,
    pub(super) doing: Doing,
    /// Number of complete lines received in this step.
    lines: u64,
    /// The last complete line and the index of the step that received it.
    last: Option<(usize, BytesMut)>,
}

/// The current part of a step.
#[derive(Debug, Clone, Copy)]
pub(super) enum Doing {
    /// Waiting for a line that matches `expect`.
    AwaitingLine,
    /// Waiting for the number of bytes in `expect_bytes`.
    AwaitingBytes,
    /// Sending this many bytes.
    Sending(usize),
}

impl Progress {
    /// Creates the progress of a dialogue that starts at this step.
    pub(super) fn at(step: usize) -> Self {
        Self { step, doing: Doing::AwaitingLine, lines: 0, last: None }
    }

    /// Records the start of a step.
    pub(super) fn begin_step(&mut self, step: usize) {
        (self.step, self.lines) = (step, 0);
    }

    /// Records a complete line.
    pub(super) fn note_line(&mut self, line: BytesMut) {
        self.lines += 1;
        self.last = Some((self.step, line));
    }

    /// Returns the last line received in this step.
    pub(super) fn last_line(&self) -> Option<&[u8]> {
        let (step, line) = self.last.as_ref()?;
        (*step == self.step).then_some(line)
    }

    /// Returns the current step and those after it.
    pub(super) fn steps_left<'s>(&self, steps: &'s [Step]) -> impl Iterator<Item = &'s Step> {
        steps.iter().skip(self.step)
    }

    /// Returns the key of the step, as in configuration errors.
    pub(super) fn place(&self) -> String {
        format!("query_response[{}]", self.step)
    }

    /// Describes the pending wait and the received data. `rest` is the data after the last line.
    pub(super) fn describe(&self, steps: &[Step], rest: &[u8]) -> String {
        let place = self.place();
        let Some(step) = steps.get(self.step) else { return place };
        match (self.doing, &step.expect) {
            (Doing::Sending(length), _) => {
                format!("{place}: sending {length} bytes, which the peer does not read")
            }
            (Doing::AwaitingLine, Some(pattern)) => {
                let quoted = Quoted(pattern.as_str().as_bytes());
                let wanted = step.shown(&quoted);
                let is_prompt = !step.secret && !rest.is_empty() && pattern.is_match(rest);
                let advice = if is_prompt {
                    "; expect matches complete lines only: use expect_bytes for a prompt"
                } else {
                    ""
                };
                format!("{place}: {}{advice}", self.lines(steps, step, wanted, rest))
            }
            (Doing::AwaitingLine | Doing::AwaitingBytes, _) => {
                let wanted = count(length(step.expect_bytes.as_slice()), "byte");
                let what = format!("{place}: waiting for {wanted}");
                match rest {
                    [] => format!("{what}; received nothing{}", self.after(steps)),
                    _ => format!("{what}; received {}: {}", rest.len(), step.shown(&Quoted(rest))),
                }
            }
        }
    }

    /// Describes the lines received in this step, which do not match `wanted`, and the data after
    /// them.
    fn lines(&self, steps: &[Step], step: &Step, wanted: &dyn fmt::Display, rest: &[u8]) -> String {
        let rest = (!rest.is_empty()).then(|| {
            let (bytes, rest) = (count(length(rest), "byte"), Quoted(rest));
            format!("{bytes} without a line end: {}", step.shown(&rest))
        });
        let Some(line) = self.last_line() else {
            let received = rest.unwrap_or_else(|| format!("nothing{}", self.after(steps)));
            return format!("received {received}; expected a line that matches {wanted}");
        };
        let rest = rest.map(|rest| format!("; then {rest}")).unwrap_or_default();
        format!(
            "received {}, but none matched {wanted}; last line: {}{rest}",
            count(self.lines, "line"),
            step.shown(&Quoted(line)),
        )
    }

    /// Describes the last line of an earlier step. The current step received nothing.
    fn after(&self, steps: &[Step]) -> String {
        let Some((index, line)) = &self.last else { return String::new() };
        let Some(step) = steps.get(*index) else { return String::new() };
        format!(" after {}", step.shown(&Quoted(line)))
    }
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::regexp::Regexp;

    fn expect(pattern: &str) -> Step {
        Step { expect: Some(Regexp::new(pattern).unwrap()), ..Step::default() }
    }

    /// Describes the progress in the second of two steps, after the given lines of each step.
    fn describe(second: &Step, lines: [&[&str]; 2], doing: Doing, rest: &[u8]) -> String {
        let steps = [expect("^220"), second.clone()];
        let mut progress = Progress::at(0);
        for (step, lines) in lines.into_iter().enumerate() {
            progress.begin_step(step);
            for line in lines {
                progress.note_line(line.as_bytes().into());
            }
        }
        progress.doing = doing;
        let text = progress.describe(&steps, rest);
        text.strip_prefix("query_response[1]: ").unwrap().to_owned()
    }

    #[test]
    fn the_description_contains_expected_and_received_data() {
        use Doing::{AwaitingBytes, AwaitingLine, Sending};
        let starttls = expect("^250-STARTTLS");
        let bytes = Step { expect_bytes: "+PONG".into(), ..Step::default() };
        for (step, lines, doing, rest, expected) in [
            (
                &starttls,
                [&[][..]; 2],
                AwaitingLine,
                &b""[..],
                "received nothing; expected a line that matches \"^250-STARTTLS\"",
            ),
            (
                &starttls,
                [&["220 hello"], &[]],
                AwaitingLine,
                b"",
                "received nothing after \"220 hello\"; expected a line that matches \"^250-STARTTLS\"",
            ),
            (
                &starttls,
                [&["220 hello"], &["250-x", "250 CHUNKING"]],
                AwaitingLine,
                b"",
                "received 2 lines, but none matched \"^250-STARTTLS\"; last line: \"250 CHUNKING\"",
            ),
            (
                &starttls,
                [&[], &["250-x"]],
                AwaitingLine,
                b"250-STARTTLS",
                "received 1 line, but none matched \"^250-STARTTLS\"; last line: \"250-x\"; then 12 bytes \
                 without a line end: \"250-STARTTLS\"; expect matches complete \
                 lines only: use expect_bytes for a prompt",
            ),
            (
                &starttls,
                [&[], &[]],
                AwaitingLine,
                b"\xff\xfd\x18",
                r#"received 3 bytes without a line end: "\xff\xfd\u{18}"; expected a line that matches "^250-STARTTLS""#,
            ),
            (&bytes, [&[], &[]], AwaitingBytes, b"", "waiting for 5 bytes; received nothing"),
            (&bytes, [&[], &[]], AwaitingBytes, b"+P", "waiting for 5 bytes; received 2: \"+P\""),
            (
                &bytes,
                [&["x"], &[]],
                Sending(9),
                b"",
                "sending 9 bytes, which the peer does not read",
            ),
        ] {
            assert_eq!(describe(step, lines, doing, rest), expected);
        }
    }

    #[test]
    fn secret_steps_are_redacted() {
        let secret = |step| Step { secret: true, ..step };
        for (step, doing) in [
            (secret(expect("s3cret")), Doing::AwaitingLine),
            (
                Step { expect_bytes: "s3cret".into(), ..secret(Step::default()) },
                Doing::AwaitingBytes,
            ),
        ] {
            let text = describe(&step, [&[], &["s3cret"]], doing, b"s3cre");
            assert!(!text.contains("s3c") && text.contains("<secret>"), "{text}");
        }
    }
}
