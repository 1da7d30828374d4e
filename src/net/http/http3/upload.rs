//! A request that is being sent.

use bytes::{Buf as _, Bytes, BytesMut};
use http::request::Parts;
use http_body::Body as _;
use http_body_util::BodyExt as _;
use quiche::h3::{NameValue as _, qpack};

use super::{
    REQUEST,
    error::of_quic,
    frames::{DATA, HEADERS, put_frame, put_frame_header},
    head::fields,
};
use crate::net::http::{RequestBody, credentials::impossible, error::ExchangeError};

/// The rest of a request that is being sent.
pub(super) struct Upload {
    body: RequestBody,
    /// The head, or the beginning of a DATA frame.
    frames: BytesMut,
    /// Some of the body, which comes after that.
    piece: Bytes,
    /// True if nothing comes after that.
    is_last: bool,
    is_sent: bool,
}

impl Upload {
    /// Prepares a request.
    pub(super) fn new(request: &Parts, body: RequestBody) -> Result<Self, ExchangeError> {
        let fields = fields(request);
        let size = |field: &quiche::h3::Header| field.name().len() + field.value().len();
        // A length takes a few bytes, and a Huffman code is used only where it is shorter.
        let room: usize = fields.iter().map(|field| size(field) + 16).sum();
        let mut block = vec![0; room + 16];
        let length = qpack::Encoder::new()
            .encode(&fields, &mut block)
            .map_err(|error| impossible(format!("cannot encode the request: {error}")))?;
        let mut frames = BytesMut::new();
        put_frame(&mut frames, HEADERS, block.get(..length).unwrap_or_default());
        let is_last = body.is_end_stream();
        Ok(Self { body, frames, piece: Bytes::new(), is_last, is_sent: false })
    }

    /// Returns whether all of it was handed over, or the peer accepts no more.
    pub(super) fn is_sent(&self) -> bool {
        self.is_sent
    }

    /// Reads the next piece of the body.
    pub(super) async fn fetch(&mut self) -> Result<(), ExchangeError> {
        while self.piece.is_empty() && !self.is_last {
            match self.body.frame().await {
                None => self.is_last = true,
                Some(Err(error)) => return Err(ExchangeError::request_body(&error)),
                Some(Ok(frame)) => {
                    self.piece = frame.into_data().unwrap_or_default();
                    if !self.piece.is_empty() {
                        put_frame_header(&mut self.frames, DATA, self.piece.len());
                    }
                    self.is_last = self.body.is_end_stream();
                }
            }
        }
        Ok(())
    }

    /// Hands over what is ready, as far as the peer takes it; returns whether it took all of it.
    pub(super) fn hand_over(
        &mut self,
        engine: &mut quiche::Connection,
    ) -> Result<bool, ExchangeError> {
        while !self.is_sent {
            let is_head = !self.frames.is_empty();
            let bytes = if is_head { &self.frames[..] } else { &self.piece[..] };
            let ends = self.is_last && (!is_head || self.piece.is_empty());
            if bytes.is_empty() && !ends {
                break;
            }
            match engine.stream_send(REQUEST, bytes, ends) {
                Ok(length) => {
                    let is_whole = length == bytes.len();
                    if is_head {
                        self.frames.advance(length);
                    } else {
                        self.piece.advance(length);
                    }
                    if !is_whole {
                        return Ok(false);
                    }
                    self.is_sent = ends;
                }
                // It does not let us open a stream yet, or send as much.
                Err(quiche::Error::Done | quiche::Error::StreamLimit) => return Ok(false),
                // A peer need not hear all of it to answer.
                Err(quiche::Error::StreamStopped(_)) => self.is_sent = true,
                Err(error) => return Err(of_quic(error)),
            }
        }
        Ok(true)
    }
}
