//! Availability of kernel timestamps: enabling them, and counting how often they came.

use std::{
    io,
    net::{Ipv4Addr, UdpSocket},
    os::fd::{AsFd, BorrowedFd},
    sync::{
        OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use tokio::io::ReadBuf;

use crate::{Timestamp, sys};

/// True if the crate was built for a platform with kernel timestamps, which is Linux.
pub const SUPPORTED: bool = cfg!(kernel_timestamps);

/// The kind of a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SocketKind {
    /// ICMP, as a datagram or raw socket.
    Icmp,
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

impl SocketKind {
    /// All kinds.
    pub const ALL: [Self; 3] = [Self::Icmp, Self::Tcp, Self::Udp];

    /// Returns the name in lower case.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Icmp => "icmp",
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }
}

/// Returns true if packets that arrive on sockets of this kind have kernel timestamps, as far as is
/// known: the kernel accepts the option, and if anything was read so far, some of it had a
/// timestamp.
#[must_use]
pub fn kernel_timestamps_available(kind: SocketKind) -> bool {
    let counts = receive_counts(kind);
    prepare() && is_enabled() && (counts.kernel > 0 || counts.process == 0)
}

/// Numbers of packets and reads that were timed, since the start of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReceiveCounts {
    /// Those with a kernel timestamp.
    pub kernel: u64,
    /// Those that were timed by the clock of this process.
    pub process: u64,
}

/// Returns how many arrivals on sockets of this kind were timed, by which clock.
#[must_use]
pub fn receive_counts(kind: SocketKind) -> ReceiveCounts {
    let counters = COUNTERS.of(kind);
    ReceiveCounts {
        kernel: counters.kernel.load(Ordering::Relaxed),
        process: counters.process.load(Ordering::Relaxed),
    }
}

/// Makes the kernel start to timestamp packets. Returns true if it does.
///
/// The kernel enables timestamps for all sockets when the first socket asks for them, with some
/// delay. This function opens a socket that stays open as long as the process lives, so that the
/// packets of other sockets have timestamps from the first on. It blocks the first time: for up to
/// 200 ms if there are no timestamps. The sockets of this crate call it themselves.
pub fn prepare() -> bool {
    static SOCKET: OnceLock<Option<UdpSocket>> = OnceLock::new();
    SOCKET
        .get_or_init(|| {
            let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).ok()?;
            sys::timestamp_arrivals(socket.as_fd()).ok()?;
            has_timestamps(&socket).then_some(socket)
        })
        .is_some()
}

/// Maximum time until the first timestamp. The kernel enables timestamps in a work queue, which takes
/// more than 10 ms on a busy machine; after that, a process would be without them for its lifetime.
const MAX_WAIT: Duration = Duration::from_millis(200);

/// Sends datagrams to the socket itself until one has a timestamp, for [`MAX_WAIT`] at most. If that
/// cannot be tried, the kernel is trusted.
fn has_timestamps(socket: &UdpSocket) -> bool {
    let receive = || {
        socket.send_to(&[0], socket.local_addr()?)?;
        sys::receive(socket.as_fd(), &mut ReadBuf::new(&mut [0]), 1)
    };
    let started_at = Instant::now();
    while started_at.elapsed() < MAX_WAIT {
        match receive() {
            Ok(reading) if reading.stamp.is_none() => thread::sleep(Duration::from_millis(1)),
            Ok(_) | Err(_) => return true,
        }
    }
    false
}

/// Disables kernel timestamps for sockets that are opened from now on, or enables them again.
///
/// For tests, and for measurements of the difference.
pub fn set_kernel_timestamps(enabled: bool) {
    ENABLED.store(enabled, Ordering::Relaxed);
}

/// Returns true unless kernel timestamps were disabled by the user.
pub(crate) fn is_enabled() -> bool {
    ENABLED.load(Ordering::Relaxed)
}

/// Enables receive timestamps. Without them, the clock of the process is used.
pub(crate) fn timestamp_arrivals(socket: BorrowedFd<'_>) {
    enable(|| sys::timestamp_arrivals(socket));
}

/// Enables receive and transmit timestamps. Without them, the clock of the process is used.
pub(crate) fn timestamp_both_ways(socket: BorrowedFd<'_>) {
    enable(|| sys::timestamp_both_ways(socket));
}

fn enable(set_option: impl FnOnce() -> io::Result<()>) {
    if is_enabled() && prepare() {
        // A socket without the option is read without timestamps, and counted so.
        drop(set_option());
    }
}

/// Counts an arrival.
pub(crate) fn count_receive(kind: SocketKind, time: Timestamp) {
    let counters = COUNTERS.of(kind);
    let counter = if time.is_from_kernel() { &counters.kernel } else { &counters.process };
    counter.fetch_add(1, Ordering::Relaxed);
}

static ENABLED: AtomicBool = AtomicBool::new(true);
static COUNTERS: AllCounters =
    AllCounters { icmp: Counters::new(), tcp: Counters::new(), udp: Counters::new() };

struct AllCounters {
    icmp: Counters,
    tcp: Counters,
    udp: Counters,
}

impl AllCounters {
    fn of(&self, kind: SocketKind) -> &Counters {
        match kind {
            SocketKind::Icmp => &self.icmp,
            SocketKind::Tcp => &self.tcp,
            SocketKind::Udp => &self.udp,
        }
    }
}

struct Counters {
    kernel: AtomicU64,
    process: AtomicU64,
}

impl Counters {
    const fn new() -> Self {
        Self { kernel: AtomicU64::new(0), process: AtomicU64::new(0) }
    }
}
