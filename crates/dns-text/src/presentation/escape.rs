//! Text of single values: escaping, digits of several bases, times.

use std::{
    fmt::Write as _,
    net::{IpAddr, Ipv6Addr},
};

/// Writes a byte as `\DDD`.
fn decimal(text: &mut String, byte: u8) {
    text.push('\\');
    for digit in [byte / 100, byte / 10 % 10, byte % 10] {
        text.push(char::from(b'0' + digit));
    }
}

/// Writes bytes with a backslash before those that are `special`, and `\DDD` for those that are not
/// printable ASCII.
fn escaped(text: &mut String, bytes: &[u8], special: impl Fn(u8) -> bool) {
    for byte in bytes.iter().copied() {
        if special(byte) {
            text.push('\\');
            text.push(char::from(byte));
        } else if matches!(byte, b' '..=b'~') {
            text.push(char::from(byte));
        } else {
            decimal(text, byte);
        }
    }
}

/// Writes a label of a name.
pub(super) fn label(text: &mut String, bytes: &[u8]) {
    escaped(text, bytes, |byte| {
        matches!(byte, b'.' | b' ' | b'\'' | b'@' | b';' | b'(' | b')' | b'"' | b'\\')
    });
}

/// Writes a character string without quotes.
pub(super) fn string(text: &mut String, bytes: &[u8]) {
    escaped(text, bytes, |byte| matches!(byte, b'"' | b'\\'));
}

/// Writes a character string in quotes.
pub(super) fn quoted(text: &mut String, bytes: &[u8]) {
    text.push('"');
    string(text, bytes);
    text.push('"');
}

/// Writes the value of a service parameter (RFC 9460).
pub(super) fn parameter(text: &mut String, bytes: &[u8]) {
    escaped(text, bytes, |byte| matches!(byte, b'"' | b';' | b' ' | b'\\'));
}

/// Writes one protocol of an `alpn` parameter. Commas and backslashes are escaped twice.
pub(super) fn alpn(text: &mut String, bytes: &[u8]) {
    for byte in bytes.iter().copied() {
        match byte {
            b',' => text.push_str(r"\\\044"),
            b'\\' => text.push_str(r"\\\092"),
            _ => parameter(text, &[byte]),
        }
    }
}

/// Writes the value of a CAA or URI record in quotes.
///
/// Like miekg/dns, it takes backslashes for escapes, although they are plain bytes in wire format.
pub(super) fn value_with_escapes(text: &mut String, bytes: &[u8]) {
    text.push('"');
    let mut rest = bytes;
    loop {
        rest = match rest {
            [] => break,
            [b'\\', b'.', after @ ..] => {
                text.push_str("\\.");
                after
            }
            [b'\\', a @ b'0'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9', after @ ..] => {
                let digits = [(a, 100), (b, 10), (c, 1)];
                let byte = digits.iter().fold(0_u8, |sum, (digit, weight)| {
                    sum.wrapping_add((*digit - b'0').wrapping_mul(*weight))
                });
                string(text, &[byte]);
                after
            }
            [b'\\', byte, after @ ..] | [byte, after @ ..] if rest != [b'\\'] => {
                string(text, &[*byte]);
                after
            }
            [_, after @ ..] => after,
        };
    }
    text.push('"');
}

/// Writes bytes as hexadecimal digits in lower case.
pub(super) fn hex(text: &mut String, bytes: &[u8]) {
    for byte in bytes {
        text.extend([byte >> 4, byte & 0xf].map(|nibble| digit(nibble, b'a')));
    }
}

/// Writes bytes as hexadecimal digits in upper case.
pub(super) fn hex_upper(text: &mut String, bytes: &[u8]) {
    for byte in bytes {
        text.extend([byte >> 4, byte & 0xf].map(|nibble| digit(nibble, b'A')));
    }
}

/// Writes bytes in base 32 with the extended hexadecimal alphabet, without padding (RFC 4648).
pub(super) fn base32(text: &mut String, bytes: &[u8]) {
    let mut bits = 0_u16;
    let mut held = 0_u8;
    for byte in bytes {
        bits = (bits << 8) | u16::from(*byte);
        held += 8;
        while held >= 5 {
            held -= 5;
            text.push(five_bits(bits >> held));
        }
    }
    if held > 0 {
        text.push(five_bits(bits << (5 - held)));
    }
}

fn five_bits(bits: u16) -> char {
    let [_, low] = bits.to_be_bytes();
    digit(low & 0x1f, b'A')
}

fn digit(value: u8, ten: u8) -> char {
    char::from(if value < 10 { b'0' + value } else { ten + (value - 10) })
}

/// Writes bytes in base 64 with padding.
pub(super) fn base64(text: &mut String, bytes: &[u8]) {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode_string(bytes, text);
}

/// Writes seconds since 1970 as `YYYYMMDDHHMMSS`. A year may have more than four digits.
pub(super) fn time(text: &mut String, seconds: u64) -> std::fmt::Result {
    const DAY: u64 = 24 * 60 * 60;
    // Days are counted from 1 March of the year 0, which makes the leap day the last of its year,
    // and in cycles of 400 years, which all have the same number of days.
    const CYCLE: u64 = 400 * 365 + 97;
    let day = seconds / DAY + 719_468;
    let day_of_cycle = day % CYCLE;
    let year_of_cycle = (day_of_cycle - day_of_cycle / 1460 + day_of_cycle / 36_524
        - day_of_cycle / (CYCLE - 1))
        / 365;
    let day_of_year =
        day_of_cycle - (365 * year_of_cycle + year_of_cycle / 4 - year_of_cycle / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day_of_month = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    let year = day / CYCLE * 400 + year_of_cycle + u64::from(month <= 2);
    let (hour, minute, second) = (seconds % DAY / 3600, seconds / 60 % 60, seconds % 60);
    write!(text, "{year:04}{month:02}{day_of_month:02}{hour:02}{minute:02}{second:02}")
}

/// Converts an IPv6 address as Go does before printing: an IPv4-mapped address loses its prefix.
pub(super) fn go_address(address: Ipv6Addr) -> IpAddr {
    IpAddr::V6(address).to_canonical()
}

/// Writes bytes as Go's `regexp` decodes them: each invalid byte of UTF-8 becomes one U+FFFD.
pub(super) fn raw(text: &mut String, bytes: &[u8]) {
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(write: impl Fn(&mut String, &[u8]), bytes: &[u8]) -> String {
        let mut text = String::new();
        write(&mut text, bytes);
        text
    }

    #[test]
    fn bytes_are_escaped_by_context() {
        assert_eq!(of(label, b"a.b@c \x07\xff'"), r"a\.b\@c\ \007\255\'");
        assert_eq!(of(quoted, b"a\"b\\c;\n"), r#""a\"b\\c;\010""#);
        assert_eq!(of(parameter, b"a b;c\\\x7f"), r"a\ b\;c\\\127");
        assert_eq!(of(alpn, b"h2,x\\y\x01"), r"h2\\\044x\\\092y\001");
    }

    #[test]
    fn backslashes_in_values_are_escapes() {
        for (bytes, text) in [
            (&b"plain"[..], r#""plain""#),
            (br"a\.b", r#""a\.b""#),
            (br"\065\x", r#""Ax""#),
            (br"\999", r#""\231""#),
            (br"\06", r#""06""#),
            (b"\\", r#""""#),
            (b"a\\", r#""a""#),
            (br"\\", r#""\\""#),
            (b"a\"\xe9", r#""a\"\233""#),
        ] {
            assert_eq!(of(value_with_escapes, bytes), text, "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn bytes_are_written_in_each_base() {
        assert_eq!(of(hex, &[0, 0xab, 0xff]), "00abff");
        assert_eq!(of(hex_upper, &[0, 0xab, 0xff]), "00ABFF");
        for (bytes, text) in [
            (&b""[..], ""),
            (b"f", "CO"),
            (b"fo", "CPNG"),
            (b"foo", "CPNMU"),
            (b"foob", "CPNMUOG"),
            (b"fooba", "CPNMUOJ1"),
            (b"foobar", "CPNMUOJ1E8"),
        ] {
            assert_eq!(of(base32, bytes), text);
        }
        assert_eq!(of(base64, b"foob"), "Zm9vYg==");
    }

    #[test]
    fn times_are_written_as_digits() {
        for (seconds, text) in [
            (0, "19700101000000"),
            (1_752_444_130, "20250713220210"),
            (u64::from(u32::MAX), "21060207062815"),
            (253_402_300_800, "100000101000000"),
            (951_782_400, "20000229000000"),
            (951_868_799, "20000229235959"),
            (1_709_251_200, "20240301000000"),
            (4_102_444_799, "20991231235959"),
            (281_474_976_710_655, "89215561207104415"),
        ] {
            let mut written = String::new();
            time(&mut written, seconds).unwrap();
            assert_eq!(written, text);
        }
    }

    #[test]
    fn each_invalid_byte_is_one_replacement_character() {
        assert_eq!(of(raw, b"a\xe2\x82b\xff\xc3\xa9"), "a\u{fffd}\u{fffd}b\u{fffd}é");
    }
}
