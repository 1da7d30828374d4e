//! Compares the text of records with that of Go's library.

use dns_text::Message;

/// Records and their text, as recorded from blackbox\_exporter 0.28.0, which uses miekg/dns.
const RECORDED: &str = include_str!("records.tsv");

/// A header that announces one question and one answer, and the question.
const BEFORE: &[u8] = b"\0\0\x81\x80\0\x01\0\x01\0\0\0\0\x01c\x07Example\x04test\0\0\xff\0\x01";

#[test]
fn records_have_the_text_of_the_go_library() {
    let byte = |pair: &[u8]| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap();
    let mut records = 0;
    for line in RECORDED.lines().filter(|line| !line.starts_with('#')) {
        let mut columns = line.split('\t');
        let (name, digits) = (columns.next().unwrap(), columns.next().unwrap());
        let data: Vec<u8> = digits.as_bytes().chunks(2).map(byte).collect();
        let expected: Option<String> = serde_json::from_str(columns.next().unwrap()).unwrap();
        let message = [BEFORE, &data].concat();
        let text = match Message::parse(&message) {
            Ok(mut message) => message.answer.pop().map(|record| record.text),
            Err(_) => None,
        };
        assert_eq!(text, expected, "{name}");
        records += 1;
    }
    assert!(records > 400, "only {records} records were found");
}
