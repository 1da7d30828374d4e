//! Holds a dialogue over a stream of bytes, whatever carries it.

use bytes::{BufMut as _, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use super::{Step, facts::DialogueFacts, inbox::Inbox};
use crate::{
    evidence::{Failure, Reason, Stage, log::excerpt},
    net::Context,
    settings::{bytes::Bytes, regexp::Captures},
};

/// Bytes that a peer may say in one dialogue; none that makes sense comes near.
const MOST_BYTES: usize = 16 << 20;

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
    let mut dialogue =
        Dialogue { context, stream, inbox: Inbox::default(), received: 0, step: first };
    for (index, step) in steps.iter().enumerate().skip(first) {
        dialogue.step = index;
        context.log.debug("Processing query response entry", &[("entry_number", &index)]);
        dialogue.take(step, seen).await?;
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

struct Dialogue<'d, S> {
    context: &'d Context,
    stream: &'d mut S,
    inbox: Inbox,
    received: usize,
    step: usize,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Dialogue<'_, S> {
    /// One step: expect a line, expect bytes, send; in this order.
    async fn take(&mut self, step: &Step, seen: &mut DialogueFacts) -> Result<(), Failure> {
        let mut send = step.send.as_slice().to_vec();
        if let Some(pattern) = &step.expect {
            let mut last = None;
            loop {
                let Some(line) = self.line().await? else {
                    seen.failed_due_to_regex = true;
                    let last = last.map_or_else(
                        || "without a line".to_owned(),
                        |line: BytesMut| format!("after {:?}", excerpt(&line)),
                    );
                    let what = format!("the peer ended {last}, and nothing matched {pattern}");
                    return Err(self.failure(Stage::Check, Reason::Dialogue, &what));
                };
                self.context.log.debug("Read line", &[("line", &excerpt(&line))]);
                if let Some(captures) = pattern.captures(&line) {
                    self.context
                        .log
                        .debug("Regexp matched", &[("regexp", pattern), ("line", &excerpt(&line))]);
                    send = expand(&captures, &step.send);
                    seen.note_match(&step.labels, &captures);
                    break;
                }
                last = Some(line);
            }
        }
        if !step.expect_bytes.is_empty() {
            self.expect_bytes(step.expect_bytes.as_slice(), seen).await?;
        }
        if !send.is_empty() {
            if !step.skip_newline_on_send {
                send.push(b'\n');
            }
            self.send(&send).await?;
        }
        Ok(())
    }

    /// The next line; none when the peer has ended.
    async fn line(&mut self) -> Result<Option<BytesMut>, Failure> {
        self.context.enter(Stage::Response);
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

    async fn expect_bytes(
        &mut self,
        expected: &[u8],
        seen: &mut DialogueFacts,
    ) -> Result<(), Failure> {
        self.context.enter(Stage::Response);
        let bytes = loop {
            if let Some(bytes) = self.inbox.take_bytes(expected.len()) {
                break bytes;
            }
            if self.inbox.has_ended {
                let (came, wanted) = (self.inbox.bytes.len(), expected.len());
                let what = format!("the peer ended after {came} bytes of the {wanted} expected");
                return Err(self.failure(Stage::Response, Reason::Closed, &what));
            }
            self.read().await?;
        };
        self.context.log.debug("Read bytes", &[("bytes", &bytes.escape_ascii())]);
        if bytes == expected {
            return Ok(());
        }
        seen.failed_due_to_bytes = true;
        let what = format!(
            "expected the bytes \"{}\", got \"{}\"",
            expected.escape_ascii(),
            bytes.escape_ascii()
        );
        Err(self.failure(Stage::Check, Reason::Dialogue, &what))
    }

    async fn send(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.context.enter(Stage::Request);
        self.context.log.debug("Sending", &[("bytes", &bytes.escape_ascii())]);
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

    /// The step, named as a configuration's errors name it.
    fn place(&self) -> String {
        format!("query_response[{}]", self.step)
    }
}

/// `template` with `$1` and the like replaced; bytes that are not text stay as they are.
fn expand(captures: &Captures<'_>, template: &Bytes) -> Vec<u8> {
    let mut expanded = Vec::new();
    for chunk in template.as_slice().utf8_chunks() {
        expanded.extend(captures.expand(chunk.valid()));
        expanded.extend_from_slice(chunk.invalid());
    }
    expanded
}
