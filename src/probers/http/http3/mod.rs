//! One request and its response over HTTP/3 (RFC 9114).
//!
//! Frames and header compression are quiche's; what a request looks like and what an answer must
//! be is decided where it is for the other versions.

mod connect;
mod head;
mod upload;

use bytes::{BufMut as _, Bytes, BytesMut};
use http::{Method, Request};
use quiche::h3;
use tokio::task::coop::consume_budget;

pub(super) use crate::probers::http::http3::connect::connect;
use crate::{
    evidence::{Failure, Reason, Stage},
    net::{
        Context,
        http::{
            RequestBody,
            fields::{BadSection, FramedHead},
            send::LARGEST_HEAD,
            stream_watch::StreamWatch,
        },
        quic::QuicConnection,
    },
    probers::http::{
        exchange::Response, http3::upload::Upload, measurements::HttpMeasurements, timing::Running,
    },
};

/// As much of a body is handed on at once, in bytes.
const PIECE: usize = 16 << 10;

/// An exchange whose request may still be under way, and whose body is.
pub(super) struct Http3 {
    connection: Box<QuicConnection>,
    frames: h3::Connection,
    stream: u64,
    upload: Upload,
    watch: StreamWatch,
    /// How many datagrams had been sent when the last ones of the request were.
    request_sent: u64,
    /// How many more bytes of the body there must be, where that was said.
    missing: Option<u64>,
    /// Size of the heads of interim responses (1xx) so far, in bytes.
    interim_size: usize,
    answered: bool,
    has_trailers: bool,
    finished: bool,
}

/// Sends a request, and waits for the head of the response.
pub(super) async fn exchange(
    context: &Context,
    connection: Box<QuicConnection>,
    request: Request<RequestBody>,
    seen: &mut HttpMeasurements,
) -> Result<Response, Failure> {
    let is_head = request.method() == Method::HEAD;
    let watch = StreamWatch::default();
    let running = Running::framed(connection.clock().clone(), watch.clone());
    seen.running = Some(running.of(&request));
    let waiting = context.waiting_for(|| seen.describe_wait());
    let mut exchange = Http3::begin(connection, request, watch).await?;
    let head = exchange.head().await?;
    drop(waiting);
    seen.note_head(false);
    let without_body = is_head || matches!(head.status.as_u16(), 204 | 304);
    exchange.missing = head.content_length.filter(|_| !without_body);
    Ok(Response::over_http3(head, Box::new(exchange)))
}

impl Http3 {
    async fn begin(
        mut connection: Box<QuicConnection>,
        request: Request<RequestBody>,
        watch: StreamWatch,
    ) -> Result<Self, Failure> {
        let mut limits = h3::Config::new().map_err(|error| failure_of(&error))?;
        limits.set_max_field_section_size(u64::try_from(LARGEST_HEAD).unwrap_or(u64::MAX));
        let mut frames = h3::Connection::with_transport(connection.engine(), &limits)
            .map_err(|error| failure_of(&error))?;
        let (parts, body) = request.into_parts();
        let fields = head::fields(&parts);
        let upload = Upload::new(body);
        let stream = loop {
            match frames.send_request(connection.engine(), &fields, upload.is_done()) {
                Ok(stream) => break stream,
                // The peer does not let us say as much yet.
                Err(h3::Error::StreamBlocked | h3::Error::Done) => connection.step().await?,
                Err(error) => return Err(failure_of(&error)),
            }
        };
        let mut exchange = Self {
            connection,
            frames,
            stream,
            upload,
            watch,
            request_sent: 0,
            missing: None,
            interim_size: 0,
            answered: false,
            has_trailers: false,
            finished: false,
        };
        // What there is of the body goes along with the head.
        exchange.upload().await?;
        exchange.say().await?;
        Ok(exchange)
    }

    /// Waits for the head of the final response.
    async fn head(&mut self) -> Result<FramedHead, Failure> {
        loop {
            match self.poll()? {
                Some(h3::Event::Headers { list, .. }) => {
                    let section = head::section(&list).map_err(|bad| malformed(&bad))?;
                    self.interim_size += section.size();
                    let head = section.into_head(head::content_length);
                    let head = head.map_err(|bad| malformed(&bad))?;
                    if !head.status.is_informational() {
                        self.watch.note_head();
                        self.answered = true;
                        return Ok(head);
                    }
                    // A peer could go on with interim responses for ever.
                    if self.interim_size > LARGEST_HEAD {
                        return Err(malformed(&BadSection::too_large()));
                    }
                    // What follows is in the same datagram only if it can be read already.
                    let more = self.is_readable();
                    self.watch.note_interim(more);
                }
                Some(h3::Event::Finished) => {
                    return Err(broken("The request failed: there is no head in the response"));
                }
                Some(h3::Event::Data) => {
                    return Err(broken(
                        "The request failed: the response has a body before its head",
                    ));
                }
                Some(_) => {}
                None => self.advance().await?,
            }
        }
    }

    /// The next piece of the body.
    pub(super) async fn next_piece(&mut self) -> Result<Option<Bytes>, Failure> {
        while !self.finished {
            consume_budget().await;
            if let Some(piece) = self.take_piece()? {
                return Ok(Some(piece));
            }
            match self.poll()? {
                Some(h3::Event::Finished) => self.finished = true,
                // Trailers are none of it.
                Some(h3::Event::Headers { .. }) if !self.has_trailers => self.has_trailers = true,
                Some(h3::Event::Headers { .. }) => {
                    return Err(broken("The body broke off: the response has trailers twice"));
                }
                Some(_) => {}
                None => self.advance().await?,
            }
        }
        match self.missing {
            None | Some(0) => Ok(None),
            Some(missing) => {
                let message = format!(
                    "The body broke off: {missing} bytes of what was announced are missing"
                );
                Err(Failure::new(Stage::Response, Reason::Closed, message))
            }
        }
    }

    fn take_piece(&mut self) -> Result<Option<Bytes>, Failure> {
        let there = self.connection.engine().stream_readable_len(self.stream, PIECE);
        if there == 0 {
            return Ok(None);
        }
        let mut piece = BytesMut::with_capacity(there);
        let room = (&mut piece).limit(there);
        match self.frames.recv_body_buf(self.connection.engine(), self.stream, room) {
            Ok(_) => {}
            Err(h3::Error::Done) => return Ok(None),
            Err(error) => return Err(failure_of(&error)),
        }
        if let Some(missing) = &mut self.missing {
            let length = u64::try_from(piece.len()).unwrap_or(u64::MAX);
            *missing = missing
                .checked_sub(length)
                .ok_or_else(|| broken("The body is longer than it was announced to be"))?;
        }
        Ok(Some(piece.freeze()))
    }

    /// What happened to our stream.
    fn poll(&mut self) -> Result<Option<h3::Event>, Failure> {
        loop {
            match self.frames.poll(self.connection.engine()) {
                Ok((stream, h3::Event::Reset(code))) if stream == self.stream => {
                    return Err(broken(&format!(
                        "The peer gave the response up, with the HTTP/3 error {code:#x}"
                    )));
                }
                Ok((stream, event)) if stream == self.stream => return Ok(Some(event)),
                // A farewell, or what belongs to nothing that was asked for.
                Ok(_) => {}
                Err(h3::Error::Done) => return Ok(None),
                Err(error) => return Err(failure_of(&error)),
            }
        }
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
        let stream = self.stream;
        self.connection.engine().stream_readable(stream)
    }

    /// Says as much of the request's body as the peer takes by now.
    async fn upload(&mut self) -> Result<(), Failure> {
        while !self.upload.is_done() {
            let said = self.upload.next(&mut self.frames, self.connection.engine(), self.stream);
            if !said.await? {
                break;
            }
            self.say().await?;
        }
        Ok(())
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

/// Returns the failure of a response whose head cannot be used.
fn malformed(bad: &BadSection) -> Failure {
    Failure::new(Stage::Response, bad.reason, format!("The request failed: {}", bad.text))
}

fn broken(message: &str) -> Failure {
    Failure::new(Stage::Response, Reason::Protocol, message)
}

/// Why there is no response, or no whole one.
fn failure_of(error: &h3::Error) -> Failure {
    let reason = match error {
        h3::Error::ExcessiveLoad => Reason::TooLarge,
        _ => Reason::Protocol,
    };
    let what = match error {
        h3::Error::ExcessiveLoad => "the head of the response is too large".to_owned(),
        h3::Error::MissingSettings => "the peer does not begin with its settings".to_owned(),
        h3::Error::TransportError(quiche::Error::StreamReset(code)) => {
            format!("the peer gave the response up, with the HTTP/3 error {code:#x}")
        }
        other => format!("the peer breaks HTTP/3: {other}"),
    };
    Failure::new(Stage::Response, reason, format!("The request failed: {what}"))
}
