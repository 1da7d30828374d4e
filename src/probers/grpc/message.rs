//! The two messages of a health check (`grpc.health.v1.Health`) and their frames.
//!
//! A frame consists of one byte (1 if the message is compressed), the length of the message in four
//! bytes, and the message. Both messages have one field, with the number 1.

use std::fmt;

/// The serving status of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServingStatus(pub i32);

impl ServingStatus {
    /// The statuses with a name, in the order of their numbers.
    pub const KNOWN: [Self; 4] = [Self(0), Self(1), Self(2), Self(3)];

    /// The service is healthy.
    pub const SERVING: Self = Self(1);
}

/// Writes the name, or the number if there is none.
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

/// The error of a response that is not exactly one valid message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum InvalidMessage {
    /// The message is missing or shorter than its length.
    Incomplete,
    /// There is more than one message.
    TooMany,
    /// The message is compressed, although the request allows no compression.
    Compressed,
    /// The message cannot be decoded.
    Malformed,
}

impl fmt::Display for InvalidMessage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Incomplete => "the response contains no complete message",
            Self::TooMany => "the response contains more than one message",
            Self::Compressed => {
                "the response is compressed, although the request accepts no \
                 compression"
            }
            Self::Malformed => "the message of the response is malformed",
        })
    }
}

/// Size of the frame header in bytes.
const PREFIX: usize = 5;

/// Tags of field 1: `service` (text) and `status` (number).
const SERVICE: u8 = 1 << 3 | 2;
const STATUS: u64 = 1 << 3;

/// Encodes the request for the status of `service`, with its frame.
pub(super) fn request(service: &str) -> Vec<u8> {
    let mut message = Vec::new();
    if !service.is_empty() {
        message.push(SERVICE);
        push_varint(&mut message, service.len());
        message.extend_from_slice(service.as_bytes());
    }
    // A configuration cannot contain a name of 4 GiB.
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

/// Decodes the status in a response with its frame.
pub(super) fn response(framed: &[u8]) -> Result<ServingStatus, InvalidMessage> {
    let (prefix, rest) = framed.split_first_chunk::<PREFIX>().ok_or(InvalidMessage::Incomplete)?;
    let [compressed, length @ ..] = *prefix;
    if compressed != 0 {
        return Err(InvalidMessage::Compressed);
    }
    let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
    let (message, more) = rest.split_at_checked(length).ok_or(InvalidMessage::Incomplete)?;
    if !more.is_empty() {
        return Err(InvalidMessage::TooMany);
    }
    status(message).ok_or(InvalidMessage::Malformed)
}

/// Returns the last field 1 of a message. Unknown fields are skipped.
fn status(message: &[u8]) -> Option<ServingStatus> {
    let mut status = ServingStatus(0);
    let mut rest = message;
    while !rest.is_empty() {
        let key = take_varint(&mut rest)?;
        if key >> 3 == 0 || key >> 3 > MAX_FIELD_NUMBER {
            return None;
        }
        if key == STATUS {
            // As in all implementations, only the lower 32 bits are used.
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
            // Groups were deprecated long before the health service existed.
            _ => return None,
        };
        rest = rest.get(length..)?;
    }
    Some(status)
}

/// Maximum field number.
const MAX_FIELD_NUMBER: u64 = (1 << 29) - 1;

/// Takes a variable-length integer: groups of seven bits, the lowest first.
fn take_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..u64::BITS).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        // The tenth group has only one bit.
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
    fn requests_contain_the_service_if_configured() {
        assert_eq!(request(""), [0, 0, 0, 0, 0]);
        assert_eq!(request("ab"), [0, 0, 0, 0, 4, 0x0a, 2, b'a', b'b']);
        let long = "x".repeat(300);
        let expected = [&[0, 0, 0, 0x01, 0x2f, 0x0a, 0xac, 0x02], long.as_bytes()].concat();
        assert_eq!(request(&long), expected);
    }

    #[test]
    fn responses_contain_the_status() {
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
            assert_eq!(response(&framed(message)), Ok(ServingStatus(status)), "{message:?}");
        }
    }

    #[test]
    fn invalid_responses_are_rejected() {
        let mut compressed = framed(&[8, 1]);
        compressed[0] = 1;
        let two = framed(&[8, 1]).repeat(2);
        for (bytes, error) in [
            (Vec::new(), InvalidMessage::Incomplete),
            (vec![0, 0, 0, 0, 2, 8], InvalidMessage::Incomplete),
            (vec![0, 0xff, 0xff, 0xff, 0xff, 8], InvalidMessage::Incomplete),
            (two, InvalidMessage::TooMany),
            (compressed, InvalidMessage::Compressed),
            (framed(&[8]), InvalidMessage::Malformed),
            (framed(&[8, 0x80]), InvalidMessage::Malformed),
            (framed(&[0, 1]), InvalidMessage::Malformed),
            (framed(&[0x12, 200, 1]), InvalidMessage::Malformed),
            (framed(&[0x0b]), InvalidMessage::Malformed),
            (
                framed(&[8, 255, 255, 255, 255, 255, 255, 255, 255, 255, 2]),
                InvalidMessage::Malformed,
            ),
        ] {
            assert_eq!(response(&bytes), Err(error), "{bytes:?}");
        }
    }

    #[test]
    fn unknown_statuses_are_shown_as_numbers() {
        assert_eq!(ServingStatus(7).to_string(), "7");
        assert_eq!(ServingStatus::KNOWN.map(|known| known.to_string())[3], "SERVICE_UNKNOWN");
    }

    proptest! {
        #[test]
        fn arbitrary_input_does_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let _ = response(&bytes);
            let _ = response(&framed(&bytes));
        }
    }
}
