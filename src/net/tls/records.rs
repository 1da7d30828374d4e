//! Boundaries of TLS records in a byte stream.

/// A parser of record headers (RFC 8446, section 5.1) that accepts pieces of any size.
#[derive(Debug, Default)]
pub(super) struct Records {
    /// The number of received bytes of the current record's header.
    header: usize,
    /// The length in the header as far as received; then the number of bytes left in the record.
    rest: usize,
}

/// Length of a header: type, version and length.
const HEADER: usize = 5;

impl Records {
    /// Parses the next bytes.
    pub(super) fn pass(&mut self, mut bytes: &[u8]) {
        while let Some((byte, behind)) = bytes.split_first() {
            if self.header < HEADER {
                self.header += 1;
                if self.header + 2 > HEADER {
                    self.rest = self.rest << 8 | usize::from(*byte);
                }
                bytes = behind;
            } else {
                let taken = self.rest.min(bytes.len());
                self.rest -= taken;
                bytes = bytes.get(taken..).unwrap_or_default();
            }
            if self.header == HEADER && self.rest == 0 {
                self.header = 0;
            }
        }
    }

    /// Returns whether the last record is incomplete.
    pub(super) fn is_within(&self) -> bool {
        self.header > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_end_where_their_length_says() {
        let record = |length: u16| {
            let payload = vec![0; usize::from(length)];
            [&[23, 3, 3][..], &length.to_be_bytes(), &payload].concat()
        };
        let two = [record(300), record(2)].concat();
        for (bytes, within) in [
            (&[][..], false),
            (&record(0), false),
            (&record(300), false),
            (&two, false),
            (&two[..two.len() - 1], true),
            (&two[..306], true),
            (&two[..305], false),
            (&record(300)[..5], true),
            (&record(300)[..1], true),
        ] {
            for size in [1, 2, 4, 1000] {
                let mut records = Records::default();
                bytes.chunks(size).for_each(|piece| records.pass(piece));
                assert_eq!(records.is_within(), within, "{} bytes by {size}", bytes.len());
            }
        }
    }
}
