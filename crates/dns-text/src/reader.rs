//! Reads the parts of a DNS message (RFC 1035, section 4), never beyond its end.

use std::net::{Ipv4Addr, Ipv6Addr};

use thiserror::Error;

use super::MAX_NAME;

/// The defect of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct Malformed(pub &'static str);

impl From<std::fmt::Error> for Malformed {
    /// Text goes into strings, which take everything.
    fn from(_: std::fmt::Error) -> Self {
        Self("its text cannot be written")
    }
}

/// The maximum number of pointers in a name: no name has more labels, so more are a loop.
const MAX_POINTERS: usize = MAX_NAME.div_ceil(2) - 2;

/// The two upper bits of a length octet say what follows.
const LABEL_KIND: u8 = 0xc0;

/// A place in a message, and where reading has to stop.
#[derive(Debug, Clone, Copy)]
pub struct Reader<'m> {
    message: &'m [u8],
    position: usize,
}

impl<'m> Reader<'m> {
    /// Reads `message` from `position` on.
    pub const fn new(message: &'m [u8], position: usize) -> Self {
        Self { message, position }
    }

    /// A reader of the next `length` octets, which this one skips.
    ///
    /// A compressed name in it may point back, as far as the message goes.
    pub fn part(&mut self, length: usize) -> Result<Self, Malformed> {
        let start = self.position;
        self.take(length)?;
        let message = self.message.get(..self.position).unwrap_or_default();
        Ok(Self { message, position: start })
    }

    pub const fn is_at_end(&self) -> bool {
        self.position >= self.message.len()
    }

    pub fn take(&mut self, length: usize) -> Result<&'m [u8], Malformed> {
        let end = self.position.saturating_add(length);
        let octets =
            self.message.get(self.position..end).ok_or(Malformed("it ends within a field"))?;
        self.position = end;
        Ok(octets)
    }

    /// All octets up to the end.
    pub fn rest(&mut self) -> &'m [u8] {
        let octets = self.message.get(self.position..).unwrap_or_default();
        self.position = self.message.len();
        octets
    }

    fn array<const LENGTH: usize>(&mut self) -> Result<[u8; LENGTH], Malformed> {
        let octets = self.take(LENGTH)?;
        octets.try_into().map_err(|_| Malformed("it ends within a field"))
    }

    pub fn u8(&mut self) -> Result<u8, Malformed> {
        self.array().map(u8::from_be_bytes)
    }

    pub fn u16(&mut self) -> Result<u16, Malformed> {
        self.array().map(u16::from_be_bytes)
    }

    pub fn u32(&mut self) -> Result<u32, Malformed> {
        self.array().map(u32::from_be_bytes)
    }

    pub fn u48(&mut self) -> Result<u64, Malformed> {
        let high = self.u16()?;
        let low = self.u32()?;
        Ok(u64::from(high) << 32 | u64::from(low))
    }

    pub fn u64(&mut self) -> Result<u64, Malformed> {
        self.array().map(u64::from_be_bytes)
    }

    pub fn ipv4(&mut self) -> Result<Ipv4Addr, Malformed> {
        self.array::<4>().map(Ipv4Addr::from)
    }

    pub fn ipv6(&mut self) -> Result<Ipv6Addr, Malformed> {
        self.array::<16>().map(Ipv6Addr::from)
    }

    /// A string of up to 255 octets after its length.
    pub fn string(&mut self) -> Result<&'m [u8], Malformed> {
        let length = self.u8()?;
        self.take(length.into())
    }

    /// What `read` gives, or the empty value when there is nothing left.
    ///
    /// The records of upstream's library may end after any of their fields.
    pub fn optional<T: Default>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, Malformed>,
    ) -> Result<T, Malformed> {
        if self.is_at_end() { Ok(T::default()) } else { read(self) }
    }

    /// Reads a name and gives its labels to `visit`; compression is followed.
    pub fn labels(&mut self, mut visit: impl FnMut(&'m [u8])) -> Result<(), Malformed> {
        let mut length = 0;
        let mut pointers = 0;
        let mut cursor = *self;
        loop {
            let octet = cursor.u8()?;
            match octet & LABEL_KIND {
                0 if octet == 0 => break,
                0 => {
                    let label = cursor.take(octet.into())?;
                    length += label.len() + 1;
                    if length >= MAX_NAME {
                        return Err(Malformed("a name is longer than 255 octets"));
                    }
                    visit(label);
                }
                LABEL_KIND => {
                    let low = cursor.u8()?;
                    if pointers == 0 {
                        self.position = cursor.position;
                    }
                    pointers += 1;
                    if pointers > MAX_POINTERS {
                        return Err(Malformed("a name has too many compression pointers"));
                    }
                    cursor.position = u16::from_be_bytes([octet & !LABEL_KIND, low]).into();
                }
                _ => return Err(Malformed("a label is of a reserved kind")),
            }
        }
        if pointers == 0 {
            self.position = cursor.position;
        }
        Ok(())
    }

    /// Skips a name without following its pointers.
    pub fn skip_name(&mut self) -> Result<(), Malformed> {
        loop {
            let octet = self.u8()?;
            match octet & LABEL_KIND {
                0 if octet == 0 => return Ok(()),
                0 => {
                    self.take(octet.into())?;
                }
                LABEL_KIND => {
                    self.u8()?;
                    return Ok(());
                }
                _ => return Err(Malformed("a label is of a reserved kind")),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(message: &[u8], position: usize) -> Result<(String, usize), Malformed> {
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
    fn bad_names_are_refused() {
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
    fn a_part_ends_where_it_ends_but_names_point_before_it() {
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
