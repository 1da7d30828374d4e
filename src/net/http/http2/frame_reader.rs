//! Parser of the frames that a server sends.

use bytes::{Buf as _, Bytes, BytesMut};

use super::{
    error,
    frames::{
        CONTINUATION, DATA, END_STREAM, FrameHeader, GOAWAY, HEADER_SIZE, HEADERS, NAMES, PADDED,
        PING, PUSH_PROMISE, RST_STREAM, SETTINGS, WINDOW_UPDATE,
    },
};
use crate::net::http::{
    error::ExchangeError,
    limits::{IdleFrames, MAX_HEAD},
};

/// Maximum size of the payload of a frame, in bytes. The SETTINGS allow 16 KiB, which Go's client
/// does not insist on either.
const MAX_PAYLOAD: usize = 1 << 20;

/// Maximum size of a frame about the connection, in bytes.
const MAX_CONTROL_PAYLOAD: usize = 64 << 10;

/// Beginning of a response in HTTP/1, which servers send when they give up HTTP/2. A frame that began
/// so would have nearly 5 MB.
const HTTP1: &[u8] = b"HTTP/1.";

/// A part of the received frames.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// Some of a DATA frame, without padding.
    Data {
        stream: u32,
        payload: BytesMut,
        /// True if the stream ends with it.
        ends: bool,
    },
    /// A whole frame of another type.
    Whole(FrameHeader, Bytes),
}

/// Finds the frames in the bytes of a connection. Frames of any size are taken, as Go's client does
/// it; what has no bound is given in parts.
#[derive(Debug, Default)]
pub(super) struct FrameReader {
    /// Bytes that were read and not parsed yet.
    pub(super) buffer: BytesMut,
    state: State,
    begun: bool,
    last: Option<u8>,
    response_seen: bool,
    consumed: usize,
    idle: IdleFrames,
}

#[derive(Debug, Clone, Copy, Default)]
enum State {
    /// The header of a frame comes next.
    #[default]
    Header,
    /// The payload of this frame comes next, which is parsed as a whole.
    Whole(FrameHeader),
    /// The length of the padding comes next.
    PadLength(FrameHeader),
    /// So much of a DATA frame comes next, and then so much padding.
    Data { header: FrameHeader, left: usize, padding: usize },
    /// So many bytes come next that are skipped.
    Skip { header: FrameHeader, left: usize },
}

impl FrameReader {
    /// Returns the next part of a frame, unless more bytes are needed for it.
    pub(super) fn next(&mut self) -> Result<Option<Part>, ExchangeError> {
        loop {
            if let State::Whole(header) | State::Data { header, .. } = self.state {
                self.response_seen |= header.is_response() && !self.buffer.is_empty();
            }
            let part = match self.state {
                State::Header => {
                    if !self.read_header()? {
                        return Ok(None);
                    }
                    None
                }
                State::Whole(header) => {
                    if self.buffer.len() < header.length {
                        return Ok(None);
                    }
                    self.state = State::Header;
                    Some(Part::Whole(header, self.buffer.split_to(header.length).freeze()))
                }
                State::PadLength(header) => {
                    let Ok(padding) = self.buffer.try_get_u8() else { return Ok(None) };
                    self.consumed += 1;
                    let left =
                        (header.length - 1).checked_sub(padding.into()).ok_or_else(|| {
                            error::broken("a DATA frame has more padding than its size allows")
                        })?;
                    if left == 0 {
                        self.idle.note(0).map_err(error::broken)?;
                    }
                    self.state = State::Data { header, left, padding: padding.into() };
                    None
                }
                State::Data { header, left, padding } => {
                    if self.buffer.is_empty() && left + padding > 0 {
                        return Ok(None);
                    }
                    self.read_data(header, left, padding)
                }
                State::Skip { header, left } => {
                    let skipped = left.min(self.buffer.len());
                    self.buffer.advance(skipped);
                    if skipped < left {
                        self.state = State::Skip { header, left: left - skipped };
                        return Ok(None);
                    }
                    self.state = State::Header;
                    None
                }
            };
            if part.is_some() {
                return Ok(part);
            }
        }
    }

    /// Returns whether what comes first is no frame. A server begins with its SETTINGS, which are
    /// shorter than 64 KiB: the first byte is 0.
    pub(super) fn is_text(&self) -> bool {
        !self.begun && self.buffer.first().is_some_and(|first| *first != 0)
    }

    /// Returns the type of the last frame that began since the last call.
    pub(super) fn take_last(&mut self) -> Option<&'static str> {
        let kind = self.last.take()?;
        Some(NAMES.get(usize::from(kind)).copied().unwrap_or("of another kind"))
    }

    /// Returns whether any bytes of the response were seen since the last call.
    pub(super) fn take_response_seen(&mut self) -> bool {
        std::mem::take(&mut self.response_seen)
    }

    /// Returns how many bytes of DATA frames were taken since the last call, padding included.
    pub(super) fn take_consumed(&mut self) -> usize {
        std::mem::take(&mut self.consumed)
    }

    /// Notes that so many bytes of the request's body are sent, which the server may acknowledge with
    /// frames.
    pub(super) fn note_sent(&mut self, length: usize) {
        self.idle.note_content(length);
    }

    /// Reads the header of a frame; returns whether it is there.
    fn read_header(&mut self) -> Result<bool, ExchangeError> {
        let Some(bytes) = self.buffer.first_chunk().copied() else { return Ok(false) };
        let header = FrameHeader::parse(bytes);
        if self.is_text() || bytes.starts_with(HTTP1) {
            return Err(error::not_http2(&self.buffer));
        }
        if header.length > MAX_PAYLOAD {
            let text = format!("a frame of {} bytes, more than {MAX_PAYLOAD}", header.length);
            return Err(error::broken(text));
        }
        self.buffer.advance(HEADER_SIZE);
        if !self.begun && !matches!(header.kind, SETTINGS | GOAWAY) {
            let text = "the first frame is not SETTINGS";
            return Err(error::broken(text));
        }
        self.begun = true;
        self.last = Some(header.kind);
        self.response_seen |= header.is_response();
        // Empty frames of a head count towards its size.
        if header.is_response() && (header.kind != DATA || header.length > 0) {
            self.idle.note_content(header.length);
        } else {
            self.idle.note(header.length).map_err(error::broken)?;
        }
        self.state = match header.kind {
            DATA if header.has(PADDED) => State::PadLength(header),
            DATA => State::Data { header, left: header.length, padding: 0 },
            HEADERS | CONTINUATION | PUSH_PROMISE if header.length > MAX_HEAD => {
                return Err(ExchangeError::head_too_large());
            }
            SETTINGS | GOAWAY | PING | RST_STREAM | WINDOW_UPDATE
                if header.length > MAX_CONTROL_PAYLOAD =>
            {
                return Err(error::broken(format!(
                    "a control frame has {} bytes, more than {MAX_CONTROL_PAYLOAD}",
                    header.length
                )));
            }
            HEADERS | CONTINUATION | PUSH_PROMISE | SETTINGS | GOAWAY | PING | RST_STREAM
            | WINDOW_UPDATE => State::Whole(header),
            // Priorities, and types that are not known.
            _ => State::Skip { header, left: header.length },
        };
        if matches!(self.state, State::PadLength(FrameHeader { length: 0, .. })) {
            return Err(error::broken("a padded DATA frame has no padding length"));
        }
        Ok(true)
    }

    fn read_data(&mut self, header: FrameHeader, left: usize, padding: usize) -> Option<Part> {
        let payload = self.buffer.split_to(left.min(self.buffer.len()));
        let left = left - payload.len();
        let mut skipped = 0;
        if left == 0 {
            skipped = padding.min(self.buffer.len());
            self.buffer.advance(skipped);
        }
        self.consumed += payload.len() + skipped;
        let padding = padding - skipped;
        let is_whole = left == 0 && padding == 0;
        self.state = if is_whole { State::Header } else { State::Data { header, left, padding } };
        let ends = is_whole && header.has(END_STREAM);
        // An empty frame is a part too: it may stand where no frame is allowed.
        let is_part = is_whole || !payload.is_empty();
        is_part.then_some(Part::Data { stream: header.stream, payload, ends })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::http::http2::frames::{END_HEADERS, STREAM, put_frame};

    fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        let mut out = BytesMut::new();
        put_frame(&mut out, kind, flags, STREAM, payload);
        out.to_vec()
    }

    fn settings() -> Vec<u8> {
        let mut out = BytesMut::new();
        put_frame(&mut out, SETTINGS, 0, 0, &[]);
        out.to_vec()
    }

    /// Reads bytes by pieces of this size; returns the data, how often it came, whether the stream
    /// ended, and what counts for the windows.
    fn data(bytes: &[u8], size: usize) -> Result<(Vec<u8>, bool, usize), ExchangeError> {
        let mut reader = FrameReader::default();
        let (mut data, mut ended, mut consumed) = (Vec::new(), false, 0);
        for piece in bytes.chunks(size) {
            reader.buffer.extend_from_slice(piece);
            while let Some(part) = reader.next()? {
                if let Part::Data { payload, ends, .. } = part {
                    data.extend_from_slice(&payload);
                    ended |= ends;
                }
            }
            consumed += reader.take_consumed();
        }
        Ok((data, ended, consumed))
    }

    #[test]
    fn data_is_found_without_padding_and_counted_with_it() {
        let padded = |flags, payload: &[u8]| frame(DATA, PADDED | flags, payload);
        for (name, frames, expected, ended, consumed) in [
            ("plain", vec![frame(DATA, 0, b"ab"), frame(DATA, END_STREAM, b"c")], "abc", true, 3),
            ("no end", vec![frame(DATA, 0, b"ab")], "ab", false, 2),
            ("half a frame", vec![frame(DATA, END_STREAM, b"abc")[..11].to_vec()], "ab", false, 2),
            ("empty frames", vec![frame(DATA, 0, b"").repeat(3), frame(DATA, 1, b"")], "", true, 0),
            ("padding", vec![padded(END_STREAM, b"\x02ab\0\0")], "ab", true, 5),
            ("padding alone", vec![padded(0, b"\x02\0\0"), padded(END_STREAM, b"\0")], "", true, 4),
            (
                "cut in the padding",
                vec![padded(END_STREAM, b"\x02ab\0\0")[..13].to_vec()],
                "ab",
                false,
                4,
            ),
            ("unknown frames", vec![frame(0x42, 0, b"zzz"), frame(DATA, 1, b"a")], "a", true, 1),
            (
                "a large frame",
                vec![frame(DATA, 1, &vec![b'x'; 70_000])],
                &*"x".repeat(70_000),
                true,
                70_000,
            ),
        ] {
            let bytes = [settings(), frames.concat()].concat();
            for size in [1, 2, 9, 10, 100_000] {
                let found = data(&bytes, size).unwrap();
                assert_eq!(found, (expected.into(), ended, consumed), "{name} by {size}");
            }
        }
    }

    #[test]
    fn what_cannot_be_a_frame_is_refused() {
        for (name, bytes, words) in [
            ("HTTP/1", b"HTTP/1.1 400 Bad Request\r\n".to_vec(), "HTTP/1"),
            (
                "HTTP/1 after settings",
                [settings(), b"HTTP/1.1 200 OK\r\n".to_vec()].concat(),
                "HTTP/1",
            ),
            ("a huge frame", [settings(), vec![0xff; 9]].concat(), "16777215 bytes"),
            (
                "a frame of 3 MB with a header of ASCII alone",
                [settings(), vec![0x30, 0, 0, 0, 0, 0, 0, 0, 1]].concat(),
                "3145728 bytes",
            ),
            ("a banner", b"220 mail.example ESMTP\r\n".to_vec(), "220 mail.example"),
            ("no settings", frame(DATA, 0, b"x"), "SETTINGS"),
            ("padding", [settings(), frame(DATA, PADDED, b"\x05ab")].concat(), "padding"),
            ("no padding", [settings(), frame(DATA, PADDED, b"")].concat(), "padding"),
            (
                "a large head",
                [settings(), frame(HEADERS, 0, &vec![0; MAX_HEAD + 1])].concat(),
                "larger",
            ),
            (
                "a large ping",
                [settings(), frame(PING, 0, &vec![0; 70_000])].concat(),
                "70000 bytes",
            ),
        ] {
            let error = data(&bytes, 1000).unwrap_err();
            let text = error.failure("").message;
            assert!(text.contains(words), "{name}: {text}");
        }
    }

    #[test]
    fn bytes_of_the_response_are_told_from_others() {
        let mut reader = FrameReader::default();
        let mut other = BytesMut::new();
        put_frame(&mut other, HEADERS, END_HEADERS, 3, &[0; 20]);
        put_frame(&mut other, WINDOW_UPDATE, 0, STREAM, &[0; 4]);
        let head = frame(HEADERS, END_HEADERS, &[0; 20]);
        for (bytes, response_seen) in [
            (&settings()[..], false),
            (&other[..], false),
            (&head[..8], false),
            (&head[8..12], true),
            (&head[12..], true),
            (&frame(PING, 0, &[0; 8])[..], false),
            (&frame(DATA, 0, &[0; 8])[..12], true),
            (&[0; 2], true),
        ] {
            reader.buffer.extend_from_slice(bytes);
            while reader.next().unwrap().is_some() {}
            assert_eq!(reader.take_response_seen(), response_seen, "{bytes:?}");
        }
    }
}
