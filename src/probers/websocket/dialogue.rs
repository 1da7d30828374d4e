//! The dialogue over messages, and the end of the websocket.

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
    diagnostics::{Failure, Reason, Stage, log::Excerpt},
    net::{Context, http::transport::Transport},
    probers::{
        MOST_INLINE,
        query_response::{MOST_BYTES, Step, begin_step, end_check, expand},
        run_blocking,
        websocket::{bounded::Bounded, progress::Progress},
    },
    settings::regexp::Regexp,
};

/// Bytes that are read at a time.
const READ_AHEAD: usize = 4096;

/// Bytes that wait to be sent. What a step sends may hold as much as the message that it answers,
/// some times over.
const MOST_UNSENT: usize = 4 * MOST_BYTES;

/// A websocket, once the connection is upgraded.
pub(super) struct Websocket<'w> {
    context: &'w Context,
    socket: WebSocketStream<Bounded<Box<dyn Transport>>>,
    progress: Progress<'w>,
}

/// A dialogue that is cut off says what it was waiting for.
impl Drop for Websocket<'_> {
    fn drop(&mut self) {
        drop(self.context.waiting_for(|| self.progress.describe()));
    }
}

impl<'w> Websocket<'w> {
    /// The websocket on a connection, of which `read` was read already.
    pub(super) async fn new(
        context: &'w Context,
        connection: Box<dyn Transport>,
        read: Bytes,
    ) -> Self {
        let connection = Bounded::new(connection, MOST_BYTES);
        let limits = WebSocketConfig::default()
            .read_buffer_size(READ_AHEAD)
            .write_buffer_size(0)
            .max_write_buffer_size(MOST_UNSENT)
            .max_message_size(Some(MOST_BYTES))
            .max_frame_size(Some(MOST_BYTES));
        let read = read.to_vec();
        let socket =
            WebSocketStream::from_partially_read(connection, read, Role::Client, Some(limits));
        Self { context, socket: socket.await, progress: Progress::default() }
    }

    /// Goes through the steps: in each, expects one message and then sends one, if asked for.
    pub(super) async fn talk(&mut self, steps: &'w [Step]) -> Result<(), Failure> {
        for (index, step) in steps.iter().enumerate() {
            begin_step(self.context, step, index);
            self.progress.begin_step(index, step);
            let place = |failure: Failure| {
                let message = format!("query_response[{index}]: {failure}");
                Failure::new(failure.stage, failure.reason, message)
            };
            let heard = self.hear(step).await.map_err(place);
            let send = end_check(self.context, step, index, heard)?;
            self.say(step, send).await.map_err(place)?;
        }
        Ok(())
    }

    /// Expects a message, if asked for; what to send then.
    async fn hear(&mut self, step: &'w Step) -> Result<Vec<u8>, Failure> {
        let mut send = step.send.as_slice().to_vec();
        if let Some(pattern) = &step.expect {
            let message = self.message().await?;
            let excerpt = Excerpt(&message);
            step.hide(self.context, &message);
            self.context.log.debug("Read message", &[("message", step.shown(&excerpt))]);
            self.context.enter(Stage::Check);
            self.progress.note_message(step, &message);
            send = if message.len() <= MOST_INLINE {
                answer(step, pattern, &message)
            } else {
                let (step, pattern) = (step.clone(), pattern.clone());
                run_blocking(move || answer(&step, &pattern, &message)).await
            }?;
            self.context.log.debug("Regexp matched", &[("regexp", step.shown(pattern))]);
        }
        Ok(send)
    }

    /// Sends what there is to send.
    async fn say(&mut self, step: &Step, send: Vec<u8>) -> Result<(), Failure> {
        if send.is_empty() {
            return Ok(());
        }
        self.context.enter(Stage::Request);
        self.progress.sending = Some(send.len());
        step.hide(self.context, &send);
        self.context.log.debug("Sending", &[("message", step.shown(&Excerpt(&send)))]);
        // A frame rather than a text: as upstream's, it may hold any bytes.
        let frame = Frame::message(send, OpCode::Data(Data::Text), true);
        let done = self.socket.send(Message::Frame(frame)).await;
        done.map_err(|error| failure_of(&error, Stage::Request, "sending"))
    }

    /// The next message, text or not.
    async fn message(&mut self) -> Result<Bytes, Failure> {
        self.context.enter(Stage::Response);
        loop {
            // One read may hold very many small frames, and others want to be served meanwhile.
            consume_budget().await;
            match self.socket.next().await {
                Some(Ok(Message::Text(text))) => return Ok(text.into()),
                Some(Ok(Message::Binary(bytes))) => return Ok(bytes),
                Some(Ok(Message::Close(frame))) => return Err(farewell(frame.as_ref())),
                Some(Ok(Message::Ping(_))) => self.progress.pings += 1,
                Some(Ok(Message::Pong(_) | Message::Frame(_))) => {}
                Some(Err(error)) => return Err(failure_of(&error, Stage::Response, "reading")),
                None => return Err(farewell(None)),
            }
        }
    }

    /// Says good-bye if there is room for it, and does not wait for an answer. What comes of it
    /// changes nothing: a peer that reads no more must not take a good probe its success.
    pub(super) fn close(mut self) {
        let frame = CloseFrame { code: CloseCode::Normal, reason: "".into() };
        match unconstrained(self.socket.close(Some(frame))).now_or_never() {
            Some(Ok(())) => {}
            Some(Err(error)) => {
                self.context.log.debug("The close frame was not sent", &[("err", &error)]);
            }
            None => self.context.log.debug("There was no room for the close frame", &[]),
        }
    }
}

/// What a step sends once a message has come that its pattern matches.
fn answer(step: &Step, pattern: &Regexp, message: &[u8]) -> Result<Vec<u8>, Failure> {
    let template = &step.send;
    let captures = pattern.captures(message).ok_or_else(|| {
        let (excerpt, regexp) = (Excerpt(message), step.shown(pattern));
        let what = format!("the message \"{}\" does not match {regexp}", step.shown(&excerpt));
        Failure::new(Stage::Check, Reason::Dialogue, what)
    })?;
    // Each reference stands for no more than the whole match.
    let references = template.as_slice().split(|byte| *byte == b'$').skip(1).count();
    let matched = captures.group(0).map_or(0, <[u8]>::len);
    if references.saturating_mul(matched) > MOST_UNSENT {
        let what = format!("what is to be sent may come to more than {MOST_UNSENT} bytes");
        return Err(Failure::new(Stage::Check, Reason::TooLarge, what));
    }
    Ok(expand(&captures, template))
}

/// The failure of a dialogue that the server has ended.
fn farewell(frame: Option<&CloseFrame>) -> Failure {
    let mut what = "the server closed the websocket".to_owned();
    if let Some(CloseFrame { code, reason }) = frame {
        what = format!("{what} with the code {code} \"{}\"", Excerpt(reason.as_bytes()));
    }
    Failure::new(Stage::Response, Reason::Closed, what)
}

fn failure_of(error: &Error, stage: Stage, doing: &str) -> Failure {
    let reason = match error {
        Error::Io(error) => {
            let behind = error.get_ref().and_then(|behind| behind.downcast_ref::<Failure>());
            return behind.cloned().unwrap_or_else(|| Failure::io(stage, doing, error));
        }
        Error::Capacity(_) => Reason::TooLarge,
        Error::ConnectionClosed
        | Error::AlreadyClosed
        | Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => Reason::Closed,
        _ => Reason::Protocol,
    };
    let what = match error {
        // What is behind this may be an ordinary end of the connection.
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
    use crate::net::resolve::Resolver;

    /// A message of a server.
    fn text(length: usize) -> Vec<u8> {
        let length_field = u64::try_from(length).unwrap().to_be_bytes();
        [&[0x81, 127], &length_field[..], &vec![b'x'; length]].concat()
    }

    fn context() -> Context {
        let deadline = Instant::now() + Duration::from_mins(1);
        Context::new(deadline.into(), Arc::new(Resolver::system()))
    }

    /// A websocket whose server says this; what it hears is lost.
    async fn hearing(said: Vec<u8>, context: &Context) -> Websocket<'_> {
        let stream = tokio::io::join(std::io::Cursor::new(said), tokio::io::sink());
        Websocket::new(context, Box::new(stream), Bytes::new()).await
    }

    #[tokio::test]
    async fn large_messages_are_matched_on_another_thread() {
        let context = context();
        for (length, is_inline) in [(MOST_INLINE, true), (MOST_INLINE + 1, false)] {
            let steps = [Step { expect: Some(Regexp::new("(x)$").unwrap()), ..Step::default() }];
            let mut socket = hearing(text(length), &context).await;
            let mut talked = pin!(socket.talk(&steps));
            let at_once = talked.as_mut().now_or_never();
            assert_eq!(at_once, is_inline.then_some(Ok(())), "{length}");
            if !is_inline {
                assert_eq!(talked.await, Ok(()));
            }
        }
    }

    #[test]
    fn what_would_unfold_without_bound_is_not_sent() {
        let pattern = Regexp::new("(?s).*").unwrap();
        let message = vec![b'x'; 1 << 20];
        let answered = |times| {
            let step = Step { send: (&*"$0".repeat(times)).into(), ..Step::default() };
            answer(&step, &pattern, &message)
        };
        assert_eq!(answered(64).map(|send| send.len()), Ok(MOST_UNSENT));
        let failure = answered(65).unwrap_err();
        assert_eq!((failure.stage, failure.reason), (Stage::Check, Reason::TooLarge));
    }

    #[tokio::test]
    async fn frames_without_content_are_too_much_at_last() {
        let context = context();
        let empty = |kind: u8| [kind, 127, 0, 0, 0, 0, 0, 0, 0, 0];
        let said = [&empty(0x01)[..], &empty(0x00).repeat(MOST_BYTES / 10 + 1)].concat();
        let failure = hearing(said, &context).await.message().await.unwrap_err();
        assert_eq!((failure.stage, failure.reason), (Stage::Response, Reason::TooLarge));
    }

    #[tokio::test]
    async fn a_close_frame_goes_where_there_is_room_and_waits_nowhere() {
        let context = context();
        for (room, heard) in [(64, 8), (1, 1)] {
            let (stream, mut peer) = tokio::io::duplex(room);
            Websocket::new(&context, Box::new(stream), Bytes::new()).await.close();
            let mut bytes = Vec::new();
            peer.read_to_end(&mut bytes).await.unwrap();
            assert_eq!((bytes.len(), bytes[0]), (heard, 0x88));
        }
    }
}
