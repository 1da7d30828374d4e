//! Encodes header fields, without the dynamic table: one request is all that a connection carries.

use bytes::{BufMut as _, BytesMut};

use super::table::{static_field, static_name};

/// Permission for intermediaries to index a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::net::http::http2) enum Indexing {
    Allowed,
    /// For credentials.
    Never,
}

/// Appends a field to a block.
pub(in crate::net::http::http2) fn encode(
    block: &mut BytesMut,
    name: &str,
    value: &[u8],
    indexing: Indexing,
) {
    if let Some(index) = static_field(name, value) {
        integer(block, 0x80, 7, index);
        return;
    }
    let form = if indexing == Indexing::Never { 0x10 } else { 0 };
    if let Some(index) = static_name(name) {
        integer(block, form, 4, index);
    } else {
        block.put_u8(form);
        text(block, name.as_bytes());
    }
    text(block, value);
}

fn text(block: &mut BytesMut, text: &[u8]) {
    integer(block, 0, 7, text.len());
    block.put_slice(text);
}

/// Appends a number that begins in the lowest `prefix` bits of a byte, below `form`.
fn integer(block: &mut BytesMut, form: u8, prefix: u8, number: usize) {
    let mask = u8::MAX >> (8 - prefix);
    if let Some(small) = u8::try_from(number).ok().filter(|small| *small < mask) {
        block.put_u8(form | small);
        return;
    }
    block.put_u8(form | mask);
    let mut rest = number - usize::from(mask);
    while rest > 0x7f {
        block.put_u8(u8::try_from(rest & 0x7f).unwrap_or_default() | 0x80);
        rest >>= 7;
    }
    block.put_u8(u8::try_from(rest).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::net::http::http2::hpack::{Decoder, HpackError};

    #[test]
    fn fields_take_what_the_static_table_has() {
        for (name, value, indexing, expected) in [
            (":method", &b"GET"[..], Indexing::Allowed, &[0x82][..]),
            (":path", b"/x", Indexing::Allowed, b"\x04\x02/x"),
            ("x", b"y", Indexing::Allowed, b"\x00\x01x\x01y"),
            ("authorization", b"z", Indexing::Never, b"\x1f\x08\x01z"),
            ("user-agent", b"a", Indexing::Allowed, b"\x0f\x2b\x01a"),
        ] {
            let mut block = BytesMut::new();
            encode(&mut block, name, value, indexing);
            assert_eq!(&block[..], expected, "{name}");
        }
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(
            name in "[a-z-]{1,200}",
            value in prop::collection::vec(any::<u8>(), 0..20_000),
        ) {
            let mut block = BytesMut::new();
            encode(&mut block, &name, &value, Indexing::Allowed);
            let mut found = Vec::new();
            let decoded = Decoder::default().decode(block.freeze(), |name, value| {
                found.push((name, value));
                Ok::<_, HpackError>(())
            });
            prop_assert_eq!(decoded, Ok(()));
            prop_assert_eq!(found, vec![(name.into(), value.into())]);
        }
    }
}
