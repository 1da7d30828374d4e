//! The question: a name as users write it, and the message that asks for it.

use std::fmt;

use thiserror::Error;

use super::{HEADER_LENGTH, MAX_LABEL, MAX_NAME};

/// A name that can be asked for; its letters keep their case.
///
/// A backslash makes the character after it a part of the label, and `\DDD` is an octet by its
/// number. The final dot may be left out. The default is the root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryName {
    written: String,
    wire: Vec<u8>,
}

/// Why a name cannot be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BadName {
    /// Two dots in a row, or a dot at the start.
    #[error("has an empty label")]
    EmptyLabel,
    /// RFC 1035, section 2.3.4.
    #[error("has a label of more than {MAX_LABEL} bytes")]
    LongLabel,
    /// RFC 1035, section 2.3.4.
    #[error("is longer than {MAX_NAME} bytes")]
    Long,
    /// A backslash at the end, or a number above 255.
    #[error("has a backslash that escapes nothing")]
    BadEscape,
}

impl QueryName {
    /// Reads a name. Upstream finds a bad one only when it probes.
    pub fn new(written: &str) -> Result<Self, BadName> {
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
                    label.push(u8::try_from(number).map_err(|_| BadName::BadEscape)?);
                    after
                }
                [b'\\'] => return Err(BadName::BadEscape),
                [b'\\', octet, after @ ..] | [octet, after @ ..] => {
                    label.push(*octet);
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
            return Err(BadName::Long);
        }
        Ok(Self { written: written.to_owned(), wire })
    }

    /// The labels of the name.
    pub fn labels(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = self.wire.as_slice();
        std::iter::from_fn(move || {
            let (length, after) = rest.split_first()?;
            let (label, after) = after.split_at_checked(usize::from(*length))?;
            rest = after;
            (!label.is_empty()).then_some(label)
        })
    }

    /// The name as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.written
    }
}

fn close(label: &mut Vec<u8>, wire: &mut Vec<u8>) -> Result<(), BadName> {
    if label.is_empty() {
        return Err(BadName::EmptyLabel);
    }
    let length = u8::try_from(label.len()).ok().filter(|length| usize::from(*length) <= MAX_LABEL);
    wire.push(length.ok_or(BadName::LongLabel)?);
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

/// The header flag that asks a server to resolve the name recursively.
pub const RECURSION_DESIRED: u16 = 1 << 8;

/// The message that asks one question, with these header flags and without EDNS.
#[must_use]
pub fn encode(identifier: u16, flags: u16, name: &QueryName, kind: u16, class: u16) -> Vec<u8> {
    let header = [identifier, flags, 1, 0, 0, 0];
    let mut message = Vec::with_capacity(HEADER_LENGTH + name.wire.len() + ROOM);
    message.extend(header.into_iter().flat_map(u16::to_be_bytes));
    message.extend_from_slice(&name.wire);
    message.extend_from_slice(&kind.to_be_bytes());
    message.extend_from_slice(&class.to_be_bytes());
    message
}

/// Octets of type and class, and of an OPT record without options.
const ROOM: usize = 4 + OPT.len() + 8;

/// The root name and the type OPT.
const OPT: [u8; 3] = [0, 0, 41];

/// Adds to a query, which has no additional records, that the answer may have so many octets
/// (RFC 6891).
pub fn add_edns(query: &mut Vec<u8>, largest: u16) {
    query.extend(OPT);
    query.extend(largest.to_be_bytes());
    // Extended code, version and flags; no options.
    query.extend([0; 6]);
    if let Some(count) = query.get_mut(ADDITIONAL_COUNT) {
        *count = 1;
    }
}

/// The lower octet of the number of additional records.
const ADDITIONAL_COUNT: usize = HEADER_LENGTH - 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_on_the_wire_as_written() {
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
    fn names_that_cannot_be_asked_for_are_refused() {
        let label = "a".repeat(63);
        let longest = format!("{label}.{label}.{label}.{}", "a".repeat(61));
        assert!(QueryName::new(&longest).is_ok());
        for (written, error) in [
            ("..", BadName::EmptyLabel),
            (".a", BadName::EmptyLabel),
            ("a..b", BadName::EmptyLabel),
            ("a..", BadName::EmptyLabel),
            ("a\\", BadName::BadEscape),
            (r"\256", BadName::BadEscape),
            (&format!("{label}a"), BadName::LongLabel),
            (&format!("{longest}a"), BadName::Long),
        ] {
            assert_eq!(QueryName::new(written), Err(error), "{written}");
        }
    }

    #[test]
    fn a_question_has_no_frills() {
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
