//! The truth: every packet on the loopback interface with the kernel's time stamp.

use std::{
    collections::HashMap,
    io::IoSliceMut,
    net::{Ipv4Addr, UdpSocket},
    os::fd::AsRawFd as _,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use anyhow::{Result, bail};
use nix::sys::socket::{
    ControlMessageOwned, LinkAddr, MsgFlags, recvmsg, setsockopt,
    sockopt::{RcvBufForce, ReceiveTimestampns, RxqOvfl},
};
use socket2::{Domain, Protocol, Socket, Type};

use super::{
    packet::{Flow, Ipv4, Packet, Way, What},
    responders,
};

/// Whence exporters send; everything else is a peer.
const EXPORTERS: Ipv4Addr = Ipv4Addr::LOCALHOST;

/// The port of datagrams that only show how far the capture has come.
const MILESTONES: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// Room for what comes while the reader gets no CPU time; a small packet takes about 1 kB.
const BUFFER: usize = 256 << 20;

/// Enough of a packet for the requests and for the records of a handshake.
const SNAP: usize = 4096;

/// A reader of all packets, until this is dropped.
pub(super) struct Capture {
    seen: Arc<Seen>,
    sender: UdpSocket,
    milestones: u64,
}

#[derive(Default)]
struct Seen {
    state: Mutex<State>,
    passed: Condvar,
}

#[derive(Default)]
struct State {
    flows: HashMap<Ipv4Addr, Flow>,
    milestone: u64,
    /// Packets that the kernel had no room for, up to the last one that was read.
    dropped: u32,
}

impl Capture {
    pub(super) fn start() -> Result<Self> {
        // Only a socket for all protocols is shown what leaves.
        const ALL: u16 = 3;
        let protocol = Protocol::from(i32::from(ALL.to_be()));
        let socket = Socket::new(Domain::PACKET, Type::DGRAM, Some(protocol))?;
        setsockopt(&socket, RcvBufForce, &BUFFER)?;
        setsockopt(&socket, ReceiveTimestampns, &true)?;
        setsockopt(&socket, RxqOvfl, &1)?;
        // So that the reader notices when nobody wants to know any more.
        socket.set_read_timeout(Some(Duration::from_millis(200)))?;
        let seen = Arc::new(Seen::default());
        let reader = Arc::downgrade(&seen);
        responders::eager_thread("capture", move || read(&socket, &reader))?;
        Ok(Self { seen, sender: UdpSocket::bind((EXPORTERS, 0))?, milestones: 0 })
    }

    /// Waits until everything sent so far was read. Gives how many packets were lost since the
    /// capture began.
    pub(super) fn catch_up(&mut self) -> Result<u32> {
        const TRIES: u32 = 100;
        self.milestones += 1;
        for _ in 0..TRIES {
            // Nobody listens there, which the kernel may report as an error of the next send.
            self.sender.send_to(&self.milestones.to_be_bytes(), (MILESTONES, 9)).ok();
            let (state, timeout) = self
                .seen
                .passed
                .wait_timeout_while(self.seen.state(), Duration::from_millis(200), |state| {
                    state.milestone < self.milestones
                })
                .unwrap_or_else(PoisonError::into_inner);
            if !timeout.timed_out() {
                return Ok(state.dropped);
            }
        }
        bail!("the packet capture did not finish")
    }

    /// The packets to and from this peer.
    pub(super) fn take(&self, peer: Ipv4Addr) -> Flow {
        let mut flow = self.seen.state().flows.remove(&peer).unwrap_or_default();
        // Two processors may hand over their packets out of order.
        flow.0.sort_by_key(|packet| packet.at);
        flow
    }
}

impl Seen {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read(socket: &Socket, seen: &Weak<Seen>) {
    let mut control = nix::cmsg_space!([u8; 64]);
    let mut buffer = vec![0; SNAP];
    while let Some(seen) = seen.upgrade() {
        let mut slices = [IoSliceMut::new(&mut buffer)];
        let flags = MsgFlags::empty();
        let Ok(message) =
            recvmsg::<LinkAddr>(socket.as_raw_fd(), &mut slices, Some(&mut control), flags)
        else {
            continue;
        };
        let (mut at, mut dropped) = (None, None);
        for message in message.cmsgs().into_iter().flatten() {
            match message {
                ControlMessageOwned::ScmTimestampns(stamp) => at = Some(Duration::from(stamp)),
                ControlMessageOwned::RxqOvfl(count) => dropped = Some(count),
                _ => {}
            }
        }
        let (kind, length) = (message.address.map(|address| address.pkttype()), message.bytes);
        let mut state = seen.state();
        if let Some(dropped) = dropped {
            state.dropped = dropped;
        }
        let Some((peer, packet)) = at.zip(kind).and_then(|(at, kind)| {
            let packet = Ipv4::parse(buffer.get(..length)?)?;
            let (peer, way) = way(&packet, kind)?;
            Some((peer, Packet { at, way, what: packet.what()? }))
        }) else {
            continue;
        };
        match &packet.what {
            What::Datagram(bytes) if peer == MILESTONES => {
                let number = bytes.first_chunk().copied().map(u64::from_be_bytes);
                state.milestone = state.milestone.max(number.unwrap_or_default());
                seen.passed.notify_all();
            }
            _ => state.flows.entry(peer).or_default().0.push(packet),
        }
    }
}

/// The peer, and which way the packet goes.
///
/// Each packet is seen twice on a loopback interface: as it is handed to the interface, and as the
/// interface hands it back as received. Of a packet from the exporter the first stamp counts: then
/// it left, on any interface. Of a packet to the exporter the second counts: then it arrived. So
/// the way through the interface is the network's, and what an exporter's socket waits in the
/// exporter's queue is not.
fn way(packet: &Ipv4<'_>, kind: u8) -> Option<(Ipv4Addr, Way)> {
    /// `PACKET_HOST` and `PACKET_OUTGOING` of `linux/if_packet.h`.
    const RECEIVED: u8 = 0;
    const LEAVING: u8 = 4;
    match (packet.source == EXPORTERS, packet.destination == EXPORTERS, kind) {
        (true, false, LEAVING) => Some((packet.destination, Way::Out)),
        (false, true, RECEIVED) => Some((packet.source, Way::In)),
        _ => None,
    }
}
