//! The reasons why there is no response over HTTP/1, or no complete one.

use std::{error::Error, io};

use crate::{
    diagnostics::{Failure, Reason, Stage, log::Quoted},
    net::http::not_http,
};

/// Why a response cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem(Failure);

impl Problem {
    /// A response that breaks the protocol.
    pub(super) fn protocol(message: impl Into<String>) -> Self {
        Self(Failure::new(Stage::Response, Reason::Protocol, message))
    }

    /// A line of a response that breaks the protocol.
    pub(super) fn line(what: &str, line: &[u8]) -> Self {
        Self::protocol(format!("{what}: {}", Quoted(line)))
    }

    /// A response with a part that is larger than allowed.
    pub(super) fn too_large(message: impl Into<String>) -> Self {
        Self(Failure::new(Stage::Response, Reason::TooLarge, message))
    }

    /// Something else than an HTTP response, which begins with `bytes`.
    pub(super) fn not_http(bytes: &[u8]) -> Self {
        Self(Failure::new(Stage::Response, Reason::NotHttp, not_http::describe(bytes)))
    }

    /// An end of the connection before the end of the response.
    pub(super) fn closed(message: impl Into<String>) -> Self {
        Self(Failure::new(Stage::Response, Reason::Closed, message))
    }

    /// An error of the connection.
    pub(super) fn io(error: &io::Error) -> Self {
        Self(Failure::io(Stage::Response, "read", error))
    }

    /// A request body that cannot be read.
    pub(super) fn body(error: &(dyn Error + 'static)) -> Self {
        let message = format!("the body of the request cannot be read: {error}");
        Self(Failure::new(Stage::Request, Reason::UnusableFile, message))
    }

    /// The failure of a probe, where `doing` says what was tried.
    pub(crate) fn failure(self, doing: &str) -> Failure {
        let Self(Failure { stage, reason, message }) = self;
        Failure::new(stage, reason, format!("{doing}: {message}"))
    }
}
