//! DNS messages on the wire: the reader of their parts, and the query. The prober and the resolver
//! share them.

pub mod question;
mod reader;

pub use question::{BadName, QueryName, RECURSION_DESIRED};
pub use reader::Malformed;
pub(crate) use reader::Reader;

/// The length of a message's header in octets.
pub const HEADER_LENGTH: usize = 12;

pub use crate::settings::host_name::MAX_LABEL;

/// The maximum length of a name in octets on the wire, its length octets included (RFC 1035,
/// section 2.3.4).
pub const MAX_NAME: usize = 255;

/// The header flag of a truncated message.
pub const TRUNCATED: u16 = 1 << 9;

/// The header bits of the response code.
pub const RCODE: u16 = 0xf;
