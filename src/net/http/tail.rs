//! The last line of an incomplete response header, for the message of a probe that is cancelled within it.

use std::fmt;

use crate::diagnostics::{humanize::count, log::Quoted, transcript::CONTINUED};

/// Maximum number of bytes that are kept.
const MAX_KEPT: usize = 96;

/// The number of received bytes, and the start of the last line. Of a long line, the start tells more than
/// the end, and a secret is recognised by its start.
#[derive(Debug)]
pub(super) struct Tail {
    received: u64,
    kept: [u8; MAX_KEPT],
    /// Length of the last line, with its line end.
    length: usize,
    is_ended: bool,
}

impl Default for Tail {
    fn default() -> Self {
        Self { received: 0, kept: [0; MAX_KEPT], length: 0, is_ended: false }
    }
}

impl Tail {
    /// Notes bytes that came.
    pub(super) fn note(&mut self, piece: &[u8]) {
        for part in piece.split_inclusive(|byte| *byte == b'\n') {
            if std::mem::replace(&mut self.is_ended, part.ends_with(b"\n")) {
                self.length = 0;
            }
            let room = self.kept.get_mut(self.length..).unwrap_or_default();
            room.iter_mut().zip(part).for_each(|(kept, byte)| *kept = *byte);
            self.length += part.len();
        }
        self.received += u64::try_from(piece.len()).unwrap_or_default();
    }
}

/// Describes the received bytes, as the end of a sentence.
impl fmt::Display for Tail {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kept = self.kept.get(..self.length).unwrap_or(&self.kept);
        let text = kept.strip_suffix(b"\n").unwrap_or(kept);
        let line = Quoted(text.strip_suffix(b"\r").unwrap_or(text));
        let bytes = count(self.received, "byte");
        write!(formatter, "received {bytes}, the last line is {line}")?;
        if self.length > MAX_KEPT {
            write!(formatter, "{CONTINUED} ({} bytes)", self.length)
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_is_shown_however_it_came() {
        let long = format!("b\r\na: {}", "x".repeat(2 * MAX_KEPT));
        for (text, expected) in [
            ("H", "received 1 byte, the last line is \"H\""),
            ("HTTP/1.1 200 OK\r\n", "received 17 bytes, the last line is \"HTTP/1.1 200 OK\""),
            ("HTTP/1.1 200 OK\r\nA: b\r\nX-C", "received 26 bytes, the last line is \"X-C\""),
            ("HTTP/1.1 200 OK\nA: b\n", "received 21 bytes, the last line is \"A: b\""),
            (
                &long,
                &*format!(
                    "received 198 bytes, the last line is \"a: {}\"\u{2026} (195 bytes)",
                    "x".repeat(93)
                ),
            ),
        ] {
            for size in [1, 3, 1000] {
                let mut tail = Tail::default();
                text.as_bytes().chunks(size).for_each(|piece| tail.note(piece));
                assert_eq!(tail.to_string(), expected, "{text} by {size}");
            }
        }
    }
}
