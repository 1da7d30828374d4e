//! The end of an incomplete response header, for the message of a probe that is cancelled within it.

use std::fmt;

use crate::diagnostics::{humanize::count, log::Quoted};

/// Maximum number of bytes that are kept.
const MAX_KEPT: usize = 96;

/// The number of received bytes, and the last of them.
#[derive(Debug)]
pub(super) struct Tail {
    received: u64,
    kept: [u8; MAX_KEPT],
}

impl Default for Tail {
    fn default() -> Self {
        Self { received: 0, kept: [0; MAX_KEPT] }
    }
}

impl Tail {
    /// Notes bytes that came.
    pub(super) fn note(&mut self, piece: &[u8]) {
        let new = piece.len().min(MAX_KEPT);
        self.kept.copy_within(new.., 0);
        let newest = piece.get(piece.len() - new..).unwrap_or_default();
        if let Some(room) = self.kept.get_mut(MAX_KEPT - new..) {
            room.copy_from_slice(newest);
        }
        self.received += u64::try_from(piece.len()).unwrap_or_default();
    }

    /// The last line that came, whole or not; of a long one its end.
    fn last_line(&self) -> &[u8] {
        let kept = usize::try_from(self.received).unwrap_or(MAX_KEPT).min(MAX_KEPT);
        let kept = self.kept.get(MAX_KEPT - kept..).unwrap_or_default();
        let text = kept.strip_suffix(b"\n").unwrap_or(kept);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        text.rsplit(|byte| *byte == b'\n').next().unwrap_or_default()
    }
}

/// Describes the received bytes, as the end of a sentence.
impl fmt::Display for Tail {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (bytes, line) = (count(self.received, "byte"), Quoted(self.last_line()));
        write!(formatter, "received {bytes}, the last line is {line}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_is_shown_however_it_came() {
        let long = "x".repeat(2 * MAX_KEPT);
        for (text, expected) in [
            ("H", "received 1 byte, the last line is \"H\""),
            ("HTTP/1.1 200 OK\r\n", "received 17 bytes, the last line is \"HTTP/1.1 200 OK\""),
            ("HTTP/1.1 200 OK\r\nA: b\r\nX-C", "received 26 bytes, the last line is \"X-C\""),
            ("HTTP/1.1 200 OK\nA: b\n", "received 21 bytes, the last line is \"A: b\""),
            (&long, &*format!("received 192 bytes, the last line is \"{}\"", "x".repeat(MAX_KEPT))),
        ] {
            for size in [1, 3, 1000] {
                let mut tail = Tail::default();
                text.as_bytes().chunks(size).for_each(|piece| tail.note(piece));
                assert_eq!(tail.to_string(), expected, "{text} by {size}");
            }
        }
    }
}
