//! The times of a connection: when bytes were sent and received, and how long the peer took.

use std::{
    collections::VecDeque,
    fmt,
    os::fd::AsFd,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use crate::{
    TcpInfo, Timestamp,
    stream_socket::StreamSocket,
    sys,
    wait::{Wait, waiting},
};

/// The times of a [`WireStream`](crate::WireStream), available while TLS or HTTP own the stream.
///
/// Clones show the same connection.
#[derive(Clone)]
pub struct WireClock {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    /// Weak, so that a clock that outlives its stream does not keep the connection open.
    socket: Weak<StreamSocket>,
}

/// The times of one exchange: what was sent and received between two calls of [`WireClock::lap`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Lap {
    /// Time of the peer and the network, without the time of this process.
    ///
    /// The sum, over all arrivals and the end of the connection, of the time since the preceding
    /// send or arrival, or since the connection was made.
    pub waiting: Duration,
    /// Time just before the first bytes were passed to the kernel.
    pub first_send: Option<Timestamp>,
    /// Time just before the last bytes were passed to the kernel.
    pub last_send: Option<Timestamp>,
    /// Time at which the first bytes arrived.
    pub first_byte: Option<Timestamp>,
    /// Time at which the last bytes arrived.
    pub last_byte: Option<Timestamp>,
    /// Time at which the peer closed the connection, if it did.
    pub end: Option<Timestamp>,
    /// Number of bytes that were sent.
    pub sent: u64,
    /// Number of bytes that were received.
    pub received: u64,
}

impl Lap {
    /// Returns the time that the peer took to answer this exchange.
    ///
    /// Late bytes that belong to an earlier exchange, such as session tickets of TLS 1.3, do not
    /// count.
    #[must_use]
    pub fn response_time(&self) -> Duration {
        match self.last_byte.zip(self.first_send) {
            Some((last, send)) => self.waiting.min(last.since(send)),
            None => self.waiting,
        }
    }
}

impl WireClock {
    /// Ends the current exchange and starts the next. Returns the times of the ended one.
    #[must_use]
    pub fn lap(&self) -> Lap {
        std::mem::take(&mut self.state().lap)
    }

    /// Returns the times of the current exchange so far.
    #[must_use]
    pub fn so_far(&self) -> Lap {
        self.state().lap
    }

    /// Returns the time at which the last bytes arrived, in this or an earlier exchange.
    #[must_use]
    pub fn last_arrival(&self) -> Option<Timestamp> {
        self.state().last_arrival
    }

    /// Returns the statistics of TCP about the connection. After the stream was dropped, those at
    /// its end.
    #[must_use]
    pub fn tcp_info(&self) -> Option<TcpInfo> {
        match self.shared.socket.upgrade() {
            Some(socket) => sys::tcp_info(socket.as_fd()),
            None => self.state().final_tcp_info,
        }
    }

    pub(crate) fn new(
        socket: Weak<StreamSocket>,
        started: Timestamp,
        connect_time: Duration,
    ) -> Self {
        let state = State::new(started, connect_time);
        Self { shared: Arc::new(Shared { state: Mutex::new(state), socket }) }
    }

    /// Creates a clock for a protocol on other sockets, such as QUIC on datagrams.
    ///
    /// The user of the clock calls the `note_` methods. Without them, it shows a connection on
    /// which nothing was sent. `started` is the time at which the connection was started.
    #[must_use]
    pub fn manual(started: Timestamp) -> Self {
        Self::new(Weak::new(), started, Duration::ZERO)
    }

    /// Notes that bytes were passed to the kernel, and that the peer is expected to answer them.
    pub fn note_send(&self, time: Timestamp, length: usize) {
        self.state().note_send(time, length);
    }

    /// Corrects the time of the last send to the kernel's transmit timestamp.
    pub fn note_transmission(&self, time: Timestamp) {
        self.state().note_transmission(time);
    }

    /// Notes that bytes arrived.
    pub fn note_arrival(&self, time: Timestamp, length: usize) {
        self.state().note_arrival(time, length);
    }

    /// Notes that the connection was closed by the peer or broken.
    pub fn note_end(&self, time: Timestamp) {
        self.state().note_end(time);
    }

    /// Waits for a future that waits for the peer, so that [`find_wait`](crate::find_wait) finds the
    /// wait. A [`WireStream`](crate::WireStream) does so itself.
    pub async fn waiting<F: Future>(&self, future: Pin<&mut F>) -> F::Output {
        waiting(future, || self.state().wait()).await
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for WireClock {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("WireClock").field(&self.so_far()).finish()
    }
}

/// The times of a connection.
pub(crate) struct State {
    /// Time before the connection was started. Nothing can have arrived earlier.
    started: Timestamp,
    /// Time at which the peer knew of the connection. The first bytes of a peer that speaks first
    /// are measured from here.
    connected: Timestamp,
    last_arrival: Option<Timestamp>,
    /// Sends after which no arrival was read yet. Bytes that are read after the latest send may
    /// have arrived before it.
    unanswered: VecDeque<Timestamp>,
    /// Number of reads since the latest send that returned bytes from before it.
    stale_reads: u32,
    lap: Lap,
    /// Statistics of TCP when the stream was dropped.
    pub(crate) final_tcp_info: Option<TcpInfo>,
}

/// Maximum number of sends that are kept. Only a long upload makes more sends without a read.
const MAX_UNANSWERED: usize = 16;

impl State {
    fn new(started: Timestamp, connect_time: Duration) -> Self {
        Self {
            started,
            connected: started + connect_time,
            last_arrival: None,
            unanswered: VecDeque::new(),
            stale_reads: 0,
            lap: Lap::default(),
            final_tcp_info: None,
        }
    }

    /// Returns the time before which nothing can have arrived.
    pub(crate) fn started(&self) -> Timestamp {
        self.started
    }

    /// Returns true if the next bytes are the first of an answer. Their arrival must be kept apart
    /// from that of the bytes after them.
    pub(crate) fn awaits_response(&self) -> bool {
        self.last_arrival.is_none() || !self.unanswered.is_empty()
    }

    /// Returns the number of bytes to read at once, `max` at most.
    ///
    /// The first byte of an answer is read alone. The number doubles while the bytes read turn out
    /// to have arrived before the latest send. Otherwise a long answer that came early would be
    /// read byte by byte.
    pub(crate) fn read_limit(&self, max: usize) -> usize {
        if self.awaits_response() { max.min(1 << self.stale_reads.min(20)) } else { max }
    }

    /// Returns the wait for the next bytes.
    pub(crate) fn wait(&self) -> Wait {
        let since = self.last_arrival.unwrap_or(self.connected);
        let last_send = self.unanswered.back().copied().unwrap_or(since);
        Wait { since: since.latest(last_send), earlier: self.lap.waiting }
    }

    pub(crate) fn note_send(&mut self, time: Timestamp, length: usize) {
        if self.unanswered.len() == MAX_UNANSWERED {
            self.unanswered.pop_front();
        }
        self.unanswered.push_back(time);
        self.stale_reads = 0;
        self.lap.first_send.get_or_insert(time);
        self.lap.last_send = Some(time);
        self.lap.sent += u64::try_from(length).unwrap_or_default();
    }

    fn note_transmission(&mut self, time: Timestamp) {
        if let Some(last) = self.unanswered.back_mut() {
            *last = time;
            self.lap.last_send = Some(time);
        }
    }

    pub(crate) fn note_arrival(&mut self, time: Timestamp, length: usize) {
        let time = self.note_waiting(time);
        if !self.unanswered.is_empty() {
            self.stale_reads += 1;
        }
        self.lap.first_byte.get_or_insert(time);
        self.lap.last_byte = Some(time);
        self.lap.received += u64::try_from(length).unwrap_or_default();
    }

    /// Notes that the connection was closed by the peer or broken.
    pub(crate) fn note_end(&mut self, time: Timestamp) {
        if self.lap.end.is_none() {
            self.lap.end = Some(self.note_waiting(time));
        }
    }

    /// Adds the wait that ended at `time` to the sum. Returns the time, corrected to keep the
    /// order.
    fn note_waiting(&mut self, time: Timestamp) -> Timestamp {
        // TCP keeps the order, but an earlier arrival may have been timed late by this process.
        let time = self.last_arrival.map_or(time, |last| last.latest(time));
        let mut since = self.last_arrival.unwrap_or(self.connected);
        while let Some(send) = self.unanswered.front().copied().filter(|send| !send.is_after(time))
        {
            since = since.latest(send);
            self.unanswered.pop_front();
        }
        self.lap.waiting += time.since(since);
        self.last_arrival = Some(time);
        time
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn new_state() -> (Timestamp, State) {
        let started = Timestamp::now();
        (started, State::new(started, 2 * MS))
    }

    #[test]
    fn only_the_time_of_the_peer_counts_as_waiting() {
        let (started, mut state) = new_state();
        state.note_send(started + 10 * MS, 5);
        state.note_arrival(started + 15 * MS, 3);
        state.note_arrival(started + 16 * MS, 4);
        // The 34 ms of this process before the next send do not count.
        state.note_send(started + 50 * MS, 1);
        state.note_arrival(started + 57 * MS, 1);
        assert_eq!(state.lap.waiting, 13 * MS);
        assert_eq!((state.lap.sent, state.lap.received), (6, 8));
        assert_eq!(state.lap.first_byte, Some(started + 15 * MS));
        assert_eq!(state.lap.last_byte, Some(started + 57 * MS));
        assert_eq!(state.lap.first_send, Some(started + 10 * MS));
        assert_eq!(state.lap.last_send, Some(started + 50 * MS));
    }

    #[test]
    fn a_peer_that_speaks_first_is_measured_from_the_connection() {
        let (started, mut state) = new_state();
        state.note_arrival(started + 9 * MS, 3);
        assert_eq!(state.lap.waiting, 7 * MS);
    }

    #[test]
    fn bytes_from_before_the_latest_send_are_measured_from_the_send_before_it() {
        let (started, mut state) = new_state();
        state.note_send(started + 10 * MS, 1);
        state.note_send(started + 20 * MS, 1);
        state.note_arrival(started + 14 * MS, 1);
        assert_eq!(state.lap.waiting, 4 * MS);
        assert!(state.awaits_response(), "the second send has no answer yet");
        state.note_arrival(started + 26 * MS, 1);
        assert_eq!(state.lap.waiting, 10 * MS);
        assert!(!state.awaits_response());
    }

    #[test]
    fn bytes_from_before_the_latest_send_are_read_in_growing_pieces() {
        let (started, mut state) = new_state();
        assert_eq!(state.read_limit(1000), 1);
        state.note_send(started + 10 * MS, 1);
        for expected in [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1000, 1000] {
            assert_eq!(state.read_limit(1000), expected);
            state.note_arrival(started + 5 * MS, expected);
        }
        state.note_send(started + 11 * MS, 1);
        assert_eq!(state.read_limit(1000), 1);
        state.note_arrival(started + 12 * MS, 1);
        assert_eq!(state.read_limit(1000), 1000);
    }

    #[test]
    fn the_wait_for_the_end_of_the_connection_counts() {
        let (started, mut state) = new_state();
        state.note_send(started + 10 * MS, 1);
        state.note_arrival(started + 15 * MS, 1);
        state.note_end(started + 35 * MS);
        assert_eq!(state.lap.waiting, 25 * MS);
        assert_eq!(state.lap.last_byte, Some(started + 15 * MS));
        assert_eq!(state.lap.end, Some(started + 35 * MS));
        // Only the first end counts.
        state.note_end(started + 60 * MS);
        assert_eq!((state.lap.end, state.lap.waiting), (Some(started + 35 * MS), 25 * MS));
    }

    #[test]
    fn arrivals_keep_their_order_when_an_earlier_one_was_timed_late() {
        let (started, mut state) = new_state();
        state.note_send(started + 10 * MS, 1);
        state.note_arrival(started + 30 * MS, 1);
        state.note_arrival(started + 12 * MS, 1);
        assert_eq!(state.lap.waiting, 20 * MS);
        assert_eq!(state.lap.last_byte, Some(started + 30 * MS));
    }

    #[test]
    fn an_arrival_in_the_next_lap_is_measured_from_the_send_in_the_lap_before() {
        let (started, mut state) = new_state();
        state.note_send(started + 10 * MS, 1);
        let _ = std::mem::take(&mut state.lap);
        state.note_arrival(started + 13 * MS, 1);
        assert_eq!(state.lap.waiting, 3 * MS);
    }

    #[test]
    fn late_bytes_of_an_earlier_exchange_are_not_part_of_the_response_time() {
        let (started, mut state) = new_state();
        state.note_send(started + 10 * MS, 1);
        let _ = std::mem::take(&mut state.lap);
        // The process does nothing in between.
        state.note_send(started + 100 * MS, 1);
        state.note_arrival(started + 40 * MS, 1);
        state.note_arrival(started + 105 * MS, 1);
        assert_eq!(state.lap.waiting, 35 * MS);
        assert_eq!(state.lap.response_time(), 5 * MS);
    }

    #[test]
    fn a_datagram_is_measured_from_its_transmit_timestamp() {
        let (started, mut state) = new_state();
        state.note_transmission(started + 5 * MS);
        state.note_send(started + 10 * MS, 1);
        state.note_transmission(started + 12 * MS);
        state.note_arrival(started + 15 * MS, 1);
        assert_eq!((state.lap.waiting, state.lap.last_send), (3 * MS, Some(started + 12 * MS)));
    }

    #[test]
    fn the_number_of_unanswered_sends_is_limited() {
        let (started, mut state) = new_state();
        for step in 0..1000 {
            state.note_send(started + step * MS, 1);
        }
        assert_eq!(state.unanswered.len(), MAX_UNANSWERED);
        state.note_arrival(started + 1004 * MS, 1);
        assert_eq!(state.lap.waiting, 5 * MS);
    }
}
