//! DNS messages, read strictly, with records in the presentation format of Go's [miekg/dns].
//!
//! Many Go programs match patterns against the text that miekg/dns prints for a resource record. A
//! program that replaces one of them has to print the same text, byte for byte. This crate does
//! that for all record types of miekg/dns 1.1, unknown types (RFC 3597) and the OPT pseudo-record
//! (RFC 6891). It accepts and rejects the same messages as miekg/dns does.
//!
//! ```
//! use dns_text::{Message, QueryName, Rcode, RecordType, query};
//!
//! let name = QueryName::new("example.com")?;
//! let query = query::encode(0x1234, dns_text::RECURSION_DESIRED, &name, RecordType::A.0, 1);
//! assert_eq!(query.len(), 29);
//!
//! // A response: header, question, and one A record whose name points to the question.
//! let mut response = query;
//! response[2..4].copy_from_slice(&0x8180_u16.to_be_bytes());
//! response[7] = 1;
//! response.extend(b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x0e\x10\x00\x04\xc0\x00\x02\x01");
//!
//! let message = Message::parse(&response)?;
//! assert_eq!(message.rcode, Rcode::NOERROR);
//! assert_eq!(message.answer[0].text, "example.com.\t3600\tIN\tA\t192.0.2.1");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`Reader`] reads the parts of a message one by one and allocates nothing, for programs that need
//! only some fields of it, such as a stub resolver.
//!
//! With the feature `serde`, record types, classes and response codes are (de)serialized as their
//! mnemonics.
//!
//! [miekg/dns]: https://github.com/miekg/dns

#![forbid(unsafe_code)]

mod message;
mod mnemonics;
mod presentation;
pub mod query;
mod reader;

pub use message::{Message, Record, identifier, is_truncated};
pub use mnemonics::{Rcode, RecordClass, RecordType, UnknownMnemonic};
pub use query::{NameError, QueryName, RECURSION_DESIRED};
pub use reader::{ParseError, Reader};

/// Length of the header of a message in bytes (RFC 1035, section 4.1.1).
pub const HEADER_LENGTH: usize = 12;

/// Maximum length of a label in bytes (RFC 1035, section 2.3.4).
pub const MAX_LABEL: usize = 63;

/// Maximum length of a name in wire format in bytes, with its length bytes (RFC 1035, section
/// 2.3.4).
pub const MAX_NAME: usize = 255;

/// Header flag TC: the message was truncated.
pub const TRUNCATED: u16 = 1 << 9;

/// Mask of the response code in the header flags.
pub const RCODE: u16 = 0xf;
