//! Parser of the HTTP/3 frames of a stream (RFC 9114, section 7).

use bytes::{Buf as _, Bytes, BytesMut};
use octets::Octets;

use super::error::broken;
use crate::net::http::{
    error::ExchangeError,
    limits::{IdleFrames, MAX_HEAD},
};

/// Types of frames (RFC 9114, section 7.2).
pub(super) const DATA: u64 = 0x0;
pub(super) const HEADERS: u64 = 0x1;
pub(super) const SETTINGS: u64 = 0x4;
pub(super) const GOAWAY: u64 = 0x7;

/// Types of HTTP/2 that HTTP/3 has no use for, and forbids.
const RESERVED: [u64; 4] = [0x2, 0x6, 0x8, 0x9];

/// Maximum size of a frame about the connection, in bytes.
const MAX_CONTROL_PAYLOAD: usize = 16 << 10;

/// The stream that frames come on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// The stream of the request and its response.
    Request,
    /// The stream about the connection.
    Control,
}

/// A part of the received frames.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// Some of a DATA frame.
    Data(BytesMut),
    /// A whole frame of another type.
    Whole(u64, Bytes),
}

/// Parser of the frames of one stream.
#[derive(Debug)]
pub(super) struct FrameReader {
    place: Place,
    /// Bytes that were read and not parsed yet.
    pub(super) buffer: BytesMut,
    state: State,
    idle: IdleFrames,
}

#[derive(Debug, Clone, Copy)]
enum State {
    /// The header of a frame comes next.
    Header,
    /// So many bytes of a DATA frame come next.
    Data(u64),
    /// A frame of this type and length comes next, which is needed whole.
    Whole(u64, usize),
    /// So many bytes come next that are skipped.
    Skip(u64),
}

impl FrameReader {
    pub(super) fn new(place: Place) -> Self {
        Self { place, buffer: BytesMut::new(), state: State::Header, idle: IdleFrames::default() }
    }

    /// Returns the next part of a frame, unless more bytes are needed for it.
    pub(super) fn next(&mut self) -> Result<Option<Part>, ExchangeError> {
        loop {
            match self.state {
                State::Header => {
                    let Some((kind, length)) = self.take_header() else { return Ok(None) };
                    self.state = self.expect(kind, length)?;
                    self.count(length)?;
                }
                State::Data(0) | State::Skip(0) => self.state = State::Header,
                State::Data(left) => {
                    let length = at_most(left, self.buffer.len());
                    if length == 0 {
                        return Ok(None);
                    }
                    self.state = State::Data(left - u64::try_from(length).unwrap_or(left));
                    return Ok(Some(Part::Data(self.buffer.split_to(length))));
                }
                State::Whole(kind, length) => {
                    if self.buffer.len() < length {
                        return Ok(None);
                    }
                    self.state = State::Header;
                    return Ok(Some(Part::Whole(kind, self.buffer.split_to(length).freeze())));
                }
                State::Skip(left) => {
                    let length = at_most(left, self.buffer.len());
                    if length == 0 {
                        return Ok(None);
                    }
                    self.buffer.advance(length);
                    self.state = State::Skip(left - u64::try_from(length).unwrap_or(left));
                }
            }
        }
    }

    /// Returns whether the stream may end here: between two frames. An end within a frame is an error
    /// (RFC 9114, section 7.1).
    pub(super) fn is_between_frames(&self) -> bool {
        self.buffer.is_empty()
            && matches!(self.state, State::Header | State::Data(0) | State::Skip(0))
    }

    /// Takes the type and the length of a frame, once both are there.
    fn take_header(&mut self) -> Option<(u64, u64)> {
        let mut header = Octets::with_slice(&self.buffer);
        let kind = header.get_varint().ok()?;
        let length = header.get_varint().ok()?;
        let size = header.off();
        self.buffer.advance(size);
        Some((kind, length))
    }

    /// Counts the frame whose header was read last.
    fn count(&mut self, length: u64) -> Result<(), ExchangeError> {
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        match self.state {
            State::Data(1..) => self.idle.note_content(length),
            State::Whole(HEADERS, _) => {}
            // What is skipped is not processed.
            _ => self.idle.note(0).map_err(|text| broken(&text))?,
        }
        Ok(())
    }

    fn expect(&self, kind: u64, length: u64) -> Result<State, ExchangeError> {
        let size = usize::try_from(length).unwrap_or(usize::MAX);
        match (self.place, kind) {
            (Place::Request, DATA) => Ok(State::Data(length)),
            (Place::Request, HEADERS) if size > MAX_HEAD => Err(ExchangeError::head_too_large()),
            (Place::Control, SETTINGS | GOAWAY) if size > MAX_CONTROL_PAYLOAD => Err(broken(
                &format!("a control frame has {length} bytes, more than {MAX_CONTROL_PAYLOAD}"),
            )),
            (Place::Request, HEADERS) | (Place::Control, SETTINGS | GOAWAY) => {
                Ok(State::Whole(kind, size))
            }
            (_, DATA | HEADERS | SETTINGS | GOAWAY) => {
                Err(broken(&format!("a frame of type {kind:#x} on the wrong stream")))
            }
            (_, kind) if RESERVED.contains(&kind) => {
                Err(broken(&format!("frame type {kind:#x} is not allowed in HTTP/3")))
            }
            // Types that are not known, and those about pushes, as Go's client does it.
            _ => Ok(State::Skip(length)),
        }
    }
}

fn at_most(left: u64, length: usize) -> usize {
    usize::try_from(left).unwrap_or(usize::MAX).min(length)
}

/// Appends a frame to the send buffer.
pub(super) fn put_frame(out: &mut BytesMut, kind: u64, payload: &[u8]) {
    put_frame_header(out, kind, payload.len());
    out.extend_from_slice(payload);
}

/// Appends the header of a frame, after which a payload of this length follows.
pub(super) fn put_frame_header(out: &mut BytesMut, kind: u64, length: usize) {
    put_varint(out, kind);
    put_varint(out, u64::try_from(length).unwrap_or(u64::MAX));
}

/// Appends a number (RFC 9000, section 16).
pub(super) fn put_varint(out: &mut BytesMut, number: u64) {
    let mut bytes = [0; 8];
    let mut encoded = octets::OctetsMut::with_slice(&mut bytes);
    // The largest number takes all of the room.
    let length = encoded.put_varint(number).map_or(0, |bytes| bytes.len());
    out.extend_from_slice(bytes.get(..length).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostics::Reason;

    fn frame(kind: u64, payload: &[u8]) -> Vec<u8> {
        let mut out = BytesMut::new();
        put_frame(&mut out, kind, payload);
        out.to_vec()
    }

    /// Reads bytes in pieces of this size; returns the data, the other frames, and whether the stream
    /// may end there.
    type Found = (Vec<u8>, Vec<(u64, Vec<u8>)>, bool);

    fn read(place: Place, bytes: &[u8], size: usize) -> Result<Found, ExchangeError> {
        let mut reader = FrameReader::new(place);
        let (mut data, mut frames) = (Vec::new(), Vec::new());
        for piece in bytes.chunks(size) {
            reader.buffer.extend_from_slice(piece);
            while let Some(part) = reader.next()? {
                match part {
                    Part::Data(payload) => data.extend_from_slice(&payload),
                    Part::Whole(kind, payload) => frames.push((kind, payload.to_vec())),
                }
            }
        }
        Ok((data, frames, reader.is_between_frames()))
    }

    #[test]
    fn frames_are_found_and_so_are_streams_that_end_within_one() {
        let head = frame(HEADERS, b"abc");
        let data = frame(DATA, &[b'x'; 100]);
        let heads = || vec![(HEADERS, b"abc".to_vec())];
        for (name, bytes, found) in [
            ("nothing", Vec::new(), (0, vec![], true)),
            ("a head", head.clone(), (0, heads(), true)),
            ("a head and a body", [&head[..], &data].concat(), (100, heads(), true)),
            ("two pieces", data.repeat(2), (200, vec![], true)),
            ("empty data", frame(DATA, b"").repeat(100), (0, vec![], true)),
            ("within data", data[..50].to_vec(), (47, vec![], false)),
            ("before data", data[..3].to_vec(), (0, vec![], false)),
            ("within a head", head[..4].to_vec(), (0, vec![], false)),
            ("within a header", data[..1].to_vec(), (0, vec![], false)),
            ("unknown", [&frame(0x21, b"zz")[..], &head].concat(), (0, heads(), true)),
            ("a promise", [&frame(0x5, b"zz")[..], &head].concat(), (0, heads(), true)),
            ("within unknown", frame(0x21, b"zz")[..3].to_vec(), (0, vec![], false)),
        ] {
            for size in [1, 2, 7, 1000] {
                let (data, frames, may_end) = read(Place::Request, &bytes, size).unwrap();
                assert_eq!((data.len(), frames, may_end), found, "{name} by {size}");
            }
        }
    }

    #[test]
    fn frames_out_of_place_are_refused() {
        for (place, bytes, words) in [
            (Place::Request, frame(SETTINGS, b""), "type 0x4"),
            (Place::Request, frame(GOAWAY, b""), "type 0x7"),
            (Place::Control, frame(DATA, b""), "type 0x0"),
            (Place::Control, frame(HEADERS, b""), "type 0x1"),
            (Place::Request, frame(0x6, b""), "type 0x6"),
            (Place::Control, frame(0x8, b""), "type 0x8"),
            (Place::Control, frame(SETTINGS, &vec![0; 20_000]), "20000 bytes"),
        ] {
            let failure = read(place, &bytes, 1000).unwrap_err().failure("");
            assert_eq!(failure.reason, Reason::Protocol);
            assert!(failure.message.contains(words), "{failure}");
        }
        let error = read(Place::Request, &frame(HEADERS, &vec![0; 600_000]), 1000).unwrap_err();
        assert_eq!(error.failure("").reason, Reason::TooLarge);
    }
}
