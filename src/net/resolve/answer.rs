//! Responses of name servers.
//!
//! They are parsed as leniently as by Go's resolver: addresses count whatever their owner name is, so
//! that an alias needs no second query, and other records are skipped.

use std::{fmt, net::IpAddr};

use dns_text::{HEADER_LENGTH, ParseError, QueryName, RCODE, Reader, TRUNCATED};
use thiserror::Error;

/// A query that was sent, to check a response against.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'q> {
    pub(super) identifier: u16,
    pub(super) name: &'q QueryName,
    pub(super) kind: u16,
}

/// The answer to a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// The addresses of the name, possibly none, and their time to live in seconds.
    Addresses(Vec<IpAddr>, u32),
    /// The name does not exist.
    NoSuchName,
}

/// A message without an answer to the query.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(super) enum NoAnswer {
    /// The message does not belong to the query, and may be forged.
    #[error("a message that does not match the query ({0})")]
    Unrelated(&'static str),
    /// The answer did not fit into a datagram.
    #[error("the response is truncated")]
    Truncated,
    /// The server returned an error.
    #[error("the server returned {0}")]
    Rcode(Rcode),
    /// A referral of a server that is not a recursive resolver.
    #[error("the server returned a referral and does not support recursion")]
    Referral,
    /// No record, from a server that is neither authoritative nor a recursive resolver.
    #[error("the server returned an empty response")]
    Nothing,
    #[error("malformed response: {0}")]
    Malformed(#[from] ParseError),
}

/// A response code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rcode(u16);

impl Rcode {
    const NO_ERROR: Self = Self(0);
    const NO_SUCH_NAME: Self = Self(3);

    /// Returns whether servers without EDNS use this code (RFC 6891, sections 6.1.3 and 7).
    pub(super) fn is_about_edns(self) -> bool {
        matches!(self, Self(1 | 4 | 16))
    }
}

impl fmt::Display for Rcode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.0 {
            1 => "FORMERR",
            2 => "SERVFAIL",
            4 => "NOTIMP",
            5 => "REFUSED",
            16 => "BADVERS",
            other => return write!(formatter, "response code {other}"),
        };
        formatter.write_str(name)
    }
}

/// Types and the class of records.
pub(super) const A: u16 = 1;
pub(super) const AAAA: u16 = 28;
pub(super) const INTERNET: u16 = 1;
const CNAME: u16 = 5;
const OPT: u16 = 41;

/// Flags of the header.
const RESPONSE: u16 = 1 << 15;
const AUTHORITATIVE: u16 = 1 << 10;
const RECURSION_AVAILABLE: u16 = 1 << 7;

impl Answer {
    /// Parses a message that was received for `asked`.
    pub(super) fn read(message: &[u8], asked: Asked<'_>) -> Result<Self, NoAnswer> {
        if message.len() < HEADER_LENGTH {
            return Err(NoAnswer::Unrelated("shorter than a DNS header"));
        }
        let mut reader = Reader::new(message, 0);
        let identifier = reader.u16()?;
        let flags = reader.u16()?;
        let questions = reader.u16()?;
        let [answers, authorities, additionals] = [reader.u16()?, reader.u16()?, reader.u16()?];
        if identifier != asked.identifier || flags & RESPONSE == 0 {
            return Err(NoAnswer::Unrelated("different message ID"));
        }
        let rcode = Rcode(flags & RCODE);
        let is_error = !matches!(rcode, Rcode::NO_ERROR | Rcode::NO_SUCH_NAME);
        // Some servers do not copy a question that they cannot parse.
        if questions == 0 && is_error {
            return Err(NoAnswer::Rcode(rcode));
        }
        if questions != 1 || !asked.is_repeated_by(&mut reader) {
            return Err(NoAnswer::Unrelated("different question"));
        }
        if is_error {
            return Err(NoAnswer::Rcode(rcode));
        }
        if flags & TRUNCATED != 0 {
            return Err(NoAnswer::Truncated);
        }
        if rcode == Rcode::NO_SUCH_NAME {
            return Ok(Self::NoSuchName);
        }
        let mut records = Records { reader, addresses: Vec::new(), ttl: u32::MAX };
        let read = records.read(answers, asked.kind);
        if !records.addresses.is_empty() {
            return Ok(Self::Addresses(records.addresses, records.ttl));
        }
        read?;
        let knows = flags & (AUTHORITATIVE | RECURSION_AVAILABLE) != 0;
        if answers == 0 && !knows && additionals == 0 {
            return Err(if authorities == 0 { NoAnswer::Nothing } else { NoAnswer::Referral });
        }
        match records.extended_rcode(authorities, additionals) {
            Ok(Some(upper)) if upper != 0 => Err(NoAnswer::Rcode(Rcode(upper << 4))),
            _ => Ok(Self::Addresses(Vec::new(), 0)),
        }
    }
}

impl Asked<'_> {
    /// Returns whether a message contains the question; names are compared without regard to case.
    fn is_repeated_by(&self, reader: &mut Reader<'_>) -> bool {
        let mut expected = self.name.labels();
        let mut equal = true;
        let read = reader.labels(|label| {
            equal &= expected.next().is_some_and(|known| known.eq_ignore_ascii_case(label));
        });
        let rest = (reader.u16(), reader.u16());
        read.is_ok() && equal && expected.next().is_none() && rest == (Ok(self.kind), Ok(INTERNET))
    }
}

/// The records of a response.
struct Records<'m> {
    reader: Reader<'m>,
    addresses: Vec<IpAddr>,
    ttl: u32,
}

impl<'m> Records<'m> {
    /// Parses `count` records and keeps the addresses of this type.
    fn read(&mut self, count: u16, wanted: u16) -> Result<(), ParseError> {
        for _ in 0..count {
            let (kind, class, ttl, mut data) = self.record()?;
            if class != INTERNET || (kind != wanted && kind != CNAME) {
                continue;
            }
            self.ttl = self.ttl.min(ttl);
            if kind != CNAME {
                let address =
                    if kind == A { data.ipv4()?.into() } else { IpAddr::from(data.ipv6()?) };
                if !data.is_at_end() {
                    return Err(ParseError("an address is longer than its type allows"));
                }
                self.addresses.push(address);
            }
        }
        Ok(())
    }

    /// Returns the upper bits of the response code from the OPT record, if there is one.
    fn extended_rcode(&mut self, before: u16, count: u16) -> Result<Option<u16>, ParseError> {
        for _ in 0..before {
            self.record()?;
        }
        for _ in 0..count {
            let (kind, _, ttl, _) = self.record()?;
            if kind == OPT {
                let [upper, ..] = ttl.to_be_bytes();
                return Ok(Some(upper.into()));
            }
        }
        Ok(None)
    }

    fn record(&mut self) -> Result<(u16, u16, u32, Reader<'m>), ParseError> {
        let reader = &mut self.reader;
        reader.skip_name()?;
        let (kind, class, ttl, length) =
            (reader.u16()?, reader.u16()?, reader.u32()?, reader.u16()?);
        Ok((kind, class, ttl, reader.part(length.into())?))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn name() -> QueryName {
        QueryName::new("web.Test").unwrap()
    }

    /// Reads an answer with these flags, counts, and octets after the header.
    fn read(flags: u16, counts: [u16; 4], rest: &[u8]) -> Result<Answer, NoAnswer> {
        let header = [[7, flags].as_slice(), &counts].concat();
        let mut message: Vec<u8> = header.iter().flat_map(|word| word.to_be_bytes()).collect();
        message.extend(rest);
        Answer::read(&message, Asked { identifier: 7, name: &name(), kind: A })
    }

    const QUESTION: &[u8] = b"\x03WEB\x04test\x00\x00\x01\x00\x01";
    const ADDRESS: &[u8] = b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\x7f\x00\x00\x01";
    const ALIAS: &[u8] = b"\xc0\x0c\x00\x05\x00\x01\x00\x00\x00\x1e\x00\x06\x03cdn\xc0\x10";
    const ELSEWHERE: &[u8] =
        b"\x03cdn\x04test\x00\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\x7f\x00\x00\x02";

    #[test]
    fn addresses_are_found_whichever_name_they_have() {
        let found = |ip: [u8; 4], ttl| Ok(Answer::Addresses(vec![ip.into()], ttl));
        let nothing = Ok(Answer::Addresses(Vec::new(), 0));
        let six = [&ADDRESS[..3], &[28, 0, 1, 0, 0, 0, 60, 0, 16], &[0; 16]].concat();
        let loop_of_pointers = [b"\xc0\x19", &ADDRESS[2..]].concat();
        let broken = &ADDRESS[..ADDRESS.len() - 2];
        let long = [&ADDRESS[..11], &[5, 1, 2, 3, 4, 5]].concat();
        for (what, flags, counts, rest, expected) in [
            ("one", 0x8180, [1, 1, 0, 0], vec![ADDRESS], found([127, 0, 0, 1], 60)),
            ("an alias", 0x8180, [1, 2, 0, 0], vec![ALIAS, ELSEWHERE], found([127, 0, 0, 2], 30)),
            (
                "the other order",
                0x8180,
                [1, 2, 0, 0],
                vec![ELSEWHERE, ALIAS],
                found([127, 0, 0, 2], 30),
            ),
            ("an alias alone", 0x8180, [1, 1, 0, 0], vec![ALIAS], nothing.clone()),
            ("the other family", 0x8180, [1, 1, 0, 0], vec![&six], nothing.clone()),
            ("none", 0x8180, [1, 0, 0, 0], vec![], nothing.clone()),
            ("fewer than said", 0x8180, [1, 9, 0, 0], vec![ADDRESS], found([127, 0, 0, 1], 60)),
            (
                "more than said",
                0x8180,
                [1, 1, 0, 0],
                vec![ADDRESS, b"xyz"],
                found([127, 0, 0, 1], 60),
            ),
            (
                "an owner that points at itself",
                0x8180,
                [1, 1, 0, 0],
                vec![&loop_of_pointers],
                found([127, 0, 0, 1], 60),
            ),
            (
                "cut within",
                0x8180,
                [1, 1, 0, 0],
                vec![broken],
                Err(NoAnswer::Malformed(ParseError("the message ends within a field"))),
            ),
            (
                "five octets",
                0x8180,
                [1, 1, 0, 0],
                vec![&long],
                Err(NoAnswer::Malformed(ParseError("an address is longer than its type allows"))),
            ),
            (
                "counts of a liar",
                0x8180,
                [1, 65535, 65535, 65535],
                vec![],
                Err(NoAnswer::Malformed(ParseError("the message ends within a field"))),
            ),
            ("no such name", 0x8183, [1, 0, 0, 0], vec![], Ok(Answer::NoSuchName)),
            ("an alias of nothing", 0x8183, [1, 1, 0, 0], vec![ALIAS], Ok(Answer::NoSuchName)),
            ("truncated", 0x8380, [1, 1, 0, 0], vec![ADDRESS], Err(NoAnswer::Truncated)),
            ("SERVFAIL", 0x8182, [1, 0, 0, 0], vec![], Err(NoAnswer::Rcode(Rcode(2)))),
            (
                "SERVFAIL with an alias",
                0x8182,
                [1, 1, 0, 0],
                vec![ALIAS],
                Err(NoAnswer::Rcode(Rcode(2))),
            ),
            ("a referral", 0x8100, [1, 0, 1, 0], vec![], Err(NoAnswer::Referral)),
            ("nothing", 0x8100, [1, 0, 0, 0], vec![], Err(NoAnswer::Nothing)),
            ("authoritative", 0x8500, [1, 0, 0, 0], vec![], nothing.clone()),
            (
                "BADVERS",
                0x8180,
                [1, 0, 0, 1],
                vec![b"\0\0\x29\x04\xd0\x01\0\0\0\0\0"],
                Err(NoAnswer::Rcode(Rcode(16))),
            ),
            ("an OPT record", 0x8180, [1, 0, 0, 1], vec![b"\0\0\x29\x04\xd0\0\0\0\0\0\0"], nothing),
        ] {
            let rest = [QUESTION, &rest.concat()].concat();
            assert_eq!(read(flags, counts, &rest), expected, "{what}");
        }
    }

    #[test]
    fn other_messages_are_no_answers() {
        let unrelated = |read| matches!(read, Err(NoAnswer::Unrelated(_)));
        let other_name = b"\x03web\x05tests\x00\x00\x01\x00\x01";
        let longer = b"\x01a\x03web\x04test\x00\x00\x01\x00\x01";
        let shorter = b"\x03web\x00\x00\x01\x00\x01";
        let pointing = b"\xc0\x0c\x00\x01\x00\x01";
        for question in [&other_name[..], longer, shorter, &QUESTION[..12], pointing, b""] {
            assert!(unrelated(read(0x8180, [1, 0, 0, 0], question)), "{question:?}");
        }
        assert!(unrelated(read(0x0100, [1, 0, 0, 0], QUESTION)), "a query");
        assert!(unrelated(read(0x8180, [0, 0, 0, 0], &[])), "no question");
        assert!(unrelated(read(0x8180, [2, 0, 0, 0], &[QUESTION, QUESTION].concat())), "two");
        let asked = Asked { identifier: 7, name: &name(), kind: A };
        assert!(unrelated(Answer::read(b"\0\x07\x81", asked)), "short");
        assert!(unrelated(Answer::read(b"\0\x08\x81\x80\0\0\0\0\0\0\0\0", asked)), "identifier");
        assert_eq!(read(0x8181, [0; 4], &[]), Err(NoAnswer::Rcode(Rcode(1))), "FORMERR alone");
    }

    proptest! {
        #[test]
        fn any_octets_are_read_or_refused(octets in prop::collection::vec(any::<u8>(), 0..400)) {
            drop(read(0x8180, [1, 3, 2, 2], &[QUESTION, &octets].concat()));
            drop(Answer::read(&octets, Asked { identifier: 7, name: &name(), kind: AAAA }));
        }
    }
}
