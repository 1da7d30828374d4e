//! One request and its response over HTTP/3 (RFC 9114).
//!
//! QUIC and QPACK are quiche's. Frames are found here, because only they tell a response that is
//! complete from one that is cut off.

mod failure;
mod frames;
mod head;
mod streams;
mod upload;

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use http::{HeaderMap, Method, Request};
use quiche::h3::qpack;
use tokio::task::coop::consume_budget;

pub(crate) use self::failure::APPLICATION;
use self::{
    failure::{bad_section, broken, cut_off, of_engine, reset},
    frames::{FrameReader, Part, Place, SETTINGS, put_frame, put_varint},
    streams::{CONTROL, PeerStreams},
    upload::Upload,
};
use crate::{
    diagnostics::Failure,
    net::{
        http::{
            RequestBody,
            fields::{BadSection, FieldSection, FramedHead},
            send::LARGEST_HEAD,
            stream_watch::StreamWatch,
        },
        quic::QuicConnection,
    },
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
    /// What is still to be sent about the connection.
    greeting: BytesMut,
    upload: Upload,
    peer: PeerStreams,
    frames: FrameReader,
    /// Whether the stream of the response has ended; what came may be still to be taken.
    has_ended: bool,
    watch: StreamWatch,
    /// How many datagrams had been sent when the last ones of the request were.
    request_sent: u64,
    /// How many more bytes of the body there must be, where that was said.
    missing: Option<u64>,
    /// Size of the heads of interim responses (1xx) so far, in bytes.
    interim_size: usize,
    answered: bool,
    trailers: Option<HeaderMap>,
    /// What went wrong after the piece of the body that was handed on last.
    failed: Option<Failure>,
}

impl Http3 {
    /// Sends a request, and waits for the head of the response.
    pub(crate) async fn send(
        connection: Box<QuicConnection>,
        watch: StreamWatch,
        request: Request<RequestBody>,
    ) -> Result<(FramedHead, Box<Self>), Failure> {
        let is_head = request.method() == Method::HEAD;
        let mut exchange = Self::begin(connection, request, watch)?;
        // What there is of the body goes along with the head.
        exchange.upload().await?;
        let head = exchange.head().await?;
        let without_body = is_head || matches!(head.status.as_u16(), 204 | 304);
        exchange.missing = head.content_length.filter(|_| !without_body);
        Ok((head, Box::new(exchange)))
    }

    fn begin(
        connection: Box<QuicConnection>,
        request: Request<RequestBody>,
        watch: StreamWatch,
    ) -> Result<Self, Failure> {
        let (parts, body) = request.into_parts();
        let mut settings = BytesMut::new();
        put_varint(&mut settings, MAX_FIELD_SECTION_SIZE);
        put_varint(&mut settings, u64::try_from(LARGEST_HEAD).unwrap_or(u64::MAX));
        let mut greeting = BytesMut::new();
        put_varint(&mut greeting, CONTROL);
        put_frame(&mut greeting, SETTINGS, &settings);
        Ok(Self {
            connection,
            greeting,
            upload: Upload::new(&parts, body)?,
            peer: PeerStreams::default(),
            frames: FrameReader::new(Place::Request),
            has_ended: false,
            watch,
            request_sent: 0,
            missing: None,
            interim_size: 0,
            answered: false,
            trailers: None,
            failed: None,
        })
    }

    /// Waits for the head of the final response.
    async fn head(&mut self) -> Result<FramedHead, Failure> {
        loop {
            let block = match self.next_part()? {
                Some(Part::Whole(_, block)) => block,
                Some(Part::Data(_)) => {
                    return Err(broken("the response has a body before its head"));
                }
                None if self.has_ended => {
                    return Err(broken("the response ends without a head"));
                }
                None => {
                    self.advance().await?;
                    continue;
                }
            };
            let section = decode(&block)?;
            self.interim_size += section.size();
            let head = section.into_head(head::content_length).map_err(|bad| bad_section(&bad))?;
            if !head.status.is_informational() {
                self.watch.note_head();
                self.answered = true;
                return Ok(head);
            }
            // A peer could go on with interim responses for ever.
            if self.interim_size > LARGEST_HEAD {
                return Err(bad_section(&BadSection::too_large()));
            }
            // What follows is in the same datagram only if it can be read already.
            let more = self.is_readable() || !self.frames.buffer.is_empty();
            self.watch.note_interim(more);
        }
    }

    /// The next piece of the body.
    pub(crate) async fn next_piece(&mut self) -> Result<Option<Bytes>, Failure> {
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
                    let message = format!(
                        "The body broke off: {missing} bytes of what was announced are missing"
                    );
                    return Err(cut_off(&message));
                }
            }
        }
    }

    /// Takes what was read of the body, in one piece: there may be very many small frames.
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
                self.failed = Some(broken("the body is longer than it was announced to be"));
            }
            *missing = missing.saturating_sub(length);
        }
        piece
    }

    /// Returns what comes next of the body, if it came by now.
    fn next_data(&mut self) -> Result<Option<BytesMut>, Failure> {
        match self.next_part()? {
            None => Ok(None),
            Some(_) if self.trailers.is_some() => {
                Err(broken("the response goes on after its trailers"))
            }
            Some(Part::Data(payload)) => Ok(Some(payload)),
            Some(Part::Whole(_, block)) => {
                let trailers = decode(&block)?.into_trailers();
                self.trailers = Some(trailers.map_err(|bad| bad_section(&bad))?);
                Ok(Some(BytesMut::new()))
            }
        }
    }

    /// Returns the next part of the response, if it came by now.
    fn next_part(&mut self) -> Result<Option<Part>, Failure> {
        loop {
            if let Some(part) = self.frames.next()? {
                return Ok(Some(part));
            }
            if self.has_ended {
                let what = self.not_there_yet();
                let message =
                    format!("The request failed: the stream ends within a frame, before {what}");
                return if self.frames.is_between_frames() {
                    Ok(None)
                } else {
                    Err(cut_off(&message))
                };
            }
            let engine = self.connection.engine();
            self.peer.read(engine)?;
            let buffer = &mut self.frames.buffer;
            buffer.reserve(engine.stream_readable_len(REQUEST, PIECE));
            match engine.stream_recv_buf(REQUEST, buffer.limit(PIECE)) {
                Ok((_, has_ended)) => self.has_ended = has_ended,
                Err(quiche::Error::StreamReset(code)) => {
                    return Err(reset(code, self.not_there_yet()));
                }
                // Nothing came, or the stream is not open yet.
                Err(quiche::Error::Done | quiche::Error::InvalidStreamState(_)) => return Ok(None),
                Err(error) => return Err(of_engine(error)),
            }
        }
    }

    /// Returns what is waited for.
    fn not_there_yet(&self) -> &'static str {
        if self.answered { "the end of its response" } else { "the head of its response" }
    }

    /// Lets the connection move on, until something may have happened.
    async fn advance(&mut self) -> Result<(), Failure> {
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
    async fn upload(&mut self) -> Result<(), Failure> {
        self.greet()?;
        while !self.upload.is_sent() {
            self.upload.fetch().await?;
            let is_taken = self.upload.hand_over(self.connection.engine())?;
            self.say().await?;
            if !is_taken {
                break;
            }
        }
        Ok(())
    }

    /// Opens the stream about the connection.
    fn greet(&mut self) -> Result<(), Failure> {
        if self.greeting.is_empty() {
            return Ok(());
        }
        match self.connection.engine().stream_send(OUR_CONTROL, &self.greeting, false) {
            Ok(length) => {
                self.greeting.advance(length);
                Ok(())
            }
            Err(quiche::Error::Done | quiche::Error::StreamLimit) => Ok(()),
            Err(error) => Err(of_engine(error)),
        }
    }

    /// Sends what is there of the request.
    async fn say(&mut self) -> Result<(), Failure> {
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
fn decode(block: &[u8]) -> Result<FieldSection, Failure> {
    let most = u64::try_from(LARGEST_HEAD).unwrap_or(u64::MAX);
    let fields = qpack::Decoder::new().decode(block, most).map_err(|error| match error {
        qpack::Error::HeaderListTooLarge => bad_section(&BadSection::too_large()),
        error => broken(&format!("the headers cannot be decoded (QPACK): {error}")),
    })?;
    head::section(&fields).map_err(|bad| bad_section(&bad))
}
