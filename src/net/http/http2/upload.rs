//! The body of a request on its way, as far as the server takes it.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use http_body::Body as _;

use super::frames::{DATA, END_STREAM, MAX_SENT_PAYLOAD, STREAM, put_frame};
use crate::net::http::{RequestBody, error::ExchangeError};

/// The rest of a request's body.
pub(super) struct Upload {
    body: RequestBody,
    piece: Bytes,
    is_done: bool,
}

impl Upload {
    pub(super) fn new(body: RequestBody) -> Self {
        let is_done = body.is_end_stream();
        Self { body, piece: Bytes::new(), is_done }
    }

    /// Returns whether all of the body was taken out of it, or nobody wants the rest.
    pub(super) fn is_done(&self) -> bool {
        self.is_done
    }

    /// Gives up the rest.
    pub(super) fn stop(&mut self) {
        self.is_done = true;
    }

    /// Appends the next DATA frame to `out`, of `window` bytes at most. Returns its length, or
    /// nothing if the window is too small for it.
    pub(super) fn poll_frame(
        &mut self,
        context: &mut Context<'_>,
        out: &mut BytesMut,
        window: usize,
    ) -> Poll<Result<Option<usize>, ExchangeError>> {
        let mut ended = false;
        while self.piece.is_empty() && !ended {
            match ready!(Pin::new(&mut self.body).poll_frame(context)) {
                None => ended = true,
                Some(Err(error)) => return Poll::Ready(Err(ExchangeError::request_body(&error))),
                Some(Ok(frame)) => self.piece = frame.into_data().unwrap_or_default(),
            }
        }
        let length = self.piece.len().min(window).min(MAX_SENT_PAYLOAD);
        if length == 0 && !ended {
            return Poll::Ready(Ok(None));
        }
        let payload = self.piece.split_to(length);
        self.is_done = ended || self.piece.is_empty() && self.body.is_end_stream();
        let flags = if self.is_done { END_STREAM } else { 0 };
        put_frame(out, DATA, flags, STREAM, &payload);
        Poll::Ready(Ok(Some(length)))
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use http_body_util::{BodyExt as _, Full};

    use super::*;

    #[test]
    fn a_body_is_sent_as_far_as_the_window_allows() {
        let body = Full::new(Bytes::from(vec![b'x'; 20_000])).map_err(|never| match never {});
        let mut upload = Upload::new(body.boxed_unsync());
        let mut context = Context::from_waker(Waker::noop());
        for (window, expected, flags) in
            [(0, None, 0), (5, Some(5), 0), (100_000, Some(16_384), 0), (100_000, Some(3611), 1)]
        {
            let mut out = BytesMut::new();
            let Poll::Ready(sent) = upload.poll_frame(&mut context, &mut out, window) else {
                panic!("the body is there");
            };
            assert_eq!(sent.unwrap(), expected, "{window}");
            assert_eq!(out.get(4).copied().unwrap_or_default(), flags, "{window}");
        }
        assert!(upload.is_done());
    }
}
