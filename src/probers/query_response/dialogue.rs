//! Runs a dialogue over a byte stream (TCP, unix socket or TLS).

use bytes::{BufMut as _, BytesMut};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    task::coop::consume_budget,
};

use super::{
    Step,
    facts::{self, DialogueFacts},
    progress::{Doing, Progress},
    read_buffer::ReadBuffer,
};
use crate::{
    diagnostics::{
        Check, Failure, Part, PartKind, Reason, Stage,
        log::{Excerpt, READ_BYTES, READ_LINE, SENDING},
    },
    memory::Held,
    net::Context,
    probers::{is_quick, run_blocking},
    scheduling::{poll_times::section, turn},
    settings::{
        bytes::Bytes,
        regexp::{Captures, Regexp},
        secret::HIDDEN,
    },
};

/// Maximum number of bytes that a dialogue receives. Real dialogues are far below.
pub const MAX_RECEIVED: usize = 16 << 20;

/// Maximum number of bytes per read.
const READ_AHEAD: usize = 4096;

/// The state of a dialogue when it stops using its stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// All steps are done.
    Finished,
    /// The connection starts TLS, and the dialogue continues over it.
    StartTls {
        /// Index of the next step.
        next: usize,
    },
}

/// Runs `steps`, starting at index `first`.
///
/// Data that arrived before the start of TLS and that no step has read is discarded, as in upstream:
/// an attacker on the network may have injected it.
pub async fn talk<S: AsyncRead + AsyncWrite + Unpin>(
    context: &Context,
    stream: &mut S,
    steps: &[Step],
    first: usize,
    facts: &mut DialogueFacts,
) -> Result<Standing, Failure> {
    let (read_buffer, progress) = (ReadBuffer::default(), Progress::at(first));
    let held = context.memory.hold();
    let mut dialogue = Dialogue {
        context,
        stream,
        steps,
        read_buffer,
        received: 0,
        held,
        progress,
        is_over: false,
    };
    for (index, step) in steps.iter().enumerate().skip(first) {
        dialogue.progress.begin_step(index);
        begin_step(context, step, index);
        let received = dialogue.receive(step, facts).await;
        let send = end_check(context, step, index, received)?;
        dialogue.respond(step, send).await?;
        if step.starttls {
            let leftover = dialogue.read_buffer.bytes.len();
            if leftover > 0 {
                let bytes: &[(_, &dyn std::fmt::Display)] = &[("bytes", &leftover)];
                context.log.warn("Discarded data that was received before STARTTLS", bytes);
            }
            dialogue.is_over = true;
            return Ok(Standing::StartTls { next: index + 1 });
        }
    }
    dialogue.is_over = true;
    Ok(Standing::Finished)
}

/// Logs the start of a step and begins its check, if it has one.
pub fn begin_step(context: &Context, step: &Step, index: usize) {
    context.log.debug("Processing query response entry", &[("entry_number", &index)]);
    if step.is_check() {
        context.checks.begin(step.check_name(index));
    }
}

/// Records the result of a step's check and returns the result.
///
/// # Errors
/// Returns the failure of the step.
pub fn end_check<T>(
    context: &Context,
    step: &Step,
    index: usize,
    received: Result<T, Failure>,
) -> Result<T, Failure> {
    if step.is_check() {
        let outcome = received.as_ref().map(|_| ()).map_err(Failure::clone);
        context.checks.end(Check::new(step.check_name(index), outcome));
    }
    received
}

struct Dialogue<'d, S> {
    context: &'d Context,
    stream: &'d mut S,
    steps: &'d [Step],
    read_buffer: ReadBuffer,
    received: usize,
    /// The memory of `read_buffer`.
    held: Held,
    progress: Progress,
    /// True if all steps are done, or the dialogue continues over TLS.
    is_over: bool,
}

/// Describes the pending wait, for the message of a timeout, and records what was not read as a line.
impl<S> Drop for Dialogue<'_, S> {
    fn drop(&mut self) {
        let Self { context, steps, read_buffer, progress, .. } = self;
        drop(context.waiting_for(|| progress.describe(steps, &read_buffer.bytes)));
        if context.records(!self.is_over) {
            self.record_rest();
        }
    }
}

impl<S> Dialogue<'_, S> {
    /// Records the received data that the log does not contain.
    fn record_rest(&self) {
        let last = self.progress.last_line().filter(|_| self.context.log.is_full());
        let rest = Some(&*self.read_buffer.bytes).filter(|rest| !rest.is_empty());
        // The data may be for a later step.
        let is_secret = self.progress.steps_left(self.steps).any(|step| step.secret);
        for bytes in last.into_iter().chain(rest) {
            let shown = if is_secret { HIDDEN.as_bytes() } else { bytes };
            self.context.transcript.add(Part::of(PartKind::Received, shown));
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Dialogue<'_, S> {
    /// Receives the expected line or bytes of the step, if any. Returns the bytes to send.
    async fn receive(
        &mut self,
        step: &Step,
        facts: &mut DialogueFacts,
    ) -> Result<Vec<u8>, Failure> {
        let mut send = step.send.as_slice().to_vec();
        if let Some(pattern) = &step.expect {
            loop {
                let Some(line) = self.line().await? else {
                    facts.failed_due_to_regex = true;
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
                step.hide(self.context, &line);
                self.context.log.debug(READ_LINE, &[("line", step.shown(&Excerpt(&line)))]);
                let (line, matched) = match_line(step, pattern, line).await?;
                if let Some(Matched { expanded, labels }) = matched {
                    let (excerpt, regexp) = (Excerpt(&line), step.shown(pattern));
                    let fields = [("regexp", regexp), ("line", step.shown(&excerpt))];
                    self.context.log.debug("Regexp matched", &fields);
                    facts.note_labels(labels);
                    self.progress.note_line(line);
                    send = expanded;
                    break;
                }
                self.progress.note_line(line);
            }
        }
        if !step.expect_bytes.is_empty() {
            self.expect_bytes(step, facts).await?;
        }
        Ok(send)
    }

    /// Sends the bytes of a step, if any, with a line feed unless the step disables it.
    async fn respond(&mut self, step: &Step, mut send: Vec<u8>) -> Result<(), Failure> {
        if send.is_empty() {
            return Ok(());
        }
        if !step.skip_newline_on_send {
            send.push(b'\n');
        }
        let mut held = self.context.memory.hold();
        let sending = held.resize(send.len());
        sending.map_err(|error| Failure::exhausted(Stage::Request, error))?;
        self.send(step, &send).await
    }

    /// Reads the next line. Returns `None` at the end of the stream.
    async fn line(&mut self) -> Result<Option<BytesMut>, Failure> {
        self.context.enter(Stage::Response);
        self.progress.doing = Doing::AwaitingLine;
        // One read may contain many short lines. This lets other tasks run between them.
        consume_budget().await;
        turn::proceed().await;
        loop {
            let line = self.read_buffer.take_line().map_err(|error| {
                self.failure(Stage::Response, Reason::TooLarge, &error.to_string())
            })?;
            if line.is_some() || self.read_buffer.has_ended {
                return Ok(line);
            }
            self.read().await?;
        }
    }

    async fn expect_bytes(
        &mut self,
        step: &Step,
        facts: &mut DialogueFacts,
    ) -> Result<(), Failure> {
        let expected = step.expect_bytes.as_slice();
        self.context.enter(Stage::Response);
        self.progress.doing = Doing::AwaitingBytes;
        let bytes = loop {
            if let Some(bytes) = self.read_buffer.take_bytes(expected.len()) {
                break bytes;
            }
            if self.read_buffer.has_ended {
                let (received, wanted) = (self.read_buffer.bytes.len(), expected.len());
                let what = format!(
                    "the peer closed the connection after {received} of {wanted} expected bytes"
                );
                return Err(self.failure(Stage::Response, Reason::Closed, &what));
            }
            self.read().await?;
        };
        step.hide(self.context, &bytes);
        self.context.log.debug(READ_BYTES, &[("bytes", step.shown(&bytes.escape_ascii()))]);
        if bytes == expected {
            return Ok(());
        }
        facts.failed_due_to_bytes = true;
        let part = match self.read_buffer.bytes.len() {
            0 => String::new(),
            rest => {
                format!(" (the first {} of {} received bytes)", bytes.len(), bytes.len() + rest)
            }
        };
        let what = format!(
            "expected the bytes \"{}\", received \"{}\"{part}",
            step.shown(&expected.escape_ascii()),
            step.shown(&bytes.escape_ascii())
        );
        Err(self.failure(Stage::Check, Reason::Dialogue, &what))
    }

    async fn send(&mut self, step: &Step, bytes: &[u8]) -> Result<(), Failure> {
        self.context.enter(Stage::Request);
        self.progress.doing = Doing::Sending(bytes.len());
        step.hide(self.context, bytes.trim_ascii_end());
        self.context.log.debug(SENDING, &[("bytes", step.shown(&bytes.escape_ascii()))]);
        let sent = async {
            self.stream.write_all(bytes).await?;
            self.stream.flush().await
        };
        sent.await.map_err(|error| {
            Failure::io(Stage::Request, &format!("{}: sending", self.place()), &error)
        })
    }

    /// Reads the available data. Waits if there is none.
    async fn read(&mut self) -> Result<(), Failure> {
        let Some(allowed) = MAX_RECEIVED.checked_sub(self.received).filter(|rest| *rest > 0) else {
            let what =
                format!("the peer sent more than {MAX_RECEIVED} bytes, the limit of a dialogue");
            return Err(self.failure(Stage::Response, Reason::TooLarge, &what));
        };
        turn::proceed().await;
        self.read_buffer.bytes.reserve(READ_AHEAD);
        let mut buffer = (&mut self.read_buffer.bytes).limit(READ_AHEAD.min(allowed));
        let length = self.stream.read_buf(&mut buffer).await.map_err(|error| {
            Failure::io(Stage::Response, &format!("{}: reading", self.place()), &error)
        })?;
        let held = self.held.resize(self.read_buffer.bytes.capacity());
        held.map_err(|error| Failure::exhausted(Stage::Response, error))?;
        self.received += length;
        self.read_buffer.has_ended = length == 0;
        Ok(())
    }

    fn failure(&self, stage: Stage, reason: Reason, what: &str) -> Failure {
        Failure::new(stage, reason, format!("{}: {what}", self.place()))
    }

    fn place(&self) -> String {
        self.progress.place()
    }
}

/// The result of a line that matches the pattern of its step.
struct Matched {
    /// The bytes to send.
    expanded: Vec<u8>,
    /// The labels with their values.
    labels: Vec<(String, String)>,
}

/// Matches a line with the pattern of a step, on another thread if that takes long.
async fn match_line(
    step: &Step,
    pattern: &Regexp,
    line: BytesMut,
) -> Result<(BytesMut, Option<Matched>), Failure> {
    fn matched(step: &Step, pattern: &Regexp, line: &[u8]) -> Option<Matched> {
        let captures = pattern.captures(line)?;
        let expanded = expand(&captures, &step.send);
        Some(Matched { expanded, labels: facts::labels(&step.labels, &captures) })
    }

    if is_quick([pattern], line.len()) {
        let matched = section("pattern of a line", || matched(step, pattern, &line));
        return Ok((line, matched));
    }
    let (step, pattern) = (step.clone(), pattern.clone());
    run_blocking(move || {
        let matched = matched(&step, &pattern, &line);
        Ok((line, matched))
    })
    .await
}

/// Returns `template` with its references (`$1`) replaced. Bytes that are not UTF-8 are kept.
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
    use crate::{
        net::resolve::Resolver,
        scheduling::turn::busy_peer::{BusyPeer, assert_takes_turns},
    };

    /// Runs a dialogue with a peer that sends `input` at once and closes the connection.
    fn talk_to(
        input: &[u8],
        steps: &[Step],
    ) -> (Result<Standing, Failure>, DialogueFacts, Vec<u8>) {
        let mut written = Vec::new();
        let mut facts = DialogueFacts::default();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let standing = runtime.block_on(async {
            let deadline = Instant::now() + Duration::from_mins(1);
            let context = Context::new(deadline, Arc::new(Resolver::system()));
            let mut stream = tokio::io::join(input, &mut written);
            talk(&context, &mut stream, steps, 0, &mut facts).await
        });
        (standing, facts, written)
    }

    fn expect(pattern: &str) -> Step {
        Step { expect: Some(Regexp::new(pattern).unwrap()), ..Step::default() }
    }

    #[test]
    fn references_in_binary_templates_are_expanded() {
        let send = Bytes::from(b"\xff$1\xfe${".to_vec());
        let steps = [Step { send, skip_newline_on_send: true, ..expect("^(.)b") }];
        let (standing, _, written) = talk_to(b"ab\n", &steps);
        assert_eq!(standing, Ok(Standing::Finished));
        assert_eq!(written, b"\xffa\xfe${");
    }

    #[test]
    fn empty_expansions_are_not_sent() {
        let steps = [Step { send: "$9".into(), ..expect("a") }];
        let (standing, _, written) = talk_to(b"a\n", &steps);
        assert_eq!(standing, Ok(Standing::Finished));
        assert_eq!(written, b"");
    }

    #[test]
    fn starttls_ends_the_plaintext_dialogue() {
        let steps = [Step { starttls: true, ..expect("a") }, expect("b")];
        let (standing, _, _) = talk_to(b"a\nb\n", &steps);
        assert_eq!(standing, Ok(Standing::StartTls { next: 1 }));
    }

    #[test]
    fn failures_contain_the_step() {
        let (standing, _, _) = talk_to(b"a\nb\n", &[expect("a"), expect("c")]);
        let failure = standing.unwrap_err();
        assert_eq!(
            failure.message,
            "query_response[1]: the peer closed the connection after \"b\"; no line matched \"c\""
        );
    }

    #[test]
    fn a_busy_peer_is_read_in_turns() {
        let pattern = Regexp::new("never").unwrap();
        // Compiles it.
        assert!(!pattern.is_match(b""));
        let steps = [Step { expect: Some(pattern), ..Step::default() }];
        let mut peer = BusyPeer::new(b"", b"line\n");
        let reads = Arc::clone(&peer.reads);
        let deadline = Instant::now() + Duration::from_mins(1);
        let context = Context::new(deadline, Arc::new(Resolver::default()));
        let mut facts = DialogueFacts::default();
        assert_takes_turns(&reads, talk(&context, &mut peer, &steps, 0, &mut facts));
    }

    #[test]
    fn received_bytes_are_limited() {
        let line = [vec![b'x'; 4095], vec![b'\n']].concat();
        let (standing, facts, _) =
            talk_to(&line.repeat(MAX_RECEIVED / line.len() + 1), &[expect("y")]);
        assert_eq!(standing.unwrap_err().reason, Reason::TooLarge);
        assert!(!facts.failed_due_to_regex);
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
        fn arbitrary_input_does_not_panic(
            input in prop::collection::vec(prop_oneof![Just(b'a'), Just(b'\n'), any::<u8>()], 0..60),
            steps in prop::collection::vec(step(), 0..6),
        ) {
            let (standing, facts, _) = talk_to(&input, &steps);
            let is_mismatch = facts.failed_due_to_regex || facts.failed_due_to_bytes;
            let reason = standing.err().map(|failure| failure.reason);
            prop_assert_eq!(is_mismatch, reason == Some(Reason::Dialogue));
        }
    }
}
