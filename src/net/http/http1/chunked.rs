//! Parser of the chunked encoding (RFC 9112, section 7.1), as in Go's client.

use bytes::{Buf, Bytes, BytesMut};
use memchr::memchr;

use crate::net::http::error::ExchangeError;

/// Parser of chunks that arrive piece by piece.
#[derive(Debug, Default)]
pub(super) struct Chunks {
    state: State,
    /// Number of bytes besides data, beyond the allowance of each chunk.
    excess: u64,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before the size of a chunk.
    #[default]
    Size,
    /// Within a chunk of which so many bytes are missing.
    Data(u64),
    /// After the data of a chunk.
    DataEnd,
    /// After the last chunk and so many bytes of trailers.
    Trailers(usize),
    Done,
}

/// Maximum size of a line with the size of a chunk, in bytes. Go's client takes 4 KiB.
const MAX_SIZE_LINE: usize = 16 << 10;

/// Maximum size of all trailers, in bytes. Go's client takes 4 KiB.
const MAX_TRAILERS: usize = 16 << 10;

/// Maximum number of digits in a size.
const MAX_DIGITS: usize = 16;

/// Number of bytes besides data that each chunk may have, in addition to two for each byte of data.
const MIN_OVERHEAD: u64 = 16;

/// Maximum number of bytes besides data beyond that allowance.
const MAX_EXCESS: u64 = 16 << 10;

impl Chunks {
    /// Returns whether the body has ended.
    pub(super) fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Returns the next piece of data; `None` if more bytes are needed, or at the end.
    pub(super) fn next(&mut self, bytes: &mut BytesMut) -> Result<Option<Bytes>, ExchangeError> {
        loop {
            match self.state {
                State::Size => {
                    let Some(size) = self.size(bytes)? else { return Ok(None) };
                    self.state = if size == 0 { State::Trailers(0) } else { State::Data(size) };
                }
                State::Data(rest) => {
                    let length = usize::try_from(rest).unwrap_or(usize::MAX).min(bytes.len());
                    if length == 0 {
                        return Ok(None);
                    }
                    let left = rest - u64::try_from(length).unwrap_or(rest);
                    self.state = if left == 0 { State::DataEnd } else { State::Data(left) };
                    return Ok(Some(bytes.split_to(length).freeze()));
                }
                State::DataEnd => match bytes.get(..2) {
                    Some(b"\r\n") => {
                        bytes.advance(2);
                        self.state = State::Size;
                    }
                    None => return Ok(None),
                    Some(_) => {
                        let problem = "the length of a chunk differs from its size line";
                        return Err(ExchangeError::protocol(problem));
                    }
                },
                State::Trailers(taken) => {
                    let Some(length) = memchr(b'\n', bytes).map(|end| end + 1) else {
                        return within(taken + bytes.len(), MAX_TRAILERS, "trailers")
                            .map(|()| None);
                    };
                    within(taken + length, MAX_TRAILERS, "trailers")?;
                    let line = bytes.split_to(length);
                    let is_last = line.iter().all(|byte| matches!(byte, b'\r' | b'\n'));
                    self.state =
                        if is_last { State::Done } else { State::Trailers(taken + length) };
                }
                State::Done => return Ok(None),
            }
        }
    }

    /// Takes the line with the size of a chunk, if it is there.
    fn size(&mut self, bytes: &mut BytesMut) -> Result<Option<u64>, ExchangeError> {
        let Some(end) = memchr(b'\n', bytes) else {
            return within(bytes.len(), MAX_SIZE_LINE, "size line").map(|()| None);
        };
        within(end, MAX_SIZE_LINE, "size line")?;
        let line = bytes.split_to(end + 1);
        let bad = || ExchangeError::line("malformed size line of a chunk", &line);
        // Go's client insists on CRLF here, and so does the standard.
        let text = line.strip_suffix(b"\r\n").ok_or_else(bad)?;
        if memchr(b'\r', text).is_some() {
            return Err(bad());
        }
        let digits = memchr(b';', text).map_or(text, |end| text.get(..end).unwrap_or_default());
        let digits = digits.trim_ascii_end();
        if digits.is_empty() || digits.len() > MAX_DIGITS {
            return Err(bad());
        }
        let size = digits.iter().try_fold(0_u64, |size, digit| {
            let digit = char::from(*digit).to_digit(16)?;
            Some(size << 4 | u64::from(digit))
        });
        let size = size.ok_or_else(bad)?;
        let overhead = u64::try_from(text.len() + 2).unwrap_or(u64::MAX);
        let usual = size.saturating_mul(2).saturating_add(MIN_OVERHEAD);
        self.excess = (self.excess + overhead).saturating_sub(usual);
        if self.excess > MAX_EXCESS {
            return Err(ExchangeError::protocol(
                "the chunked body has too much overhead: its chunks are too small",
            ));
        }
        Ok(Some(size))
    }
}

/// Refuses what is longer than a limit.
fn within(length: usize, limit: usize, what: &str) -> Result<(), ExchangeError> {
    if length <= limit {
        return Ok(());
    }
    let message = format!("the {what} of the chunked body has more than {limit} bytes");
    Err(ExchangeError::protocol(message))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The data in `bytes`, which come in pieces of `size`; whether it is complete, and what is
    /// behind it.
    fn read(bytes: &[u8], size: usize) -> Result<(Vec<u8>, bool, Vec<u8>), ExchangeError> {
        let mut chunks = Chunks::default();
        let (mut inbox, mut data) = (BytesMut::new(), Vec::new());
        for piece in bytes.chunks(size) {
            inbox.extend_from_slice(piece);
            while let Some(piece) = chunks.next(&mut inbox)? {
                data.extend_from_slice(&piece);
            }
        }
        Ok((data, chunks.is_done(), inbox.to_vec()))
    }

    #[test]
    fn chunks_are_read_as_go_reads_them() {
        let extension = |length| format!("5;{}\r\nhello\r\n0\r\n\r\n", "x".repeat(length));
        let signed = |size: usize| {
            let chunk = format!("{size:x};chunk-signature={:064}\r\n{}\r\n", 0, "x".repeat(size));
            chunk.repeat(1000) + "0\r\n\r\n"
        };
        for (text, expected) in [
            ("5\r\nhello\r\n0\r\n\r\n".to_owned(), Some((5, true, ""))),
            ("5\r\nhello\r\n6\r\n world\r\n0\r\n\r\nmore".to_owned(), Some((11, true, "more"))),
            ("A;a=\"b;c\"\r\nhellohello\r\n0;x\r\n\r\n".to_owned(), Some((10, true, ""))),
            ("5 ; a=b\r\nhello\r\n0 \t\r\n\r\n".to_owned(), Some((5, true, ""))),
            ("0000000000000005\r\nhello\r\n0000\r\n\r\n".to_owned(), Some((5, true, ""))),
            ("0\r\nX: y\r\n z\r\nnothing\r\n\r\n".to_owned(), Some((0, true, ""))),
            ("0\r\nX: y\n\n".to_owned(), Some((0, true, ""))),
            (format!("0\r\nX: {}\r\n\r\n", "y".repeat(8000)), Some((0, true, ""))),
            (extension(8000), Some((5, true, ""))),
            (signed(64), Some((64_000, true, ""))),
            ("1\r\nx\r\n".repeat(20_000) + "0\r\n\r\n", Some((20_000, true, ""))),
            ("5\r\nhello\r\n0\r\n".to_owned(), Some((5, false, ""))),
            ("5\r\nhello\r\n0\r\nX: y\r\n".to_owned(), Some((5, false, ""))),
            ("5\r\nhello".to_owned(), Some((5, false, ""))),
            ("ffffffffffffffff\r\nhello".to_owned(), Some((5, false, ""))),
            ("00000000000000005\r\nhello\r\n0\r\n\r\n".to_owned(), None),
            ("5\nhello\r\n0\r\n\r\n".to_owned(), None),
            ("5;a\rb\r\nhello\r\n0\r\n\r\n".to_owned(), None),
            ("5\r\r\nhello\r\n0\r\n\r\n".to_owned(), None),
            ("5\r\nhello\n0\r\n\r\n".to_owned(), None),
            ("5\r\nhellooo\r\n0\r\n\r\n".to_owned(), None),
            (" 5\r\nhello\r\n".to_owned(), None),
            ("+5\r\nhello\r\n".to_owned(), None),
            ("0x5\r\nhello\r\n".to_owned(), None),
            ("zz\r\nhello\r\n".to_owned(), None),
            ("\r\nhello\r\n".to_owned(), None),
            ("a plain body\n".to_owned(), None),
            (extension(20_000), None),
            (signed(1), None),
            ("0\r\n".to_owned() + &"X: y\r\n".repeat(5000), None),
            ("1".repeat(20_000), None),
        ] {
            for size in [1, 3, 1000, usize::MAX] {
                let read = read(text.as_bytes(), size).ok();
                let found = read
                    .as_ref()
                    .map(|(data, done, rest)| (data.len(), *done, str::from_utf8(rest).unwrap()));
                let start = text.get(..40).unwrap_or(&text);
                assert_eq!(found, expected, "{start:?} by {size}");
            }
        }
    }
}
