//! The response to a query.

use dns_text::Message;

/// The response to a query.
#[derive(Debug)]
pub(super) struct Response {
    pub(super) message: Message,
    /// True if the datagram exceeded the buffer, so that its end is missing.
    pub(super) is_cut: bool,
}

/// Explanation of a response whose end is missing, as the end of a sentence.
pub(super) const CUT_HINT: &str = "it is longer than 512 bytes, the limit without EDNS; set \
                                   transport_protocol to tcp";
