//! A compact encoding of numbers, texts, and texts that are part of the program.

use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// Texts of the program with numbers, such as names of metrics and phases. They are known by their
/// addresses, so their number is limited.
#[derive(Debug, Default)]
pub(super) struct Names {
    texts: Vec<&'static str>,
    numbers: HashMap<(usize, usize), u64, BuildHasherDefault<AddressHasher>>,
}

/// A hasher for addresses, which no peer chooses.
#[derive(Debug, Default)]
struct AddressHasher(u64);

impl Hasher for AddressHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_usize(&mut self, number: usize) {
        self.write_u64(u64::try_from(number).unwrap_or_default());
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = (self.0.rotate_left(5) ^ number).wrapping_mul(0x517c_c1b7_2722_0a95);
    }
}

impl Names {
    fn number(&self, text: &'static str) -> Option<u64> {
        self.numbers.get(&(text.as_ptr().addr(), text.len())).copied()
    }

    fn text(&self, number: u64) -> Option<&'static str> {
        self.texts.get(usize::try_from(number).ok()?).copied()
    }

    /// Adds texts, unless they are known.
    pub(super) fn add(&mut self, texts: impl IntoIterator<Item = &'static str>) {
        for text in texts {
            let next = u64::try_from(self.texts.len()).unwrap_or_default();
            let number = self.numbers.entry((text.as_ptr().addr(), text.len())).or_insert(next);
            if *number == next {
                self.texts.push(text);
            }
        }
    }
}

/// The byte of a number that says that one byte follows. The next seven say that more follow.
const MIN_LENGTH_BYTE: u8 = 0xf8;

/// Encodes values.
#[derive(Debug)]
pub(super) struct Writer<'n> {
    names: &'n Names,
    bytes: Vec<u8>,
    /// Texts of the program without a number. The encoding is invalid if there are any.
    pub(super) unknown: Vec<&'static str>,
}

impl<'n> Writer<'n> {
    /// Creates a writer that uses the memory of `bytes`.
    pub(super) fn new(names: &'n Names, mut bytes: Vec<u8>) -> Self {
        bytes.clear();
        Self { names, bytes, unknown: Vec::new() }
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Small numbers take one byte, others a byte with their length and their bytes without leading zeros.
    pub(super) fn number(&mut self, number: u64) {
        if let Some(byte) = u8::try_from(number).ok().filter(|byte| *byte < MIN_LENGTH_BYTE) {
            self.bytes.push(byte);
            return;
        }
        let length = u8::try_from(number.leading_zeros() / 8).map_or(8, |zeros| 8 - zeros);
        self.bytes.push(MIN_LENGTH_BYTE - 1 + length);
        let bytes = number.to_le_bytes();
        self.bytes.extend_from_slice(bytes.get(..usize::from(length)).unwrap_or_default());
    }

    pub(super) fn length(&mut self, length: usize) {
        self.number(u64::try_from(length).unwrap_or_default());
    }

    pub(super) fn flag(&mut self, flag: bool) {
        self.bytes.push(u8::from(flag));
    }

    /// Integers take three bytes.
    pub(super) fn float(&mut self, number: f64) {
        self.number(number.to_bits().swap_bytes());
    }

    pub(super) fn duration(&mut self, duration: Duration) {
        self.number(duration.as_secs());
        self.number(u64::from(duration.subsec_nanos()));
    }

    /// A time before 1970 counts as 1970.
    pub(super) fn time(&mut self, time: SystemTime) {
        self.duration(time.duration_since(UNIX_EPOCH).unwrap_or_default());
    }

    pub(super) fn blob(&mut self, bytes: &[u8]) {
        self.length(bytes.len());
        self.bytes.extend_from_slice(bytes);
    }

    pub(super) fn text(&mut self, text: &str) {
        self.blob(text.as_bytes());
    }

    pub(super) fn optional(&mut self, text: Option<&str>) {
        self.flag(text.is_some());
        if let Some(text) = text {
            self.text(text);
        }
    }

    /// A text of the program.
    pub(super) fn name(&mut self, name: &'static str) {
        match self.names.number(name) {
            Some(number) => self.number(number),
            None => self.unknown.push(name),
        }
    }
}

/// Decodes values in the order in which they were encoded. Returns `None` if the bytes are invalid.
#[derive(Debug)]
pub(super) struct Reader<'b> {
    names: &'b Names,
    rest: &'b [u8],
}

impl<'b> Reader<'b> {
    pub(super) const fn new(names: &'b Names, bytes: &'b [u8]) -> Self {
        Self { names, rest: bytes }
    }

    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    pub(super) fn number(&mut self) -> Option<u64> {
        let byte = self.byte()?;
        let Some(length) = byte.checked_sub(MIN_LENGTH_BYTE) else { return Some(byte.into()) };
        let (bytes, rest) = self.rest.split_at_checked(usize::from(length) + 1)?;
        self.rest = rest;
        Some(bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    pub(super) fn length(&mut self) -> Option<usize> {
        usize::try_from(self.number()?).ok()
    }

    pub(super) fn flag(&mut self) -> Option<bool> {
        Some(self.byte()? != 0)
    }

    pub(super) fn float(&mut self) -> Option<f64> {
        Some(f64::from_bits(self.number()?.swap_bytes()))
    }

    pub(super) fn duration(&mut self) -> Option<Duration> {
        let (seconds, nanos) = (self.number()?, u32::try_from(self.number()?).ok()?);
        Duration::from_secs(seconds).checked_add(Duration::from_nanos(nanos.into()))
    }

    pub(super) fn time(&mut self) -> Option<SystemTime> {
        UNIX_EPOCH.checked_add(self.duration()?)
    }

    pub(super) fn blob(&mut self) -> Option<&'b [u8]> {
        let length = self.length()?;
        let (bytes, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(bytes)
    }

    pub(super) fn text(&mut self) -> Option<String> {
        String::from_utf8(self.blob()?.to_vec()).ok()
    }

    #[expect(clippy::option_option, reason = "the outer one tells invalid bytes")]
    pub(super) fn optional(&mut self) -> Option<Option<String>> {
        if self.flag()? { self.text().map(Some) } else { Some(None) }
    }

    pub(super) fn name(&mut self) -> Option<&'static str> {
        let number = self.number()?;
        self.names.text(number)
    }

    /// Reads a list: its length, and each element with `read`.
    pub(super) fn list<T>(
        &mut self,
        mut read: impl FnMut(&mut Self) -> Option<T>,
    ) -> Option<Vec<T>> {
        // Each element has a byte at least.
        let length = self.length()?;
        let mut list = Vec::with_capacity(length.min(self.rest.len()));
        for _ in 0..length {
            list.push(read(self)?);
        }
        Some(list)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn values_are_read_as_they_were_written(
            number in any::<u64>(),
            bits in any::<u64>(),
            text in ".*",
            nanos in any::<u64>(),
        ) {
            let mut names = Names::default();
            names.add(["probe_success", "connect", "probe_success"]);
            let mut writer = Writer::new(&names, vec![7]);
            writer.number(number);
            writer.float(f64::from_bits(bits));
            writer.name("connect");
            writer.optional(Some(&text));
            writer.optional(None);
            writer.duration(Duration::from_nanos(nanos));
            prop_assert!(writer.unknown.is_empty());
            let bytes = writer.into_bytes();
            let mut reader = Reader::new(&names, &bytes);
            prop_assert_eq!(reader.number(), Some(number));
            prop_assert_eq!(reader.float().map(f64::to_bits), Some(bits));
            prop_assert_eq!(reader.name(), Some("connect"));
            prop_assert_eq!(reader.optional(), Some(Some(text)));
            prop_assert_eq!(reader.optional(), Some(None));
            prop_assert_eq!(reader.duration(), Some(Duration::from_nanos(nanos)));
            prop_assert_eq!(reader.number(), None);
        }
    }

    #[test]
    fn texts_of_the_program_are_added_once() {
        let mut names = Names::default();
        names.add(["one", "two"]);
        names.add(["two", "three"]);
        assert_eq!(names.texts, ["one", "two", "three"]);
        let mut writer = Writer::new(&names, Vec::new());
        writer.name("four");
        assert_eq!(writer.unknown, ["four"]);
    }
}
