//! One request and its response over HTTP/3 (RFC 9114).
//!
//! QUIC and QPACK are quiche's. Frames are found here, because only they tell a response that is
//! complete from one that is cut off.

mod error;
mod frames;
mod head;
mod streams;
mod upload;

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use http::{HeaderMap, Method, Request, StatusCode};
use quiche::h3::qpack;
use tokio::task::coop::consume_budget;

pub(crate) use self::error::APPLICATION;
use self::{
    error::{broken, of_quic, reset},
    frames::{FrameReader, Part, Place, SETTINGS, put_frame, put_varint},
    streams::{CONTROL, PeerStreams},
    upload::Upload,
};
use crate::{
    net::{
        http::{
            RequestBody,
            content_length::ContentLength,
            error::ExchangeError,
            fields::{FieldSection, FramedHead},
            limits::MAX_HEAD,
            stream_watch::StreamWatch,
        },
        quic::QuicConnection,
    },
    scheduling::poll_times::section,
};

/// The streams that a client opens first: that of its request, and that about the connection.
const REQUEST: u64 = 0;
const OUR_CONTROL: u64 = 2;

/// Number of the setting that bounds heads (RFC 9114, section 7.2.4.1).
const MAX_FIELD_SECTION_SIZE: u64 = 0x6;

/// Size from which a piece of the body is handed on, in bytes.
const PIECE: usize = 16 << 10;

/// An exchange whose request may still be under way, and whose body is.
pub(crate) struct Http3 {
    connection: Box<QuicConnection>,
    /// The part of the control stream that is not sent yet.
    control_data: BytesMut,
    upload: Upload,
    peer: PeerStreams,
    frames: FrameReader,
    /// True if the stream of the response has ended; some of it may not be taken yet.
    has_ended: bool,
    /// True if the request is one for a head alone.
    is_head: bool,
    watch: StreamWatch,
    /// Number of datagrams that were sent up to the end of the request.
    request_sent: u64,
    /// The length of the body, if it is known.
    content_length: Option<u64>,
    /// Number of bytes of the body that are still to come, if that is known.
    missing: Option<u64>,
    /// Size of the heads of interim responses (1xx) so far, in bytes.
    interim_size: usize,
    answered: bool,
    trailers: Option<HeaderMap>,
    /// The error after the piece of the body that was returned last.
    failed: Option<ExchangeError>,
}

impl Http3 {
    /// Prepares a request. Nothing is sent yet.
    pub(crate) fn new(
        connection: Box<QuicConnection>,
        watch: StreamWatch,
        request: Request<RequestBody>,
    ) -> Result<Self, ExchangeError> {
        let is_head = request.method() == Method::HEAD;
        let (parts, body) = request.into_parts();
        let mut settings = BytesMut::new();
        put_varint(&mut settings, MAX_FIELD_SECTION_SIZE);
        put_varint(&mut settings, u64::try_from(MAX_HEAD).unwrap_or(u64::MAX));
        let mut control_data = BytesMut::new();
        put_varint(&mut control_data, CONTROL);
        put_frame(&mut control_data, SETTINGS, &settings);
        Ok(Self {
            connection,
            control_data,
            upload: Upload::new(&parts, body)?,
            peer: PeerStreams::default(),
            frames: FrameReader::new(Place::Request),
            has_ended: false,
            is_head,
            watch,
            request_sent: 0,
            content_length: None,
            missing: None,
            interim_size: 0,
            answered: false,
            trailers: None,
            failed: None,
        })
    }

    /// Sends the request, and waits for the head of the response.
    pub(crate) async fn head(&mut self) -> Result<FramedHead, ExchangeError> {
        // What there is of the body is sent with the head.
        self.upload().await?;
        let head = self.final_head().await?;
        let without_body = self.is_head
            || matches!(head.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        self.content_length = content_length(head.status, head.content_length);
        self.missing = self.content_length.filter(|_| !without_body);
        Ok(head)
    }

    async fn final_head(&mut self) -> Result<FramedHead, ExchangeError> {
        loop {
            let block = match self.next_part()? {
                Some(Part::Whole(_, block)) => block,
                Some(Part::Data(_)) => {
                    return Err(broken("DATA before HEADERS"));
                }
                None if self.has_ended => {
                    return Err(broken("the response ended without a header"));
                }
                None => {
                    self.advance().await?;
                    continue;
                }
            };
            let section = section("QPACK", || decode(&block))?;
            self.interim_size += section.size();
            let head = section.into_head()?;
            if !head.status.is_informational() {
                self.watch.note_head();
                self.answered = true;
                return Ok(head);
            }
            // A peer could go on with interim responses for ever.
            if self.interim_size > MAX_HEAD {
                return Err(ExchangeError::head_too_large());
            }
            // What follows is in the same datagram only if it can be read already.
            let more = self.is_readable() || !self.frames.buffer.is_empty();
            self.watch.note_interim(more);
        }
    }

    /// Returns the length of the body, if it is known.
    pub(crate) fn content_length(&self) -> Option<u64> {
        self.content_length
    }

    /// Accepts a body of any length, whatever `Content-Length` says.
    pub(crate) fn ignore_length(&mut self) {
        self.missing = None;
    }

    /// Returns whether the whole response was read and taken.
    pub(crate) fn is_complete(&self) -> bool {
        self.has_ended && self.frames.is_between_frames()
    }

    /// Returns the trailers, if they have arrived.
    pub(crate) fn take_trailers(&mut self) -> Option<HeaderMap> {
        self.trailers.take()
    }

    /// Returns the next piece of the body.
    pub(crate) async fn next_piece(&mut self) -> Result<Option<Bytes>, ExchangeError> {
        loop {
            consume_budget().await;
            if let Some(failure) = self.failed.take() {
                return Err(failure);
            }
            let piece = self.gather();
            if !piece.is_empty() {
                return Ok(Some(piece.freeze()));
            }
            match self.missing {
                _ if self.failed.is_some() => {}
                _ if !self.has_ended => self.advance().await?,
                None | Some(0) => return Ok(None),
                Some(missing) => {
                    let text =
                        format!("the body is {missing} bytes shorter than its Content-Length");
                    return Err(ExchangeError::closed(text));
                }
            }
        }
    }

    /// Returns all that was read of the body as one piece, because frames may be very small.
    fn gather(&mut self) -> BytesMut {
        let mut piece = BytesMut::new();
        while piece.len() < PIECE && self.failed.is_none() {
            match self.next_data() {
                Ok(Some(payload)) if piece.is_empty() => piece = payload,
                Ok(Some(payload)) => piece.extend_from_slice(&payload),
                Ok(None) => break,
                Err(failure) => self.failed = Some(failure),
            }
        }
        if let Some(missing) = &mut self.missing {
            let length = u64::try_from(piece.len()).unwrap_or(u64::MAX);
            if length > *missing {
                piece.truncate(usize::try_from(*missing).unwrap_or(usize::MAX));
                self.failed = Some(broken("the body is longer than its Content-Length"));
            }
            *missing = missing.saturating_sub(length);
        }
        piece
    }

    /// Returns what comes next of the body, if it came by now.
    fn next_data(&mut self) -> Result<Option<BytesMut>, ExchangeError> {
        match self.next_part()? {
            None => Ok(None),
            Some(_) if self.trailers.is_some() => {
                Err(broken("the response continues after its trailers"))
            }
            Some(Part::Data(payload)) => Ok(Some(payload)),
            Some(Part::Whole(_, block)) => {
                let trailers = section("QPACK", || decode(&block))?.into_trailers();
                self.trailers = Some(trailers?);
                Ok(Some(BytesMut::new()))
            }
        }
    }

    /// Returns the next part of the response, if it came by now.
    fn next_part(&mut self) -> Result<Option<Part>, ExchangeError> {
        loop {
            if let Some(part) = self.frames.next()? {
                return Ok(Some(part));
            }
            if self.has_ended {
                let what = self.missing_part();
                let message = format!("the stream ends within a frame, before {what}");
                return if self.frames.is_between_frames() {
                    Ok(None)
                } else {
                    Err(ExchangeError::closed(message))
                };
            }
            let engine = self.connection.engine();
            self.peer.read(engine)?;
            let buffer = &mut self.frames.buffer;
            buffer.reserve(engine.stream_readable_len(REQUEST, PIECE));
            match engine.stream_recv_buf(REQUEST, buffer.limit(PIECE)) {
                Ok((_, has_ended)) => self.has_ended = has_ended,
                Err(quiche::Error::StreamReset(code)) => {
                    return Err(reset(code, self.missing_part()));
                }
                // Nothing came, or the stream is not open yet.
                Err(quiche::Error::Done | quiche::Error::InvalidStreamState(_)) => return Ok(None),
                Err(error) => return Err(of_quic(error)),
            }
        }
    }

    /// Names the part of the response that has not arrived.
    fn missing_part(&self) -> &'static str {
        if self.answered { "the end of the response" } else { "the header of the response" }
    }

    /// Runs one step of the connection.
    async fn advance(&mut self) -> Result<(), ExchangeError> {
        let before = self.connection.arrival();
        self.connection.step().await?;
        let arrival = self.connection.arrival();
        if arrival == before {
            return Ok(());
        }
        if !self.answered && self.connection.sends() == self.request_sent {
            // By now the kernel may have said when it really left.
            self.watch.note_sent(self.connection.last_send());
        }
        // All that had come before was read. So this datagram brought what can be read now.
        if self.is_readable() {
            self.watch.note_arrival(arrival);
        }
        self.upload().await
    }

    fn is_readable(&mut self) -> bool {
        self.connection.engine().stream_readable(REQUEST)
    }

    /// Sends as much of the request as the peer takes by now.
    async fn upload(&mut self) -> Result<(), ExchangeError> {
        self.open_control_stream()?;
        while !self.upload.is_sent() {
            self.upload.fetch().await?;
            let is_taken = self.upload.hand_over(self.connection.engine())?;
            self.send_pending().await?;
            if !is_taken {
                break;
            }
        }
        Ok(())
    }

    /// Opens the stream about the connection.
    fn open_control_stream(&mut self) -> Result<(), ExchangeError> {
        if self.control_data.is_empty() {
            return Ok(());
        }
        match self.connection.engine().stream_send(OUR_CONTROL, &self.control_data, false) {
            Ok(length) => {
                self.control_data.advance(length);
                Ok(())
            }
            Err(quiche::Error::Done | quiche::Error::StreamLimit) => Ok(()),
            Err(error) => Err(of_quic(error)),
        }
    }

    /// Sends what is there of the request.
    async fn send_pending(&mut self) -> Result<(), ExchangeError> {
        let before = self.connection.sends();
        self.connection.flush().await?;
        let after = self.connection.sends();
        // What is sent behind the answer is nothing that it waited for.
        if after > before && !self.answered {
            self.request_sent = after;
            self.watch.note_sent(self.connection.last_send());
        }
        Ok(())
    }
}

/// Decodes a field section.
fn decode(block: &[u8]) -> Result<FieldSection, ExchangeError> {
    let most = u64::try_from(MAX_HEAD).unwrap_or(u64::MAX);
    let fields = qpack::Decoder::new().decode(block, most).map_err(|error| match error {
        qpack::Error::HeaderListTooLarge => ExchangeError::head_too_large(),
        error => broken(&format!("the headers cannot be decoded (QPACK): {error}")),
    })?;
    head::section(&fields)
}

/// Returns the length of the body as Go's client understands it.
fn content_length(status: StatusCode, length: ContentLength) -> Option<u64> {
    match length {
        ContentLength::Number(length) | ContentLength::Repeated(length) => Some(length),
        ContentLength::Absent | ContentLength::Invalid => {
            (status == StatusCode::NO_CONTENT).then_some(0)
        }
    }
}
