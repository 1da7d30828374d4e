//! HPACK: how HTTP/2 writes header fields (RFC 7541).

mod decoder;
mod encoder;
mod table;

use std::fmt;

pub(super) use decoder::Decoder;
pub(super) use encoder::{Indexing, encode};

/// The reason why a block of fields cannot be decoded. The connection cannot be used any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HpackError {
    /// The block ends within a field.
    Truncated,
    /// An index of no entry.
    Index,
    /// A number that is too large.
    Integer,
    /// A text that is no Huffman code.
    Huffman,
    /// A text that is too long.
    Long,
    /// A change of the table's size that is not allowed.
    TableSize,
}

impl fmt::Display for HpackError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Truncated => "the block ends within a field",
            Self::Index => "an index is not in the table",
            Self::Integer => "a number is too large",
            Self::Huffman => "a string has an invalid Huffman code",
            Self::Long => "a string is too long",
            Self::TableSize => "a table size update is not allowed there",
        })
    }
}
