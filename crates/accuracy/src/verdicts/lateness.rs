//! Measures how late the responders are.

use std::{
    io::{self, Read as _, Write as _},
    net::{Ipv4Addr, TcpStream},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    thread,
    time::{Duration, Instant},
};

use super::super::responders::{FIRST_NET, NETWORK, eager_thread, port};

/// The delay of the responder that is measured, so that the time to wake up counts too.
pub(super) const DELAY: Duration = Duration::from_millis(20);

/// Below this, an answer or a scrape counts as being in time. It is less than the time that is left to
/// a target that answers just in time.
pub(super) const LIMIT: Duration = Duration::from_millis(100);

const INTERVAL: Duration = Duration::from_millis(30);

/// A client that asks the responders all the time, until this is dropped.
pub(super) struct Lateness(Arc<Mutex<State>>);

struct State {
    /// The start of the last exchange that ended.
    asked: Instant,
    /// Periods in which the responders were late.
    late: Vec<(Instant, Instant)>,
}

/// The periods in which responders or the load generator were late.
#[derive(Default)]
pub(super) struct LatePeriods(Vec<(Instant, Instant)>);

impl Lateness {
    /// Watches the responder with the delay of this index.
    pub(super) fn watch(index: usize) -> io::Result<Self> {
        let second = u8::try_from(index).map_err(io::Error::other)? + FIRST_NET;
        let responder = Ipv4Addr::new(NETWORK, second, 0, 1);
        let state = Arc::new(Mutex::new(State { asked: Instant::now(), late: Vec::new() }));
        let weak = Arc::downgrade(&state);
        eager_thread("lateness", move || ask(responder, &weak))?;
        Ok(Self(state))
    }

    /// The periods up to now.
    pub(super) fn periods(&self) -> LatePeriods {
        let now = Instant::now();
        while self.state().asked < now {
            thread::sleep(Duration::from_millis(5));
        }
        LatePeriods(self.state().late.clone())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
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

fn ask(responder: Ipv4Addr, state: &Weak<Mutex<State>>) {
    while let Some(state) = state.upgrade() {
        let start = Instant::now();
        let answered = exchange(responder).is_ok();
        let end = Instant::now();
        {
            let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
            if !answered || end - start > DELAY + LIMIT {
                state.late.push((start, end));
            }
            state.asked = start;
        }
        drop(state);
        thread::sleep(INTERVAL);
    }
}

fn exchange(responder: Ipv4Addr) -> io::Result<()> {
    let mut stream = TcpStream::connect((responder, port::HTTP))?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    stream.write_all(b"GET / HTTP/1.1\r\n\r\n")?;
    stream.read_exact(&mut [0])
}
