//! Messages, parsed into header fields and records in presentation format.

use super::{
    mnemonics::{Rcode, RecordType},
    presentation::{self, Header, opt},
};
use crate::{HEADER_LENGTH, ParseError, RCODE, Reader, TRUNCATED};

/// A parsed message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The flags of the header, with the lower bits of the response code.
    pub flags: u16,
    /// The header flag TC: the sender truncated the message.
    pub truncated: bool,
    /// Number of records that the header announces and the message does not contain.
    pub missing: usize,
    /// Number of bytes after the last record.
    pub trailing: usize,
    /// The response code, with the extended bits of the OPT record.
    pub rcode: Rcode,
    /// Records of the answer section.
    pub answer: Vec<Record>,
    /// Records of the authority section.
    pub authority: Vec<Record>,
    /// Records of the additional section, with OPT records.
    pub additional: Vec<Record>,
    /// Serial number of the last SOA record of the answer section.
    pub serial: Option<u32>,
}

/// A resource record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The type of the record.
    pub kind: RecordType,
    /// The record in the presentation format of miekg/dns: name, TTL, class, type and data,
    /// separated by tabs.
    pub text: String,
}

/// Maximum size in bytes of the text of all records of a message.
///
/// Compression lets a message of 64 KiB expand to some thirty times as much text as an ordinary
/// one.
const MAX_TEXT: usize = 4 << 20;

/// Returns the header flag TC of a message that need not be well-formed. False if it has no flags.
#[must_use]
pub fn is_truncated(message: &[u8]) -> bool {
    let flags = message.get(2..).and_then(|rest| rest.first_chunk().copied());
    flags.is_some_and(|flags| u16::from_be_bytes(flags) & TRUNCATED != 0)
}

/// Returns the identifier of a message that need not be well-formed. `None` if it is too short.
#[must_use]
pub fn identifier(message: &[u8]) -> Option<u16> {
    message.first_chunk().copied().map(u16::from_be_bytes)
}

impl Message {
    /// The names of the header flags that are set, in the order of the header.
    pub fn flag_names(&self) -> impl Iterator<Item = &'static str> {
        const FLAGS: [(u32, &str); 7] =
            [(15, "qr"), (10, "aa"), (9, "tc"), (8, "rd"), (7, "ra"), (5, "ad"), (4, "cd")];
        let flags = self.flags;
        let set = FLAGS.into_iter().filter(move |(bit, _)| flags & (1 << bit) != 0);
        set.map(|(_, name)| name)
    }

    /// Parses a message like miekg/dns.
    ///
    /// Queries are accepted as well as responses, and the question is not checked. A message may
    /// end before the announced number of records if it ends between two records. Bytes after the
    /// last record are ignored. A message with a TSIG signature (RFC 8945) is rejected, because
    /// there is no key to verify it.
    pub fn parse(message: &[u8]) -> Result<Self, ParseError> {
        let mut reader = Reader::new(message, 0);
        if message.len() < HEADER_LENGTH {
            return Err(ParseError("the message is shorter than a header"));
        }
        reader.u16()?;
        let flags = reader.u16()?;
        let questions = reader.u16()?;
        let counts = [reader.u16()?, reader.u16()?, reader.u16()?];
        let is_bare = reader.is_at_end();

        for _ in 0..if is_bare { 0 } else { questions } {
            skip_question(&mut reader)?;
        }
        let mut sections = Sections { reader, text_left: MAX_TEXT, serial: None, opt_ttl: None };
        let [answers, authorities, additionals] = counts;
        let answer = sections.read(answers)?;
        let serial = sections.serial;
        let authority = sections.read(authorities)?;
        sections.opt_ttl = None;
        let additional = sections.read(additionals)?;
        if additional.last().is_some_and(|record| record.kind == RecordType::TSIG) {
            return Err(ParseError("the message has a TSIG signature, but no key is configured"));
        }
        let read = answer.len() + authority.len() + additional.len();
        let announced = counts.map(usize::from).iter().sum::<usize>();
        let extended = sections.opt_ttl.map(opt::extended_rcode).unwrap_or_default();
        Ok(Self {
            flags,
            truncated: flags & TRUNCATED != 0,
            missing: announced.saturating_sub(read),
            trailing: sections.reader.rest().len(),
            rcode: Rcode((flags & RCODE) | extended),
            answer,
            authority,
            additional,
            serial,
        })
    }
}

/// Skips a question. The message may end after its name or its type.
fn skip_question(reader: &mut Reader<'_>) -> Result<(), ParseError> {
    reader.name()?;
    reader.optional(Reader::u16)?;
    reader.optional(Reader::u16)?;
    Ok(())
}

/// State of parsing the sections.
struct Sections<'m> {
    reader: Reader<'m>,
    text_left: usize,
    serial: Option<u32>,
    opt_ttl: Option<u32>,
}

impl Sections<'_> {
    fn read(&mut self, count: u16) -> Result<Vec<Record>, ParseError> {
        let mut records = Vec::new();
        for _ in 0..count {
            if self.reader.is_at_end() {
                break;
            }
            records.push(self.record()?);
        }
        Ok(records)
    }

    fn record(&mut self) -> Result<Record, ParseError> {
        let reader = &mut self.reader;
        let header = Header {
            owner: reader.name()?,
            kind: RecordType(reader.u16()?),
            class: reader.u16()?,
            ttl: reader.u32()?,
        };
        let length = reader.u16()?;
        let data = reader.part(length.into())?;
        match header.kind {
            RecordType::SOA => self.serial = Some(serial(data)?),
            RecordType::OPT => self.opt_ttl = Some(header.ttl),
            _ => {}
        }
        let mut text = String::new();
        presentation::write_record(&mut text, &header, data)?;
        self.text_left = self
            .text_left
            .checked_sub(text.len())
            .ok_or(ParseError("the text of the records is longer than 4 MiB"))?;
        Ok(Record { kind: header.kind, text })
    }
}

fn serial(mut soa: Reader<'_>) -> Result<u32, ParseError> {
    soa.optional(Reader::name)?;
    soa.optional(Reader::name)?;
    soa.optional(Reader::u32)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A message with these flags, counts and bytes after the header.
    fn message(flags: u16, counts: [u16; 4], rest: &[u8]) -> Vec<u8> {
        let header = [[7, flags].as_slice(), &counts].concat();
        let mut message: Vec<u8> = header.iter().flat_map(|word| word.to_be_bytes()).collect();
        message.extend(rest);
        message
    }

    const QUESTION: &[u8] = b"\x07example\x03com\x00\x00\x06\x00\x01";
    const A: &[u8] = b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x0e\x10\x00\x04\x7f\x00\x00\x01";
    const SOA: &[u8] = b"\xc0\x0c\x00\x06\x00\x01\x00\x00\x00\x05\x00\x18\xc0\x0c\xc0\x0c\
        \x78\x00\x00\x01\x00\x00\x00\x02\x00\x00\x00\x03\x00\x00\x00\x04\x00\x00\x00\x05";
    const OPT: &[u8] = b"\x00\x00\x29\x04\xd0\x01\x00\x00\x00\x00\x00";

    #[test]
    fn sections_are_kept_apart() {
        let rest = [QUESTION, A, SOA, A, OPT].concat();
        let decoded = Message::parse(&message(0x8203, [1, 2, 1, 1], &rest)).unwrap();
        assert_eq!(decoded.answer.len(), 2);
        assert_eq!(decoded.answer[0].text, "example.com.\t3600\tIN\tA\t127.0.0.1");
        assert_eq!(
            decoded.answer[1].text,
            "example.com.\t5\tIN\tSOA\texample.com. example.com. 2013265921 2 3 4 5"
        );
        assert_eq!(decoded.serial, Some(2_013_265_921));
        assert_eq!(decoded.authority.len(), 1);
        assert_eq!(decoded.additional[0].kind, RecordType::OPT);
        assert_eq!(
            decoded.additional[0].text,
            "\n;; OPT PSEUDOSECTION:\n; EDNS: version 0; flags:; udp: 1232"
        );
        assert!(decoded.truncated);
        assert_eq!(decoded.rcode, Rcode(0x13));
    }

    #[test]
    fn a_message_may_end_between_records() {
        for (what, rest, expected) in [
            ("bare header", &b""[..], (0, 2, 0)),
            ("question only", QUESTION, (0, 2, 0)),
            ("one of two", &[QUESTION, A].concat(), (1, 1, 0)),
            ("as many as announced", &[QUESTION, A, A].concat(), (2, 0, 0)),
            ("more than announced", &[QUESTION, A, A, A].concat(), (2, 0, A.len())),
        ] {
            let decoded = Message::parse(&message(0x8000, [1, 2, 0, 0], rest)).unwrap();
            let found = (decoded.answer.len(), decoded.missing, decoded.trailing);
            assert_eq!(found, expected, "{what}");
        }
    }

    #[test]
    fn a_serial_comes_from_the_answer_section_only() {
        let decoded = Message::parse(&message(0x8000, [0, 0, 1, 0], &SOA.replace_pointers()));
        assert_eq!(decoded.unwrap().serial, None);
    }

    trait ReplacePointers {
        fn replace_pointers(&self) -> Vec<u8>;
    }

    impl ReplacePointers for &[u8] {
        /// The record on its own, with the root for each name.
        fn replace_pointers(&self) -> Vec<u8> {
            let mut record = b"\x00".to_vec();
            record.extend(&self[2..10]);
            record.extend(b"\x00\x16\x00\x00");
            record.extend(&self[16..]);
            record
        }
    }

    #[test]
    fn malformed_messages_are_rejected() {
        let tsig = b"\x00\x00\xfa\x00\xff\x00\x00\x00\x00\x00\x00";
        for (what, bad) in [
            ("short", vec![0; 11]),
            ("missing question", message(0, [2, 0, 0, 0], QUESTION)),
            ("record cut short", message(0, [1, 1, 0, 0], &[QUESTION, &A[..15]].concat())),
            (
                "data too long",
                message(
                    0,
                    [0, 1, 0, 0],
                    b"\x00\x00\x01\x00\x01\x00\x00\x00\x00\x00\x05\x01\x02\x03\x04\x05",
                ),
            ),
            ("signed", message(0, [0, 0, 0, 1], tsig)),
        ] {
            assert!(Message::parse(&bad).is_err(), "{what}");
        }
    }

    #[test]
    fn the_text_of_a_message_is_limited() {
        // A name of 126 labels, each of one byte that takes four characters, and pointers to it.
        let mut rest = [b"\x01\x07".repeat(126), b"\x00\x00\x01\x00\x01".to_vec()].concat();
        for _ in 0..4500 {
            rest.extend(b"\xc0\x0c\x00\x02\x00\x01\x00\x00\x00\x00\x00\x02\xc0\x0c");
        }
        assert_eq!(
            Message::parse(&message(0, [1, 4500, 0, 0], &rest)),
            Err(ParseError("the text of the records is longer than 4 MiB"))
        );
    }

    proptest! {
        #[test]
        fn any_bytes_parse_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            drop(Message::parse(&bytes));
        }

        #[test]
        fn any_record_parses_without_panic(kind in 0_u16..300, data in prop::collection::vec(any::<u8>(), 0..120)) {
            let mut rest = b"\x01a\x00".to_vec();
            rest.extend(kind.to_be_bytes());
            rest.extend(b"\x00\x01\x00\x00\x00\x00");
            rest.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
            rest.extend(data);
            drop(Message::parse(&message(0, [0, 1, 0, 0], &rest)));
        }
    }
}
