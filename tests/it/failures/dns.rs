//! Failing name servers.

use probe_exporter::diagnostics::{Reason, Stage};

use super::{
    formats::check,
    row::{Row, Target, module, row, served},
};
use crate::fixtures::{
    dns::{A, DnsServer, Message, TXT, dns, message, record},
    hostile::RUNTIME,
    ports::closed_port,
};

#[test]
fn failing_name_servers_are_reported() {
    check(&rows());
}

pub(super) fn rows() -> Vec<Row> {
    let mut rows = rules();
    rows.extend(answers());
    rows.extend(incomplete());
    rows.extend(silence());
    rows
}

fn rules() -> Vec<Row> {
    let records = (Stage::Check, Reason::Records);
    let rcode = (Stage::Check, Reason::Rcode);
    let rule = |rule: &str| asking(&format!("validate_answer_rrs: {{{rule}}}"));
    vec![
        row(
            "no such domain",
            asking(""),
            serving(dns().reply(message().rcode(3))),
            rcode,
            "NXDOMAIN",
        ),
        row(
            "a server that fails",
            asking(""),
            serving(dns().reply(message().rcode(2))),
            rcode,
            "SERVFAIL",
        ),
        row(
            "a server that refuses",
            asking(TCP),
            serving(dns().reply(message().rcode(5))),
            rcode,
            "REFUSED",
        ),
        row(
            "an unwanted record",
            rule(r"fail_if_matches_regexp: ['127\.0\.0\.2$']"),
            two_addresses(),
            records,
            "127.0.0.2",
        ),
        row(
            "a record that is not as wanted",
            rule(r"fail_if_not_matches_regexp: ['127\.0\.0\.1$']"),
            two_addresses(),
            records,
            "127.0.0.2",
        ),
        row(
            "no record as wanted",
            rule(r"fail_if_none_matches_regexp: ['10\.']"),
            two_addresses(),
            records,
            "no record matches",
        ),
        row(
            "not all records as wanted",
            rule(r"fail_if_all_match_regexp: ['127\.0\.0\.1$']"),
            two_addresses(),
            records,
            "fail_if_all_match_regexp",
        ),
    ]
}

fn answers() -> Vec<Row> {
    let protocol = (Stage::Response, Reason::Protocol);
    let large = vec![record("host.example", TXT, &[vec![99], vec![b'x'; 99]].concat()); 8];
    let large = large.into_iter().fold(message(), Message::answer);
    vec![
        row(
            "no message of DNS",
            asking(""),
            serving(dns().garbage(b"\xff\xff")),
            protocol,
            "shorter than a header",
        ),
        row(
            "no message over TCP",
            asking(TCP),
            serving(dns().garbage(b"\xff\xff")),
            protocol,
            "shorter than a header",
        ),
        row(
            "the answer to another question over TCP",
            asking(TCP),
            serving(dns().reply(message().other_identifier())),
            protocol,
            "its message ID differs",
        ),
        row(
            "an answer that is cut off",
            asking(""),
            serving(dns().reply(large)),
            (Stage::Response, Reason::TooLarge),
            "512",
        ),
        row(
            "half an answer over TCP",
            asking(TCP),
            serving(dns().half()),
            (Stage::Response, Reason::Closed),
            "closed",
        ),
    ]
}

/// Incomplete responses: the failure says so.
fn incomplete() -> Vec<Row> {
    let rule = |rule: &str| asking(&format!("validate_answer_rrs: {{{rule}}}"));
    vec![
        row(
            "an answer that says it is truncated",
            rule(r"fail_if_none_matches_regexp: ['10\.']"),
            serving(dns().reply(message().truncated())),
            (Stage::Check, Reason::Records),
            "validate_answer_rrs.fail_if_none_matches_regexp: no records; the response is \
             truncated (TC bit set), so records may be missing; set transport_protocol to tcp",
        ),
        row(
            "a truncated answer with some records",
            rule(r"fail_if_all_match_regexp: ['10\.']"),
            serving(dns().reply(message().truncated().answer(record(
                "host.example",
                A,
                &[127, 0, 0, 1],
            )))),
            (Stage::Check, Reason::Records),
            "set transport_protocol to tcp",
        ),
        row(
            "a truncated answer and a rule over another section",
            module(
                "dns",
                "query_name: host.example, query_type: A, \
                 validate_additional_rrs: {fail_if_not_matches_regexp: [x]}",
            ),
            serving(dns().reply(message().truncated())),
            (Stage::Check, Reason::Records),
            "the response is truncated",
        ),
        row(
            "a truncated answer with another code",
            asking(""),
            serving(dns().reply(message().truncated().rcode(2))),
            (Stage::Check, Reason::Rcode),
            "expected NOERROR; the response is truncated",
        ),
        row(
            "a truncated answer over TCP",
            format!(
                "{{prober: dns, timeout: 60s, dns: {{query_name: host.example, query_type: A, {TCP}, validate_answer_rrs: {{fail_if_none_matches_regexp: [x]}}}}}}"
            ),
            serving(dns().reply(message().truncated())),
            (Stage::Check, Reason::Records),
            "although it was sent over TCP; check the name server",
        ),
        row(
            "a truncated answer that ends within a record",
            asking(""),
            serving(dns().garbage(&[0x83, 0x80, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 0])),
            (Stage::Response, Reason::Protocol),
            "the message ends within a field; the response is truncated (TC bit set): set \
             transport_protocol",
        ),
        row(
            "fewer records than announced",
            rule(r"fail_if_none_matches_regexp: ['10\.']"),
            serving(dns().garbage(&[
                0x81, 0x80, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, 127, 0, 0, 1,
            ])),
            (Stage::Check, Reason::Records),
            "the response is incomplete: it lacks 2 records that its header announces",
        ),
        row(
            "bytes after the last record",
            rule(r"fail_if_none_matches_regexp: ['10\.']"),
            serving(dns().garbage(&[0x81, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3])),
            (Stage::Check, Reason::Records),
            "ignored 3 bytes after the last record of the response",
        ),
        row(
            "an answer that is cut off between two records",
            rule(r"fail_if_none_matches_regexp: ['10\.']"),
            serving(dns().garbage(&full(50))),
            (Stage::Check, Reason::Records),
            "the response was cut off: it is longer than 512 bytes, the limit without EDNS; set \
             transport_protocol to tcp",
        ),
    ]
}

fn silence() -> Vec<Row> {
    let timeout = (Stage::Response, Reason::Timeout);
    vec![
        row("no answer", asking(""), serving(dns()), timeout, "over UDP, no response").soon(),
        row(
            "the answer to another question alone",
            asking(""),
            serving(dns().reply(message().other_identifier())),
            timeout,
            "no response to it; ignored 1 datagram that did not match the query (too short, or \
             another",
        )
        .soon(),
        row(
            "the answer of another server",
            asking(""),
            serving(dns().reply(message()).other_source()),
            timeout,
            "over UDP, no response",
        )
        .soon(),
        row(
            "nobody listens by UDP",
            asking(""),
            closed(),
            (Stage::Response, Reason::Refused),
            "127.0.0.1 reports: the port is unreachable",
        ),
    ]
}

/// Returns a message without its message ID and without a question, one of whose records ends at
/// octet 512.
fn full(records: u8) -> Vec<u8> {
    let header = [0x81, 0x80, 0, 0, 0, records, 0, 0, 0, 0];
    let record = b"\x09abcdefghi\x00\x00\x01\x00\x01\x00\x00\x00\x01\x00\x04\x7f\x00\x00\x01";
    assert_eq!((512 - 12) % record.len(), 0);
    [&header[..], &record.repeat(records.into())].concat()
}

const TCP: &str = "transport_protocol: tcp";

fn asking(keys: &str) -> String {
    module("dns", &format!("query_name: host.example, query_type: A, {keys}"))
}

fn serving(server: DnsServer) -> Target {
    let server = RUNTIME.block_on(server.start());
    served(server.address, server)
}

fn two_addresses() -> Target {
    let address = |last| record("host.example", A, &[127, 0, 0, last]);
    serving(dns().reply(message().answer(address(1)).answer(address(2))))
}

/// A port that nobody listens on.
fn closed() -> Target {
    let port = closed_port();
    served(port.address, port)
}
