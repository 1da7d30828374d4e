//! The read buffer of a dialogue, which returns lines or a number of bytes.

use bytes::BytesMut;
use thiserror::Error;

/// Maximum size of a line in bytes with its line end, as in upstream.
const MAX_LINE: usize = 64 * 1024;

/// The error of a line that exceeds [`MAX_LINE`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a received line is longer than 64 KiB, the limit of a line")]
pub(super) struct LineTooLong;

/// Buffer of received data that all steps of a dialogue share. Upstream has one buffer per kind of
/// step, so data that it read ahead for a line is lost to a step that expects bytes.
#[derive(Debug, Default)]
pub(super) struct ReadBuffer {
    pub(super) bytes: BytesMut,
    /// True if the end of the stream was reached.
    pub(super) has_ended: bool,
    /// Number of bytes at the start that were searched and contain no line feed.
    searched: usize,
}

impl ReadBuffer {
    /// Takes the next line without its line end: a line feed and at most one carriage return.
    ///
    /// At the end of the stream, the remaining data is a line.
    pub(super) fn take_line(&mut self) -> Result<Option<BytesMut>, LineTooLong> {
        let within = self.bytes.len().min(MAX_LINE);
        let unsearched = self.bytes.get(self.searched..within).unwrap_or_default();
        let end = unsearched.iter().position(|byte| *byte == b'\n');
        let mut line = match end {
            Some(end) => {
                let mut line = self.bytes.split_to(self.searched + end + 1);
                line.truncate(line.len() - 1);
                line
            }
            None if within == MAX_LINE => return Err(LineTooLong),
            None if self.has_ended && !self.bytes.is_empty() => self.bytes.split(),
            None => {
                self.searched = within;
                return Ok(None);
            }
        };
        self.searched = 0;
        if line.ends_with(b"\r") {
            line.truncate(line.len() - 1);
        }
        Ok(Some(line))
    }

    /// Takes exactly `length` bytes, if the buffer contains them.
    pub(super) fn take_bytes(&mut self, length: usize) -> Option<BytesMut> {
        if self.bytes.len() < length {
            return None;
        }
        self.searched = 0;
        Some(self.bytes.split_to(length))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn buffer(bytes: &[u8], has_ended: bool) -> ReadBuffer {
        ReadBuffer { bytes: bytes.into(), has_ended, ..ReadBuffer::default() }
    }

    fn lines(buffer: &mut ReadBuffer) -> Vec<String> {
        std::iter::from_fn(|| buffer.take_line().unwrap())
            .map(|line| String::from_utf8_lossy(&line).into_owned())
            .collect()
    }

    #[test]
    fn line_feed_and_one_carriage_return_are_removed() {
        for (bytes, expected) in [
            (&b"a\nb\r\nc\r\r\n\n"[..], &["a", "b", "c\r", ""][..]),
            (b"\r\n", &[""]),
            (b"a\rb\n", &["a\rb"]),
            (b"", &[]),
        ] {
            assert_eq!(lines(&mut buffer(bytes, false)), expected, "{bytes:?}");
        }
    }

    #[test]
    fn the_end_of_the_stream_ends_the_last_line() {
        let mut running = buffer(b"a\nb", false);
        assert_eq!(lines(&mut running), ["a"]);
        running.bytes.extend_from_slice(b"c\r");
        assert_eq!(lines(&mut running), [""; 0]);
        running.has_ended = true;
        assert_eq!(lines(&mut running), ["bc"]);
        assert_eq!(lines(&mut running), [""; 0]);
    }

    #[test]
    fn lines_are_limited_to_64_kib() {
        let fits = [vec![b'x'; MAX_LINE - 1], vec![b'\n']].concat();
        assert_eq!(buffer(&fits, false).take_line().unwrap().unwrap().len(), MAX_LINE - 1);
        let too_long = [vec![b'x'; MAX_LINE], vec![b'\n']].concat();
        assert_eq!(buffer(&too_long, false).take_line(), Err(LineTooLong));
        let unfinished = vec![b'x'; MAX_LINE - 1];
        assert_eq!(buffer(&unfinished, false).take_line(), Ok(None));
        assert_eq!(buffer(&unfinished, true).take_line().unwrap().unwrap().len(), MAX_LINE - 1);
    }

    #[test]
    fn bytes_and_lines_come_from_one_buffer() {
        let mut buffer = buffer(b"line\nabcd\nrest", false);
        assert_eq!(buffer.take_line().unwrap().unwrap(), "line");
        assert_eq!(buffer.take_bytes(2).unwrap(), "ab");
        assert_eq!(buffer.take_line().unwrap().unwrap(), "cd");
        assert_eq!(buffer.take_line(), Ok(None));
        assert_eq!(buffer.take_bytes(5), None);
        assert_eq!(buffer.take_bytes(3).unwrap(), "res");
        buffer.bytes.extend_from_slice(b"\n");
        assert_eq!(buffer.take_line().unwrap().unwrap(), "t");
    }

    proptest! {
        #[test]
        fn lines_do_not_depend_on_packet_boundaries(
            text in "[ab\r\n]{0,40}",
            cuts in prop::collection::vec(0_usize..40, 0..6),
        ) {
            let mut piecemeal = ReadBuffer::default();
            let mut found = Vec::new();
            for (index, byte) in text.bytes().enumerate() {
                piecemeal.bytes.extend_from_slice(&[byte]);
                if cuts.contains(&index) {
                    found.extend(lines(&mut piecemeal));
                }
            }
            piecemeal.has_ended = true;
            found.extend(lines(&mut piecemeal));
            prop_assert_eq!(found, lines(&mut buffer(text.as_bytes(), true)));
        }
    }
}
