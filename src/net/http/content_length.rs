//! The length of a body that its header announces.

use http::{HeaderMap, header};

/// The header `Content-Length` of a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ContentLength {
    /// There is none.
    Absent,
    /// One number.
    Number(u64),
    /// The same number several times.
    Repeated(u64),
    /// Something else, such as two different numbers.
    Invalid,
}

impl ContentLength {
    /// Parses `Content-Length`. Numbers have 63 bits, as in Go.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let mut values =
            headers.get_all(header::CONTENT_LENGTH).iter().map(http::HeaderValue::as_bytes);
        let Some(first) = values.next() else { return Self::Absent };
        let mut others = values.flat_map(words).peekable();
        if let Some(number) = number(first).filter(|_| others.peek().is_none()) {
            return Self::Number(number);
        }
        let mut words = words(first).chain(others);
        let word = words.next().unwrap_or_default();
        match number(word).filter(|_| words.all(|other| other == word)) {
            Some(number) => Self::Repeated(number),
            None => Self::Invalid,
        }
    }
}

/// Returns the elements of a list.
fn words(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii)
}

/// Parses a number of decimal digits.
fn number(text: &[u8]) -> Option<u64> {
    let digits = str::from_utf8(text).ok().filter(|_| text.iter().all(u8::is_ascii_digit))?;
    digits.parse::<i64>().ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn a_length_is_one_number_perhaps_repeated() {
        use ContentLength::{Absent, Invalid, Number, Repeated};
        for (values, expected) in [
            (&[][..], Absent),
            (&["5"], Number(5)),
            (&["005"], Number(5)),
            (&["9223372036854775807"], Number(u64::MAX / 2)),
            (&["9223372036854775808"], Invalid),
            (&["+5"], Invalid),
            (&["-5"], Invalid),
            (&[""], Invalid),
            (&["5x"], Invalid),
            (&["0x5"], Invalid),
            (&["5 5"], Invalid),
            (&["5, 5"], Repeated(5)),
            (&["5, 6"], Invalid),
            (&["5,"], Invalid),
            (&["5", "5 "], Repeated(5)),
            (&["5", "05"], Invalid),
            (&["5", ""], Invalid),
        ] {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::CONTENT_LENGTH, HeaderValue::from_static(value));
            }
            assert_eq!(ContentLength::of(&headers), expected, "{values:?}");
        }
    }
}
