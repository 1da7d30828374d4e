//! Packets as the capture sees them, as far as they tell when something was sent or received.

use std::{fmt, net::Ipv4Addr, time::Duration};

/// The direction of a packet, seen from the exporter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    Out,
    In,
}

/// The part that a packet plays in a probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// The first segment of a connection, and its answer.
    Syn,
    SynAck,
    /// A segment of TCP with its bytes, as far as they were captured.
    Data(Vec<u8>),
    /// A datagram of UDP with its bytes, or an echo request or reply of ICMP.
    Datagram(Vec<u8>),
}

/// A packet of an exporter and its peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    /// The kernel's stamp, in Unix time.
    pub at: Duration,
    pub way: Way,
    pub what: What,
}

/// The packets of one probe, in the order of their stamps.
#[derive(Debug, Clone, Default)]
pub struct Flow(pub Vec<Packet>);

impl fmt::Display for Flow {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let start = self.0.first().map(|packet| packet.at).unwrap_or_default();
        for packet in &self.0 {
            let micros = packet.at.saturating_sub(start).as_micros();
            let way = if packet.way == Way::Out { "→" } else { "←" };
            let (name, bytes) = match &packet.what {
                What::Syn => ("SYN", None),
                What::SynAck => ("SYN-ACK", None),
                What::Data(bytes) => ("data", Some(bytes.len())),
                What::Datagram(bytes) => ("datagram", Some(bytes.len())),
            };
            write!(formatter, " {micros}µs{way}{name}")?;
            if let Some(bytes) = bytes {
                write!(formatter, "({bytes})")?;
            }
        }
        Ok(())
    }
}

/// An IPv4 packet, from its header on, split where it is of interest.
pub struct Ipv4<'a> {
    pub source: Ipv4Addr,
    pub destination: Ipv4Addr,
    pub protocol: u8,
    pub payload: &'a [u8],
}

pub const ICMP: u8 = 1;
pub const TCP: u8 = 6;
pub const UDP: u8 = 17;

impl<'a> Ipv4<'a> {
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (source, rest) = bytes.get(12..)?.split_first_chunk::<4>()?;
        let (destination, _) = rest.split_first_chunk::<4>()?;
        let header = usize::from(bytes.first()? & 0xf) * 4;
        let total = usize::from(u16_at(bytes, 2)?);
        Some(Self {
            source: Ipv4Addr::from(*source),
            destination: Ipv4Addr::from(*destination),
            protocol: *bytes.get(9)?,
            payload: bytes.get(header..total.min(bytes.len()))?,
        })
    }

    /// Returns the part that the packet plays in a probe, if any.
    pub fn what(&self) -> Option<What> {
        match self.protocol {
            ICMP => {
                const ECHO: [u8; 2] = [0, 8];
                ECHO.contains(self.payload.first()?).then(|| What::Datagram(self.payload.to_vec()))
            }
            TCP => Segment::parse(self.payload)?.what(),
            UDP => Some(What::Datagram(self.payload.get(8..)?.to_vec())),
            _ => None,
        }
    }
}

/// A segment of TCP.
pub struct Segment<'a> {
    pub ports: (u16, u16),
    pub sequence: u32,
    pub acknowledged: u32,
    flags: u8,
    pub data: &'a [u8],
}

impl<'a> Segment<'a> {
    pub const FIN: u8 = 1;
    pub const SYN: u8 = 2;
    pub const PUSH: u8 = 8;
    pub const ACK: u8 = 16;

    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        Some(Self {
            ports: (u16_at(bytes, 0)?, u16_at(bytes, 2)?),
            sequence: u32_at(bytes, 4)?,
            acknowledged: u32_at(bytes, 8)?,
            flags: *bytes.get(13)?,
            data: bytes.get(usize::from(bytes.get(12)? >> 4) * 4..)?,
        })
    }

    pub fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    fn what(&self) -> Option<What> {
        match (self.has(Self::SYN), self.has(Self::ACK)) {
            (true, false) => Some(What::Syn),
            (true, true) => Some(What::SynAck),
            (false, _) => (!self.data.is_empty()).then(|| What::Data(self.data.to_vec())),
        }
    }
}

pub fn u16_at(bytes: &[u8], index: usize) -> Option<u16> {
    bytes.get(index..)?.first_chunk().copied().map(u16::from_be_bytes)
}

fn u32_at(bytes: &[u8], index: usize) -> Option<u32> {
    bytes.get(index..)?.first_chunk().copied().map(u32::from_be_bytes)
}

/// The checksum of the Internet protocols (RFC 1071) over these bytes.
pub fn checksum(bytes: &[u8]) -> u16 {
    let words = bytes.chunks(2).map(|pair| match *pair {
        [high, low] => u16::from_be_bytes([high, low]),
        [high] => u16::from_be_bytes([high, 0]),
        _ => 0,
    });
    let sum = words.fold(0_u16, |sum, word| {
        let (sum, carry) = sum.overflowing_add(word);
        sum + u16::from(carry)
    });
    !sum
}
