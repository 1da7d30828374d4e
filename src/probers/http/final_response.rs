//! The final response while it is read and checked.

use std::sync::Arc;

use http::header::CONTENT_ENCODING;

use crate::{
    diagnostics::{Encoding, Part, PartKind},
    net::{Context, http::exchange::Response},
    probers::http::{
        body::{Body, Collector, Start},
        buffers,
    },
};

/// The final response. If the probe fails or is cancelled, an excerpt of it is recorded.
pub(super) struct FinalResponse<'c> {
    pub(super) context: &'c Context,
    pub(super) response: Response,
    /// The body, if it is complete and was kept for checks.
    pub(super) body: Option<Arc<Body>>,
    /// The start of another body.
    start: Start,
    /// Length of the body so far, after decompression.
    length: u64,
    /// True if a check has failed.
    pub(super) has_failed: bool,
}

impl<'c> FinalResponse<'c> {
    pub(super) fn new(context: &'c Context, response: Response) -> Self {
        let start = Start::Unused;
        Self { context, response, body: None, start, length: 0, has_failed: false }
    }

    /// Returns the start of the body before its first byte; `is_good` says whether no check has failed.
    pub(super) fn awaited_start(&self, is_good: bool) -> Start {
        if self.context.records(!is_good) {
            Start::Copied(Vec::new())
        } else if self.context.records(true) {
            Start::Awaited { whole: self.response.content_length }
        } else {
            Start::Unused
        }
    }

    /// Notes the part of the body that was read.
    pub(super) fn note_body(&mut self, collector: &mut Collector) {
        (self.start, self.length) = (collector.take_start(), collector.length());
    }
}

impl Drop for FinalResponse<'_> {
    fn drop(&mut self) {
        if self.context.records(self.has_failed) {
            self.response.record_head(self.context);
            let start = self.body.as_ref().map_or(self.start.bytes(), |body| &body.bytes);
            let mut part = Part::new(PartKind::Body, start, self.length);
            // Nobody reads compressed data, and secrets in it are not found.
            if part.encoding != Encoding::Text
                && self.response.headers.contains_key(CONTENT_ENCODING)
            {
                part = Part::new(PartKind::Body, b"", self.length);
            }
            self.context.transcript.add(part);
        }
        // Unless it is being matched on another thread.
        if let Some(body) = self.body.take().and_then(Arc::into_inner) {
            buffers::give_back(body.bytes, self.context.memory.limit());
        }
    }
}
