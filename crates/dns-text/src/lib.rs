//! DNS messages on the wire: the reader of their parts, and the query. The prober and the resolver
//! share them.

mod message;
mod mnemonics;
mod presentation;
pub mod query;
mod reader;

pub use message::{Message, Record, identifier, is_truncated};
pub use mnemonics::{Rcode, RecordClass, RecordType};
pub use query::{BadName, QueryName, RECURSION_DESIRED};
pub use reader::{Malformed, Reader};

/// The length of a message's header in octets.
pub const HEADER_LENGTH: usize = 12;

/// The maximum length of a label in octets (RFC 1035, section 2.3.4).
pub const MAX_LABEL: usize = 63;

/// The maximum length of a name in octets on the wire, its length octets included (RFC 1035,
/// section 2.3.4).
pub const MAX_NAME: usize = 255;

/// The header flag of a truncated message.
pub const TRUNCATED: u16 = 1 << 9;

/// The header bits of the response code.
pub const RCODE: u16 = 0xf;
