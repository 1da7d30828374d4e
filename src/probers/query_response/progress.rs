//! The progress of a dialogue, and its description when the probe is cut off.

use bytes::BytesMut;

use super::Step;
use crate::diagnostics::{humanize::count, log::Quoted};

/// The step that is running, and what came in it.
#[derive(Debug)]
pub(super) struct Progress {
    step: usize,
    pub(super) doing: Doing,
    /// The number of whole lines that came in this step.
    lines: u64,
    /// The last whole line that came, and the step in which it came.
    last: Option<(usize, BytesMut)>,
}

/// The part of a step that is running.
#[derive(Debug, Clone, Copy)]
pub(super) enum Doing {
    /// Waiting for a line that matches `expect`.
    AwaitingLine,
    /// Waiting for as many bytes as `expect_bytes` has.
    AwaitingBytes,
    /// Sending this many bytes.
    Sending(usize),
}

impl Progress {
    /// The beginning of a dialogue at the step with this number.
    pub(super) fn at(step: usize) -> Self {
        Self { step, doing: Doing::AwaitingLine, lines: 0, last: None }
    }

    /// Notes that a step begins.
    pub(super) fn begin_step(&mut self, step: usize) {
        (self.step, self.lines) = (step, 0);
    }

    /// Notes a whole line that came.
    pub(super) fn note_line(&mut self, line: BytesMut) {
        self.lines += 1;
        self.last = Some((self.step, line));
    }

    /// The last line that came in this step.
    pub(super) fn last_line(&self) -> Option<&[u8]> {
        let (step, line) = self.last.as_ref()?;
        (*step == self.step).then_some(line)
    }

    /// The step, named as a configuration's errors name it.
    pub(super) fn place(&self) -> String {
        format!("query_response[{}]", self.step)
    }

    /// Describes what the dialogue was waiting for, and what had come. `rest` came after the last
    /// line.
    pub(super) fn describe(&self, steps: &[Step], rest: &[u8]) -> String {
        let place = self.place();
        let Some(step) = steps.get(self.step) else { return place };
        match (self.doing, &step.expect) {
            (Doing::Sending(length), _) => {
                format!("{place}: sending {length} bytes, which the peer does not read")
            }
            (Doing::AwaitingLine, Some(pattern)) => {
                let quoted = Quoted(pattern.as_str().as_bytes());
                let what = format!("{place}: no line matched {}", step.shown(&quoted));
                let is_prompt = !step.secret && !rest.is_empty() && pattern.is_match(rest);
                let advice = if is_prompt {
                    "; expect takes whole lines only: use expect_bytes for a prompt"
                } else {
                    ""
                };
                format!("{what}; {}{advice}", self.lines(steps, step, rest))
            }
            (Doing::AwaitingLine | Doing::AwaitingBytes, _) => {
                let wanted = count(length(step.expect_bytes.as_slice()), "byte");
                let what = format!("{place}: waiting for {wanted}");
                match rest {
                    [] => format!("{what}; nothing came{}", self.after(steps)),
                    _ => format!("{what}; {} came: {}", rest.len(), step.shown(&Quoted(rest))),
                }
            }
        }
    }

    /// The lines that came in this step, and what came after them.
    fn lines(&self, steps: &[Step], step: &Step, rest: &[u8]) -> String {
        let lines = self.last_line().map(|line| {
            let line = Quoted(line);
            format!("{} came, the last one: {}", count(self.lines, "line"), step.shown(&line))
        });
        let rest = (!rest.is_empty()).then(|| {
            let (bytes, rest) = (count(length(rest), "byte"), Quoted(rest));
            format!("{bytes} came without a line end: {}", step.shown(&rest))
        });
        match (lines, rest) {
            (Some(lines), Some(rest)) => format!("{lines}; then {rest}"),
            (Some(told), None) | (None, Some(told)) => told,
            (None, None) => format!("nothing came{}", self.after(steps)),
        }
    }

    /// The last line of an earlier step, after which nothing came.
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

    /// Describes the second of two steps after these lines of the first and of the second.
    fn described(second: &Step, lines: [&[&str]; 2], doing: Doing, rest: &[u8]) -> String {
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
    fn the_description_says_what_was_expected_and_what_came() {
        use Doing::{AwaitingBytes, AwaitingLine, Sending};
        let starttls = expect("^250-STARTTLS");
        let bytes = Step { expect_bytes: "+PONG".into(), ..Step::default() };
        for (step, lines, doing, rest, expected) in [
            (
                &starttls,
                [&[][..]; 2],
                AwaitingLine,
                &b""[..],
                "no line matched \"^250-STARTTLS\"; nothing came",
            ),
            (
                &starttls,
                [&["220 hello"], &[]],
                AwaitingLine,
                b"",
                "no line matched \"^250-STARTTLS\"; nothing came after \"220 hello\"",
            ),
            (
                &starttls,
                [&["220 hello"], &["250-x", "250 CHUNKING"]],
                AwaitingLine,
                b"",
                "no line matched \"^250-STARTTLS\"; 2 lines came, the last one: \"250 CHUNKING\"",
            ),
            (
                &starttls,
                [&[], &["250-x"]],
                AwaitingLine,
                b"250-STARTTLS",
                "no line matched \"^250-STARTTLS\"; 1 line came, the last one: \"250-x\"; then 12 bytes \
                 came without a line end: \"250-STARTTLS\"; expect takes whole lines only: use \
                 expect_bytes for a prompt",
            ),
            (
                &starttls,
                [&[], &[]],
                AwaitingLine,
                b"\xff\xfd\x18",
                r#"no line matched "^250-STARTTLS"; 3 bytes came without a line end: "\xff\xfd\u{18}""#,
            ),
            (&bytes, [&[], &[]], AwaitingBytes, b"", "waiting for 5 bytes; nothing came"),
            (&bytes, [&[], &[]], AwaitingBytes, b"+P", "waiting for 5 bytes; 2 came: \"+P\""),
            (
                &bytes,
                [&["x"], &[]],
                Sending(9),
                b"",
                "sending 9 bytes, which the peer does not read",
            ),
        ] {
            assert_eq!(described(step, lines, doing, rest), expected);
        }
    }

    #[test]
    fn a_secret_step_shows_nothing() {
        let secret = |step| Step { secret: true, ..step };
        for (step, doing) in [
            (secret(expect("s3cret")), Doing::AwaitingLine),
            (
                Step { expect_bytes: "s3cret".into(), ..secret(Step::default()) },
                Doing::AwaitingBytes,
            ),
        ] {
            let text = described(&step, [&[], &["s3cret"]], doing, b"s3cre");
            assert!(!text.contains("s3c") && text.contains("<secret>"), "{text}");
        }
    }
}
