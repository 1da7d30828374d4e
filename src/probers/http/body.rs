//! The body of the final response: decompressed, counted, and kept as far as a check needs it.

use std::{sync::Arc, time::Duration};

use bytes::{Buf, Bytes};
use rustix::io::Errno;
use tokio::time::Instant;

use crate::{
    diagnostics::{Failure, PartKind, Reason, Stage},
    memory::{Exhausted, Held, ProbeMemory},
    probers::{
        http::{
            buffers,
            decoder::{DecodeError, Decoder},
            settings::HttpProber,
        },
        reason_of,
    },
    scheduling::{poll_times::section, pool, turn},
};

/// Collector of a body that arrives piece by piece.
pub(super) struct Collector {
    decoder: Option<Decoder>,
    /// True if the body does not begin with a gzip header. It is then counted as received.
    bad_start: bool,
    /// True if the last piece took more than a turn of the probe.
    is_long: bool,
    /// The length of a body that is read directly into its buffer.
    direct: Option<usize>,
    tally: Tally,
    /// The memory of the decoder.
    decoder_memory: Held,
}

/// The decompressed body so far.
struct Tally {
    limit: Limit,
    length: u64,
    /// Number of the next bytes that are not counted.
    skipped: usize,
    kept: Option<Body>,
    start: Start,
}

/// The start of a body that is not kept, for the report of a probe that fails.
#[derive(Debug)]
pub(super) enum Start {
    /// It is not needed.
    Unused,
    /// No byte has come, and nothing has failed. Of a body that comes as a whole in one piece of this
    /// length, nothing is needed.
    Awaited { whole: Option<u64> },
    /// The first piece, which may be the only one.
    Piece(Bytes),
    /// A copy of the first bytes.
    Copied(Vec<u8>),
}

/// A body that is kept for a check.
#[derive(Debug)]
pub(super) struct Body {
    pub(super) bytes: Vec<u8>,
    held: Held,
}

/// Maximum size of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Limit {
    bytes: u64,
    /// True if the module configures it.
    configured: bool,
}

/// The reason why the rest of a body is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BodyError {
    /// It cannot be decompressed.
    Decode(DecodeError),
    /// The deadline passed in the middle of decompression.
    TimedOut,
    /// It is longer than this.
    TooLarge(Limit),
    /// The memory for bodies has no room for it.
    NoMemory(Exhausted),
    /// The system has no memory for it.
    OutOfMemory,
    /// The decompressor could not run.
    NotDone(Reason),
}

/// The state of a piece of the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    Done,
    More,
}

/// Maximum size in bytes of a body that is kept for a check, unless `body_size_limit` is set.
/// Upstream has no limit.
const MAX_KEPT: u64 = 64 << 20;

/// Maximum size in bytes of a decompressed body, unless `body_size_limit` is set. It limits the CPU
/// time that a few megabytes of a hostile peer cost. Upstream decompresses until the deadline.
const MAX_DECOMPRESSED: u64 = 4 << 30;

/// Number of bytes that are decompressed in one step.
const OUTPUT_BUFFER: usize = 32 << 10;

/// Maximum time of decompression at once on the threads for such work, so that other bodies come to
/// their turn.
const MAX_AT_ONCE: Duration = Duration::from_millis(20);

/// Room for one read into the buffer of a body, in bytes.
const MAX_DIRECT_READ: usize = 128 << 10;

/// Maximum length of the start of a body in bytes.
const MAX_START: usize = PartKind::Body.needed();

/// Number of bytes that upstream's decompressor reads before it detects that they are not gzip.
const GZIP_READ_AHEAD: usize = 4096;

impl Collector {
    /// Creates the collector of a body with the length `announced`, if it is known. With `keep`, the
    /// body is kept for a check, otherwise its `start`. Its memory counts towards `memory`.
    pub(super) fn new(
        prober: &HttpProber,
        keep: bool,
        announced: Option<u64>,
        memory: &Arc<ProbeMemory>,
        start: Start,
    ) -> Self {
        let decoder = prober.compression.and_then(Decoder::new);
        let (bytes, configured) = match prober.body_size_limit.limit() {
            Some(bytes) => (bytes, true),
            None if keep => (MAX_KEPT, false),
            None if decoder.is_some() => (MAX_DECOMPRESSED, false),
            None => (u64::MAX, false),
        };
        let limit = Limit { bytes, configured };
        let expected = announced.filter(|_| decoder.is_none()).map(|length| length.min(bytes));
        let direct = expected.filter(|_| keep && announced == expected);
        let direct = direct.and_then(|length| usize::try_from(length).ok());
        let kept = keep.then(|| Body { bytes: buffers::take(expected), held: memory.hold() });
        let start = if keep { Start::Unused } else { start };
        let tally = Tally { limit, length: 0, skipped: 0, kept, start };
        let decoder_memory = memory.hold();
        Self { decoder, bad_start: false, is_long: false, direct, tally, decoder_memory }
    }

    /// Returns the number of bytes so far, after decompression.
    pub(super) fn length(&self) -> u64 {
        self.tally.length
    }

    /// Returns whether the compressed data has ended, so that nothing more is read.
    pub(super) fn is_complete(&self) -> bool {
        self.decoder.as_ref().is_some_and(Decoder::is_done)
    }

    /// Returns the buffer of a body that is read directly, with room for the next read.
    ///
    /// Bytes that are read into it are [noted](Self::note_direct) afterwards.
    pub(super) fn direct_buffer(&mut self) -> Result<Option<&mut Vec<u8>>, BodyError> {
        let (Some(length), Some(body)) = (self.direct, self.tally.kept.as_mut()) else {
            return Ok(None);
        };
        let left = length.saturating_sub(body.bytes.len());
        body.grow(left.min(MAX_DIRECT_READ), left)?;
        Ok(Some(&mut body.bytes))
    }

    /// Notes that so many bytes were read into the buffer of the body.
    pub(super) fn note_direct(&mut self, length: usize) {
        self.tally.length += u64::try_from(length).unwrap_or_default();
    }

    /// Takes a piece, or as much of it as is processed at once. Returns the rest.
    ///
    /// A piece that takes more than a turn of the probe is decompressed on the threads for such work,
    /// and so is brotli, since the first use of its window of up to 16 MiB takes milliseconds.
    pub(super) async fn feed(
        mut self,
        mut piece: Bytes,
        deadline: Instant,
    ) -> (Self, Result<Option<Bytes>, BodyError>) {
        let is_brotli = self.decoder.as_ref().is_some_and(Decoder::is_brotli);
        if !self.is_long && !is_brotli {
            turn::proceed().await;
            let most = turn::rest();
            let fed = section("decoding", || self.decode(&mut piece, most, deadline));
            // The rest of a turn says little about the piece.
            let is_long = most > turn::MAX_TURN / 2;
            return self.fed(piece, fed, is_long);
        }
        let limit = self.tally.limit;
        let (length, memory) = (self.tally.length, self.decoder_memory.other());
        let work = pool::run(move || {
            let fed = self.decode(&mut piece, MAX_AT_ONCE, deadline);
            self.fed(piece, fed, true)
        });
        work.await.unwrap_or_else(|error| {
            let start = Start::Unused;
            let tally = Tally { limit, length, skipped: 0, kept: None, start };
            let lost = Self {
                decoder: None,
                bad_start: false,
                is_long: false,
                direct: None,
                tally,
                decoder_memory: memory,
            };
            (lost, Err(BodyError::NotDone(reason_of(&error))))
        })
    }

    fn fed(
        mut self,
        piece: Bytes,
        fed: Result<Progress, BodyError>,
        is_long: bool,
    ) -> (Self, Result<Option<Bytes>, BodyError>) {
        let has_more = fed == Ok(Progress::More);
        self.is_long = is_long && has_more;
        (self, fed.map(|_| has_more.then_some(piece)))
    }

    /// Returns and removes the start of the body, unless the whole body was taken.
    pub(super) fn take_start(&mut self) -> Start {
        match &self.tally.kept {
            Some(body) => Start::Copied(first_of(&body.bytes, MAX_START).to_vec()),
            None => std::mem::replace(&mut self.tally.start, Start::Unused),
        }
    }

    /// Ends the body. Returns what was kept of it, if it is complete.
    pub(super) fn finish(&mut self) -> Result<Option<Body>, BodyError> {
        if self.bad_start {
            return Err(BodyError::Decode(DecodeError::BadStart));
        }
        match self.decoder.as_ref().map(Decoder::finish) {
            Some(Err(error)) => Err(BodyError::Decode(error)),
            Some(Ok(())) | None => Ok(self.tally.kept.take()),
        }
    }

    /// Decompresses `piece` until it is consumed, or for about as long as `max`.
    fn decode(
        &mut self,
        piece: &mut Bytes,
        max: Duration,
        deadline: Instant,
    ) -> Result<Progress, BodyError> {
        let Some(decoder) = &mut self.decoder else {
            let piece = std::mem::take(piece);
            self.tally.start.note_piece(&piece);
            self.tally.take_in(&piece)?;
            return Ok(Progress::Done);
        };
        let mut output = vec![0; OUTPUT_BUFFER];
        let end = Instant::now() + max;
        loop {
            let step = decoder.step(piece, &mut output);
            piece.advance(step.consumed);
            self.decoder_memory.resize(decoder.memory()).map_err(BodyError::NoMemory)?;
            let produced = output.get(..step.produced).unwrap_or_default();
            self.tally.start.note(produced);
            self.tally.take_in(produced)?;
            match step.error {
                None => {}
                Some(DecodeError::BadStart) => {
                    self.decoder = None;
                    self.bad_start = true;
                    self.tally.skipped = GZIP_READ_AHEAD;
                    return self.decode(piece, max, deadline);
                }
                Some(error) => return Err(BodyError::Decode(error)),
            }
            let now = Instant::now();
            match (piece.is_empty(), step.produced < output.len()) {
                (true, true) => return Ok(Progress::Done),
                (false, true) if step.consumed == 0 && step.produced == 0 => {
                    return Err(BodyError::Decode(DecodeError::Corrupt));
                }
                _ if now >= deadline => return Err(BodyError::TimedOut),
                _ if now >= end => return Ok(Progress::More),
                _ => {}
            }
        }
    }
}

impl Start {
    /// Returns the bytes that were noted.
    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Self::Unused | Self::Awaited { .. } => &[],
            Self::Piece(piece) => piece,
            Self::Copied(bytes) => bytes,
        }
    }

    /// Notes bytes of the body.
    fn note(&mut self, bytes: &[u8]) {
        match self {
            Self::Unused => return,
            Self::Awaited { .. } => *self = Self::Copied(Vec::new()),
            Self::Piece(piece) => *self = Self::Copied(first_of(piece, MAX_START).to_vec()),
            Self::Copied(_) => {}
        }
        if let Self::Copied(copied) = self {
            copied.extend_from_slice(first_of(bytes, MAX_START.saturating_sub(copied.len())));
        }
    }

    /// Notes a piece of the body. Nothing is copied if it may be the last one.
    fn note_piece(&mut self, piece: &Bytes) {
        let Self::Awaited { whole } = *self else { return self.note(piece) };
        match whole {
            _ if piece.is_empty() => {}
            Some(length) if u64::try_from(piece.len()) == Ok(length) => *self = Self::Unused,
            Some(_) => self.note(piece),
            None => *self = Self::Piece(piece.clone()),
        }
    }
}

fn first_of(bytes: &[u8], length: usize) -> &[u8] {
    bytes.get(..length.min(bytes.len())).unwrap_or_default()
}

impl Tally {
    fn take_in(&mut self, bytes: &[u8]) -> Result<(), BodyError> {
        let skipped = self.skipped.min(bytes.len());
        self.skipped -= skipped;
        let bytes = bytes.get(skipped..).unwrap_or_default();
        let room = usize::try_from(self.limit.bytes - self.length).unwrap_or(usize::MAX);
        let fitting = bytes.get(..room.min(bytes.len())).unwrap_or_default();
        self.length += u64::try_from(fitting.len()).unwrap_or_default();
        if let Some(kept) = &mut self.kept {
            kept.grow(fitting.len(), room)?;
            kept.bytes.extend_from_slice(fitting);
        }
        if fitting.len() < bytes.len() {
            return Err(BodyError::TooLarge(self.limit));
        }
        Ok(())
    }
}

impl Body {
    /// Makes room for `more` bytes, of which at most `max` follow.
    fn grow(&mut self, more: usize, max: usize) -> Result<(), BodyError> {
        self.held.resize(self.bytes.len() + more).map_err(BodyError::NoMemory)?;
        buffers::grow(&mut self.bytes, more, max).map_err(|_| BodyError::OutOfMemory)
    }
}

impl BodyError {
    /// Returns whether the body broke off or is corrupt.
    pub(super) fn is_broken(self) -> bool {
        match self {
            Self::Decode(error) => error != DecodeError::OutOfMemory,
            Self::TimedOut => true,
            Self::TooLarge(_) | Self::NoMemory(_) | Self::OutOfMemory | Self::NotDone(_) => false,
        }
    }

    /// Returns whether the body does not begin with a gzip header, so that its content is unknown.
    pub(super) fn is_bad_start(self) -> bool {
        self == Self::Decode(DecodeError::BadStart)
    }
}

impl From<BodyError> for Failure {
    fn from(error: BodyError) -> Self {
        let (reason, message) = match error {
            BodyError::OutOfMemory | BodyError::Decode(DecodeError::OutOfMemory) => {
                let error = Errno::NOMEM.into();
                return Self::io(Stage::Response, "making room for the body", &error);
            }
            BodyError::Decode(error) => {
                (Reason::Decompression, format!("cannot decompress the body: {error}"))
            }
            BodyError::TimedOut => {
                (Reason::Timeout, "the deadline passed while decompressing the body".to_owned())
            }
            BodyError::NoMemory(error) => return Self::exhausted(Stage::Response, error),
            BodyError::NotDone(Reason::OutOfResources) => {
                let message = "the exporter cannot start a thread to decompress the body; raise its \
                               limit (TasksMax=, pids.max, ulimit -u)";
                (Reason::OutOfResources, message.to_owned())
            }
            BodyError::NotDone(reason) => {
                (reason, "internal error while decompressing the body".to_owned())
            }
            BodyError::TooLarge(Limit { bytes, configured: true }) => (
                Reason::TooLarge,
                format!("the body is longer than body_size_limit ({bytes} bytes)"),
            ),
            BodyError::TooLarge(Limit { bytes, configured: false }) => (
                Reason::TooLarge,
                format!(
                    "the body is longer than {bytes} bytes (default limit); raise body_size_limit"
                ),
            ),
        };
        Self::new(Stage::Response, reason, message)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression as Level, write::GzEncoder};
    use serde_json::{Value, json};

    use super::*;

    fn gzip(text: &[u8]) -> Bytes {
        let mut encoder = GzEncoder::new(Vec::new(), Level::default());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap().into()
    }

    /// Length and outcome of a body that comes in `pieces`.
    async fn collect(
        section: Value,
        keep: bool,
        pieces: &[Bytes],
    ) -> (u64, Result<Option<Vec<u8>>, BodyError>) {
        let prober: HttpProber = serde_json::from_value(section).unwrap();
        let deadline = Instant::now() + Duration::from_mins(10);
        let mut collector = Collector::new(&prober, keep, None, &Arc::default(), Start::Unused);
        for piece in pieces {
            let mut rest = Some(piece.clone());
            while let Some(piece) = rest {
                let (next, fed) = collector.feed(piece, deadline).await;
                collector = next;
                rest = match fed {
                    Ok(rest) => rest,
                    Err(error) => return (collector.length(), Err(error)),
                };
            }
        }
        let length = collector.length();
        (length, collector.finish().map(|body| body.map(|body| body.bytes)))
    }

    #[tokio::test]
    async fn a_body_is_counted_and_kept_only_when_needed() {
        let pieces = [Bytes::from("hello "), Bytes::new(), Bytes::from("world")];
        let (length, kept) = collect(json!({}), false, &pieces).await;
        assert_eq!((length, kept), (11, Ok(None)));
        let (length, kept) = collect(json!({}), true, &pieces).await;
        assert_eq!((length, kept), (11, Ok(Some(b"hello world".to_vec()))));
    }

    #[tokio::test]
    async fn the_limit_is_exact_and_holds_after_decompression() {
        let body = Bytes::from(vec![b'a'; 2048]);
        let exact = json!({"body_size_limit": "2KB"});
        assert_eq!(collect(exact, false, std::slice::from_ref(&body)).await, (2048, Ok(None)));
        for section in [
            json!({"body_size_limit": "1KB"}),
            json!({"body_size_limit": "1KB", "compression": "gzip"}),
        ] {
            let packed = section.get("compression").is_some();
            let body = if packed { gzip(&body) } else { body.clone() };
            let (length, outcome) = collect(section, true, &[body]).await;
            assert_eq!(length, 1024);
            let limit = Limit { bytes: 1024, configured: true };
            assert_eq!(outcome, Err(BodyError::TooLarge(limit)));
        }
    }

    #[tokio::test]
    async fn a_large_body_is_decompressed_whole() {
        let text: Vec<u8> = (0..300_000_u32).flat_map(u32::to_le_bytes).collect();
        let (length, kept) = collect(json!({"compression": "GZIP"}), true, &[gzip(&text)]).await;
        assert_eq!(length, 1_200_000);
        assert_eq!(kept.unwrap().unwrap(), text);
    }

    #[tokio::test]
    async fn what_is_kept_is_bounded() {
        let piece = Bytes::from(vec![0; 1 << 20]);
        let (length, outcome) = collect(json!({}), true, &vec![piece; 65]).await;
        assert_eq!(length, MAX_KEPT);
        let failure = Failure::from(outcome.unwrap_err());
        assert_eq!(failure.reason, Reason::TooLarge);
        assert!(failure.message.contains("body_size_limit"), "{failure}");
    }

    #[tokio::test]
    async fn a_body_that_is_no_gzip_is_counted_from_behind_what_was_looked_at() {
        for (size, counted) in [(5, 0), (4096, 0), (10_000, 10_000 - 4096)] {
            let piece = Bytes::from(vec![b'x'; size]);
            let (length, outcome) = collect(json!({"compression": "gzip"}), true, &[piece]).await;
            assert_eq!(length, counted, "{size}");
            assert!(outcome.unwrap_err().is_bad_start());
        }
        let (length, outcome) = collect(json!({"compression": "gzip"}), false, &[]).await;
        assert_eq!(length, 0);
        assert!(outcome.unwrap_err().is_bad_start());
    }

    #[tokio::test]
    async fn decompression_ends_at_the_deadline() {
        let prober: HttpProber = serde_json::from_value(json!({"compression": "gzip"})).unwrap();
        let bomb = gzip(&vec![0; 1 << 20]);
        let collector = Collector::new(&prober, false, None, &Arc::default(), Start::Unused);
        let (collector, fed) = collector.feed(bomb, Instant::now()).await;
        assert_eq!(fed, Err(BodyError::TimedOut));
        assert!(collector.length() < 1 << 20);
    }
}
