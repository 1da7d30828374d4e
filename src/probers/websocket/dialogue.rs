//! The dialogue over messages, and the closing of the WebSocket.

use bytes::Bytes;
use futures_util::{FutureExt as _, SinkExt as _, StreamExt as _};
use tokio::task::coop::{consume_budget, unconstrained};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Error, Message,
        error::ProtocolError,
        protocol::{
            CloseFrame, Role, WebSocketConfig,
            frame::{
                Frame,
                coding::{CloseCode, Data, OpCode},
            },
        },
    },
};

use crate::{
    diagnostics::{
        Failure, Reason, Stage,
        log::{Excerpt, READ_MESSAGE, SENDING},
    },
    net::{Context, http::transport::Transport},
    probers::{
        is_quick,
        query_response::{MAX_RECEIVED, Step, begin_step, end_check, expand},
        run_blocking,
        websocket::{bounded::Bounded, progress::Progress},
    },
    scheduling::{poll_times::section, turn},
    settings::regexp::Regexp,
};

/// Maximum number of bytes per read.
const READ_AHEAD: usize = 4096;

/// Maximum number of bytes that wait to be sent. A step can send a multiple of the received message,
/// because `send` can contain several references to it.
const MAX_UNSENT: usize = 4 * MAX_RECEIVED;

/// Maximum size of a message in bytes: it is decoded at once.
const MAX_MESSAGE: usize = 1 << 20;

/// Maximum number of pings and pongs, as over HTTP/2.
///
/// Unlike upstream, which reads them until the deadline.
const MAX_CONTROL_FRAMES: u32 = 10_000;

/// An upgraded connection.
pub(super) struct Websocket<'w> {
    context: &'w Context,
    socket: WebSocketStream<Bounded<Box<dyn Transport>>>,
    progress: Progress<'w>,
    control_frames: u32,
}

/// Describes the pending wait, for the message of a timeout.
impl Drop for Websocket<'_> {
    fn drop(&mut self) {
        drop(self.context.waiting_for(|| self.progress.describe()));
    }
}

impl<'w> Websocket<'w> {
    /// Creates the WebSocket of an upgraded connection. `read` is data that was read after the
    /// response to the upgrade.
    pub(super) async fn new(
        context: &'w Context,
        connection: Box<dyn Transport>,
        read: Bytes,
    ) -> Self {
        let connection = Bounded::new(connection, MAX_RECEIVED, context.memory.hold());
        let limits = WebSocketConfig::default()
            .read_buffer_size(READ_AHEAD)
            .write_buffer_size(0)
            .max_write_buffer_size(MAX_UNSENT)
            .max_message_size(Some(MAX_MESSAGE))
            .max_frame_size(Some(MAX_MESSAGE));
        let read = read.to_vec();
        let socket =
            WebSocketStream::from_partially_read(connection, read, Role::Client, Some(limits));
        Self { context, socket: socket.await, progress: Progress::default(), control_frames: 0 }
    }

    /// Runs the steps. Each step expects a message and sends a message, if configured.
    pub(super) async fn talk(&mut self, steps: &'w [Step]) -> Result<(), Failure> {
        for (index, step) in steps.iter().enumerate() {
            begin_step(self.context, step, index);
            self.progress.begin_step(index, step);
            let place = |failure: Failure| {
                let message = format!("query_response[{index}]: {failure}");
                Failure::new(failure.stage, failure.reason, message)
            };
            let received = self.receive(step).await.map_err(place);
            let send = end_check(self.context, step, index, received)?;
            self.respond(step, send).await.map_err(place)?;
        }
        Ok(())
    }

    /// Receives the expected message of the step, if any. Returns the message to send.
    async fn receive(&mut self, step: &'w Step) -> Result<Vec<u8>, Failure> {
        let mut send = step.send.as_slice().to_vec();
        if let Some(pattern) = &step.expect {
            let message = self.message().await?;
            let excerpt = Excerpt(&message);
            step.hide(self.context, &message);
            self.context.log.debug(READ_MESSAGE, &[("message", step.shown(&excerpt))]);
            self.context.enter(Stage::Check);
            self.progress.note_message(step, &message);
            send = if is_quick([pattern], message.len()) {
                section("pattern of a message", || response(step, pattern, &message))
            } else {
                let (step, pattern) = (step.clone(), pattern.clone());
                run_blocking(move || response(&step, &pattern, &message)).await
            }?;
            self.socket.get_mut().release();
            self.context.log.debug("Regexp matched", &[("regexp", step.shown(pattern))]);
        }
        Ok(send)
    }

    /// Sends the message of a step, if any.
    async fn respond(&mut self, step: &Step, send: Vec<u8>) -> Result<(), Failure> {
        if send.is_empty() {
            return Ok(());
        }
        self.context.enter(Stage::Request);
        self.progress.sending = Some(send.len());
        let mut held = self.context.memory.hold();
        // The frame is a copy, which is encrypted.
        let sending = held.resize(2 * send.len());
        sending.map_err(|error| Failure::exhausted(Stage::Request, error))?;
        step.hide(self.context, &send);
        self.context.log.debug(SENDING, &[("message", step.shown(&Excerpt(&send)))]);
        // `Message::Text` requires UTF-8. As in upstream, a text frame can contain any bytes.
        let frame = Frame::message(send, OpCode::Data(Data::Text), true);
        let done = self.socket.send(Message::Frame(frame)).await;
        done.map_err(|error| failure_of(&error, Stage::Request, "sending"))
    }

    /// Reads the next text or binary message.
    async fn message(&mut self) -> Result<Bytes, Failure> {
        self.context.enter(Stage::Response);
        loop {
            // One read may contain many small frames. This lets other tasks run between them.
            consume_budget().await;
            turn::proceed().await;
            match self.socket.next().await {
                Some(Ok(Message::Text(text))) => return Ok(text.into()),
                Some(Ok(Message::Binary(bytes))) => return Ok(bytes),
                Some(Ok(Message::Close(frame))) => return Err(closed(frame.as_ref())),
                Some(Ok(Message::Ping(_))) => {
                    self.progress.pings += 1;
                    self.count_control_frame()?;
                }
                Some(Ok(Message::Pong(_) | Message::Frame(_))) => self.count_control_frame()?,
                Some(Err(error)) => return Err(failure_of(&error, Stage::Response, "reading")),
                None => return Err(closed(None)),
            }
        }
    }

    /// Counts a frame that is not part of a message.
    fn count_control_frame(&mut self) -> Result<(), Failure> {
        self.control_frames += 1;
        if self.control_frames <= MAX_CONTROL_FRAMES {
            return Ok(());
        }
        let what = format!("the server sent more than {MAX_CONTROL_FRAMES} pings and pongs");
        Err(Failure::new(Stage::Response, Reason::Protocol, what))
    }

    /// Sends a close frame if it can be written at once, and does not wait for the response. The
    /// result does not affect the probe: a server that stops reading must not fail it.
    pub(super) fn close(mut self) {
        let frame = CloseFrame { code: CloseCode::Normal, reason: "".into() };
        match unconstrained(self.socket.close(Some(frame))).now_or_never() {
            Some(Ok(())) => {}
            Some(Err(error)) => {
                self.context.log.debug("The close frame was not sent", &[("err", &error)]);
            }
            None => {
                self.context
                    .log
                    .debug("The close frame was not sent: the send buffer is full", &[]);
            }
        }
    }
}

/// Returns the message that a step sends after `message`, which must match the pattern.
fn response(step: &Step, pattern: &Regexp, message: &[u8]) -> Result<Vec<u8>, Failure> {
    let template = &step.send;
    let captures = pattern.captures(message).ok_or_else(|| {
        let (excerpt, regexp) = (Excerpt(message), step.shown(pattern));
        let what = format!("the message \"{}\" does not match \"{regexp}\"", step.shown(&excerpt));
        Failure::new(Stage::Check, Reason::Dialogue, what)
    })?;
    // A reference expands to at most the whole match.
    let references = template.as_slice().split(|byte| *byte == b'$').skip(1).count();
    let matched = captures.group(0).map_or(0, <[u8]>::len);
    if references.saturating_mul(matched) > MAX_UNSENT {
        let what =
            format!("the message of 'send' may be longer than {MAX_UNSENT} bytes, the limit");
        return Err(Failure::new(Stage::Check, Reason::TooLarge, what));
    }
    Ok(expand(&captures, template))
}

/// Returns the failure of a dialogue in which the server closed the WebSocket.
fn closed(frame: Option<&CloseFrame>) -> Failure {
    let mut what = "the server closed the websocket".to_owned();
    if let Some(CloseFrame { code, reason }) = frame {
        what = format!("{what} with the code {code} \"{}\"", Excerpt(reason.as_bytes()));
    }
    Failure::new(Stage::Response, Reason::Closed, what)
}

fn failure_of(error: &Error, stage: Stage, doing: &str) -> Failure {
    let reason = match error {
        Error::Io(error) => {
            let source = error.get_ref().and_then(|source| source.downcast_ref::<Failure>());
            return source.cloned().unwrap_or_else(|| Failure::io(stage, doing, error));
        }
        Error::Capacity(_) => Reason::TooLarge,
        Error::ConnectionClosed
        | Error::AlreadyClosed
        | Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => Reason::Closed,
        _ => Reason::Protocol,
    };
    let what = match error {
        // The message of the library would suggest a reset, but the connection may have been closed.
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => {
            "the server closed the connection without a close frame".to_owned()
        }
        other => other.to_string(),
    };
    Failure::new(stage, reason, format!("{doing}: {what}"))
}

#[cfg(test)]
mod tests {
    use std::{
        pin::pin,
        sync::Arc,
        time::{Duration, Instant},
    };

    use tokio::io::AsyncReadExt as _;

    use super::*;
    use crate::{
        net::resolve::Resolver,
        probers::MAX_INLINE,
        scheduling::turn::busy_peer::{BusyPeer, assert_takes_turns},
    };

    /// Encodes a message of a server.
    fn text(length: usize) -> Vec<u8> {
        let length_field = u64::try_from(length).unwrap().to_be_bytes();
        [&[0x81, 127], &length_field[..], &vec![b'x'; length]].concat()
    }

    fn context() -> Context {
        let deadline = Instant::now() + Duration::from_mins(1);
        Context::new(deadline.into(), Arc::new(Resolver::system()))
    }

    /// Creates a WebSocket whose server sends `input` and discards all it receives.
    async fn receiving(input: Vec<u8>, context: &Context) -> Websocket<'_> {
        let stream = tokio::io::join(std::io::Cursor::new(input), tokio::io::sink());
        Websocket::new(context, Box::new(stream), Bytes::new()).await
    }

    #[tokio::test]
    async fn large_messages_are_matched_on_other_threads() {
        let context = context();
        // What a message between the two takes depends on the speed of the machine.
        for (length, is_inline) in [(1, true), (MAX_INLINE + 1, false)] {
            let pattern = Regexp::new("(x)$").unwrap();
            // Compiles it.
            assert!(pattern.is_match(b"x"));
            let steps = [Step { expect: Some(pattern), ..Step::default() }];
            let mut results_at_once = Vec::new();
            // Another thread can be done before its result is awaited, but not each time.
            for _ in 0..50 {
                let mut socket = receiving(text(length), &context).await;
                let mut talked = pin!(socket.talk(&steps));
                let at_once = talked.as_mut().now_or_never();
                results_at_once.push(at_once.is_some());
                let result = match at_once {
                    Some(result) => result,
                    None => talked.await,
                };
                assert_eq!(result, Ok(()), "{length}");
            }
            let all_at_once = results_at_once.iter().all(|at_once| *at_once);
            assert_eq!(all_at_once, is_inline, "{length}: {results_at_once:?}");
        }
    }

    #[test]
    fn a_busy_server_is_read_in_turns() {
        let context = context();
        // Pongs, and empty fragments of one message.
        for (first, more) in [(&[][..], [0x8a, 0]), (&[0x01, 0], [0x00, 0])] {
            let peer = BusyPeer::new(first, &more);
            let reads = Arc::clone(&peer.reads);
            assert_takes_turns(&reads, async {
                let mut socket = Websocket::new(&context, Box::new(peer), Bytes::new()).await;
                socket.message().await.unwrap();
            });
        }
    }

    #[test]
    fn expansions_are_limited() {
        let pattern = Regexp::new("(?s).*").unwrap();
        let message = vec![b'x'; 1 << 20];
        let respond = |times| {
            let step = Step { send: (&*"$0".repeat(times)).into(), ..Step::default() };
            response(&step, &pattern, &message)
        };
        assert_eq!(respond(64).map(|send| send.len()), Ok(MAX_UNSENT));
        let failure = respond(65).unwrap_err();
        assert_eq!((failure.stage, failure.reason), (Stage::Check, Reason::TooLarge));
    }

    #[tokio::test]
    async fn empty_frames_count_towards_the_limit() {
        let context = context();
        let empty = |kind: u8| [kind, 127, 0, 0, 0, 0, 0, 0, 0, 0];
        let input = [&empty(0x01)[..], &empty(0x00).repeat(MAX_RECEIVED / 10 + 1)].concat();
        let failure = receiving(input, &context).await.message().await.unwrap_err();
        assert_eq!((failure.stage, failure.reason), (Stage::Response, Reason::TooLarge));
    }

    #[tokio::test]
    async fn closing_does_not_block() {
        let context = context();
        for (room, expected) in [(64, 8), (1, 1)] {
            let (stream, mut peer) = tokio::io::duplex(room);
            Websocket::new(&context, Box::new(stream), Bytes::new()).await.close();
            let mut bytes = Vec::new();
            peer.read_to_end(&mut bytes).await.unwrap();
            assert_eq!((bytes.len(), bytes[0]), (expected, 0x88));
        }
    }
}
