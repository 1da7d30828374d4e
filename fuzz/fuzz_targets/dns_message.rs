//! A DNS message of any bytes is read or refused, and its records have a text; what a stricter
//! reader takes is taken, with as many records.

#![no_main]

use dns_text::Message;
use hickory_proto::op::Message as Strict;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let read = Message::parse(bytes);
    if let Ok(message) = &read {
        for record in message.answer.iter().chain(&message.authority).chain(&message.additional) {
            assert!(!record.text.is_empty());
        }
    }
    let Ok(strict) = Strict::from_vec(bytes) else { return };
    // A record of a type that it knows may have data of a form that only the other reader minds.
    let Ok(message) = read else { return };
    assert_eq!(message.answer.len(), strict.answers.len());
    assert_eq!(message.authority.len(), strict.authorities.len());
});
