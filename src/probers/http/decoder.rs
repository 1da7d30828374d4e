//! Decompression of a body piece by piece. The caller bounds the output of each step; its input is
//! bounded here, since much input may have little output.

use std::{
    fmt,
    hint::black_box,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use brotli_decompressor::{
    Allocator, BrotliDecoderErrorCode as BrotliError, BrotliDecompressStream, BrotliResult,
    BrotliState, SliceWrapper as _, StandardAlloc,
};
use flate2::{Decompress, FlushDecompress, Status};

use crate::probers::http::compression::Compression;

/// A decompressor in the middle of a body.
pub(super) enum Decoder {
    Gzip(Gzip),
    /// Raw deflate (RFC 1951), as upstream reads `deflate`; a zlib wrapper is an error.
    Deflate(Box<Decompress>),
    Brotli(Box<Brotli>),
    /// The compressed data is complete, and what follows is ignored.
    Done,
}

/// One or more consecutive gzip members (RFC 1952).
pub(super) struct Gzip {
    member: Box<Decompress>,
    /// The bytes of the running member that were read, as far as its start goes.
    position: usize,
    /// True if a member came to its end.
    complete: bool,
}

/// A brotli stream (RFC 7932). Its window and its tables can have many megabytes.
pub(super) struct Brotli {
    state: BrotliState<CountingAlloc, StandardAlloc, CountingAlloc>,
    /// The memory of window and tables in bytes.
    allocated: Arc<AtomicUsize>,
}

/// An allocator that counts the allocated bytes, and has no more than the system has.
#[derive(Default)]
pub(super) struct CountingAlloc {
    allocated: Arc<AtomicUsize>,
    inner: StandardAlloc,
}

/// The reason why a body cannot be decompressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DecodeError {
    /// It does not begin with a gzip header.
    BadStart,
    /// It is corrupt.
    Corrupt,
    /// It ends too early.
    Truncated,
    /// There is no memory for its window.
    OutOfMemory,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::BadStart => "it does not begin with a gzip header",
            Self::Corrupt => "the compressed data is corrupt",
            Self::Truncated => "the compressed data is incomplete",
            Self::OutOfMemory => "there is no memory for its window",
        })
    }
}

/// The result of one step, up to its error if there was one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Step {
    /// Bytes of the input that are used up.
    pub(super) consumed: usize,
    /// Bytes of the output that were filled.
    pub(super) produced: usize,
    pub(super) error: Option<DecodeError>,
}

/// Maximum number of bytes that one step reads. A few kilobytes can contain many tables.
const MAX_INPUT: usize = 4 << 10;

/// The same for brotli, whose tables are larger.
const MAX_BROTLI_INPUT: usize = 2 << 10;

/// Memory of a decompressor of gzip or deflate in bytes, with its window and buffers.
const ZLIB_MEMORY: usize = 80 << 10;

/// Memory of a decompressor of brotli in bytes, without its window and tables.
const BROTLI_MEMORY: usize = 8 << 10;

/// Minimum size in bytes of a large allocation of brotli. Only windows are that large.
const LARGE: usize = 2 << 20;

/// The largest window of zlib, in bits.
const WINDOW_BITS: u8 = 15;

/// The first bytes of a gzip member: two of magic, and the only method there is.
const GZIP_START: [u8; 3] = [0x1f, 0x8b, 8];

/// The length of a gzip member's header without its optional parts.
const GZIP_HEADER: usize = 10;

impl Decoder {
    /// For a body compressed like this; none for one that is not.
    pub(super) fn new(compression: Compression) -> Option<Self> {
        match compression {
            Compression::Identity => None,
            Compression::Gzip => Some(Self::Gzip(Gzip::new())),
            Compression::Deflate => Some(Self::Deflate(Box::new(Decompress::new(false)))),
            Compression::Brotli => Some(Self::Brotli(Box::default())),
        }
    }

    /// Decompresses some of `input` into `output`.
    pub(super) fn step(&mut self, input: &[u8], output: &mut [u8]) -> Step {
        let (step, done) = match self {
            Self::Gzip(gzip) => return gzip.step(input, output),
            Self::Deflate(inflate) => inflate_step(inflate, input, output),
            Self::Brotli(brotli) => brotli.step(input, output),
            Self::Done => return Step { consumed: input.len(), ..Step::default() },
        };
        if done {
            *self = Self::Done;
        }
        step
    }

    /// Returns the memory that the decompressor takes in bytes.
    pub(super) fn memory(&self) -> usize {
        match self {
            Self::Gzip(_) | Self::Deflate(_) => ZLIB_MEMORY,
            Self::Brotli(brotli) => brotli.memory(),
            Self::Done => 0,
        }
    }

    /// Returns whether this is a decompressor of brotli.
    pub(super) fn is_brotli(&self) -> bool {
        matches!(self, Self::Brotli(_))
    }

    /// Returns whether nothing that follows is looked at.
    pub(super) fn is_done(&self) -> bool {
        matches!(self, Self::Done)
    }

    /// Checks that the body may end here.
    pub(super) fn finish(&self) -> Result<(), DecodeError> {
        match self {
            Self::Done => Ok(()),
            Self::Gzip(gzip) if gzip.complete && gzip.position == 0 => Ok(()),
            // Upstream reads the header of the first member before anything else.
            Self::Gzip(gzip) if !gzip.complete && gzip.position < GZIP_HEADER => {
                Err(DecodeError::BadStart)
            }
            Self::Gzip(_) | Self::Deflate(_) | Self::Brotli(_) => Err(DecodeError::Truncated),
        }
    }
}

impl Gzip {
    fn new() -> Self {
        Self { member: Box::new(Decompress::new_gzip(WINDOW_BITS)), position: 0, complete: false }
    }

    fn step(&mut self, input: &[u8], output: &mut [u8]) -> Step {
        let expected = GZIP_START.get(self.position..).unwrap_or_default();
        if input.iter().zip(expected).any(|(found, expected)| found != expected) {
            let error = if self.complete { DecodeError::Corrupt } else { DecodeError::BadStart };
            return Step { error: Some(error), ..Step::default() };
        }
        let (step, done) = inflate_step(&mut self.member, input, output);
        self.position = self.position.saturating_add(step.consumed);
        if done {
            *self = Self { complete: true, ..Self::new() };
        }
        step
    }
}

/// Returns also whether the data has ended.
fn inflate_step(inflate: &mut Decompress, input: &[u8], output: &mut [u8]) -> (Step, bool) {
    let (read, written) = (inflate.total_in(), inflate.total_out());
    let input = input.get(..MAX_INPUT).unwrap_or(input);
    let status = inflate.decompress(input, output, FlushDecompress::None);
    let step = Step {
        consumed: usize::try_from(inflate.total_in() - read).unwrap_or(input.len()),
        produced: usize::try_from(inflate.total_out() - written).unwrap_or(output.len()),
        error: status.is_err().then_some(DecodeError::Corrupt),
    };
    (step, matches!(status, Ok(Status::StreamEnd)))
}

impl<T: Clone + Default> Allocator<T> for CountingAlloc {
    type AllocatedMemory = <StandardAlloc as Allocator<T>>::AllocatedMemory;

    fn alloc_cell(&mut self, length: usize) -> Self::AllocatedMemory {
        let bytes = length * size_of::<T>();
        // An allocation that fails ends the process, so that a large one is tried first.
        if bytes >= LARGE && !has_memory::<T>(length) {
            return Self::AllocatedMemory::default();
        }
        self.allocated.fetch_add(bytes, Ordering::Relaxed);
        self.inner.alloc_cell(length)
    }

    fn free_cell(&mut self, memory: Self::AllocatedMemory) {
        let bytes = size_of_val(memory.slice());
        self.allocated.fetch_sub(bytes, Ordering::Relaxed);
        self.inner.free_cell(memory);
    }
}

fn has_memory<T>(length: usize) -> bool {
    let mut cells = Vec::<T>::new();
    let reserved = cells.try_reserve_exact(length);
    // Otherwise the compiler may leave out an allocation that nobody uses.
    black_box(&cells);
    reserved.is_ok()
}

impl Default for Brotli {
    fn default() -> Self {
        let allocated = Arc::default();
        let alloc =
            || CountingAlloc { allocated: Arc::clone(&allocated), inner: StandardAlloc::default() };
        let state = BrotliState::new_strict(alloc(), StandardAlloc::default(), alloc());
        Self { state, allocated }
    }
}

impl Brotli {
    fn memory(&self) -> usize {
        BROTLI_MEMORY + self.allocated.load(Ordering::Relaxed)
    }

    /// Returns also whether the data has ended.
    fn step(&mut self, input: &[u8], output: &mut [u8]) -> (Step, bool) {
        let piece = input.get(..MAX_BROTLI_INPUT).unwrap_or(input);
        let (mut input_left, mut output_left) = (piece.len(), output.len());
        let mut step = Step::default();
        let result = BrotliDecompressStream(
            &mut input_left,
            &mut step.consumed,
            piece,
            &mut output_left,
            &mut step.produced,
            output,
            &mut 0,
            &mut self.state,
        );
        let done = matches!(result, BrotliResult::ResultSuccess);
        // As upstream's decoder does it: nothing may follow.
        if matches!(result, BrotliResult::ResultFailure) || done && step.consumed < input.len() {
            let is_out_of_memory = matches!(
                self.state.error_code,
                BrotliError::BROTLI_DECODER_ERROR_ALLOC_RING_BUFFER_1
                    | BrotliError::BROTLI_DECODER_ERROR_ALLOC_RING_BUFFER_2
            );
            step.error = Some(if is_out_of_memory {
                DecodeError::OutOfMemory
            } else {
                DecodeError::Corrupt
            });
        }
        (step, done)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression as Level, write::DeflateEncoder, write::GzEncoder};

    use super::*;

    /// "hello" as one uncompressed meta-block.
    const BROTLI_HELLO: &[u8] = &[0x0b, 0x02, 0x80, b'h', b'e', b'l', b'l', b'o', 0x03];

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Level::default());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn deflate(text: &[u8]) -> Vec<u8> {
        let mut encoder = DeflateEncoder::new(Vec::new(), Level::default());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    /// Decodes `data` cut into pieces of `size` bytes, with an output buffer of three.
    fn decode(compression: Compression, data: &[u8], size: usize) -> Result<Vec<u8>, DecodeError> {
        let mut decoder = Decoder::new(compression).unwrap();
        let mut text = Vec::new();
        for mut piece in data.chunks(size) {
            loop {
                let mut output = [0; 3];
                let step = decoder.step(piece, &mut output);
                text.extend_from_slice(&output[..step.produced]);
                if let Some(error) = step.error {
                    return Err(error);
                }
                piece = &piece[step.consumed..];
                if step.produced < output.len() && piece.is_empty() {
                    break;
                }
            }
        }
        decoder.finish()?;
        Ok(text)
    }

    #[test]
    fn what_was_compressed_comes_back() {
        let twice = [gzip(b"hello "), gzip(b"world")].concat();
        let trailed = [deflate(b"hello"), b"trailer".to_vec()].concat();
        for (name, compression, data, text) in [
            ("gzip", Compression::Gzip, gzip(b"hello"), "hello"),
            ("gzip of nothing", Compression::Gzip, gzip(b""), ""),
            ("two members", Compression::Gzip, twice, "hello world"),
            ("deflate", Compression::Deflate, deflate(b"hello"), "hello"),
            ("deflate with more behind", Compression::Deflate, trailed, "hello"),
            ("brotli", Compression::Brotli, BROTLI_HELLO.to_vec(), "hello"),
        ] {
            for size in [1, 2, 7, 1000] {
                assert_eq!(
                    decode(compression, &data, size).as_deref(),
                    Ok(text.as_bytes()),
                    "{name} by {size}"
                );
            }
        }
    }

    #[test]
    fn what_is_broken_is_told_apart() {
        let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), Level::default());
        zlib.write_all(b"hello").unwrap();
        let mut wrong_sum = gzip(b"hello");
        let end = wrong_sum.len() - 5;
        wrong_sum[end] ^= 1;
        let trailed = [gzip(b"hello"), b"x".to_vec()].concat();
        let trailed_brotli = [BROTLI_HELLO, b"x"].concat();
        let (gzip, deflate) = (gzip(b"hello"), deflate(b"hello"));
        for (name, compression, data, error) in [
            ("no gzip", Compression::Gzip, b"hello".to_vec(), DecodeError::BadStart),
            ("empty gzip", Compression::Gzip, Vec::new(), DecodeError::BadStart),
            ("short gzip", Compression::Gzip, gzip[..15].to_vec(), DecodeError::Truncated),
            ("wrong checksum", Compression::Gzip, wrong_sum, DecodeError::Corrupt),
            ("garbage behind", Compression::Gzip, trailed, DecodeError::Corrupt),
            ("zlib", Compression::Deflate, zlib.finish().unwrap(), DecodeError::Corrupt),
            ("empty deflate", Compression::Deflate, Vec::new(), DecodeError::Truncated),
            ("short deflate", Compression::Deflate, deflate[..4].to_vec(), DecodeError::Truncated),
            ("no brotli", Compression::Brotli, b"<html>".to_vec(), DecodeError::Corrupt),
            ("more behind brotli", Compression::Brotli, trailed_brotli, DecodeError::Corrupt),
            (
                "short brotli",
                Compression::Brotli,
                BROTLI_HELLO[..6].to_vec(),
                DecodeError::Truncated,
            ),
        ] {
            for size in [2, 1000] {
                assert_eq!(decode(compression, &data, size), Err(error), "{name} by {size}");
            }
        }
    }
}
