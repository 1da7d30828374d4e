//! Measures how late the responders are.

use std::{
    io::{self, Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    thread,
    time::{Duration, Instant},
};

use socket2::{Domain, Protocol, Socket, Type};

use super::super::responders::{FIRST_NET, NETWORK, eager_thread, port};

/// The delay of the responder that is measured, so that the time to wake up counts too.
pub(super) const DELAY: Duration = Duration::from_millis(20);

/// Below this, an answer or a scrape counts as being in time. It is less than the time that is left to
/// a target that answers just in time.
pub(super) const LIMIT: Duration = Duration::from_millis(100);

const INTERVAL: Duration = Duration::from_millis(30);

/// Time after which a responder counts as late for good.
const PATIENCE: Duration = Duration::from_secs(10);

/// An exchange with a responder.
type Exchange = fn(Ipv4Addr) -> io::Result<()>;

/// Each has a thread of its own, so that one can be late alone.
const EXCHANGES: [Exchange; 3] = [http, dns, icmp];

/// Clients that ask the responders all the time, until this is dropped.
pub(super) struct Lateness(Vec<Arc<Mutex<State>>>);

struct State {
    /// The start of the last exchange that ended.
    asked: Instant,
    /// Periods in which the responder was late.
    late: Vec<(Instant, Instant)>,
}

/// The periods in which responders or the load generator were late.
#[derive(Default)]
pub(super) struct LatePeriods(Vec<(Instant, Instant)>);

impl Lateness {
    /// Watches the responders with the delay of this index.
    pub(super) fn watch(index: usize) -> io::Result<Self> {
        let second = u8::try_from(index).map_err(io::Error::other)? + FIRST_NET;
        let responder = Ipv4Addr::new(NETWORK, second, 0, 1);
        let watch = |exchange| {
            let state = Arc::new(Mutex::new(State { asked: Instant::now(), late: Vec::new() }));
            let weak = Arc::downgrade(&state);
            eager_thread("lateness", move || ask(responder, exchange, &weak))?;
            Ok(state)
        };
        Ok(Self(EXCHANGES.into_iter().map(watch).collect::<io::Result<_>>()?))
    }

    /// The periods up to now.
    pub(super) fn periods(&self) -> LatePeriods {
        let now = Instant::now();
        let mut periods = LatePeriods::default();
        for state in &self.0 {
            while lock(state).asked < now {
                thread::sleep(Duration::from_millis(5));
            }
            periods.0.extend_from_slice(&lock(state).late);
        }
        periods
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl LatePeriods {
    pub(super) fn add(&mut self, from: Instant, to: Instant) {
        self.0.push((from, to));
    }

    /// Checks whether one of them was late between these moments.
    pub(super) fn touch(&self, start: Instant, end: Instant) -> bool {
        self.0.iter().any(|(from, to)| *from < end && *to > start)
    }
}

fn ask(responder: Ipv4Addr, exchange: Exchange, state: &Weak<Mutex<State>>) {
    while let Some(state) = state.upgrade() {
        let start = Instant::now();
        let answered = exchange(responder).is_ok();
        let end = Instant::now();
        {
            let mut state = lock(&state);
            if !answered || end - start > DELAY + LIMIT {
                state.late.push((start, end));
            }
            state.asked = start;
        }
        drop(state);
        thread::sleep(INTERVAL);
    }
}

fn http(responder: Ipv4Addr) -> io::Result<()> {
    let mut stream = TcpStream::connect((responder, port::HTTP))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(b"GET / HTTP/1.1\r\n\r\n")?;
    stream.read_exact(&mut [0])
}

fn dns(responder: Ipv4Addr) -> io::Result<()> {
    /// The question for the address of the root.
    const QUERY: [u8; 17] = [0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1];
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.connect((responder, port::DNS))?;
    socket.send(&QUERY)?;
    socket.recv(&mut [0; 512]).map(drop)
}

#[expect(clippy::disallowed_methods, reason = "a load generator has no policy")]
fn icmp(responder: Ipv4Addr) -> io::Result<()> {
    /// The kernel fills in the checksum and the identifier.
    const REQUEST: [u8; 8] = [8, 0, 0, 0, 0, 0, 0, 1];
    let mut socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::ICMPV4))?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.connect(&SocketAddr::from((responder, 0)).into())?;
    socket.send(&REQUEST)?;
    socket.read(&mut [0; 64]).map(drop)
}
