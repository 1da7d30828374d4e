//! The body of a request on its way.

use bytes::{Buf as _, Bytes};
use http_body::Body as _;
use http_body_util::BodyExt as _;
use quiche::h3;

use crate::{
    evidence::{Failure, Reason, Stage},
    net::http::RequestBody,
    probers::http::http3::failure_of,
};

/// What of a body is still to be sent.
pub(super) struct Upload {
    body: RequestBody,
    piece: Bytes,
    done: bool,
}

impl Upload {
    pub(super) fn new(body: RequestBody) -> Self {
        let done = body.is_end_stream();
        Self { body, piece: Bytes::new(), done }
    }

    /// Whether all of it was handed over, or the peer wants no more.
    pub(super) fn is_done(&self) -> bool {
        self.done
    }

    /// Hands over the next piece; says whether the peer took any of it.
    pub(super) async fn next(
        &mut self,
        frames: &mut h3::Connection,
        engine: &mut quiche::Connection,
        stream: u64,
    ) -> Result<bool, Failure> {
        if self.piece.is_empty() {
            self.fetch().await?;
        }
        let is_last = self.body.is_end_stream() || self.piece.is_empty();
        match frames.send_body(engine, stream, &self.piece, is_last) {
            Ok(taken) => {
                self.piece.advance(taken.min(self.piece.len()));
                self.done = is_last && self.piece.is_empty();
                Ok(true)
            }
            Err(h3::Error::Done | h3::Error::StreamBlocked) => Ok(false),
            // A peer need not hear all of it to answer.
            Err(h3::Error::TransportError(quiche::Error::StreamStopped(_))) => {
                self.done = true;
                Ok(false)
            }
            Err(error) => Err(failure_of(&error)),
        }
    }

    async fn fetch(&mut self) -> Result<(), Failure> {
        while self.piece.is_empty() {
            match self.body.frame().await {
                None => return Ok(()),
                Some(Err(error)) => {
                    let message = format!("The request failed: its body cannot be read: {error}");
                    return Err(Failure::new(Stage::Request, Reason::UnusableFile, message));
                }
                Some(Ok(frame)) => self.piece = frame.into_data().unwrap_or_default(),
            }
        }
        Ok(())
    }
}
