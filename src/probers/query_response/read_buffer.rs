//! What the peer has said and nobody has taken yet, by lines or by bytes.

use bytes::BytesMut;
use thiserror::Error;

/// Bytes within which a line has to end, its line end included; upstream's limit.
const LONGEST_LINE: usize = 64 * 1024;

/// A line did not end in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a line is longer than 64 KiB")]
pub(super) struct LineTooLong;

/// One buffer for all steps of a dialogue. Unlike upstream, which loses to a step that takes bytes
/// what a step that takes lines had read ahead.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    pub(super) bytes: BytesMut,
    /// Whether nothing will follow.
    pub(super) has_ended: bool,
    /// How many of the bytes are known to hold no line end.
    searched: usize,
}

impl Inbox {
    /// Takes the next line, without its line end: a line feed and at most one carriage return.
    ///
    /// Once the peer has ended, what is left counts as a line.
    pub(super) fn take_line(&mut self) -> Result<Option<BytesMut>, LineTooLong> {
        let within = self.bytes.len().min(LONGEST_LINE);
        let unsearched = self.bytes.get(self.searched..within).unwrap_or_default();
        let end = unsearched.iter().position(|byte| *byte == b'\n');
        let mut line = match end {
            Some(end) => {
                let mut line = self.bytes.split_to(self.searched + end + 1);
                line.truncate(line.len() - 1);
                line
            }
            None if within == LONGEST_LINE => return Err(LineTooLong),
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

    /// Takes exactly this many bytes, if they are there.
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

    fn inbox(bytes: &[u8], has_ended: bool) -> Inbox {
        Inbox { bytes: bytes.into(), has_ended, ..Inbox::default() }
    }

    fn lines(inbox: &mut Inbox) -> Vec<String> {
        std::iter::from_fn(|| inbox.take_line().unwrap())
            .map(|line| String::from_utf8_lossy(&line).into_owned())
            .collect()
    }

    #[test]
    fn lines_end_with_a_line_feed_and_lose_one_carriage_return() {
        for (bytes, expected) in [
            (&b"a\nb\r\nc\r\r\n\n"[..], &["a", "b", "c\r", ""][..]),
            (b"\r\n", &[""]),
            (b"a\rb\n", &["a\rb"]),
            (b"", &[]),
        ] {
            assert_eq!(lines(&mut inbox(bytes, false)), expected, "{bytes:?}");
        }
    }

    #[test]
    fn an_unfinished_line_counts_once_the_peer_has_ended() {
        let mut running = inbox(b"a\nb", false);
        assert_eq!(lines(&mut running), ["a"]);
        running.bytes.extend_from_slice(b"c\r");
        assert_eq!(lines(&mut running), [""; 0]);
        running.has_ended = true;
        assert_eq!(lines(&mut running), ["bc"]);
        assert_eq!(lines(&mut running), [""; 0]);
    }

    #[test]
    fn a_line_ends_within_64_kib() {
        let fits = [vec![b'x'; LONGEST_LINE - 1], vec![b'\n']].concat();
        assert_eq!(inbox(&fits, false).take_line().unwrap().unwrap().len(), LONGEST_LINE - 1);
        let too_long = [vec![b'x'; LONGEST_LINE], vec![b'\n']].concat();
        assert_eq!(inbox(&too_long, false).take_line(), Err(LineTooLong));
        let unfinished = vec![b'x'; LONGEST_LINE - 1];
        assert_eq!(inbox(&unfinished, false).take_line(), Ok(None));
        assert_eq!(inbox(&unfinished, true).take_line().unwrap().unwrap().len(), LONGEST_LINE - 1);
    }

    #[test]
    fn bytes_and_lines_come_from_one_buffer() {
        let mut inbox = inbox(b"line\nabcd\nrest", false);
        assert_eq!(inbox.take_line().unwrap().unwrap(), "line");
        assert_eq!(inbox.take_bytes(2).unwrap(), "ab");
        assert_eq!(inbox.take_line().unwrap().unwrap(), "cd");
        assert_eq!(inbox.take_line(), Ok(None));
        assert_eq!(inbox.take_bytes(5), None);
        assert_eq!(inbox.take_bytes(3).unwrap(), "res");
        inbox.bytes.extend_from_slice(b"\n");
        assert_eq!(inbox.take_line().unwrap().unwrap(), "t");
    }

    proptest! {
        #[test]
        fn lines_are_the_same_however_they_arrive(
            text in "[ab\r\n]{0,40}",
            cuts in prop::collection::vec(0_usize..40, 0..6),
        ) {
            let mut piecemeal = Inbox::default();
            let mut found = Vec::new();
            for (index, byte) in text.bytes().enumerate() {
                piecemeal.bytes.extend_from_slice(&[byte]);
                if cuts.contains(&index) {
                    found.extend(lines(&mut piecemeal));
                }
            }
            piecemeal.has_ended = true;
            found.extend(lines(&mut piecemeal));
            prop_assert_eq!(found, lines(&mut inbox(text.as_bytes(), true)));
        }
    }
}
