//! The bytes of a script, read as numbers and choices.

/// The rest of a script. Beyond the end, all bytes are zero.
#[derive(Debug)]
pub(super) struct Input<'i>(pub(super) &'i [u8]);

impl<'i> Input<'i> {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn byte(&mut self) -> u8 {
        self.take(1).first().copied().unwrap_or_default()
    }

    pub(super) fn word(&mut self) -> u16 {
        u16::from_be_bytes([self.byte(), self.byte()])
    }

    /// At most `length` bytes.
    pub(super) fn take(&mut self, length: usize) -> &'i [u8] {
        let (taken, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// Bytes after their length of one byte.
    pub(super) fn bytes(&mut self) -> &'i [u8] {
        let length = self.byte();
        self.take(length.into())
    }

    /// Text after its length of one byte.
    pub(super) fn text(&mut self) -> String {
        String::from_utf8_lossy(self.bytes()).into_owned()
    }

    /// A number of repetitions: a power of two up to 2¹⁵.
    pub(super) fn times(&mut self) -> usize {
        1 << (self.byte() % 16)
    }

    /// One of some values.
    pub(super) fn one_of<T: Copy>(&mut self, values: &[T]) -> T {
        values[usize::from(self.byte()) % values.len()]
    }
}
