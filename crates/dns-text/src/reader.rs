//! Reader of the parts of a DNS message (RFC 1035, section 4).

use std::net::{Ipv4Addr, Ipv6Addr};

use thiserror::Error;

use super::MAX_NAME;

/// The defect of a malformed message, as a phrase.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct ParseError(pub &'static str);

impl From<std::fmt::Error> for ParseError {
    /// Needed for `write!`; writing to a string does not fail.
    fn from(_: std::fmt::Error) -> Self {
        Self("the text of a record cannot be written")
    }
}

/// Maximum number of compression pointers in a name. No name has more labels, so more pointers are
/// a loop.
const MAX_POINTERS: usize = MAX_NAME.div_ceil(2) - 2;

/// Mask of the two upper bits of a length byte: 00 is a label, 11 a compression pointer.
const LABEL_TYPE: u8 = 0xc0;

/// A cursor in a message that never reads beyond its end.
///
/// Copying a reader is cheap and keeps the position.
///
/// ```
/// use dns_text::Reader;
///
/// let message = b"\x03www\x07example\x00\x04mail\xc0\x04\x00\x19";
/// let mut reader = Reader::new(message, 13);
/// let mut labels = Vec::new();
/// reader.labels(|label| labels.push(label))?;
/// assert_eq!(labels, [&b"mail"[..], b"example"]);
/// assert_eq!(reader.u16()?, 25);
/// assert!(reader.is_at_end() && reader.u8().is_err());
/// # Ok::<(), dns_text::ParseError>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Reader<'m> {
    message: &'m [u8],
    position: usize,
}

impl<'m> Reader<'m> {
    /// Creates a reader of `message` that starts at the offset `position`.
    #[must_use]
    pub const fn new(message: &'m [u8], position: usize) -> Self {
        Self { message, position }
    }

    /// Returns a reader of the next `length` bytes and skips them.
    ///
    /// Compressed names in these bytes may point to everything before them.
    pub fn part(&mut self, length: usize) -> Result<Self, ParseError> {
        let start = self.position;
        self.take(length)?;
        let message = self.message.get(..self.position).unwrap_or_default();
        Ok(Self { message, position: start })
    }

    /// Returns true at the end of the message or part.
    #[inline]
    #[must_use]
    pub const fn is_at_end(&self) -> bool {
        self.position >= self.message.len()
    }

    /// Reads `length` bytes.
    #[inline]
    pub fn take(&mut self, length: usize) -> Result<&'m [u8], ParseError> {
        let end = self.position.saturating_add(length);
        let bytes = self
            .message
            .get(self.position..end)
            .ok_or(ParseError("the message ends within a field"))?;
        self.position = end;
        Ok(bytes)
    }

    /// Reads all bytes up to the end.
    pub fn rest(&mut self) -> &'m [u8] {
        let bytes = self.message.get(self.position..).unwrap_or_default();
        self.position = self.message.len();
        bytes
    }

    #[inline]
    fn array<const LENGTH: usize>(&mut self) -> Result<[u8; LENGTH], ParseError> {
        let bytes = self.take(LENGTH)?;
        bytes.try_into().map_err(|_| ParseError("the message ends within a field"))
    }

    /// Reads one byte.
    #[inline]
    pub fn u8(&mut self) -> Result<u8, ParseError> {
        self.array().map(u8::from_be_bytes)
    }

    /// Reads a 16-bit number.
    #[inline]
    pub fn u16(&mut self) -> Result<u16, ParseError> {
        self.array().map(u16::from_be_bytes)
    }

    /// Reads a 32-bit number.
    #[inline]
    pub fn u32(&mut self) -> Result<u32, ParseError> {
        self.array().map(u32::from_be_bytes)
    }

    /// Reads a 48-bit number.
    pub fn u48(&mut self) -> Result<u64, ParseError> {
        let high = self.u16()?;
        let low = self.u32()?;
        Ok(u64::from(high) << 32 | u64::from(low))
    }

    /// Reads a 64-bit number.
    pub fn u64(&mut self) -> Result<u64, ParseError> {
        self.array().map(u64::from_be_bytes)
    }

    /// Reads an IPv4 address.
    #[inline]
    pub fn ipv4(&mut self) -> Result<Ipv4Addr, ParseError> {
        self.array::<4>().map(Ipv4Addr::from)
    }

    /// Reads an IPv6 address.
    #[inline]
    pub fn ipv6(&mut self) -> Result<Ipv6Addr, ParseError> {
        self.array::<16>().map(Ipv6Addr::from)
    }

    /// Reads a character string: a length byte and up to 255 bytes.
    pub fn string(&mut self) -> Result<&'m [u8], ParseError> {
        let length = self.u8()?;
        self.take(length.into())
    }

    /// Reads a field that may be missing. Returns the default value at the end of the data.
    ///
    /// miekg/dns accepts records that end after any of their fields.
    pub fn optional<T: Default>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, ParseError>,
    ) -> Result<T, ParseError> {
        if self.is_at_end() { Ok(T::default()) } else { read(self) }
    }

    /// Reads a name and passes its labels to `visit`. Compression pointers are followed.
    pub fn labels(&mut self, mut visit: impl FnMut(&'m [u8])) -> Result<(), ParseError> {
        let mut length = 0;
        let mut pointers = 0;
        let mut cursor = *self;
        loop {
            let byte = cursor.u8()?;
            match byte & LABEL_TYPE {
                0 if byte == 0 => break,
                0 => {
                    let label = cursor.take(byte.into())?;
                    length += label.len() + 1;
                    if length >= MAX_NAME {
                        return Err(ParseError("a name is longer than 255 bytes"));
                    }
                    visit(label);
                }
                LABEL_TYPE => {
                    let low = cursor.u8()?;
                    if pointers == 0 {
                        self.position = cursor.position;
                    }
                    pointers += 1;
                    if pointers > MAX_POINTERS {
                        return Err(ParseError("a name has too many compression pointers"));
                    }
                    cursor.position = u16::from_be_bytes([byte & !LABEL_TYPE, low]).into();
                }
                _ => return Err(ParseError("a label has a reserved type")),
            }
        }
        if pointers == 0 {
            self.position = cursor.position;
        }
        Ok(())
    }

    /// Skips a name. Compression pointers are not followed.
    pub fn skip_name(&mut self) -> Result<(), ParseError> {
        loop {
            let byte = self.u8()?;
            match byte & LABEL_TYPE {
                0 if byte == 0 => return Ok(()),
                0 => {
                    self.take(byte.into())?;
                }
                LABEL_TYPE => {
                    self.u8()?;
                    return Ok(());
                }
                _ => return Err(ParseError("a label has a reserved type")),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(message: &[u8], position: usize) -> Result<(String, usize), ParseError> {
        let mut reader = Reader::new(message, position);
        let mut skipping = reader;
        let mut text = String::new();
        reader.labels(|label| text.extend([str::from_utf8(label).unwrap(), "."]))?;
        skipping.skip_name()?;
        assert_eq!(skipping.position, reader.position);
        Ok((text, reader.position))
    }

    #[test]
    fn names_follow_pointers_and_keep_their_case() {
        let message = b"\x03Www\x07example\x00\x04mail\xc0\x04\x00";
        for (position, text, end) in
            [(0, "Www.example.", 13), (13, "mail.example.", 20), (12, "", 13), (20, "", 21)]
        {
            assert_eq!(name(message, position), Ok((text.to_owned(), end)), "{position}");
        }
    }

    #[test]
    fn malformed_names_are_rejected() {
        let too_long = [&[63; 64][..], &[63; 64], &[63; 64], &[62; 63], &[0]].concat();
        let longest = [&[63; 64][..], &[63; 64], &[63; 64], &[61; 62], &[0]].concat();
        for (what, message) in [
            ("empty", &b""[..]),
            ("no end", b"\x01a"),
            ("short label", b"\x05abc"),
            ("reserved", b"\x41a\x00"),
            ("half a pointer", b"\xc0"),
            ("loop", b"\xc0\x00"),
            ("pointer out", b"\xc0\x40"),
            ("too long", &too_long),
        ] {
            assert!(name(message, 0).is_err(), "{what}");
        }
        assert!(name(&longest, 0).is_ok());
    }

    #[test]
    fn names_in_a_part_may_point_before_it() {
        let message = b"\x01a\x00\xc0\x00\x01b\x00";
        let mut reader = Reader::new(message, 3);
        let mut part = reader.part(2).unwrap();
        let mut labels = Vec::new();
        part.labels(|label| labels.push(label)).unwrap();
        assert!(part.is_at_end());
        reader.labels(|label| labels.push(label)).unwrap();
        assert_eq!(labels, [b"a", b"b"]);
        assert!(reader.part(1).is_err());
    }
}
