//! The dialogue over messages, and the end of the websocket.

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::task::coop::consume_budget;
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
    evidence::{Failure, Reason, Stage, log::Excerpt},
    net::{Context, http::send::Transport, wire::WireClock},
    probers::query_response::{Step, expand},
};

/// Bytes that a peer may say in one dialogue, in one message or in many; as over TCP.
const MOST_BYTES: usize = 16 << 20;

/// Bytes that are read at a time.
const READ_AHEAD: usize = 4096;

/// Bytes that wait to be sent. What a step sends may hold as much as the message that it answers,
/// some times over.
const MOST_UNSENT: usize = 4 * MOST_BYTES;

/// A websocket, once the connection is upgraded.
pub(super) struct Websocket<'w> {
    context: &'w Context,
    socket: WebSocketStream<Box<dyn Transport>>,
    clock: &'w WireClock,
}

impl<'w> Websocket<'w> {
    /// The websocket on a connection, of which `read` was read already.
    pub(super) async fn new(
        context: &'w Context,
        connection: Box<dyn Transport>,
        read: Bytes,
        clock: &'w WireClock,
    ) -> Self {
        let limits = WebSocketConfig::default()
            .read_buffer_size(READ_AHEAD)
            .write_buffer_size(0)
            .max_write_buffer_size(MOST_UNSENT)
            .max_message_size(Some(MOST_BYTES))
            .max_frame_size(Some(MOST_BYTES));
        let read = read.to_vec();
        let socket =
            WebSocketStream::from_partially_read(connection, read, Role::Client, Some(limits));
        Self { context, socket: socket.await, clock }
    }

    /// Goes through the steps: in each, expects one message and then sends one, if asked for.
    pub(super) async fn talk(&mut self, steps: &[Step]) -> Result<(), Failure> {
        for (index, step) in steps.iter().enumerate() {
            self.context.log.debug("Processing query response entry", &[("entry_number", &index)]);
            self.take(step).await.map_err(|failure| {
                let message = format!("query_response[{index}]: {failure}");
                Failure::new(failure.stage, failure.reason, message)
            })?;
        }
        Ok(())
    }

    async fn take(&mut self, step: &Step) -> Result<(), Failure> {
        let mut send = step.send.as_slice().to_vec();
        if let Some(pattern) = &step.expect {
            let message = self.message().await?;
            let excerpt = Excerpt(&message);
            self.context.log.debug("Read message", &[("message", &excerpt)]);
            let captures = pattern.captures(&message).ok_or_else(|| {
                let what = format!("the message \"{excerpt}\" does not match {pattern}");
                Failure::new(Stage::Check, Reason::Dialogue, what)
            })?;
            self.context.log.debug("Regexp matched", &[("regexp", pattern)]);
            send = expand(&captures, &step.send);
        }
        if !send.is_empty() {
            self.context.enter(Stage::Request);
            self.context.log.debug("Sending", &[("message", &send.escape_ascii())]);
            // A frame rather than a text: as upstream's, it may hold any bytes.
            let frame = Frame::message(send, OpCode::Data(Data::Text), true);
            let done = self.socket.send(Message::Frame(frame)).await;
            done.map_err(|error| failure_of(&error, Stage::Request, "sending"))?;
        }
        Ok(())
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
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {
                    let received = usize::try_from(self.clock.so_far().received);
                    if received.is_ok_and(|received| received > MOST_BYTES) {
                        let what = format!("the server said more than {MOST_BYTES} bytes");
                        return Err(Failure::new(Stage::Response, Reason::TooLarge, what));
                    }
                }
                Some(Err(error)) => return Err(failure_of(&error, Stage::Response, "reading")),
                None => return Err(farewell(None)),
            }
        }
    }

    /// Says good-bye, and does not wait for an answer. What comes of it changes nothing.
    pub(super) async fn close(mut self) {
        let frame = CloseFrame { code: CloseCode::Normal, reason: "".into() };
        if let Err(error) = self.socket.close(Some(frame)).await {
            self.context.log.debug("The close frame was not sent", &[("err", &error)]);
        }
    }
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
        Error::Io(error) => return Failure::io(stage, doing, error),
        Error::Capacity(_) => Reason::TooLarge,
        Error::ConnectionClosed
        | Error::AlreadyClosed
        | Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => Reason::Closed,
        _ => Reason::Protocol,
    };
    Failure::new(stage, reason, format!("{doing}: {error}"))
}
