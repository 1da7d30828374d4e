//! The streams that a server opens: the one about the connection, and those of no use here
//! (RFC 9114, section 6.2).

use std::collections::HashMap;

use bytes::Buf as _;
use octets::Octets;

use super::{
    REQUEST,
    error::broken,
    frames::{FrameReader, GOAWAY, Part, Place, SETTINGS},
};
use crate::net::http::{error::ExchangeError, limits::IdleFrames};

/// Types of streams (RFC 9114, section 6.2, and RFC 9204, section 4.2).
pub(super) const CONTROL: u64 = 0x0;
const PUSH: u64 = 0x1;
const QPACK_ENCODER: u64 = 0x2;
const QPACK_DECODER: u64 = 0x3;

/// Error code for a stream that is not used: `H3_STREAM_CREATION_ERROR`.
const OF_NO_USE: u64 = 0x103;

/// The lowest bits of the number of a stream that a server opened and that goes one way.
const FROM_SERVER: u64 = 0x3;

/// The streams that a server has opened.
#[derive(Debug, Default)]
pub(super) struct PeerStreams {
    /// Those whose type is not known yet, and those that the connection needs.
    readers: HashMap<u64, Reader>,
    control: Option<u64>,
    has_settings: bool,
    /// Number of streams of no use.
    idle: IdleFrames,
}

#[derive(Debug)]
struct Reader {
    frames: FrameReader,
    kind: Kind,
}

/// The type of a stream that is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Unknown,
    Control,
    /// An encoder or decoder stream. A client must not request its end (RFC 9204, section 4.2).
    Qpack,
}

impl PeerStreams {
    /// Reads what came on them.
    pub(super) fn read(&mut self, engine: &mut quiche::Connection) -> Result<(), ExchangeError> {
        for stream in engine.readable() {
            if stream == REQUEST {
                continue;
            }
            if stream % 4 != FROM_SERVER {
                return Err(broken("it opened a request stream, which only clients may open"));
            }
            self.read_stream(engine, stream)?;
        }
        Ok(())
    }

    fn read_stream(
        &mut self,
        engine: &mut quiche::Connection,
        stream: u64,
    ) -> Result<(), ExchangeError> {
        let mut piece = [0; 1024];
        while let Ok((length, ended)) = engine.stream_recv(stream, &mut piece) {
            let place = Place::Control;
            let reader = self
                .readers
                .entry(stream)
                .or_insert_with(|| Reader { frames: FrameReader::new(place), kind: Kind::Unknown });
            reader.frames.buffer.extend_from_slice(piece.get(..length).unwrap_or_default());
            if reader.kind == Kind::Unknown && !self.begin(stream)? {
                self.readers.remove(&stream);
                // Of a stream that has ended nothing more can come.
                let _ = engine.stream_shutdown(stream, quiche::Shutdown::Read, OF_NO_USE);
                return Ok(());
            }
            self.read_frames(stream)?;
            if ended {
                self.readers.remove(&stream);
                let is_needed = self.control == Some(stream);
                let error = || Err(broken("it closed its control stream"));
                return if is_needed { error() } else { Ok(()) };
            }
        }
        Ok(())
    }

    /// Learns the type of a stream; returns whether it is of use, or may be.
    fn begin(&mut self, stream: u64) -> Result<bool, ExchangeError> {
        let Some(reader) = self.readers.get_mut(&stream) else { return Ok(false) };
        let mut header = Octets::with_slice(&reader.frames.buffer);
        let Ok(kind) = header.get_varint() else { return Ok(true) };
        let size = header.off();
        reader.frames.buffer.advance(size);
        match kind {
            CONTROL if self.control.is_some() => Err(broken("it opened a second control stream")),
            CONTROL => {
                reader.kind = Kind::Control;
                self.control = Some(stream);
                Ok(true)
            }
            QPACK_ENCODER | QPACK_DECODER => {
                reader.kind = Kind::Qpack;
                Ok(true)
            }
            PUSH => Err(broken("it opened a push stream, which the exporter does not allow")),
            _ => {
                self.idle.note(0).map_err(|text| broken(&text))?;
                Ok(false)
            }
        }
    }

    fn read_frames(&mut self, stream: u64) -> Result<(), ExchangeError> {
        let Some(reader) = self.readers.get_mut(&stream) else { return Ok(()) };
        match reader.kind {
            Kind::Unknown => return Ok(()),
            Kind::Control => {}
            // The dynamic table stays empty, since our SETTINGS give it no room: what comes says nothing.
            Kind::Qpack => {
                reader.frames.buffer.clear();
                return self.idle.note(0).map_err(|text| broken(&text));
            }
        }
        while let Some(part) = reader.frames.next()? {
            let Part::Whole(kind, payload) = part else { continue };
            match kind {
                SETTINGS if !self.has_settings => {
                    self.has_settings = true;
                    check_settings(&payload)?;
                }
                SETTINGS => return Err(broken("it sent SETTINGS twice")),
                _ if !self.has_settings => {
                    return Err(broken("the first frame of its control stream is not SETTINGS"));
                }
                GOAWAY => check_go_away(&payload)?,
                _ => {}
            }
        }
        Ok(())
    }
}

/// Checks settings: pairs of a number and a value.
fn check_settings(payload: &[u8]) -> Result<(), ExchangeError> {
    /// Settings of HTTP/2 that HTTP/3 forbids (RFC 9114, section 7.2.4.1).
    const FORBIDDEN: std::ops::RangeInclusive<u64> = 2..=5;
    let mut rest = Octets::with_slice(payload);
    while rest.cap() > 0 {
        let (Ok(number), Ok(_)) = (rest.get_varint(), rest.get_varint()) else {
            return Err(broken("its SETTINGS are malformed"));
        };
        if FORBIDDEN.contains(&number) {
            return Err(broken(&format!("its SETTINGS contain {number:#x}, a setting of HTTP/2")));
        }
    }
    Ok(())
}

/// Checks whether a server that goes away has processed the request.
fn check_go_away(payload: &[u8]) -> Result<(), ExchangeError> {
    let first_left_out = Octets::with_slice(payload).get_varint();
    match first_left_out {
        Err(_) => Err(broken("a GOAWAY frame is malformed")),
        Ok(REQUEST) => Err(ExchangeError::closed(
            "the server did not process the request; it sent GOAWAY: graceful shutdown",
        )),
        Ok(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_pairs_without_those_of_http2() {
        for (payload, is_good) in [
            (&b""[..], true),
            (b"\x06\x44\x00", true),
            (b"\x01\x00\x07\x00\x33\x01", true),
            (b"\x06", false),
            (b"\x02\x00", false),
            (b"\x05\x00", false),
            (b"\x06\x80", false),
        ] {
            assert_eq!(check_settings(payload).is_ok(), is_good, "{payload:?}");
        }
    }

    #[test]
    fn go_away_contains_the_first_unprocessed_request() {
        for (payload, is_good) in [(&b"\x04"[..], true), (b"\x00", false), (b"", false)] {
            assert_eq!(check_go_away(payload).is_ok(), is_good, "{payload:?}");
        }
    }
}
