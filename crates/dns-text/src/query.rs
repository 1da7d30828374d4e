//! Queries: names as users write them, and the message that asks for one.

use std::fmt;

use thiserror::Error;

use super::{HEADER_LENGTH, MAX_LABEL, MAX_NAME};

/// A domain name of a query. Letters keep their case.
///
/// The text has the format of RFC 1035, section 5.1: `\X` stands for the character X as a part of
/// the label, and `\DDD` for the byte with this decimal number. The final dot is optional. The
/// default is the root.
///
/// ```
/// use dns_text::QueryName;
///
/// let name = QueryName::new(r"john\.doe.example")?;
/// assert_eq!(name.labels().collect::<Vec<_>>(), [&b"john.doe"[..], b"example"]);
/// assert_eq!(QueryName::new("a..b").unwrap_err().to_string(), "has an empty label");
/// # Ok::<(), dns_text::NameError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryName {
    written: String,
    wire: Vec<u8>,
}

/// The reason why a text is not a domain name, as the predicate of a sentence about the name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NameError {
    /// Two dots in a row, or a dot at the start.
    #[error("has an empty label")]
    EmptyLabel,
    /// A label is longer than [`MAX_LABEL`].
    #[error("has a label of more than {MAX_LABEL} bytes")]
    LongLabel,
    /// The name is longer than [`MAX_NAME`].
    #[error("is longer than {MAX_NAME} bytes")]
    Long,
    /// A backslash at the end, or a number above 255.
    #[error("has an invalid escape sequence after a backslash")]
    BadEscape,
}

impl QueryName {
    /// Parses a name.
    pub fn new(written: &str) -> Result<Self, NameError> {
        let mut wire = Vec::with_capacity(written.len() + 2);
        let mut label = Vec::new();
        let mut rest = if written == "." { &[] } else { written.as_bytes() };
        while !rest.is_empty() {
            rest = match rest {
                [b'.', after @ ..] => {
                    close(&mut label, &mut wire)?;
                    after
                }
                [b'\\', a @ b'0'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9', after @ ..] => {
                    let number = [a, b, c].map(|digit| u16::from(*digit - b'0'));
                    let number = number.into_iter().fold(0, |number, digit| number * 10 + digit);
                    label.push(u8::try_from(number).map_err(|_| NameError::BadEscape)?);
                    after
                }
                [b'\\'] => return Err(NameError::BadEscape),
                [b'\\', byte, after @ ..] | [byte, after @ ..] => {
                    label.push(*byte);
                    after
                }
                [] => break,
            };
        }
        if !label.is_empty() {
            close(&mut label, &mut wire)?;
        }
        wire.push(0);
        if wire.len() > MAX_NAME {
            return Err(NameError::Long);
        }
        Ok(Self { written: written.to_owned(), wire })
    }

    /// Returns the labels of the name, without the empty label of the root.
    pub fn labels(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = self.wire.as_slice();
        std::iter::from_fn(move || {
            let (length, after) = rest.split_first()?;
            let (label, after) = after.split_at_checked(usize::from(*length))?;
            rest = after;
            (!label.is_empty()).then_some(label)
        })
    }

    /// Returns the name as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.written
    }
}

/// Appends a label to the name and clears it.
fn close(label: &mut Vec<u8>, wire: &mut Vec<u8>) -> Result<(), NameError> {
    if label.is_empty() {
        return Err(NameError::EmptyLabel);
    }
    let length = u8::try_from(label.len()).ok().filter(|length| usize::from(*length) <= MAX_LABEL);
    wire.push(length.ok_or(NameError::LongLabel)?);
    wire.append(label);
    Ok(())
}

impl Default for QueryName {
    fn default() -> Self {
        Self { written: String::new(), wire: vec![0] }
    }
}

impl fmt::Display for QueryName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(if self.written.is_empty() { "." } else { &self.written })
    }
}

/// Header flag RD: the client asks the server to resolve the name recursively.
pub const RECURSION_DESIRED: u16 = 1 << 8;

/// Encodes a message with one question and these header flags, without EDNS.
#[must_use]
pub fn encode(identifier: u16, flags: u16, name: &QueryName, kind: u16, class: u16) -> Vec<u8> {
    let header = [identifier, flags, 1, 0, 0, 0];
    let mut message = Vec::with_capacity(HEADER_LENGTH + name.wire.len() + RESERVED);
    message.extend(header.into_iter().flat_map(u16::to_be_bytes));
    message.extend_from_slice(&name.wire);
    message.extend_from_slice(&kind.to_be_bytes());
    message.extend_from_slice(&class.to_be_bytes());
    message
}

/// Length in bytes of type and class, and of an OPT record without options.
const RESERVED: usize = 4 + OPT.len() + 8;

/// The root name and the type OPT.
const OPT: [u8; 3] = [0, 0, 41];

/// Adds an OPT record to a query without additional records. It allows UDP responses of up to
/// `max_size` bytes (RFC 6891).
pub fn add_edns(query: &mut Vec<u8>, max_size: u16) {
    query.extend(OPT);
    query.extend(max_size.to_be_bytes());
    // Extended RCODE, version and flags; no options.
    query.extend([0; 6]);
    if let Some(count) = query.get_mut(ADDITIONAL_COUNT) {
        *count = 1;
    }
}

/// Offset of the lower byte of the number of additional records.
const ADDITIONAL_COUNT: usize = HEADER_LENGTH - 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_encoded_as_written() {
        for (written, wire) in [
            (".", &b"\x00"[..]),
            ("Example.com", b"\x07Example\x03com\x00"),
            ("example.com.", b"\x07example\x03com\x00"),
            (r"a\.b.c", b"\x03a.b\x01c\x00"),
            (r"a\.", b"\x02a.\x00"),
            (r"\065\\\.x", b"\x04A\\.x\x00"),
            (r"\06", b"\x0206\x00"),
            ("ä", b"\x02\xc3\xa4\x00"),
            ("_x._y", b"\x02_x\x02_y\x00"),
        ] {
            assert_eq!(QueryName::new(written).unwrap().wire, wire, "{written}");
        }
    }

    #[test]
    fn invalid_names_are_rejected() {
        let label = "a".repeat(63);
        let longest = format!("{label}.{label}.{label}.{}", "a".repeat(61));
        assert!(QueryName::new(&longest).is_ok());
        for (written, error) in [
            ("..", NameError::EmptyLabel),
            (".a", NameError::EmptyLabel),
            ("a..b", NameError::EmptyLabel),
            ("a..", NameError::EmptyLabel),
            ("a\\", NameError::BadEscape),
            (r"\256", NameError::BadEscape),
            (&format!("{label}a"), NameError::LongLabel),
            (&format!("{longest}a"), NameError::Long),
        ] {
            assert_eq!(QueryName::new(written), Err(error), "{written}");
        }
    }

    #[test]
    fn a_query_has_one_question_and_nothing_else() {
        let name = QueryName::new("Ab.c").unwrap();
        assert_eq!(
            encode(0x1234, RECURSION_DESIRED, &name, 6, 1),
            b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x02Ab\x01c\x00\x00\x06\x00\x01"
        );
        let root = QueryName::default();
        assert_eq!(
            encode(0, 0, &root, 255, 3),
            b"\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\xff\x00\x03"
        );
    }

    #[test]
    fn edns_is_an_additional_record() {
        let mut query = encode(0, 0, &QueryName::default(), 1, 1);
        add_edns(&mut query, 1232);
        assert_eq!(
            query,
            b"\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x01\x00\x00\x01\x00\x01\
              \x00\x00\x29\x04\xd0\x00\x00\x00\x00\x00\x00"
        );
    }
}
