//! The end of a head in bytes that arrive piece by piece, found and bounded.

use bytes::BytesMut;
use memchr::memchr;

use super::head::Head;
use crate::net::http::{
    error::ExchangeError,
    limits::{MAX_HEAD, MAX_LINES},
};

/// Finds the end of a head in bytes that arrive piece by piece.
#[derive(Debug, Default)]
pub(super) struct HeadReader {
    /// Offset of the line that is not complete yet.
    line: usize,
    /// Number of bytes that were searched for the end of a line.
    searched: usize,
    /// Number of complete lines.
    lines: usize,
    has_status_line: bool,
}

/// The meaning of the bytes so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    /// The beginning of a head.
    Part,
    /// Not the head of an HTTP/1 response.
    Other,
    /// A complete head; more bytes may follow.
    Head(Head),
}

/// The first bytes of every response.
const START: &[u8] = b"HTTP";

impl HeadReader {
    /// Takes the head out of `bytes`, all that arrived so far, if it is complete.
    pub(super) fn take(&mut self, bytes: &mut BytesMut) -> Result<Found, ExchangeError> {
        while let Some(offset) = memchr(b'\n', bytes.get(self.searched..).unwrap_or_default()) {
            let end = self.searched + offset + 1;
            let line = bytes.get(self.line..end).unwrap_or_default();
            let is_empty = line.iter().all(|byte| matches!(byte, b'\r' | b'\n'));
            let is_last = is_empty && self.has_status_line;
            self.has_status_line |= !is_empty;
            self.line = end;
            self.searched = end;
            self.lines += 1;
            // The first and the last line are no headers.
            if self.lines > MAX_LINES + 2 {
                return Err(ExchangeError::too_many_headers(MAX_LINES));
            }
            if is_last {
                let head = bytes.split_to(end).freeze();
                let head = Head::read(&head, self.lines)?;
                *self = Self::default();
                return Ok(Found::Head(head));
            }
            if self.lines == 1 && !can_begin(bytes) {
                return Ok(Found::Other);
            }
        }
        self.searched = bytes.len();
        if !can_begin(bytes) {
            return Ok(Found::Other);
        }
        if bytes.len() > MAX_HEAD {
            return Err(ExchangeError::head_too_large());
        }
        Ok(Found::Part)
    }
}

/// Returns whether `bytes` may be the beginning of a response. Empty lines before it are skipped.
///
/// Unlike upstream, which takes an empty line for the status line.
fn can_begin(bytes: &[u8]) -> bool {
    let empty = bytes.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
    let rest = bytes.get(empty..).unwrap_or_default();
    rest.iter().zip(START).all(|(found, expected)| found == expected)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::diagnostics::Reason;

    /// Gives the bytes in pieces of `size`; the first finding that is not a part, and what is left.
    pub(in super::super) fn read(
        bytes: &[u8],
        size: usize,
    ) -> (Result<Found, ExchangeError>, Vec<u8>) {
        let mut reader = HeadReader::default();
        let mut inbox = BytesMut::new();
        for piece in bytes.chunks(size) {
            inbox.extend_from_slice(piece);
            match reader.take(&mut inbox) {
                Ok(Found::Part) => {}
                found => return (found, inbox.to_vec()),
            }
        }
        (Ok(Found::Part), inbox.to_vec())
    }

    #[test]
    fn a_head_ends_at_its_empty_line() {
        for (bytes, rest) in [
            (&b"HTTP/1.1 200 OK\r\n\r\nhello"[..], &b"hello"[..]),
            (b"HTTP/1.1 200 OK\n\nhello", b"hello"),
            (b"HTTP/1.1 200 OK\r\nX: y\n\r\nhello", b"hello"),
            (b"HTTP/1.1 200 OK\r\r\nX: y\r\r\n\r\r\nhello", b"hello"),
            (b"\n\r\nHTTP/1.1 200 OK\r\n\r\n\r\n", b"\r\n"),
        ] {
            let (found, left) = read(bytes, usize::MAX);
            assert!(matches!(found, Ok(Found::Head(_))), "{}: {found:?}", bytes.escape_ascii());
            assert_eq!(left, rest, "{}", bytes.escape_ascii());
        }
        for bytes in ["", "H", "HTTP", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nX: y\r\n", "\r\n"]
        {
            assert_eq!(read(bytes.as_bytes(), 1).0, Ok(Found::Part), "{bytes:?}");
        }
    }

    #[test]
    fn what_is_no_http_is_noticed_at_its_first_byte() {
        for bytes in
            ["SSH-2.0-x\r\n", "S", "HTML", "\r\n220 hello", "\u{15}\u{3}", "\0", "http/1.1"]
        {
            for size in [1, 100] {
                assert_eq!(read(bytes.as_bytes(), size).0, Ok(Found::Other), "{bytes:?}");
            }
        }
    }

    #[test]
    fn the_number_of_lines_is_limited() {
        let head = |lines| [b"HTTP/1.1 200 OK\r\n".to_vec(), b"a:\n".repeat(lines)].concat();
        for (lines, is_accepted) in [(MAX_LINES, true), (MAX_LINES + 1, false)] {
            let (found, _) = read(&[head(lines), b"\n".to_vec()].concat(), 1 << 10);
            assert_eq!(found.is_ok(), is_accepted, "{lines}");
        }
        let empty = [b"\n".repeat(MAX_LINES + 2), head(1)].concat();
        assert!(read(&empty, 1 << 10).0.is_err(), "empty lines before the response");
    }

    #[test]
    fn a_head_is_bounded() {
        let long = [b"HTTP/1.1 200 OK\r\nX: ".to_vec(), vec![b'x'; MAX_HEAD]].concat();
        let empty = b"\r\n".repeat(MAX_HEAD);
        let many = [b"HTTP/1.1 200 OK\r\n".to_vec(), b"a:\n".repeat(MAX_HEAD / 4)].concat();
        for bytes in [&long, &empty, &[many, b"\n".to_vec()].concat()] {
            let problem = read(bytes, 32 << 10).0.unwrap_err();
            assert_eq!(problem.failure("").reason, Reason::TooLarge);
        }
    }
}
