//! Responders of DNS over UDP, and of ICMP.

use std::{
    io::{IoSlice, IoSliceMut, Read as _},
    net::{Ipv4Addr, SocketAddrV4, UdpSocket},
    os::fd::AsRawFd as _,
    sync::Arc,
};

use anyhow::Result;
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, SockaddrIn, recvmsg, sendmsg, setsockopt,
    sockopt::Ipv4PacketInfo,
};
use socket2::{Domain, Protocol, Socket, Type};

use super::super::packet::{ICMP, Ipv4, checksum};
use super::service::{Delays, eager_thread, port};

pub(super) fn start(delays: &Delays) -> Result<()> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port::DNS))?;
    setsockopt(&socket, Ipv4PacketInfo, &true)?;
    let dns_delays = delays.clone();
    eager_thread("dns", move || serve_dns(&Arc::new(socket), &dns_delays))?;

    let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::ICMPV4))?;
    socket.set_header_included_v4(true)?;
    let delays = delays.clone();
    eager_thread("icmp", move || serve_icmp(&Arc::new(socket), &delays))?;
    Ok(())
}

/// Answers from the address that was asked, which the socket would choose otherwise.
fn serve_dns(socket: &Arc<UdpSocket>, delays: &Delays) {
    let mut control = nix::cmsg_space!(libc::in_pktinfo);
    let mut buffer = [0; 2048];
    loop {
        let mut slices = [IoSliceMut::new(&mut buffer)];
        let flags = MsgFlags::empty();
        let Ok(message) =
            recvmsg::<SockaddrIn>(socket.as_raw_fd(), &mut slices, Some(&mut control), flags)
        else {
            continue;
        };
        let mut asked = None;
        for message in message.cmsgs().into_iter().flatten() {
            if let ControlMessageOwned::Ipv4PacketInfo(info) = message {
                asked = Some(info);
            }
        }
        let (client, length) = (message.address, message.bytes);
        let answer = buffer.get(..length).and_then(dns_answer);
        let (Some(asked), Some(client), Some(answer)) = (asked, client, answer) else { continue };
        let (socket, address) =
            (Arc::clone(socket), Ipv4Addr::from(u32::from_be(asked.ipi_addr.s_addr)));
        delays.after(address, move || {
            let from = libc::in_pktinfo { ipi_spec_dst: asked.ipi_addr, ipi_ifindex: 0, ..asked };
            let slices = [IoSlice::new(&answer)];
            let control = [ControlMessage::Ipv4PacketInfo(&from)];
            sendmsg(socket.as_raw_fd(), &slices, &control, flags, Some(&client)).ok();
        });
    }
}

/// An answer with one address to any question.
fn dns_answer(query: &[u8]) -> Option<Vec<u8>> {
    /// A response without an error, with one question, one answer and nothing more.
    const HEAD: [u8; 10] = [0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0];
    /// The name of the question, type A, class IN, for a minute, 4 bytes.
    const RECORD: [u8; 16] = [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 1];
    let questions = query.get(12..)?;
    let mut length = 0;
    while let label @ 1.. = *questions.get(length)? {
        length += usize::from(label) + 1;
    }
    let question = questions.get(..length + 5)?;
    Some([query.get(..2)?, &HEAD, question, &RECORD].concat())
}

fn serve_icmp(socket: &Arc<Socket>, delays: &Delays) {
    let mut buffer = vec![0; 65536];
    loop {
        let Ok(length) = (&**socket).read(&mut buffer) else { continue };
        let packet = buffer.get(..length).unwrap_or_default();
        let Some((asked, client, reply)) = echo_reply(packet) else { continue };
        let socket = Arc::clone(socket);
        delays.after(asked, move || {
            socket.send_to(&reply, &SocketAddrV4::new(client, 0).into()).ok();
        });
    }
}

/// The reply to an echo request, header of IP included, from whom it is and to whom it goes.
fn echo_reply(request: &[u8]) -> Option<(Ipv4Addr, Ipv4Addr, Vec<u8>)> {
    const REQUEST: u8 = 8;
    const REPLY: u8 = 0;
    let packet = Ipv4::parse(request)?;
    let [REQUEST, code, _, _, rest @ ..] = packet.payload else { return None };
    let mut message = [&[REPLY, *code, 0, 0], rest].concat();
    let sum = checksum(&message).to_be_bytes();
    message.get_mut(2..4)?.copy_from_slice(&sum);
    let reply = datagram(packet.destination, packet.source, ICMP, &message)?;
    Some((packet.destination, packet.source, reply))
}

/// A packet of IPv4 without options; the kernel fills in its checksum and number.
pub(super) fn datagram(
    source: Ipv4Addr,
    destination: Ipv4Addr,
    protocol: u8,
    payload: &[u8],
) -> Option<Vec<u8>> {
    const VERSION_AND_LENGTH: u8 = 0x45;
    const HOP_LIMIT: u8 = 64;
    let [high, low] = u16::try_from(20 + payload.len()).ok()?.to_be_bytes();
    let head = [VERSION_AND_LENGTH, 0, high, low, 0, 0, 0, 0, HOP_LIMIT, protocol, 0, 0];
    Some([&head[..], &source.octets(), &destination.octets(), payload].concat())
}
