//! Holds a dialogue over a stream of bytes, whatever carries it.

use bytes::{BufMut as _, BytesMut};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    task::coop::consume_budget,
};

use super::{
    Step,
    facts::DialogueFacts,
    progress::{Doing, Progress},
    read_buffer::Inbox,
};
use crate::{
    diagnostics::{Check, Failure, Reason, Stage, log::Excerpt},
    net::Context,
    settings::{bytes::Bytes, regexp::Captures},
};

/// Bytes that a peer may say in one dialogue; none that makes sense comes near.
pub const MOST_BYTES: usize = 16 << 20;

/// Bytes that are read at a time.
const READ_AHEAD: usize = 4096;

/// Where a dialogue stands when nothing more can be said on its stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// All steps are done.
    Finished,
    /// The connection has to turn to TLS, and the dialogue goes on there.
    StartTls {
        /// The step to go on with.
        next: usize,
    },
}

/// Goes through `steps`, from the one with the number `first` on.
///
/// What the peer has said beyond the last line that was waited for, before the connection turns to
/// TLS, is thrown away, as upstream does it: it may have been put there by somebody in between.
pub async fn talk<S: AsyncRead + AsyncWrite + Unpin>(
    context: &Context,
    stream: &mut S,
    steps: &[Step],
    first: usize,
    seen: &mut DialogueFacts,
) -> Result<Standing, Failure> {
    let (inbox, progress) = (Inbox::default(), Progress::at(first));
    let mut dialogue = Dialogue { context, stream, steps, inbox, received: 0, progress };
    for (index, step) in steps.iter().enumerate().skip(first) {
        dialogue.progress.begin_step(index);
        begin_step(context, step, index);
        let heard = dialogue.hear(step, seen).await;
        let send = end_check(context, step, index, heard)?;
        dialogue.say(step, send).await?;
        if step.starttls {
            let leftover = dialogue.inbox.bytes.len();
            if leftover > 0 {
                let bytes: &[(_, &dyn std::fmt::Display)] = &[("bytes", &leftover)];
                context.log.warn("Ignoring what the peer said before STARTTLS", bytes);
            }
            return Ok(Standing::StartTls { next: index + 1 });
        }
    }
    Ok(Standing::Finished)
}

/// Notes that a step begins, which is a check if it expects something.
pub fn begin_step(context: &Context, step: &Step, index: usize) {
    context.log.debug("Processing query response entry", &[("entry_number", &index)]);
    if step.is_check() {
        context.checks.begin(step.check_name(index));
    }
}

/// Notes whether what a step expects came, and gives what it is to send back.
///
/// # Errors
/// That of the step.
pub fn end_check<T>(
    context: &Context,
    step: &Step,
    index: usize,
    heard: Result<T, Failure>,
) -> Result<T, Failure> {
    if step.is_check() {
        let outcome = heard.as_ref().map(|_| ()).map_err(Failure::clone);
        context.checks.end(Check::new(step.check_name(index), outcome));
    }
    heard
}

struct Dialogue<'d, S> {
    context: &'d Context,
    stream: &'d mut S,
    steps: &'d [Step],
    inbox: Inbox,
    received: usize,
    progress: Progress,
}

/// A dialogue that is cut off says what it was waiting for.
impl<S> Drop for Dialogue<'_, S> {
    fn drop(&mut self) {
        let Self { context, steps, inbox, progress, .. } = self;
        drop(context.waiting_for(|| progress.describe(steps, &inbox.bytes)));
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Dialogue<'_, S> {
    /// Expects a line or bytes, if asked for; returns what to send then.
    async fn hear(&mut self, step: &Step, seen: &mut DialogueFacts) -> Result<Vec<u8>, Failure> {
        let mut send = step.send.as_slice().to_vec();
        if let Some(pattern) = &step.expect {
            loop {
                let Some(line) = self.line().await? else {
                    seen.failed_due_to_regex = true;
                    let last = self.progress.last_line().map_or_else(
                        || "before it sent a line".to_owned(),
                        |line| format!("after \"{}\"", step.shown(&Excerpt(line))),
                    );
                    let pattern = step.shown(pattern);
                    let what = format!(
                        "the peer closed the connection {last}; no line matched \"{pattern}\""
                    );
                    return Err(self.failure(Stage::Check, Reason::Dialogue, &what));
                };
                let (regexp, excerpt) = (step.shown(pattern), Excerpt(&line));
                let excerpt = step.shown(&excerpt);
                step.hide(self.context, &line);
                self.context.log.debug("Read line", &[("line", excerpt)]);
                let captures = pattern.captures(&line);
                if let Some(captures) = &captures {
                    let fields = [("regexp", regexp), ("line", excerpt)];
                    self.context.log.debug("Regexp matched", &fields);
                    send = expand(captures, &step.send);
                    seen.note_match(&step.labels, captures);
                }
                let is_match = captures.is_some();
                self.progress.note_line(line);
                if is_match {
                    break;
                }
            }
        }
        if !step.expect_bytes.is_empty() {
            self.expect_bytes(step, seen).await?;
        }
        Ok(send)
    }

    /// Sends what there is to send.
    async fn say(&mut self, step: &Step, mut send: Vec<u8>) -> Result<(), Failure> {
        if send.is_empty() {
            return Ok(());
        }
        if !step.skip_newline_on_send {
            send.push(b'\n');
        }
        self.send(step, &send).await
    }

    /// The next line; none when the peer has ended.
    async fn line(&mut self) -> Result<Option<BytesMut>, Failure> {
        self.context.enter(Stage::Response);
        self.progress.doing = Doing::AwaitingLine;
        // One read may hold very many short lines, and others want to be served meanwhile.
        consume_budget().await;
        loop {
            let line = self.inbox.take_line().map_err(|error| {
                self.failure(Stage::Response, Reason::TooLarge, &error.to_string())
            })?;
            if line.is_some() || self.inbox.has_ended {
                return Ok(line);
            }
            self.read().await?;
        }
    }

    async fn expect_bytes(&mut self, step: &Step, seen: &mut DialogueFacts) -> Result<(), Failure> {
        let expected = step.expect_bytes.as_slice();
        self.context.enter(Stage::Response);
        self.progress.doing = Doing::AwaitingBytes;
        let bytes = loop {
            if let Some(bytes) = self.inbox.take_bytes(expected.len()) {
                break bytes;
            }
            if self.inbox.has_ended {
                let (came, wanted) = (self.inbox.bytes.len(), expected.len());
                let what = format!(
                    "the peer closed the connection after {came} of {wanted} expected bytes"
                );
                return Err(self.failure(Stage::Response, Reason::Closed, &what));
            }
            self.read().await?;
        };
        step.hide(self.context, &bytes);
        self.context.log.debug("Read bytes", &[("bytes", step.shown(&bytes.escape_ascii()))]);
        if bytes == expected {
            return Ok(());
        }
        seen.failed_due_to_bytes = true;
        let what = format!(
            "expected the bytes \"{}\", got \"{}\"",
            step.shown(&expected.escape_ascii()),
            step.shown(&bytes.escape_ascii())
        );
        Err(self.failure(Stage::Check, Reason::Dialogue, &what))
    }

    async fn send(&mut self, step: &Step, bytes: &[u8]) -> Result<(), Failure> {
        self.context.enter(Stage::Request);
        self.progress.doing = Doing::Sending(bytes.len());
        step.hide(self.context, bytes.trim_ascii_end());
        self.context.log.debug("Sending", &[("bytes", step.shown(&bytes.escape_ascii()))]);
        let sent = async {
            self.stream.write_all(bytes).await?;
            self.stream.flush().await
        };
        sent.await.map_err(|error| {
            Failure::io(Stage::Request, &format!("{}: sending", self.place()), &error)
        })
    }

    /// Reads what is there, and waits for something if nothing is.
    async fn read(&mut self) -> Result<(), Failure> {
        let Some(allowed) = MOST_BYTES.checked_sub(self.received).filter(|rest| *rest > 0) else {
            let what = format!("the peer said more than {MOST_BYTES} bytes");
            return Err(self.failure(Stage::Response, Reason::TooLarge, &what));
        };
        self.inbox.bytes.reserve(READ_AHEAD);
        let mut buffer = (&mut self.inbox.bytes).limit(READ_AHEAD.min(allowed));
        let length = self.stream.read_buf(&mut buffer).await.map_err(|error| {
            Failure::io(Stage::Response, &format!("{}: reading", self.place()), &error)
        })?;
        self.received += length;
        self.inbox.has_ended = length == 0;
        Ok(())
    }

    fn failure(&self, stage: Stage, reason: Reason, what: &str) -> Failure {
        Failure::new(stage, reason, format!("{}: {what}", self.place()))
    }

    fn place(&self) -> String {
        self.progress.place()
    }
}

/// `template` with `$1` and the like replaced; bytes that are not text stay as they are.
#[must_use]
pub fn expand(captures: &Captures<'_>, template: &Bytes) -> Vec<u8> {
    let mut expanded = Vec::new();
    for chunk in template.as_slice().utf8_chunks() {
        expanded.extend(captures.expand(chunk.valid()));
        expanded.extend_from_slice(chunk.invalid());
    }
    expanded
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use proptest::prelude::*;
    use tokio::time::Instant;

    use super::*;
    use crate::{net::resolve::Resolver, settings::regexp::Regexp};

    /// Holds a dialogue with a peer that says all it has to say at once, and ends.
    fn talk_to(said: &[u8], steps: &[Step]) -> (Result<Standing, Failure>, DialogueFacts, Vec<u8>) {
        let mut heard = Vec::new();
        let mut seen = DialogueFacts::default();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let standing = runtime.block_on(async {
            let deadline = Instant::now() + Duration::from_mins(1);
            let context = Context::new(deadline, Arc::new(Resolver::system()));
            let mut stream = tokio::io::join(said, &mut heard);
            talk(&context, &mut stream, steps, 0, &mut seen).await
        });
        (standing, seen, heard)
    }

    fn expect(pattern: &str) -> Step {
        Step { expect: Some(Regexp::new(pattern).unwrap()), ..Step::default() }
    }

    #[test]
    fn templates_that_are_not_text_are_filled_in_too() {
        let send = Bytes::from(b"\xff$1\xfe${".to_vec());
        let steps = [Step { send, skip_newline_on_send: true, ..expect("^(.)b") }];
        let (standing, _, heard) = talk_to(b"ab\n", &steps);
        assert_eq!(standing, Ok(Standing::Finished));
        assert_eq!(heard, b"\xffa\xfe${");
    }

    #[test]
    fn what_is_empty_once_filled_in_is_not_sent() {
        let steps = [Step { send: "$9".into(), ..expect("a") }];
        let (standing, _, heard) = talk_to(b"a\n", &steps);
        assert_eq!(standing, Ok(Standing::Finished));
        assert_eq!(heard, b"");
    }

    #[test]
    fn a_dialogue_stops_where_tls_begins() {
        let steps = [Step { starttls: true, ..expect("a") }, expect("b")];
        let (standing, _, _) = talk_to(b"a\nb\n", &steps);
        assert_eq!(standing, Ok(Standing::StartTls { next: 1 }));
    }

    #[test]
    fn a_failure_names_its_step() {
        let (standing, _, _) = talk_to(b"a\nb\n", &[expect("a"), expect("c")]);
        let failure = standing.unwrap_err();
        assert_eq!(
            failure.message,
            "query_response[1]: the peer closed the connection after \"b\"; no line matched \"c\""
        );
    }

    #[test]
    fn what_a_peer_says_is_bounded() {
        let line = [vec![b'x'; 4095], vec![b'\n']].concat();
        let (standing, seen, _) =
            talk_to(&line.repeat(MOST_BYTES / line.len() + 1), &[expect("y")]);
        assert_eq!(standing.unwrap_err().reason, Reason::TooLarge);
        assert!(!seen.failed_due_to_regex);
    }

    fn step() -> impl Strategy<Value = Step> {
        let expected = prop_oneof![
            Just(Step::default()),
            "(a|b|\\^|\\$|\\(a\\)b|)".prop_map(|pattern| expect(&pattern)),
            "[ab\r\n]{1,4}"
                .prop_map(|text| Step { expect_bytes: text.as_str().into(), ..Step::default() }),
        ];
        (expected, "[a$1{}]{0,4}", any::<bool>(), 0..8).prop_map(|(step, send, skip, tls)| Step {
            send: send.as_str().into(),
            skip_newline_on_send: skip,
            starttls: tls == 0,
            ..step
        })
    }

    proptest! {
        #[test]
        fn no_peer_makes_a_dialogue_panic(
            said in prop::collection::vec(prop_oneof![Just(b'a'), Just(b'\n'), any::<u8>()], 0..60),
            steps in prop::collection::vec(step(), 0..6),
        ) {
            let (standing, seen, _) = talk_to(&said, &steps);
            let is_mismatch = seen.failed_due_to_regex || seen.failed_due_to_bytes;
            let reason = standing.err().map(|failure| failure.reason);
            prop_assert_eq!(is_mismatch, reason == Some(Reason::Dialogue));
        }
    }
}
