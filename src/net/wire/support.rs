//! Whether the kernel stamps packets: asked for here, and counted as it turns out.

use std::{
    io,
    net::{Ipv4Addr, UdpSocket},
    os::fd::{AsFd, BorrowedFd},
    sync::{
        OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use tokio::io::ReadBuf;

use crate::net::{stamps, wire::Mark};

/// The kinds of sockets that probes use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// ICMP, datagram or raw.
    Icmp,
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Icmp, Self::Tcp, Self::Udp];

    /// The value of a label.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Icmp => "icmp",
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }
}

/// Whether the arrivals on sockets of this kind are timed by the kernel, as far as is known: the
/// kernel takes the option, and if anything was read so far, some of it had a stamp.
#[must_use]
pub fn stamps_available(kind: Kind) -> bool {
    let readings = READINGS.of(kind);
    let by_kernel = readings.by_kernel.load(Ordering::Relaxed);
    let by_process = readings.by_process.load(Ordering::Relaxed);
    prepare() && stamps_wanted() && (by_kernel > 0 || by_process == 0)
}

/// How many arrivals on sockets of this kind were timed by the kernel, and how many by ourselves.
#[must_use]
pub fn readings(kind: Kind) -> (u64, u64) {
    let readings = READINGS.of(kind);
    (readings.by_kernel.load(Ordering::Relaxed), readings.by_process.load(Ordering::Relaxed))
}

/// Has the kernel begin to stamp packets, so that also the first probe's are; says whether it does.
///
/// The kernel switches stamping on for all sockets with the first that asks, and with some delay.
/// So one socket that asks stays open for as long as the process lives.
pub fn prepare() -> bool {
    static KEEPER: OnceLock<Option<UdpSocket>> = OnceLock::new();
    KEEPER
        .get_or_init(|| {
            let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).ok()?;
            stamps::stamp_arrivals(socket.as_fd()).ok()?;
            stamps_come(&socket).then_some(socket)
        })
        .is_some()
}

/// Sends datagrams to itself until one bears a stamp, for some milliseconds at most. Where that
/// cannot be tried, the kernel's word is taken for it.
fn stamps_come(socket: &UdpSocket) -> bool {
    const TRIES: u32 = 10;
    let tried = || {
        socket.send_to(&[0], socket.local_addr()?)?;
        stamps::receive(socket.as_fd(), &mut ReadBuf::new(&mut [0]), 1)
    };
    for _ in 0..TRIES {
        match tried() {
            Ok(reading) if reading.stamp.is_none() => thread::sleep(Duration::from_millis(1)),
            Ok(_) | Err(_) => return true,
        }
    }
    false
}

/// Leaves sockets that are opened from now on without the kernel's stamps, or gives them back;
/// for tests and measurements of what the stamps are worth.
pub fn use_kernel_stamps(wanted: bool) {
    WANTED.store(wanted, Ordering::Relaxed);
}

/// Whether the kernel's word is wanted on when something happened.
pub(super) fn stamps_wanted() -> bool {
    WANTED.load(Ordering::Relaxed)
}

/// Asks for stamps of what the socket receives. Where there are none, our own clock serves.
pub(super) fn stamp_arrivals(socket: BorrowedFd<'_>) {
    ask(|| stamps::stamp_arrivals(socket));
}

/// Asks for stamps of what the socket receives and sends.
pub(super) fn stamp_both_ways(socket: BorrowedFd<'_>) {
    ask(|| stamps::stamp_transmissions(socket));
}

/// Counts an arrival.
pub(super) fn note_reading(kind: Kind, arrival: Mark) {
    let readings = READINGS.of(kind);
    let counter = if arrival.by_kernel() { &readings.by_kernel } else { &readings.by_process };
    counter.fetch_add(1, Ordering::Relaxed);
}

fn ask(switch_on: impl FnOnce() -> io::Result<()>) {
    if stamps_wanted() && prepare() {
        // A socket that refuses is read without stamps, and counted so.
        drop(switch_on());
    }
}

static WANTED: AtomicBool = AtomicBool::new(true);
static READINGS: AllReadings =
    AllReadings { icmp: Readings::new(), tcp: Readings::new(), udp: Readings::new() };

struct AllReadings {
    icmp: Readings,
    tcp: Readings,
    udp: Readings,
}

impl AllReadings {
    fn of(&self, kind: Kind) -> &Readings {
        match kind {
            Kind::Icmp => &self.icmp,
            Kind::Tcp => &self.tcp,
            Kind::Udp => &self.udp,
        }
    }
}

struct Readings {
    by_kernel: AtomicU64,
    by_process: AtomicU64,
}

impl Readings {
    const fn new() -> Self {
        Self { by_kernel: AtomicU64::new(0), by_process: AtomicU64::new(0) }
    }
}
