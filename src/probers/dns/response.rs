//! The response to a query.

use std::fmt::Write as _;

use dns_text::{Message, Record};

use crate::diagnostics::{Part, PartKind};

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

impl Response {
    /// Returns the decoded response: response code, flags, and the records of each section.
    pub(super) fn excerpt(&self) -> Part {
        let message = &self.message;
        let flags: Vec<_> = message.flag_names().collect();
        let mut text = format!("response code {}, flags {}\n", message.rcode, flags.join(" "));
        let mut total = text.len();
        for (section, records) in [
            ("answer", &message.answer),
            ("authority", &message.authority),
            ("additional", &message.additional),
        ] {
            total += write_section(&mut text, section, records);
        }
        Part::new(PartKind::Answer, text.as_bytes(), u64::try_from(total).unwrap_or(u64::MAX))
    }
}

/// Appends a section, unless it is empty or the text is long enough. Returns its length.
fn write_section(text: &mut String, section: &str, records: &[Record]) -> usize {
    if records.is_empty() {
        return 0;
    }
    let start = text.len();
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{section}:");
    let mut omitted = 0;
    for Record { text: record, .. } in records {
        if text.len() < PartKind::Answer.needed() {
            text.extend([record, "\n"]);
        } else {
            omitted += record.len() + 1;
        }
    }
    text.len() - start + omitted
}
