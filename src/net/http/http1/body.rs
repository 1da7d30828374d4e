//! The rest of a response's body: where it ends.

use bytes::{Bytes, BytesMut};

use super::{chunked::Chunks, framing::Framing};
use crate::net::http::error::ExchangeError;

/// The rest of a body.
pub(super) enum Body {
    /// So many bytes.
    Length {
        rest: u64,
        total: u64,
    },
    Chunks(Chunks),
    /// All bytes until the connection ends.
    UntilEnd,
}

impl From<Framing> for Body {
    fn from(framing: Framing) -> Self {
        match framing {
            Framing::Length(total) => Self::Length { rest: total, total },
            Framing::Chunked => Self::Chunks(Chunks::default()),
            Framing::UntilEnd => Self::UntilEnd,
        }
    }
}

impl Body {
    /// Takes a piece out of the bytes that were read already.
    pub(super) fn take(&mut self, read: &mut BytesMut) -> Result<Option<Bytes>, ExchangeError> {
        let length = match self {
            Self::Chunks(chunks) => return chunks.next(read),
            Self::UntilEnd => read.len(),
            Self::Length { rest, .. } => {
                let length = usize::try_from(*rest).unwrap_or(usize::MAX).min(read.len());
                *rest -= u64::try_from(length).unwrap_or(*rest);
                length
            }
        };
        Ok((length > 0).then(|| read.split_to(length).freeze()))
    }

    /// Returns whether the body is complete. `has_ended` says whether the peer ended the connection.
    pub(super) fn is_complete(&self, has_ended: bool) -> bool {
        match self {
            Self::Length { rest, .. } => *rest == 0,
            Self::Chunks(chunks) => chunks.is_done(),
            Self::UntilEnd => has_ended,
        }
    }

    /// Describes the end of a connection before that of the body.
    pub(super) fn describe_early_end(&self) -> String {
        let moment = match self {
            Self::Length { rest, total } => {
                format!("after {} of {total} bytes of the body", total.saturating_sub(*rest))
            }
            Self::Chunks(_) => "before the last chunk of the body".to_owned(),
            Self::UntilEnd => "within the body".to_owned(),
        };
        format!("the server closed the connection {moment}")
    }
}
