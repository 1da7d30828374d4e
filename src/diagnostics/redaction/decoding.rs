//! Bytes of a text, plain or decoded, with their positions in the text.

use std::ops::Range;

/// One byte of a text after decoding.
#[derive(Debug, Clone, Copy)]
pub(super) struct Unit {
    pub(super) byte: u8,
    /// Position of its encoded form.
    pub(super) start: usize,
    pub(super) end: usize,
    /// True if the byte is not encoded.
    pub(super) is_plain: bool,
}

/// The encodings that are decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    /// Nothing is decoded.
    Plain,
    /// Escapes of quoted texts and JSON, percent-encoding, and character references of HTML.
    Escaped,
    /// The same, and `+` for a space, as in forms.
    Form,
}

/// Iterates over the bytes of a text.
#[derive(Debug)]
pub(super) struct Units<'t> {
    text: &'t [u8],
    encoding: Encoding,
    at: usize,
    /// The rest of a decoded character, and the position of its encoded form.
    pending: ([u8; 4], Range<usize>),
    position: Range<usize>,
}

impl Encoding {
    /// Returns true if decoding may change `text`.
    pub(super) fn is_used_in(self, text: &str) -> bool {
        match self {
            Self::Plain => true,
            Self::Escaped => text.contains(['%', '\\', '&']),
            Self::Form => text.contains('+'),
        }
    }

    /// Returns the bytes of `text`.
    pub(super) fn units(self, text: &str) -> Units<'_> {
        let text = text.as_bytes();
        Units { text, encoding: self, at: 0, pending: ([0; 4], 0..0), position: 0..0 }
    }
}

impl Iterator for Units<'_> {
    type Item = Unit;

    fn next(&mut self) -> Option<Unit> {
        let (bytes, rest) = &mut self.pending;
        if let Some(byte) = rest.next().and_then(|index| bytes.get(index)) {
            let Range { start, end } = self.position;
            return Some(Unit { byte: *byte, start, end, is_plain: false });
        }
        let start = self.at;
        let byte = *self.text.get(start)?;
        let decoded = match (byte, self.encoding) {
            (b'%' | b'\\' | b'&' | b'+', Encoding::Escaped | Encoding::Form) => self.decode(byte),
            _ => None,
        };
        self.at = start + decoded.map_or(1, |(_, length)| length);
        let end = self.at;
        let Some((character, _)) = decoded else {
            return Some(Unit { byte, start, end, is_plain: true });
        };
        let byte = match character {
            Decoded::Byte(byte) => byte,
            Decoded::Char(character) => {
                let mut bytes = [0; 4];
                let length = character.encode_utf8(&mut bytes).len();
                self.pending = (bytes, 1..length);
                self.position = start..end;
                let [first, ..] = bytes;
                first
            }
        };
        Some(Unit { byte, start, end, is_plain: false })
    }
}

#[derive(Debug, Clone, Copy)]
enum Decoded {
    Byte(u8),
    Char(char),
}

impl Units<'_> {
    /// Decodes the escape that begins here; returns it with its length.
    fn decode(&self, first: u8) -> Option<(Decoded, usize)> {
        let rest = self.text.get(self.at + 1..)?;
        let byte = |byte, length| Some((Decoded::Byte(byte), length));
        match (first, rest) {
            (b'+', _) => (self.encoding == Encoding::Form).then_some((Decoded::Byte(b' '), 1)),
            (b'%', [high, low, ..]) => byte(hexadecimal(*high, *low)?, 3),
            (b'\\', [b'x', high, low, ..]) => byte(hexadecimal(*high, *low)?, 4),
            (b'\\', [b'u', b'{', rest @ ..]) => {
                let length = rest.iter().take(7).position(|byte| *byte == b'}')?;
                let digits = str::from_utf8(rest.get(..length)?).ok()?;
                let code = u32::from_str_radix(digits, 16).ok()?;
                Some((Decoded::Char(char::from_u32(code)?), length + 4))
            }
            (b'\\', [b'u', ..]) => json_character(rest),
            (b'\\', [escaped, ..]) => match escaped {
                b'n' => byte(b'\n', 2),
                b'r' => byte(b'\r', 2),
                b't' => byte(b'\t', 2),
                b'b' => byte(8, 2),
                b'f' => byte(0xc, 2),
                b'0' => byte(0, 2),
                b'\\' | b'"' | b'\'' | b'/' => byte(*escaped, 2),
                _ => None,
            },
            (b'&', _) => character_reference(rest),
            _ => None,
        }
    }
}

/// Decodes an escape of JSON without its backslash: `uXXXX`, or a pair of surrogates (RFC 8259, section 7).
fn json_character(rest: &[u8]) -> Option<(Decoded, usize)> {
    let unit = |at: usize| {
        let [b'u', digits @ ..] = rest.get(at..at + 5)? else { return None };
        let [a, b, c, d] = *digits else { return None };
        Some(u16::from_be_bytes([hexadecimal(a, b)?, hexadecimal(c, d)?]))
    };
    let first = unit(0)?;
    if let Some(character) = char::from_u32(first.into()) {
        return Some((Decoded::Char(character), 6));
    }
    let pair = [first, unit(6).filter(|_| rest.get(5) == Some(&b'\\'))?];
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

    #[test]
    fn escapes_are_decoded() {
        for (encoding, text, expected) in [
            (Encoding::Plain, r"a%20\n+", &br"a%20\n+"[..]),
            (Encoding::Escaped, r"a%20b%2fc%2Fd+", b"a b/c/d+"),
            (Encoding::Escaped, r#"\"\\\n\r\t\0\'"#, b"\"\\\n\r\t\0'"),
            (
                Encoding::Escaped,
                r"\x7f\xc3\xa4\u{e4}\u{1F600}.",
                b"\x7f\xc3\xa4\xc3\xa4\xf0\x9f\x98\x80.",
            ),
            (Encoding::Escaped, r"%5Cn%zz%2\q\u{}\u{110000}\x1", br"\n%zz%2\q\u{}\u{110000}\x1"),
            (Encoding::Escaped, r"\", br"\"),
            (
                Encoding::Escaped,
                r"\/\u0026\u003C\u00e4\ud83d\ude00\b\f.",
                b"/&<\xc3\xa4\xf0\x9f\x98\x80\x08\x0c.",
            ),
            (Encoding::Escaped, r"\ud83d\u00e4\ude00\u12", b"\\ud83d\xc3\xa4\\ude00\\u12"),
            (Encoding::Escaped, "&amp;&lt;&gt;&quot;&apos;&#43;&#x2B;&#xe4;", b"&<>\"'++\xc3\xa4"),
            (Encoding::Escaped, "a&b;&;&#;&#x;&#xd800;&nbsp", b"a&b;&;&#;&#x;&#xd800;&nbsp"),
            (Encoding::Form, "a+b%2B", b"a b+"),
        ] {
            let decoded: Vec<_> = encoding.units(text).map(|unit| unit.byte).collect();
            assert_eq!(decoded, expected, "{text}");
        }
    }

    #[test]
    fn positions_are_those_of_the_encoded_form() {
        let units: Vec<_> = Encoding::Escaped.units(r"a%20\u{e4}b").collect();
        let positions: Vec<_> = units.iter().map(|unit| (unit.start, unit.end)).collect();
        assert_eq!(positions, [(0, 1), (1, 4), (4, 10), (4, 10), (10, 11)]);
    }
}
