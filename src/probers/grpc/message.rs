//! The two messages of a health check, and the frame around each (`grpc.health.v1.Health`).
//!
//! A frame is a byte that says whether the message is compressed, its length in four bytes, and
//! the message. Both messages have one field with the number 1.

use std::fmt;

/// What a service says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServingStatus(pub i32);

impl ServingStatus {
    /// Those that have a name, in the order of their numbers.
    pub const KNOWN: [Self; 4] = [Self(0), Self(1), Self(2), Self(3)];

    /// The service works.
    pub const SERVING: Self = Self(1);
}

/// The name, or the number where there is none.
impl fmt::Display for ServingStatus {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => formatter.write_str("UNKNOWN"),
            1 => formatter.write_str("SERVING"),
            2 => formatter.write_str("NOT_SERVING"),
            3 => formatter.write_str("SERVICE_UNKNOWN"),
            number => number.fmt(formatter),
        }
    }
}

/// Why what came is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BadAnswer {
    /// Nothing came, or less than was announced.
    Incomplete,
    /// There is more than one message.
    TooMany,
    /// It is compressed, which was not asked for.
    Compressed,
    /// It is no message of that kind.
    Malformed,
}

impl fmt::Display for BadAnswer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Incomplete => "the answer holds no whole message",
            Self::TooMany => "the answer holds more than one message",
            Self::Compressed => "the answer is compressed, which was not asked for",
            Self::Malformed => "the answer cannot be decoded",
        })
    }
}

/// Bytes before a message.
const PREFIX: usize = 5;

/// The field 1 as text, and as a number.
const SERVICE: u8 = 1 << 3 | 2;
const STATUS: u64 = 1 << 3;

/// The request for the status of `service`, with its frame.
pub(super) fn request(service: &str) -> Vec<u8> {
    let mut message = Vec::new();
    if !service.is_empty() {
        message.push(SERVICE);
        push_varint(&mut message, service.len());
        message.extend_from_slice(service.as_bytes());
    }
    // A service's name of 4 GiB fits no configuration.
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
    [&[0], length.to_be_bytes().as_slice(), &message].concat()
}

fn push_varint(bytes: &mut Vec<u8>, mut number: usize) {
    while number > 0x7f {
        bytes.push(u8::try_from(number & 0x7f).unwrap_or_default() | 0x80);
        number >>= 7;
    }
    bytes.push(u8::try_from(number).unwrap_or_default());
}

/// The status in an answer with its frame.
pub(super) fn answer(framed: &[u8]) -> Result<ServingStatus, BadAnswer> {
    let (prefix, behind) = framed.split_first_chunk::<PREFIX>().ok_or(BadAnswer::Incomplete)?;
    let [compressed, length @ ..] = *prefix;
    if compressed != 0 {
        return Err(BadAnswer::Compressed);
    }
    let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
    let (message, more) = behind.split_at_checked(length).ok_or(BadAnswer::Incomplete)?;
    if !more.is_empty() {
        return Err(BadAnswer::TooMany);
    }
    status(message).ok_or(BadAnswer::Malformed)
}

/// The last field 1 of a message; fields that are not known are skipped.
fn status(message: &[u8]) -> Option<ServingStatus> {
    let mut status = ServingStatus(0);
    let mut rest = message;
    while !rest.is_empty() {
        let key = take_varint(&mut rest)?;
        if key >> 3 == 0 || key >> 3 > MOST_FIELDS {
            return None;
        }
        if key == STATUS {
            // As in any implementation, the lower half of a number that is too large counts.
            let [a, b, c, d, ..] = take_varint(&mut rest)?.to_le_bytes();
            status = ServingStatus(i32::from_le_bytes([a, b, c, d]));
            continue;
        }
        let length = match key & 7 {
            0 => {
                take_varint(&mut rest)?;
                0
            }
            1 => 8,
            2 => usize::try_from(take_varint(&mut rest)?).ok()?,
            5 => 4,
            // Groups are out of use since long before there was a health service.
            _ => return None,
        };
        rest = rest.get(length..)?;
    }
    Some(status)
}

/// The highest number of a field.
const MOST_FIELDS: u64 = (1 << 29) - 1;

/// Takes a number in groups of seven bits, the lowest first.
fn take_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..u64::BITS).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        // Of the tenth group one bit is left.
        if shift == 63 && *byte > 1 {
            return None;
        }
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn framed(message: &[u8]) -> Vec<u8> {
        let length = u32::try_from(message.len()).unwrap().to_be_bytes();
        [&[0], length.as_slice(), message].concat()
    }

    #[test]
    fn a_request_names_the_service_if_there_is_one() {
        assert_eq!(request(""), [0, 0, 0, 0, 0]);
        assert_eq!(request("ab"), [0, 0, 0, 0, 4, 0x0a, 2, b'a', b'b']);
        let long = "x".repeat(300);
        let expected = [&[0, 0, 0, 0x01, 0x2f, 0x0a, 0xac, 0x02], long.as_bytes()].concat();
        assert_eq!(request(&long), expected);
    }

    #[test]
    fn an_answer_tells_the_status() {
        let minus_one = [8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1];
        for (message, status) in [
            (&[][..], 0),
            (&[8, 1], 1),
            (&[8, 0x87, 0], 7),
            (&[8, 2, 8, 1], 1),
            (&minus_one, -1),
            (&[0x12, 2, 8, 8, 8, 3], 3),
            (&[0x10, 5, 0x19, 1, 2, 3, 4, 5, 6, 7, 8, 0x25, 1, 2, 3, 4, 8, 2], 2),
            (&[0x0a, 1, 1], 0),
        ] {
            assert_eq!(answer(&framed(message)), Ok(ServingStatus(status)), "{message:?}");
        }
    }

    #[test]
    fn what_is_no_answer_is_refused() {
        let mut compressed = framed(&[8, 1]);
        compressed[0] = 1;
        let two = framed(&[8, 1]).repeat(2);
        for (bytes, error) in [
            (Vec::new(), BadAnswer::Incomplete),
            (vec![0, 0, 0, 0, 2, 8], BadAnswer::Incomplete),
            (vec![0, 0xff, 0xff, 0xff, 0xff, 8], BadAnswer::Incomplete),
            (two, BadAnswer::TooMany),
            (compressed, BadAnswer::Compressed),
            (framed(&[8]), BadAnswer::Malformed),
            (framed(&[8, 0x80]), BadAnswer::Malformed),
            (framed(&[0, 1]), BadAnswer::Malformed),
            (framed(&[0x12, 200, 1]), BadAnswer::Malformed),
            (framed(&[0x0b]), BadAnswer::Malformed),
            (framed(&[8, 255, 255, 255, 255, 255, 255, 255, 255, 255, 2]), BadAnswer::Malformed),
        ] {
            assert_eq!(answer(&bytes), Err(error), "{bytes:?}");
        }
    }

    #[test]
    fn a_status_without_a_name_is_its_number() {
        assert_eq!(ServingStatus(7).to_string(), "7");
        assert_eq!(ServingStatus::KNOWN.map(|known| known.to_string())[3], "SERVICE_UNKNOWN");
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let _ = answer(&bytes);
            let _ = answer(&framed(&bytes));
        }
    }
}
