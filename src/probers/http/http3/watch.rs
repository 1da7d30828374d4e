//! When the request of an HTTP/3 exchange was sent, and when its response came.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::net::wire::Mark;

/// The times of an exchange, for whoever reports them while others have the connection.
#[derive(Debug, Clone, Default)]
pub(crate) struct StreamWatch(Arc<Mutex<State>>);

#[derive(Debug, Clone, Copy, Default)]
struct State {
    /// When the last datagram of the request was sent, or the last one so far.
    sent: Option<Mark>,
    /// When the head that is being read began to arrive.
    head: Option<Mark>,
    /// Whether that is the final one.
    is_final: bool,
    /// When the last datagram of the response arrived.
    last_byte: Option<Mark>,
}

impl StreamWatch {
    /// When the last datagram of the request was sent, or the last one so far.
    pub(crate) fn sent(&self) -> Option<Mark> {
        self.state().sent
    }

    /// When the head of the final response began to arrive.
    pub(crate) fn head(&self) -> Option<Mark> {
        let state = self.state();
        state.head.filter(|_| state.is_final)
    }

    /// When the last datagram of the response arrived.
    pub(crate) fn last_byte(&self) -> Option<Mark> {
        self.state().last_byte
    }

    pub(super) fn note_sent(&self, sent: Option<Mark>) {
        self.state().sent = sent;
    }

    /// Notes a datagram with some of the response in it.
    pub(super) fn note_arrival(&self, arrival: Option<Mark>) {
        let mut state = self.state();
        state.head = state.head.or(arrival);
        state.last_byte = arrival;
    }

    /// Notes that the head which is there is an interim one; `more` says whether the next one has
    /// begun to arrive with it.
    pub(super) fn note_interim(&self, more: bool) {
        let mut state = self.state();
        state.head = state.last_byte.filter(|_| more);
    }

    /// Notes that the head which is there is the final one.
    pub(super) fn note_head(&self) {
        self.state().is_final = true;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
