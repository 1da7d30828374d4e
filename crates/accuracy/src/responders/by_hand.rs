//! A responder of HTTP that makes its TCP segments itself, because the kernel, which would make
//! them, answers the first segment of a connection at once.
//!
//! It knows no connections: what it answers follows from the segment that it answers.

use std::{
    io::Read as _,
    net::{Ipv4Addr, SocketAddrV4},
    sync::Arc,
};

use anyhow::Result;
use socket2::{Domain, Protocol, Socket, Type};

use super::super::packet::{Ipv4, Segment, TCP, checksum};
use super::{
    datagrams::datagram,
    service::{Delays, NETWORK_BY_HAND, eager_thread},
    streams::PAGE,
};

/// Starts it. Packets to it go out on the loopback interface and are dropped when they come in, so
/// a packet socket takes them.
pub(super) fn start(delays: &Delays) -> Result<()> {
    const IPV4: u16 = 0x0800;
    let protocol = Protocol::from(i32::from(IPV4.to_be()));
    let incoming = Socket::new(Domain::PACKET, Type::DGRAM, Some(protocol))?;
    incoming.set_recv_buffer_size(16 << 20)?;
    let outgoing = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::TCP))?;
    outgoing.set_header_included_v4(true)?;
    // It only sends, and need not keep what it could receive.
    outgoing.set_recv_buffer_size(0)?;
    let (outgoing, delays) = (Arc::new(outgoing), delays.clone());
    eager_thread("handshake", move || serve(&incoming, &outgoing, &delays))?;
    Ok(())
}

fn serve(mut incoming: &Socket, outgoing: &Arc<Socket>, delays: &Delays) {
    let mut buffer = vec![0; 65536];
    loop {
        let Ok(length) = incoming.read(&mut buffer) else { continue };
        let Some(packet) = buffer.get(..length).and_then(Ipv4::parse) else { continue };
        let [NETWORK_BY_HAND, ..] = packet.destination.octets() else { continue };
        let Some(segment) = Segment::parse(packet.payload).filter(|_| packet.protocol == TCP)
        else {
            continue;
        };
        let (peer, client) = (packet.destination, packet.source);
        let Some(answer) = answer(&segment).and_then(|answer| answer.to(&segment, peer, client))
        else {
            continue;
        };
        let outgoing = Arc::clone(outgoing);
        let send = move || {
            outgoing.send_to(&answer, &SocketAddrV4::new(client, 0).into()).ok();
        };
        if segment.has(Segment::SYN) { delays.after(peer, send) } else { send() }
    }
}

/// The fields that differ between our segments.
struct Answer {
    flags: u8,
    sequence: u32,
    acknowledged: u32,
    data: &'static [u8],
}

/// A connection for a request for one, the page and the end for data, an acknowledgement for the
/// peer's end, and nothing for the rest.
fn answer(segment: &Segment<'_>) -> Option<Answer> {
    /// The first sequence number of every connection.
    const FIRST: u32 = 1_000_000;
    let length = u32::try_from(segment.data.len()).ok()?;
    let next = segment.sequence.wrapping_add(length);
    if segment.has(Segment::SYN) {
        let flags = Segment::SYN | Segment::ACK;
        return Some(Answer {
            flags,
            sequence: FIRST,
            acknowledged: next.wrapping_add(1),
            data: &[],
        });
    }
    let sequence = segment.acknowledged;
    if length > 0 {
        let flags = Segment::ACK | Segment::PUSH | Segment::FIN;
        return Some(Answer { flags, sequence, acknowledged: next, data: PAGE });
    }
    let acknowledged = next.wrapping_add(1);
    segment.has(Segment::FIN).then_some(Answer {
        flags: Segment::ACK,
        sequence,
        acknowledged,
        data: &[],
    })
}

impl Answer {
    /// The packet that answers `segment`, from `peer` to `client`.
    fn to(&self, segment: &Segment<'_>, peer: Ipv4Addr, client: Ipv4Addr) -> Option<Vec<u8>> {
        const WORDS_OF_HEADER: u8 = 5 << 4;
        const WINDOW: u16 = 65535;
        let mut bytes = [
            &segment.ports.1.to_be_bytes()[..],
            &segment.ports.0.to_be_bytes(),
            &self.sequence.to_be_bytes(),
            &self.acknowledged.to_be_bytes(),
            &[WORDS_OF_HEADER, self.flags],
            &WINDOW.to_be_bytes(),
            &[0; 4],
            self.data,
        ]
        .concat();
        let length = u16::try_from(bytes.len()).ok()?.to_be_bytes();
        let pseudo_header =
            [&peer.octets()[..], &client.octets(), &[0, TCP], &length, &bytes].concat();
        let sum = checksum(&pseudo_header).to_be_bytes();
        bytes.get_mut(16..18)?.copy_from_slice(&sum);
        datagram(peer, client, TCP, &bytes)
    }
}
