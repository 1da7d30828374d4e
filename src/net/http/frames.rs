//! Finds the frames of an HTTP/2 exchange in the bytes that pass.

/// Finds frames in the bytes of one direction (RFC 9113, section 4.1).
#[derive(Debug, Default)]
pub(super) struct Frames {
    header: [u8; HEADER],
    /// How much of the header is there.
    filled: usize,
    /// How much of what the header announced is still to come.
    rest: u32,
    /// Whether that is part of the request or of the response.
    ours: bool,
    /// The kind of the last frame that began, on whichever stream.
    last_kind: Option<u8>,
}

/// The beginning of a frame of the exchange.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frame {
    pub(super) kind: u8,
    pub(super) flags: u8,
}

const HEADER: usize = 9;

/// Kinds of frames that requests and responses are made of, and a flag (RFC 9113, section 6).
pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
pub(super) const CONTINUATION: u8 = 9;
pub(super) const END_STREAM: u8 = 1;

/// The names of the kinds of frames, by their number.
const KINDS: [&str; 10] = [
    "DATA",
    "HEADERS",
    "PRIORITY",
    "RST_STREAM",
    "SETTINGS",
    "PUSH_PROMISE",
    "PING",
    "GOAWAY",
    "WINDOW_UPDATE",
    "CONTINUATION",
];

/// The stream of a client's first request.
const STREAM: u32 = 1;

/// The highest bit of a stream's number has no meaning.
const STREAM_BITS: u32 = 0x7fff_ffff;

impl Frames {
    /// Those of a client, which come behind its preface.
    pub(super) fn behind_preface() -> Self {
        const PREFACE: u32 = 24;
        Self { rest: PREFACE, ..Self::default() }
    }

    /// The kind of the last frame that began, on whichever stream.
    pub(super) fn last_kind(&self) -> Option<&'static str> {
        self.last_kind
            .map(|kind| KINDS.get(usize::from(kind)).copied().unwrap_or("of another kind"))
    }

    /// Shows each frame of the exchange that begins in `bytes`; says whether any of the bytes are
    /// part of the request or the response.
    pub(super) fn pass(&mut self, mut bytes: &[u8], mut begins: impl FnMut(Frame)) -> bool {
        let mut any = false;
        while !bytes.is_empty() {
            if self.rest > 0 {
                let rest = usize::try_from(self.rest).unwrap_or(usize::MAX).min(bytes.len());
                bytes = bytes.get(rest..).unwrap_or_default();
                self.rest -= u32::try_from(rest).unwrap_or(self.rest);
                any |= self.ours;
                continue;
            }
            let taken = bytes.len().min(HEADER - self.filled);
            let (head, behind) = bytes.split_at(taken);
            bytes = behind;
            if let Some(room) = self.header.get_mut(self.filled..self.filled + taken) {
                room.copy_from_slice(head);
            }
            self.filled += taken;
            if self.filled == HEADER {
                self.filled = 0;
                let [high, middle, low, kind, flags, stream @ ..] = self.header;
                self.rest = u32::from_be_bytes([0, high, middle, low]);
                let stream = u32::from_be_bytes(stream) & STREAM_BITS;
                self.last_kind = Some(kind);
                self.ours = stream == STREAM && matches!(kind, DATA | HEADERS | CONTINUATION);
                any |= self.ours;
                if self.ours {
                    begins(Frame { kind, flags });
                }
            }
        }
        any
    }
}
