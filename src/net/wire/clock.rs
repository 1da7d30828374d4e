//! The account of a connection: what was sent and received when, and how long the peer took.

use std::{
    collections::VecDeque,
    fmt,
    os::fd::AsFd,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use crate::{
    metrics::{Export, MetricSet},
    net::{
        control::TcpFacts,
        stamps,
        wire::{Mark, socket::StreamSocket},
    },
};

/// Gives the marks of a [`WireStream`](super::WireStream) while TLS or HTTP own the stream.
#[derive(Clone)]
pub struct WireClock {
    shared: Arc<Shared>,
}

struct Shared {
    tally: Mutex<Tally>,
    /// Weak, so that a clock that outlives its stream does not keep the connection open.
    socket: Weak<StreamSocket>,
}

/// What happened on the wire between two calls of [`WireClock::lap`]: one exchange.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Lap {
    /// How long the peer and the network took: the sum, over all arrivals and the end of the
    /// connection, of the time since the send or arrival before it, or since the connection was
    /// made.
    pub waiting: Duration,
    /// Just before the first bytes were handed to the kernel.
    pub first_send: Option<Mark>,
    /// Just before the last bytes were handed to the kernel.
    pub last_send: Option<Mark>,
    /// When the first bytes arrived.
    pub first_byte: Option<Mark>,
    /// When the last bytes arrived.
    pub last_byte: Option<Mark>,
    /// When the peer ended the connection, if it did.
    pub end: Option<Mark>,
    /// How many bytes were sent.
    pub sent: u64,
    /// How many bytes were received.
    pub received: u64,
}

impl Lap {
    /// How long the peer took to answer what was sent in this exchange. What it had still to say to
    /// what was sent before, such as session tickets of TLS 1.3, does not count.
    #[must_use]
    pub fn answer_time(&self) -> Duration {
        match self.last_byte.zip(self.first_send) {
            Some((last, send)) => self.waiting.min(last.since(send)),
            None => self.waiting,
        }
    }
}

impl WireClock {
    /// Ends the running exchange and begins the next.
    #[must_use]
    pub fn lap(&self) -> Lap {
        std::mem::take(&mut self.tally().lap)
    }

    /// The running exchange so far.
    #[must_use]
    pub fn so_far(&self) -> Lap {
        self.tally().lap
    }

    /// When the last bytes arrived, in whichever exchange.
    #[must_use]
    pub fn last_arrival(&self) -> Option<Mark> {
        self.tally().last_arrival
    }

    /// TCP's own figures about the connection; those at its end once it is closed.
    #[must_use]
    pub fn tcp_facts(&self) -> Option<TcpFacts> {
        match self.shared.socket.upgrade() {
            Some(socket) => stamps::tcp_facts(socket.as_fd()),
            None => self.tally().facts_at_end,
        }
    }

    /// The account of a connection that is none, for a stream that was never on the wire.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn of_nothing() -> Self {
        Self::new(Weak::new(), Mark::now(), Duration::ZERO)
    }

    pub(super) fn new(socket: Weak<StreamSocket>, born: Mark, connect_time: Duration) -> Self {
        let tally = Tally::new(born, connect_time);
        Self { shared: Arc::new(Shared { tally: Mutex::new(tally), socket }) }
    }

    /// The account of a connection that is made of datagrams, begun at `born`; whoever moves them
    /// has to keep it.
    #[cfg(feature = "http3")]
    pub(in crate::net) fn of_datagrams(born: Mark) -> Self {
        Self::new(Weak::new(), born, Duration::ZERO)
    }

    /// Notes datagrams that were sent, and that the peer is to answer.
    #[cfg(feature = "http3")]
    pub(in crate::net) fn note_send(&self, mark: Mark, length: usize) {
        self.tally().note_send(mark, length);
    }

    /// Notes when the kernel says the last of them left.
    #[cfg(feature = "http3")]
    pub(in crate::net) fn note_transmission(&self, mark: Mark) {
        self.tally().note_transmission(mark);
    }

    /// Notes a datagram that arrived.
    #[cfg(feature = "http3")]
    pub(in crate::net) fn note_arrival(&self, mark: Mark, length: usize) {
        self.tally().note_arrival(mark, length);
    }

    /// Notes that the peer has ended the connection, or that it broke.
    #[cfg(feature = "http3")]
    pub(in crate::net) fn note_end(&self, mark: Mark) {
        self.tally().note_end(mark);
    }

    pub(super) fn tally(&self) -> MutexGuard<'_, Tally> {
        self.shared.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Shows TCP's own figures.
impl Export for WireClock {
    fn export(&self, metrics: &mut MetricSet) {
        if let Some(facts) = self.tcp_facts() {
            facts.export(metrics);
        }
    }
}

impl fmt::Debug for WireClock {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("WireClock").field(&self.so_far()).finish()
    }
}

/// The account itself.
pub(super) struct Tally {
    /// Before the connection was begun: nothing can have arrived earlier.
    born: Mark,
    /// When the peer knew of the connection, from which a peer that speaks first is timed.
    connected: Mark,
    last_arrival: Option<Mark>,
    /// Sends that no later arrival was read for. Bytes may turn out to have arrived before our
    /// latest send, when they were read after it.
    unanswered: VecDeque<Mark>,
    /// Number of reads since the latest send whose bytes had arrived before it.
    stale_reads: u32,
    lap: Lap,
    pub(super) facts_at_end: Option<TcpFacts>,
}

/// More sends than this are not told apart; only a long upload makes so many without reading.
const MOST_UNANSWERED: usize = 16;

impl Tally {
    fn new(born: Mark, connect_time: Duration) -> Self {
        Self {
            born,
            connected: born.after(connect_time),
            last_arrival: None,
            unanswered: VecDeque::new(),
            stale_reads: 0,
            lap: Lap::default(),
            facts_at_end: None,
        }
    }

    /// Nothing can have arrived before this.
    pub(super) fn born(&self) -> Mark {
        self.born
    }

    /// Whether the next bytes are the first of an answer, whose arrival must be told from that of
    /// the bytes behind them.
    pub(super) fn awaits_answer(&self) -> bool {
        self.last_arrival.is_none() || !self.unanswered.is_empty()
    }

    /// Returns how many bytes are to be read at once, at most `most`. The first byte of an answer is
    /// read alone. Where others had arrived before it, more is read each time, or a long answer that
    /// came too early would be read byte by byte.
    pub(super) fn read_limit(&self, most: usize) -> usize {
        if self.awaits_answer() { most.min(1 << self.stale_reads.min(20)) } else { most }
    }

    pub(super) fn note_send(&mut self, mark: Mark, length: usize) {
        if self.unanswered.len() == MOST_UNANSWERED {
            self.unanswered.pop_front();
        }
        self.unanswered.push_back(mark);
        self.stale_reads = 0;
        self.lap.first_send.get_or_insert(mark);
        self.lap.last_send = Some(mark);
        self.lap.sent += u64::try_from(length).unwrap_or_default();
    }

    #[cfg(feature = "http3")]
    fn note_transmission(&mut self, mark: Mark) {
        if let Some(last) = self.unanswered.back_mut() {
            *last = mark;
            self.lap.last_send = Some(mark);
        }
    }

    pub(super) fn note_arrival(&mut self, mark: Mark, length: usize) {
        let mark = self.note_waiting(mark);
        if !self.unanswered.is_empty() {
            self.stale_reads += 1;
        }
        self.lap.first_byte.get_or_insert(mark);
        self.lap.last_byte = Some(mark);
        self.lap.received += u64::try_from(length).unwrap_or_default();
    }

    /// Notes that the peer has ended the connection, or that it broke.
    pub(super) fn note_end(&mut self, mark: Mark) {
        if self.lap.end.is_none() {
            self.lap.end = Some(self.note_waiting(mark));
        }
    }

    /// Adds up the wait that is over at `mark`, which is given back as it can be true.
    fn note_waiting(&mut self, mark: Mark) -> Mark {
        // TCP keeps the order, and an earlier arrival may have been timed by our own late clock.
        let mark = self.last_arrival.map_or(mark, |last| last.latest(mark));
        let mut since = self.last_arrival.unwrap_or(self.connected);
        while let Some(send) = self.unanswered.front().copied().filter(|send| !send.is_after(mark))
        {
            since = since.latest(send);
            self.unanswered.pop_front();
        }
        self.lap.waiting += mark.since(since);
        self.last_arrival = Some(mark);
        mark
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn tally() -> (Mark, Tally) {
        let born = Mark::now();
        (born, Tally::new(born, 2 * MS))
    }

    #[test]
    fn waiting_counts_only_the_peers_time() {
        let (born, mut tally) = tally();
        tally.note_send(born.after(10 * MS), 5);
        tally.note_arrival(born.after(15 * MS), 3);
        tally.note_arrival(born.after(16 * MS), 4);
        // 34 ms of our own before the next send do not count.
        tally.note_send(born.after(50 * MS), 1);
        tally.note_arrival(born.after(57 * MS), 1);
        assert_eq!(tally.lap.waiting, 13 * MS);
        assert_eq!((tally.lap.sent, tally.lap.received), (6, 8));
        assert_eq!(tally.lap.first_byte, Some(born.after(15 * MS)));
        assert_eq!(tally.lap.last_byte, Some(born.after(57 * MS)));
        assert_eq!(tally.lap.first_send, Some(born.after(10 * MS)));
        assert_eq!(tally.lap.last_send, Some(born.after(50 * MS)));
    }

    #[test]
    fn a_peer_that_speaks_first_is_timed_from_the_connection() {
        let (born, mut tally) = tally();
        tally.note_arrival(born.after(9 * MS), 3);
        assert_eq!(tally.lap.waiting, 7 * MS);
    }

    #[test]
    fn bytes_that_arrived_before_the_latest_send_are_timed_from_the_one_before() {
        let (born, mut tally) = tally();
        tally.note_send(born.after(10 * MS), 1);
        tally.note_send(born.after(20 * MS), 1);
        tally.note_arrival(born.after(14 * MS), 1);
        assert_eq!(tally.lap.waiting, 4 * MS);
        assert!(tally.awaits_answer(), "the second send has no answer yet");
        tally.note_arrival(born.after(26 * MS), 1);
        assert_eq!(tally.lap.waiting, 10 * MS);
        assert!(!tally.awaits_answer());
    }

    #[test]
    fn what_had_arrived_before_the_latest_send_is_read_in_growing_pieces() {
        let (born, mut tally) = tally();
        assert_eq!(tally.read_limit(1000), 1);
        tally.note_send(born.after(10 * MS), 1);
        for expected in [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1000, 1000] {
            assert_eq!(tally.read_limit(1000), expected);
            tally.note_arrival(born.after(5 * MS), expected);
        }
        tally.note_send(born.after(11 * MS), 1);
        assert_eq!(tally.read_limit(1000), 1);
        tally.note_arrival(born.after(12 * MS), 1);
        assert_eq!(tally.read_limit(1000), 1000);
    }

    #[test]
    fn the_end_of_the_connection_is_waited_for_too() {
        let (born, mut tally) = tally();
        tally.note_send(born.after(10 * MS), 1);
        tally.note_arrival(born.after(15 * MS), 1);
        tally.note_end(born.after(35 * MS));
        assert_eq!(tally.lap.waiting, 25 * MS);
        assert_eq!(tally.lap.last_byte, Some(born.after(15 * MS)));
        assert_eq!(tally.lap.end, Some(born.after(35 * MS)));
        // It is over once, however often that is read.
        tally.note_end(born.after(60 * MS));
        assert_eq!((tally.lap.end, tally.lap.waiting), (Some(born.after(35 * MS)), 25 * MS));
    }

    #[test]
    fn arrivals_keep_their_order_when_an_earlier_one_was_timed_late() {
        let (born, mut tally) = tally();
        tally.note_send(born.after(10 * MS), 1);
        tally.note_arrival(born.after(30 * MS), 1);
        tally.note_arrival(born.after(12 * MS), 1);
        assert_eq!(tally.lap.waiting, 20 * MS);
        assert_eq!(tally.lap.last_byte, Some(born.after(30 * MS)));
    }

    #[test]
    fn an_arrival_in_the_next_lap_is_timed_from_the_send_in_the_one_before() {
        let (born, mut tally) = tally();
        tally.note_send(born.after(10 * MS), 1);
        let _ = std::mem::take(&mut tally.lap);
        tally.note_arrival(born.after(13 * MS), 1);
        assert_eq!(tally.lap.waiting, 3 * MS);
    }

    #[test]
    fn what_is_said_to_an_earlier_send_is_no_time_of_the_answer() {
        let (born, mut tally) = tally();
        tally.note_send(born.after(10 * MS), 1);
        let _ = std::mem::take(&mut tally.lap);
        // The process does nothing meanwhile.
        tally.note_send(born.after(100 * MS), 1);
        tally.note_arrival(born.after(40 * MS), 1);
        tally.note_arrival(born.after(105 * MS), 1);
        assert_eq!(tally.lap.waiting, 35 * MS);
        assert_eq!(tally.lap.answer_time(), 5 * MS);
    }

    #[cfg(feature = "http3")]
    #[test]
    fn a_datagram_counts_from_when_it_really_left() {
        let (born, mut tally) = tally();
        tally.note_transmission(born.after(5 * MS));
        tally.note_send(born.after(10 * MS), 1);
        tally.note_transmission(born.after(12 * MS));
        tally.note_arrival(born.after(15 * MS), 1);
        assert_eq!((tally.lap.waiting, tally.lap.last_send), (3 * MS, Some(born.after(12 * MS))));
    }

    #[test]
    fn many_sends_without_an_answer_stay_bounded() {
        let (born, mut tally) = tally();
        for step in 0..1000 {
            tally.note_send(born.after(step * MS), 1);
        }
        assert_eq!(tally.unanswered.len(), MOST_UNANSWERED);
        tally.note_arrival(born.after(1004 * MS), 1);
        assert_eq!(tally.lap.waiting, 5 * MS);
    }
}
