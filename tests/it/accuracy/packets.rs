//! Parsing of packets, and the times of peers between them.

use std::{net::Ipv4Addr, time::Duration};

use accuracy::packet::{
    Flow, Ipv4, Packet, Segment, TCP,
    Way::{self, In, Out},
    What, checksum,
};

/// A segment with data from 127.0.0.1:40000 to 127.10.0.1:80, with two bytes of padding.
const SEGMENT: &[u8] = &[
    0x45, 0, 0, 42, 0, 0, 0, 0, 64, TCP, 0, 0, 127, 0, 0, 1, 127, 10, 0, 1, // IP
    0x9c, 0x40, 0, 80, 0, 0, 0, 7, 0, 0, 0, 9, 0x50, 0x18, 0, 1, 0, 0, 0, 0, // TCP
    b'h', b'i', 0, 0,
];

#[test]
fn packets_are_parsed() {
    let packet = Ipv4::parse(SEGMENT).unwrap();
    assert_eq!(packet.source, Ipv4Addr::LOCALHOST);
    assert_eq!(packet.destination, Ipv4Addr::new(127, 10, 0, 1));
    assert_eq!(packet.what(), Some(What::Data(b"hi".to_vec())));
    let segment = Segment::parse(packet.payload).unwrap();
    assert_eq!((segment.ports, segment.sequence, segment.acknowledged), ((40000, 80), 7, 9));
    assert!(segment.has(Segment::ACK) && !segment.has(Segment::SYN));
    for length in 0..SEGMENT.len() {
        // A truncated packet must not cause a panic.
        drop(Ipv4::parse(&SEGMENT[..length]).and_then(|packet| packet.what()));
    }
}

#[test]
fn the_checksum_is_that_of_rfc_1071() {
    assert_eq!(checksum(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]), !0xddf2);
    assert_eq!(checksum(&[0xff, 0xff, 0x01]), !0x0100);
}

/// A flow of packets at these milliseconds.
fn flow(packets: &[(u64, Way, What)]) -> Flow {
    let packet = |(millis, way, what): &(u64, Way, What)| Packet {
        at: Duration::from_hours(1) + Duration::from_millis(*millis),
        way: *way,
        what: what.clone(),
    };
    Flow(packets.iter().map(packet).collect())
}

fn millis(found: Option<Duration>) -> Option<u128> {
    found.map(|found| found.as_millis())
}

fn data(bytes: &[u8]) -> What {
    What::Data(bytes.to_vec())
}

#[test]
fn a_handshake_ends_with_the_syn_ack() {
    let whole = flow(&[(1, Out, What::Syn), (8, In, What::SynAck), (9, Out, data(b"x"))]);
    assert_eq!(millis(whole.handshake()), Some(7));
    // A repeated segment does not make it shorter.
    let repeated = [(1, Out, What::Syn), (4, Out, What::Syn), (8, In, What::SynAck)];
    assert_eq!(millis(flow(&repeated).handshake()), Some(7));
    assert_eq!(flow(&[(1, Out, What::Syn)]).handshake(), None);
}

#[test]
fn a_response_is_timed_from_the_last_bytes_of_the_request() {
    let packets = [
        (1, Out, data(b"GET /")),
        (3, Out, data(b"\r\n\r\n")),
        (9, In, data(b"HTTP")),
        (10, Out, data(b"more")),
        (30, In, data(b"body")),
    ];
    assert_eq!(millis(flow(&packets).answer()), Some(6));
    let datagrams = [(2, Out, What::Datagram(vec![1])), (5, In, What::Datagram(vec![2]))];
    assert_eq!(millis(flow(&datagrams).answer()), Some(3));
    assert_eq!(flow(&packets[2..3]).answer(), None, "nothing was asked");
}

#[test]
fn waiting_in_a_handshake_excludes_the_time_of_the_client() {
    let hello = data(&[22, 3, 1, 0, 1, 1]);
    // A record of another kind goes before the client's last message.
    let finished = data(&[20, 3, 3, 0, 1, 1, 23, 3, 3, 0, 1, 9]);
    let packets = [
        (0, Out, What::Syn),
        (1, In, What::SynAck),
        (5, Out, hello),
        (12, In, data(b"server hello")),
        (14, In, data(b"certificate")),
        (40, Out, finished),
        (90, In, data(b"tickets")),
    ];
    assert_eq!(millis(flow(&packets).tls_waiting()), Some(9));
    assert_eq!(flow(&packets[..5]).tls_waiting(), None, "it did not end");
}
