//! Decodes blocks of header fields.

use bytes::{Buf as _, Bytes};
use octets::Octets;

use super::{HpackError, table::DynamicTable};

/// Decodes the blocks of one connection, which share a table.
#[derive(Debug, Default)]
pub(in crate::net::http::http2) struct Decoder {
    table: DynamicTable,
}

/// The forms of a field, by the highest bits of its first byte (RFC 7541, section 6).
const INDEXED: u8 = 0x80;
const INDEXING: u8 = 0x40;
const SIZE_UPDATE: u8 = 0x20;

/// Maximum size of a Huffman code in bytes, which is decoded at once.
const MAX_HUFFMAN: usize = 256 << 10;

/// Maximum number of changes of the size of the table in a block. Two are of use (RFC 7541, section
/// 4.2).
const MAX_SIZE_UPDATES: usize = 64;

/// The bit of a text's length that says that the text is a Huffman code.
const HUFFMAN: u8 = 0x80;

impl Decoder {
    /// Decodes a whole block, and shows each field to `field`, which may end it.
    pub(in crate::net::http::http2) fn decode<E: From<HpackError>>(
        &mut self,
        mut block: Bytes,
        mut field: impl FnMut(Bytes, Bytes) -> Result<(), E>,
    ) -> Result<(), E> {
        let (mut begun, mut updates) = (false, 0);
        while let Some(first) = block.first().copied() {
            let (name, value) = if first & INDEXED != 0 {
                self.table.get(integer(&mut block, 7)?)?
            } else if first & INDEXING != 0 {
                let (name, value) = self.literal(&mut block, 6)?;
                // Copies: an entry must not keep the memory of its whole block.
                let [name_kept, value_kept] =
                    [&name, &value].map(|text| Bytes::copy_from_slice(text));
                self.table.insert(name_kept, value_kept);
                (name, value)
            } else if first & SIZE_UPDATE != 0 {
                // As in Go's client, one of an empty table may stand anywhere.
                updates += 1;
                if begun && !self.table.is_empty() || updates > MAX_SIZE_UPDATES {
                    return Err(HpackError::TableSize.into());
                }
                self.table.resize(integer(&mut block, 5)?)?;
                continue;
            } else {
                // One form asks that nobody indexes the field, which we do not do anyway.
                self.literal(&mut block, 4)?
            };
            begun = true;
            field(name, value)?;
        }
        Ok(())
    }

    /// Decodes a field with a value of its own, and a name that may be in the table.
    fn literal(&self, block: &mut Bytes, prefix: u8) -> Result<(Bytes, Bytes), HpackError> {
        let name = match integer(block, prefix)? {
            0 => text(block)?,
            index => self.table.get(index)?.0,
        };
        Ok((name, text(block)?))
    }
}

/// Takes a number, which begins in the lowest `prefix` bits of the first byte.
fn integer(block: &mut Bytes, prefix: u8) -> Result<usize, HpackError> {
    let mask = u8::MAX >> (8 - prefix);
    let first = block.try_get_u8().map_err(|_| HpackError::Truncated)? & mask;
    let mut number = usize::from(first);
    if first < mask {
        return Ok(number);
    }
    // As many groups as a length of 256 MiB takes; no block is that long.
    for shift in [0, 7, 14, 21] {
        let byte = block.try_get_u8().map_err(|_| HpackError::Truncated)?;
        number += usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(number);
        }
    }
    Err(HpackError::Integer)
}

fn text(block: &mut Bytes) -> Result<Bytes, HpackError> {
    let is_huffman = block.first().is_some_and(|first| first & HUFFMAN != 0);
    let length = integer(block, 7)?;
    if length > block.len() {
        return Err(HpackError::Truncated);
    }
    let text = block.split_to(length);
    if !is_huffman {
        return Ok(text);
    }
    if text.len() > MAX_HUFFMAN {
        return Err(HpackError::Long);
    }
    let decoded = Octets::with_slice(&text).get_huffman_decoded();
    decoded.map(Bytes::from).map_err(|_| HpackError::Huffman)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decode(decoder: &mut Decoder, block: &[u8]) -> Result<Vec<String>, HpackError> {
        let mut fields = Vec::new();
        decoder.decode(Bytes::copy_from_slice(block), |name, value| {
            let [name, value] =
                [name, value].map(|text| String::from_utf8_lossy(&text).into_owned());
            fields.push(format!("{name}={value}"));
            Ok(())
        })?;
        Ok(fields)
    }

    #[test]
    fn each_form_of_a_field_is_decoded() {
        // www.example.com as a Huffman code (RFC 7541, appendix C.4.1).
        let huffman =
            [0x41, 0x8c, 0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4, 0xff];
        for (block, expected) in [
            (&[][..], &[][..]),
            (&[0x88], &[":status=200"]),
            (&huffman, &[":authority=www.example.com"]),
            (b"\x40\x01x\x01y\xbe", &["x=y", "x=y"]),
            (b"\x00\x01x\x01y", &["x=y"]),
            (b"\x10\x01x\x00", &["x="]),
            (b"\x20\x88", &[":status=200"]),
            (b"\x88\x20", &[":status=200"]),
            (b"\x3f\xe1\x1f\x88", &[":status=200"]),
            (b"\x0f\x0d\x015", &["content-length=5"]),
        ] {
            let found = decode(&mut Decoder::default(), block);
            let expected: Vec<_> = expected.iter().map(ToString::to_string).collect();
            assert_eq!(found, Ok(expected), "{block:?}");
        }
    }

    #[test]
    fn blocks_share_a_table() {
        let mut decoder = Decoder::default();
        decode(&mut decoder, b"\x40\x01x\x01y").unwrap();
        assert_eq!(decode(&mut decoder, b"\xbe"), Ok(vec!["x=y".to_owned()]));
        assert_eq!(decode(&mut decoder, b"\x20"), Ok(Vec::new()));
        assert_eq!(decode(&mut decoder, b"\xbe"), Err(HpackError::Index));
    }

    #[test]
    fn an_entry_of_the_table_does_not_keep_its_block() {
        let block = Bytes::from(b"\x40\x01x\x01y".repeat(3));
        let mut decoder = Decoder::default();
        decoder.decode(block.clone(), |_, _| Ok::<_, HpackError>(())).unwrap();
        assert!(!decoder.table.is_empty());
        assert!(block.is_unique());
    }

    #[test]
    fn what_is_no_block_is_refused() {
        for (block, error) in [
            (&b"\x80"[..], HpackError::Index),
            (b"\xbe", HpackError::Index),
            (b"\x40", HpackError::Truncated),
            (b"\x40\x05ab", HpackError::Truncated),
            (b"\x40\x01x", HpackError::Truncated),
            (b"\xff", HpackError::Truncated),
            (b"\xff\xff\xff\xff\xff\xff", HpackError::Integer),
            (b"\x40\x01x\x01y\x20", HpackError::TableSize),
            (b"\x3f\xe2\x1f", HpackError::TableSize),
            (&[0x20; MAX_SIZE_UPDATES + 1], HpackError::TableSize),
            (b"\x41\x84\xff\xff\xff\xff", HpackError::Huffman),
        ] {
            assert_eq!(decode(&mut Decoder::default(), block), Err(error), "{block:?}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(blocks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 0..4)) {
            let mut decoder = Decoder::default();
            for block in blocks {
                decode(&mut decoder, &block).ok();
            }
        }
    }
}
