//! Decoding of UTF-8 as Go's `regexp` package does it: an invalid byte counts as U+FFFD.

use std::{borrow::Cow, ops::Range, str};

/// Decodes UTF-8 as Go does: each byte that is not part of valid UTF-8 becomes one U+FFFD.
///
/// [`String::from_utf8_lossy`] differs: it replaces a whole incomplete sequence by one U+FFFD.
///
/// ```
/// assert_eq!(go_regexp::decode_lossy(b"a\xE2\x82b"), "a\u{FFFD}\u{FFFD}b");
/// assert_eq!(String::from_utf8_lossy(b"a\xE2\x82b"), "a\u{FFFD}b");
/// ```
#[must_use]
pub fn decode_lossy(bytes: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = str::from_utf8(bytes) {
        return Cow::Borrowed(text);
    }
    let mut text = String::with_capacity(bytes.len() + bytes.len() / 2);
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
    }
    Cow::Owned(text)
}

/// Converts a span of the decoded text to the span of `bytes` that it was decoded from.
pub(super) fn original_span(bytes: &[u8], span: &Range<usize>) -> Range<usize> {
    original_offset(bytes, span.start)..original_offset(bytes, span.end)
}

/// Converts an offset in the decoded text to the offset in `bytes`.
fn original_offset(bytes: &[u8], offset: usize) -> usize {
    let mut in_text = 0;
    let mut in_bytes = 0;
    for chunk in bytes.utf8_chunks() {
        let left = offset - in_text;
        if left <= chunk.valid().len() {
            return in_bytes + left;
        }
        in_text += chunk.valid().len();
        in_bytes += chunk.valid().len();
        for _ in chunk.invalid() {
            if in_text == offset {
                return in_bytes;
            }
            in_text += char::REPLACEMENT_CHARACTER.len_utf8();
            in_bytes += 1;
        }
    }
    in_bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_invalid_byte_is_one_character() {
        for (bytes, text) in [
            (&b""[..], ""),
            (b"plain", "plain"),
            (b"\xFF", "\u{FFFD}"),
            (b"a\xE2\x82b", "a\u{FFFD}\u{FFFD}b"),
            (b"\xE2\xC3\xA9", "\u{FFFD}é"),
            (b"\xED\xA0\x80", "\u{FFFD}\u{FFFD}\u{FFFD}"),
            (b"\xEF\xBF\xBD\xF0\x9F\x98", "\u{FFFD}\u{FFFD}\u{FFFD}\u{FFFD}"),
        ] {
            assert_eq!(decode_lossy(bytes), text, "{bytes:?}");
        }
    }

    #[test]
    fn spans_are_those_of_the_bytes() {
        let bytes = b"a\xFF\xFE\xC3\xA9\xE2\x82z";
        let text = decode_lossy(bytes);
        let mut spans = Vec::new();
        for (start, character) in text.char_indices() {
            let span = original_span(bytes, &(start..start + character.len_utf8()));
            spans.push(&bytes[span]);
        }
        let expected: [&[u8]; 7] = [b"a", b"\xFF", b"\xFE", b"\xC3\xA9", b"\xE2", b"\x82", b"z"];
        assert_eq!(spans, expected);
        assert_eq!(original_span(bytes, &(text.len()..text.len())), 8..8);
    }
}
