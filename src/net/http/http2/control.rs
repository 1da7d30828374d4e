//! The state of an HTTP/2 connection besides its exchange: settings, windows, pings, and the order
//! of frames.

use bytes::{Buf as _, Bytes, BytesMut};

use super::{
    Event,
    error::{self, ErrorCode, GoAway},
    frames::{
        ACK, CONTINUATION, END_HEADERS, END_STREAM, FrameHeader, GOAWAY, HEADER_SIZE, HEADERS,
        PADDED, PING, PRIORITY, PUSH_PROMISE, RST_STREAM, SETTINGS, STREAM, WINDOW_UPDATE,
        put_frame,
    },
    hpack::{Decoder, HpackError},
    request::{DEFAULT_WINDOW, INITIAL_WINDOW_SIZE},
};
use crate::{
    net::http::{
        error::ExchangeError,
        fields::FieldSection,
        limits::{MAX_HEAD, READ_AHEAD},
    },
    scheduling::poll_times::section,
};

/// Maximum size of a window in bytes (RFC 9113, section 6.9.1).
const MAX_WINDOW: i64 = 0x7fff_ffff;

/// Maximum size of a header block of another stream in bytes. None is expected.
const MAX_OTHER_HEAD: usize = 64 << 10;

/// The state of a connection besides its exchange.
#[derive(Debug)]
pub(super) struct Control {
    /// Send windows of the connection and of the stream, in bytes. A change of settings may
    /// make the latter negative.
    connection_window: i64,
    stream_window: i64,
    /// The initial send window of a stream.
    initial_window: i64,
    /// Number of received bytes that no `WINDOW_UPDATE` has reported yet.
    unreported: usize,
    /// The header block that is being received.
    block: Option<Block>,
    /// The last GOAWAY.
    pub(super) go_away: Option<GoAway>,
}

#[derive(Debug)]
struct Block {
    stream: u32,
    ends: bool,
    fragments: BytesMut,
    /// Size of all its frames in bytes; they may be empty.
    size: usize,
}

impl Default for Control {
    fn default() -> Self {
        Self {
            connection_window: DEFAULT_WINDOW.into(),
            stream_window: DEFAULT_WINDOW.into(),
            initial_window: DEFAULT_WINDOW.into(),
            unreported: 0,
            block: None,
            go_away: None,
        }
    }
}

impl Control {
    /// Returns how many bytes of the request's body may be sent.
    pub(super) fn send_window(&self) -> usize {
        usize::try_from(self.connection_window.min(self.stream_window)).unwrap_or_default()
    }

    /// Returns the size of the header block that is being received, in bytes.
    pub(super) fn block_size(&self) -> usize {
        self.block.as_ref().map_or(0, |block| block.size)
    }

    /// Notes that so many bytes of the request's body are sent.
    pub(super) fn note_sent(&mut self, length: usize) {
        let length = i64::try_from(length).unwrap_or(i64::MAX);
        self.connection_window -= length;
        self.stream_window -= length;
    }

    /// Notes that so many bytes were received. Half of the window later,
    /// `WINDOW_UPDATE` is sent.
    pub(super) fn note_consumed(&mut self, length: usize, out: &mut BytesMut) {
        self.unreported += length;
        let increment = u32::try_from(self.unreported).unwrap_or(u32::MAX);
        if increment < READ_AHEAD / 2 {
            return;
        }
        for stream in [0, STREAM] {
            put_frame(out, WINDOW_UPDATE, 0, stream, &increment.to_be_bytes());
        }
        self.unreported = 0;
    }

    /// Takes some of a DATA frame.
    pub(super) fn data(
        &mut self,
        stream: u32,
        payload: BytesMut,
        ends: bool,
    ) -> Result<Option<Event>, ExchangeError> {
        self.expect_no_block()?;
        // As Go's client does it, what nobody can have pushed is passed over.
        if stream == STREAM + 1 {
            return Ok(None);
        }
        if stream != STREAM {
            let text = format!("DATA on stream {stream}, which is not open");
            return Err(error::broken(text));
        }
        Ok(Some(Event::Data { payload, ends }))
    }

    /// Takes a whole frame; answers go to `out`. `before` says what has not come yet.
    pub(super) fn frame(
        &mut self,
        (header, payload): (FrameHeader, Bytes),
        decoder: &mut Decoder,
        out: &mut BytesMut,
        before: &str,
    ) -> Result<Option<Event>, ExchangeError> {
        if header.kind == CONTINUATION {
            return self.continuation(header, &payload, decoder);
        }
        self.expect_no_block()?;
        match header.kind {
            HEADERS => return self.headers(header, payload, decoder),
            SETTINGS => self.settings(header, &payload, out)?,
            PING => ping(header, &payload, out)?,
            WINDOW_UPDATE => self.window_update(header, &payload)?,
            GOAWAY => self.go_away(header, payload)?,
            RST_STREAM => {
                let code = sole_number(header, &payload, "RST_STREAM")?;
                if header.stream == 0 {
                    return Err(error::broken("RST_STREAM on stream 0"));
                }
                if header.stream == STREAM {
                    return Err(error::reset(ErrorCode(code), before, self.go_away.as_ref()));
                }
            }
            PUSH_PROMISE => {
                let text = "PUSH_PROMISE, although the SETTINGS of the exporter disable push";
                return Err(error::broken(text));
            }
            _ => {}
        }
        Ok(None)
    }

    fn expect_no_block(&self) -> Result<(), ExchangeError> {
        match self.block {
            None => Ok(()),
            Some(_) => Err(error::broken("another frame interrupts a header block")),
        }
    }

    fn headers(
        &mut self,
        header: FrameHeader,
        mut payload: Bytes,
        decoder: &mut Decoder,
    ) -> Result<Option<Event>, ExchangeError> {
        if header.stream == 0 {
            return Err(error::broken("HEADERS on stream 0"));
        }
        let invalid = || error::broken("a HEADERS frame is too short for its padding");
        let padding =
            if header.has(PADDED) { payload.try_get_u8().map_err(|_| invalid())? } else { 0 };
        // The priority is out of use.
        let skipped = if header.has(PRIORITY) { 5 } else { 0 };
        let end = payload.len().checked_sub(padding.into()).ok_or_else(invalid)?;
        if skipped > end {
            return Err(invalid());
        }
        let fragment = payload.slice(skipped..end);
        let ends = header.has(END_STREAM);
        if header.has(END_HEADERS) {
            return field_section(header.stream, ends, fragment, decoder);
        }
        let size = HEADER_SIZE + fragment.len();
        let fragments = BytesMut::from(fragment);
        self.block = Some(Block { stream: header.stream, ends, fragments, size });
        Ok(None)
    }

    fn continuation(
        &mut self,
        header: FrameHeader,
        fragment: &[u8],
        decoder: &mut Decoder,
    ) -> Result<Option<Event>, ExchangeError> {
        let mut block = self
            .block
            .take()
            .filter(|block| block.stream == header.stream)
            .ok_or_else(|| error::broken("CONTINUATION without HEADERS"))?;
        block.size += HEADER_SIZE + fragment.len();
        if block.size > MAX_HEAD {
            return Err(ExchangeError::head_too_large());
        }
        block.fragments.extend_from_slice(fragment);
        if header.has(END_HEADERS) {
            let Block { stream, ends, fragments, .. } = block;
            return field_section(stream, ends, fragments.freeze(), decoder);
        }
        self.block = Some(block);
        Ok(None)
    }

    fn settings(
        &mut self,
        header: FrameHeader,
        payload: &[u8],
        out: &mut BytesMut,
    ) -> Result<(), ExchangeError> {
        let (settings, rest) = payload.as_chunks::<6>();
        let is_ack = header.has(ACK);
        if header.stream != 0 || !rest.is_empty() || is_ack && !payload.is_empty() {
            return Err(error::broken("a SETTINGS frame has an invalid size or stream"));
        }
        if is_ack {
            return Ok(());
        }
        for [high, low, value @ ..] in settings {
            if u16::from_be_bytes([*high, *low]) != INITIAL_WINDOW_SIZE {
                continue;
            }
            let window = i64::from(u32::from_be_bytes(*value));
            self.stream_window += window - self.initial_window;
            self.initial_window = window;
            if window > MAX_WINDOW || self.stream_window > MAX_WINDOW {
                return Err(error::broken("SETTINGS make a flow-control window too large"));
            }
        }
        put_frame(out, SETTINGS, ACK, 0, &[]);
        Ok(())
    }

    fn window_update(&mut self, header: FrameHeader, payload: &[u8]) -> Result<(), ExchangeError> {
        let increment = i64::from(sole_number(header, payload, "WINDOW_UPDATE")?) & MAX_WINDOW;
        let window = match header.stream {
            0 => &mut self.connection_window,
            STREAM => &mut self.stream_window,
            _ => return Ok(()),
        };
        if increment == 0 {
            return Err(error::broken("a WINDOW_UPDATE frame has an increment of 0"));
        }
        *window += increment;
        if *window > MAX_WINDOW {
            return Err(error::broken("WINDOW_UPDATE makes a flow-control window too large"));
        }
        Ok(())
    }

    fn go_away(&mut self, header: FrameHeader, mut payload: Bytes) -> Result<(), ExchangeError> {
        let invalid = || error::broken("a GOAWAY frame has an invalid size or stream");
        if header.stream != 0 {
            return Err(invalid());
        }
        let last_stream = payload.try_get_u32().map_err(|_| invalid())? & 0x7fff_ffff;
        let code = ErrorCode(payload.try_get_u32().map_err(|_| invalid())?);
        let go_away =
            self.go_away.insert(GoAway { code, last_stream, debug_data: payload.to_vec() });
        if go_away.last_stream < STREAM { Err(error::not_processed(go_away)) } else { Ok(()) }
    }
}

/// Decodes a header block. One of another stream is decoded too, since blocks share a table.
fn field_section(
    stream: u32,
    ends: bool,
    block: Bytes,
    decoder: &mut Decoder,
) -> Result<Option<Event>, ExchangeError> {
    let mut fields = FieldSection::default();
    if stream != STREAM {
        if block.len() > MAX_OTHER_HEAD {
            return Err(ExchangeError::head_too_large());
        }
        section("HPACK", || decoder.decode(block, |name, value| fields.count(&name, &value)))?;
        return Ok(None);
    }
    section("HPACK", || decoder.decode(block, |name, value| fields.push(&name, value)))?;
    Ok(Some(Event::Section { section: fields, ends }))
}

fn ping(header: FrameHeader, payload: &[u8], out: &mut BytesMut) -> Result<(), ExchangeError> {
    if header.stream != 0 || payload.len() != 8 {
        return Err(error::broken("a PING frame has an invalid size or stream"));
    }
    if !header.has(ACK) {
        put_frame(out, PING, ACK, 0, payload);
    }
    Ok(())
}

/// Returns the number that is all of a frame's payload.
fn sole_number(header: FrameHeader, payload: &[u8], frame: &str) -> Result<u32, ExchangeError> {
    let bytes = payload.try_into().map_err(|_| {
        error::broken(format!("a {frame} frame has an invalid size: {} bytes", header.length))
    })?;
    Ok(u32::from_be_bytes(bytes))
}

impl From<HpackError> for ExchangeError {
    fn from(error: HpackError) -> Self {
        error::broken(format!("the headers cannot be decoded (HPACK): {error}"))
    }
}
