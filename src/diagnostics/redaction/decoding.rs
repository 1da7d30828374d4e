//! A text after decoding the escapes that servers use, with the positions of its bytes.

use std::{borrow::Cow, iter::successors, ops::Range};

use memchr::memchr3_iter;

/// Maximum number of levels: the text, and what it is after decoding it up to four times. A server may
/// put a percent-encoded URL into JSON, that JSON into a page, and the exporter quotes the page.
const MAX_LEVELS: usize = 5;

/// A text, or what it is after decoding.
#[derive(Debug)]
pub(crate) struct Level<'t> {
    pub(crate) bytes: Cow<'t, [u8]>,
    /// Positions of the bytes in the text, and its length; absent if nothing was decoded.
    starts: Option<Vec<usize>>,
}

/// Returns the text, and what it is after decoding it once, twice, and so on, until nothing is left to
/// decode.
pub(crate) fn levels(text: &[u8]) -> impl Iterator<Item = Level<'_>> {
    let text = Level { bytes: Cow::Borrowed(text), starts: None };
    successors(Some(text), Level::decoded).take(MAX_LEVELS)
}

impl Level<'_> {
    /// Returns the position in the text of the byte with this index, or of the end.
    pub(crate) fn position(&self, index: usize) -> usize {
        self.starts.as_ref().map_or(index, |starts| starts.get(index).copied().unwrap_or_default())
    }

    /// Decodes escapes of quoted texts and JSON, percent-encoding, and character references of HTML.
    /// Returns `None` if there are none.
    fn decoded(&self) -> Option<Self> {
        let mut decoded = (Vec::new(), Vec::new());
        let mut done = 0;
        for at in memchr3_iter(b'%', b'\\', b'&', &self.bytes) {
            let escape = self.bytes.get(at.max(done)..).filter(|_| at >= done).and_then(escape);
            let Some((character, length)) = escape else { continue };
            self.copy(done..at, &mut decoded);
            let (bytes, starts) = &mut decoded;
            // UTF-16 is shown with escaped null bytes between the letters.
            for (index, byte) in character.bytes().filter(|byte| *byte != 0).enumerate() {
                bytes.push(byte);
                starts.push(self.position(at + index));
            }
            done = at + length;
        }
        if done == 0 {
            return None;
        }
        self.copy(done..self.bytes.len(), &mut decoded);
        let (bytes, mut starts) = decoded;
        starts.push(self.position(self.bytes.len()));
        Some(Level { bytes: Cow::Owned(bytes), starts: Some(starts) })
    }

    /// Appends a part with its positions to `to`.
    fn copy(&self, part: Range<usize>, (bytes, starts): &mut (Vec<u8>, Vec<usize>)) {
        bytes.extend_from_slice(self.bytes.get(part.clone()).unwrap_or_default());
        match &self.starts {
            Some(known) => starts.extend_from_slice(known.get(part).unwrap_or_default()),
            None => starts.extend(part),
        }
    }
}

/// The meaning of an escape.
#[derive(Debug, Clone, Copy)]
enum Decoded {
    Byte(u8),
    Char(char),
}

impl Decoded {
    fn bytes(self) -> impl Iterator<Item = u8> {
        let mut bytes = [0; 4];
        let length = match self {
            Self::Byte(byte) => {
                bytes = [byte, 0, 0, 0];
                1
            }
            Self::Char(character) => character.encode_utf8(&mut bytes).len(),
        };
        bytes.into_iter().take(length)
    }
}

/// Decodes the escape at the start of a text; returns it with its length.
fn escape(text: &[u8]) -> Option<(Decoded, usize)> {
    let byte = |byte, length| Some((Decoded::Byte(byte), length));
    match text {
        [b'%' | b'\\', b'u', b'{', rest @ ..] => {
            let length = rest.iter().take(7).position(|byte| *byte == b'}')?;
            let digits = str::from_utf8(rest.get(..length)?).ok()?;
            let code = u32::from_str_radix(digits, 16).ok()?;
            Some((Decoded::Char(char::from_u32(code)?), length + 4))
        }
        [b'%' | b'\\', b'u', ..] => utf16_character(text),
        [b'%', high, low, ..] => byte(hexadecimal(*high, *low)?, 3),
        [b'\\', b'x', high, low, ..] => byte(hexadecimal(*high, *low)?, 4),
        [b'\\', escaped, ..] => match escaped {
            b'n' => byte(b'\n', 2),
            b'r' => byte(b'\r', 2),
            b't' => byte(b'\t', 2),
            b'b' => byte(8, 2),
            b'f' => byte(0xc, 2),
            b'0' => byte(0, 2),
            b'\\' | b'"' | b'\'' | b'/' => byte(*escaped, 2),
            _ => None,
        },
        [b'&', rest @ ..] => character_reference(rest),
        _ => None,
    }
}

/// Decodes `\uXXXX`, or a pair of surrogates (RFC 8259, section 7), or the same with `%`.
fn utf16_character(text: &[u8]) -> Option<(Decoded, usize)> {
    let unit = |at: usize| {
        let [_, b'u', a, b, c, d] = *text.get(at..at + 6)? else { return None };
        Some(u16::from_be_bytes([hexadecimal(a, b)?, hexadecimal(c, d)?]))
    };
    let first = unit(0)?;
    if let Some(character) = char::from_u32(first.into()) {
        return Some((Decoded::Char(character), 6));
    }
    let pair = [first, unit(6).filter(|_| text.get(6) == text.first())?];
    let character = char::decode_utf16(pair).next()?.ok()?;
    Some((Decoded::Char(character), 12))
}

/// Maximum length of a character reference without `&` and `;`.
const MAX_REFERENCE: usize = 8;

/// Decodes a character reference of HTML without its `&`: a number, or one of the five names that are in
/// use for every text.
fn character_reference(rest: &[u8]) -> Option<(Decoded, usize)> {
    let length = rest.iter().take(MAX_REFERENCE + 1).position(|byte| *byte == b';')?;
    let name = str::from_utf8(rest.get(..length)?).ok()?;
    let character = match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(digits) => u32::from_str_radix(digits, 16),
                None => number.parse(),
            };
            char::from_u32(code.ok()?)?
        }
    };
    Some((Decoded::Char(character), length + 2))
}

/// Returns the byte with these two hexadecimal digits.
fn hexadecimal(high: u8, low: u8) -> Option<u8> {
    let digit = |digit| char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    Some(digit(high)? << 4 | digit(low)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the text after decoding it once.
    fn once(text: &str) -> Vec<u8> {
        let level = levels(text.as_bytes()).take(2).last();
        level.map(|level| level.bytes.into_owned()).unwrap_or_default()
    }

    #[test]
    fn escapes_are_decoded() {
        for (text, expected) in [
            ("a%20b%2fc%2Fd+", &b"a b/c/d+"[..]),
            (r#"\"\\\n\r\t\'"#, b"\"\\\n\r\t'"),
            (r"\x7f\xc3\xa4\u{e4}\u{1F600}.", b"\x7f\xc3\xa4\xc3\xa4\xf0\x9f\x98\x80."),
            (r"%5Cn%zz%2\q\u{}\u{110000}\x1", br"\n%zz%2\q\u{}\u{110000}\x1"),
            (r"\", br"\"),
            (r"\/\u0026\u003C\u00e4\ud83d\ude00\b\f.", b"/&<\xc3\xa4\xf0\x9f\x98\x80\x08\x0c."),
            (r"\ud83d\u00e4\ude00\u12", b"\\ud83d\xc3\xa4\\ude00\\u12"),
            ("%u00e4%ud83d%ude00%u00", b"\xc3\xa4\xf0\x9f\x98\x80%u00"),
            ("&amp;&lt;&gt;&quot;&apos;&#43;&#x2B;&#xe4;", b"&<>\"'++\xc3\xa4"),
            ("a&b;&;&#;&#x;&#xd800;&nbsp", b"a&b;&;&#;&#x;&#xd800;&nbsp"),
            (r"U\x00T\x00\0F%00", b"UTF"),
        ] {
            assert_eq!(once(text), expected, "{text}");
        }
    }

    #[test]
    fn a_text_is_decoded_until_nothing_is_left() {
        let all = |text: &str| -> Vec<_> {
            let levels = levels(text.as_bytes());
            levels.map(|level| String::from_utf8_lossy(&level.bytes).into_owned()).collect()
        };
        assert_eq!(all("100% &c"), ["100% &c"]);
        assert_eq!(all(r"a%2526\\u0041"), [r"a%2526\\u0041", r"a%26\u0041", "a&A"]);
        assert_eq!(all("%2525252525").len(), MAX_LEVELS);
    }

    #[test]
    fn positions_are_those_of_the_encoded_form() {
        let positions = |text: &str| -> Vec<_> {
            let last = levels(text.as_bytes()).last().unwrap();
            (0..=last.bytes.len()).map(|index| last.position(index)).collect()
        };
        assert_eq!(positions("ab"), [0, 1, 2]);
        // The bytes of a character are within its escape.
        assert_eq!(positions(r"a%20\u{e4}b"), [0, 1, 4, 5, 10, 11]);
        assert_eq!(positions("a%2526b"), [0, 1, 6, 7]);
    }
}
