//! Wire time: how long the peer and the network took, not this process.
//!
//! A reading lies between the moment our bytes were handed to the kernel and the moment the kernel
//! received the peer's. [`WireStream`] and [`WireDatagram`] take these moments below TLS and HTTP,
//! from the kernel's stamps where it gives them; [`WireClock`] hands them out. Without a stamp, each
//! packet by itself, the moment of the read serves, which is late by as much as this process was.

mod clock;
mod datagram;
mod facts;
mod mark;
mod socket;
mod stream;
mod support;

pub use clock::{Lap, WireClock};
pub use datagram::{Arrival, Event, WireDatagram};
pub use facts::METRICS;
pub use mark::Mark;
pub use stream::WireStream;
pub use support::{Kind, prepare, readings, stamps_available, use_kernel_stamps};

pub use crate::net::{
    control::TcpFacts,
    icmp_error::{Quoted, Undelivered, is_about_a_packet},
};
