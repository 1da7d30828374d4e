//! The answer to a question.

use dns_text::Message;

/// The answer to a question.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) message: Message,
    /// The datagram was longer than the buffer, so that its end is missing.
    pub(super) cut: bool,
}

/// The cause and the remedy of a missing end, as the end of a sentence.
pub(super) const CUT_HINT: &str = ": it is longer than the 512 bytes that it may have without EDNS; set transport_protocol to tcp";
