//! The presentation format of resource records, byte for byte as miekg/dns writes it.

mod escape;
mod fields;
mod name;
pub(super) mod opt;
mod special;
mod svcb;

use std::fmt::Write as _;

use crate::{ParseError, Reader, RecordClass, RecordType};

/// The fields of a record before its data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Header {
    /// The name of the owner, as text.
    pub(super) owner: String,
    pub(super) kind: RecordType,
    pub(super) class: u16,
    pub(super) ttl: u32,
}

/// Writes a record; `data` is its whole RDATA.
pub(super) fn write_record(
    text: &mut String,
    header: &Header,
    mut data: Reader<'_>,
) -> Result<(), ParseError> {
    let reader = &mut data;
    match header.kind {
        RecordType::OPT => opt::write(text, header.class, header.ttl, reader)?,
        RecordType::TKEY => special::tkey(text, &header.text(), reader)?,
        RecordType::TSIG => special::tsig(text, &header.text(), reader)?,
        RecordType::NULL => {
            write!(text, ";{}", header.text())?;
            escape::raw(text, reader.rest());
        }
        kind => match (fields::layout(kind), special_data(kind)) {
            (Some(layout), _) => {
                text.push_str(&header.text());
                fields::write(text, layout, reader)?;
            }
            (None, Some(write_data)) => {
                text.push_str(&header.text());
                write_data(text, reader)?;
            }
            (None, None) => unknown(text, header, reader.rest())?,
        },
    }
    if data.is_at_end() {
        Ok(())
    } else {
        Err(ParseError("the data of a record is longer than its fields"))
    }
}

type WriteData = fn(&mut String, &mut Reader<'_>) -> Result<(), ParseError>;

const fn special_data(kind: RecordType) -> Option<WriteData> {
    Some(match kind {
        RecordType::AMTRELAY => special::amtrelay,
        RecordType::APL => special::apl,
        RecordType::HIP => special::hip,
        RecordType::IPSECKEY => special::ipseckey,
        RecordType::LOC => special::loc,
        RecordType::NSEC3 => special::nsec3,
        RecordType::NSEC3PARAM => special::nsec3param,
        _ => return None,
    })
}

/// Writes a record of an unknown type (RFC 3597, section 5).
fn unknown(text: &mut String, header: &Header, data: &[u8]) -> std::fmt::Result {
    let Header { owner, kind, class, ttl } = header;
    write!(text, "{owner}\t{ttl}\tCLASS{class}\tTYPE{}\t\\# {} ", kind.0, data.len())?;
    escape::hex(text, data);
    Ok(())
}

impl Header {
    fn text(&self) -> String {
        let Self { owner, kind, class, ttl } = self;
        format!("{owner}\t{ttl}\t{}\t{kind}\t", RecordClass(*class))
    }
}
