//! One exchange over HTTP/2 (RFC 9113): one request on a new connection, and its response.
//!
//! A client of our own, because a probe needs little of the protocol but all details: which bytes
//! belong to the response, when they arrived, and the reasons that a server gives for an error. It
//! accepts what Go's client accepts, which is more than the libraries do. Only `END_STREAM` completes
//! a response.

mod control;
mod error;
mod frame_reader;
mod frames;
mod hpack;
mod request;
mod upload;
mod wire;

use std::{
    future::poll_fn,
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method, Request, StatusCode};
use tokio::task::coop::consume_budget;

pub(crate) use self::error::ErrorCode;
use self::{
    control::Control,
    frame_reader::{FrameReader, Part},
    hpack::Decoder,
    upload::Upload,
    wire::Wire,
};
use crate::{
    memory::Held,
    net::{
        http::{
            RequestBody,
            content_length::ContentLength,
            error::ExchangeError,
            fields::{FieldSection, FramedHead, weight},
            limits::MAX_HEAD,
            stream_watch::StreamWatch,
            transport::Transport,
        },
        wire::WireClock,
    },
    scheduling::turn,
};

/// Size from which a piece of the body is handed on, in bytes.
const PIECE: usize = 16 << 10;

/// An exchange whose body is on its way, that of the request too.
pub(crate) struct Http2 {
    wire: Wire,
    frames: FrameReader,
    decoder: Decoder,
    control: Control,
    upload: Upload,
    /// Size of the heads of interim responses (1xx) so far, in bytes.
    interim_size: usize,
    /// The length of the body, if it is known.
    content_length: Option<u64>,
    /// Number of bytes of the body that are still to come, if that is known.
    missing: Option<u64>,
    is_complete: bool,
    /// True if the request is one for a head alone.
    is_head: bool,
    trailers: Option<HeaderMap>,
    /// The memory of what was read and not taken yet.
    held: Held,
    /// The error after the piece of the body that was returned last.
    failed: Option<ExchangeError>,
}

/// Some of the response.
enum Event {
    /// A head or the trailers.
    Section { section: FieldSection, ends: bool },
    /// Some of the body.
    Data { payload: BytesMut, ends: bool },
}

impl Http2 {
    /// Prepares a request. Nothing is sent yet.
    pub(crate) fn new(
        stream: Box<dyn Transport>,
        clock: WireClock,
        watch: StreamWatch,
        (request, held): (Request<RequestBody>, Held),
    ) -> Self {
        let (parts, body) = request.into_parts();
        let upload = Upload::new(body);
        let mut wire = Wire::new(stream, clock, watch);
        request::begin(&mut wire.out, &parts, upload.is_done());
        wire.note_request();
        Self {
            wire,
            frames: FrameReader::default(),
            decoder: Decoder::default(),
            control: Control::default(),
            upload,
            interim_size: 0,
            content_length: None,
            missing: None,
            is_complete: false,
            is_head: parts.method == Method::HEAD,
            trailers: None,
            held,
            failed: None,
        }
    }

    /// Returns whether the whole response was received. Some of its body may not be taken yet.
    pub(crate) fn is_complete(&self) -> bool {
        self.is_complete
    }

    /// Returns the length of the body, if it is known.
    pub(crate) fn content_length(&self) -> Option<u64> {
        self.content_length
    }

    /// Returns the trailers, if they have arrived.
    pub(crate) fn take_trailers(&mut self) -> Option<HeaderMap> {
        self.trailers.take()
    }

    /// Accepts a body of any length, whatever `Content-Length` says.
    pub(crate) fn ignore_length(&mut self) {
        self.missing = None;
    }

    /// Sends the request, and waits for the head of the response.
    ///
    /// # Errors
    /// There is no valid response.
    pub(crate) async fn head(&mut self) -> Result<FramedHead, ExchangeError> {
        loop {
            let (section, ends) = match self.next_event()? {
                Some(Event::Section { section, ends }) => (section, ends),
                Some(Event::Data { .. }) => {
                    let text = "malformed response: DATA before HEADERS";
                    return Err(ExchangeError::malformed(text));
                }
                None => {
                    self.advance().await?;
                    continue;
                }
            };
            let size = section.size();
            let head = section.into_head()?;
            if !head.status.is_informational() {
                self.note_head(&head, ends);
                return Ok(head);
            }
            if ends {
                let text = format!(
                    "malformed response: the interim response {} ends the stream",
                    head.status.as_str(),
                );
                return Err(ExchangeError::malformed(text));
            }
            self.interim_size += size;
            if self.interim_size > MAX_HEAD {
                return Err(ExchangeError::head_too_large());
            }
            self.wire.watch().note_interim(false);
        }
    }

    fn note_head(&mut self, head: &FramedHead, ends: bool) {
        self.wire.watch().note_head();
        self.wire.is_answered = true;
        self.is_complete = ends;
        let has_no_body = self.is_head
            || matches!(head.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        self.content_length = content_length(head.content_length, ends, self.is_head);
        self.missing = self.content_length.filter(|_| !has_no_body);
    }

    /// Returns the next piece of the body; nothing after its end.
    ///
    /// # Errors
    /// The body is not complete, and will not be.
    pub(crate) async fn next_piece(&mut self) -> Result<Option<Bytes>, ExchangeError> {
        let piece = self.next_of_body().await;
        // As Go's client does it, the answer to HEAD is over with its stream, however that ends.
        if self.is_head { Ok(None) } else { piece }
    }

    async fn next_of_body(&mut self) -> Result<Option<Bytes>, ExchangeError> {
        loop {
            if let Some(error) = self.failed.take() {
                return Err(error);
            }
            if self.is_complete {
                return match self.missing {
                    None | Some(0) => Ok(None),
                    Some(missing) => Err(error::missing(missing)),
                };
            }
            consume_budget().await;
            let piece = self.gather();
            if !piece.is_empty() {
                return Ok(Some(piece.freeze()));
            }
            if self.failed.is_none() && !self.is_complete {
                self.advance().await?;
            }
        }
    }

    /// Returns all that was read of the body as one piece, because frames may be very small.
    fn gather(&mut self) -> BytesMut {
        let mut piece = BytesMut::new();
        while !self.is_complete && self.failed.is_none() && piece.len() < PIECE {
            match self.next_data() {
                Ok(Some(payload)) if piece.is_empty() => piece = payload,
                Ok(Some(payload)) => piece.extend_from_slice(&payload),
                Ok(None) => break,
                Err(error) => self.failed = Some(error),
            }
        }
        if let Some(missing) = &mut self.missing {
            let length = u64::try_from(piece.len()).unwrap_or(u64::MAX);
            if length > *missing {
                piece.truncate(usize::try_from(*missing).unwrap_or(usize::MAX));
                let text = "the body is longer than its Content-Length";
                self.failed = Some(ExchangeError::malformed(text));
            }
            *missing = missing.saturating_sub(length);
        }
        piece
    }

    /// Returns what comes next of the body, if it was read already.
    fn next_data(&mut self) -> Result<Option<BytesMut>, ExchangeError> {
        let (payload, ends) = match self.next_event()? {
            None => return Ok(None),
            Some(Event::Data { payload, ends }) => (payload, ends),
            Some(Event::Section { ends: false, .. }) => {
                let text = "malformed response: the trailers do not end the stream";
                return Err(ExchangeError::malformed(text));
            }
            Some(Event::Section { section, ends: true }) => {
                let trailers = section.into_trailers()?;
                self.held.grow(weight(&trailers))?;
                self.trailers = Some(trailers);
                (BytesMut::new(), true)
            }
        };
        if ends {
            self.is_complete = true;
            self.upload.stop();
        }
        Ok(Some(payload))
    }

    /// Returns the next part of the response, if it was read already. Frames about the connection are
    /// processed before it.
    fn next_event(&mut self) -> Result<Option<Event>, ExchangeError> {
        loop {
            let part = self.frames.next();
            if self.frames.take_response_seen() {
                self.wire.watch().note_arrival(self.wire.arrival());
            }
            if let Some(frame) = self.frames.take_last() {
                self.wire.watch().note_frame(frame);
            }
            self.control.note_consumed(self.frames.take_consumed(), &mut self.wire.out);
            let Some(part) = part? else { return Ok(None) };
            let before = self.missing_part();
            let Self { control, decoder, wire, .. } = self;
            let event = match part {
                Part::Data { stream, payload, ends } => control.data(stream, payload, ends)?,
                Part::Whole(header, payload) => {
                    control.frame((header, payload), decoder, &mut wire.out, before)?
                }
            };
            if event.is_some() {
                return Ok(event);
            }
        }
    }

    /// Names the part of the response that has not arrived.
    fn missing_part(&self) -> &'static str {
        if self.wire.is_answered { "the end of the response" } else { "the header of the response" }
    }

    /// Waits until more was read; sends meanwhile what there is to be sent.
    async fn advance(&mut self) -> Result<(), ExchangeError> {
        poll_fn(|context| self.poll_advance(context)).await
    }

    fn poll_advance(&mut self, context: &mut Context<'_>) -> Poll<Result<(), ExchangeError>> {
        while self.add_body(context)? || self.wire.has_urgent() {
            if !self.wire.send(context) {
                break;
            }
        }
        // A peer that asks for answers and does not take them has to wait for its turn.
        if self.wire.is_congested() {
            return Poll::Pending;
        }
        ready!(turn::poll_proceed(context));
        let read = self.wire.poll_read(context, &mut self.frames.buffer);
        if read.is_pending() {
            // What is about the connection is sent when there is nothing to read: what is read after
            // a send is looked at for the first byte of its answer.
            self.wire.send(context);
            if self.frames.is_text() {
                return Poll::Ready(Err(error::not_http2(&self.frames.buffer)));
            }
        }
        let read = ready!(read);
        let go_away = self.control.go_away.as_ref();
        let before = self.missing_part();
        Poll::Ready(match read {
            Ok(true) => {
                Ok(self.held.resize(self.frames.buffer.len() + self.control.block_size())?)
            }
            _ if self.frames.is_text() => Err(error::not_http2(&self.frames.buffer)),
            Ok(false) => Err(error::closed(before, go_away)),
            Err(error) => Err(error::io(&error, before, go_away)),
        })
    }

    /// Adds the next frame of the request's body to what is to be sent; returns whether there is one.
    fn add_body(&mut self, context: &mut Context<'_>) -> Result<bool, ExchangeError> {
        let Self { wire, upload, control, frames, .. } = self;
        if upload.is_done() || !wire.has_room() {
            return Ok(false);
        }
        match upload.poll_frame(context, &mut wire.out, control.send_window()) {
            Poll::Ready(Ok(Some(length))) => {
                control.note_sent(length);
                frames.note_sent(length);
                wire.note_request();
                Ok(true)
            }
            Poll::Ready(Err(error)) => Err(error),
            Poll::Ready(Ok(None)) | Poll::Pending => Ok(false),
        }
    }
}

/// Returns the length of the body as Go's client understands it: one that is invalid or repeated is
/// unknown, and 0 if the stream ends with the head.
fn content_length(length: ContentLength, ends: bool, is_head: bool) -> Option<u64> {
    match length {
        ContentLength::Number(length) => Some(length),
        ContentLength::Absent => (ends && !is_head).then_some(0),
        ContentLength::Repeated(_) | ContentLength::Invalid => None,
    }
}

#[cfg(test)]
mod tests;
