//! The arrival of the first byte of a response, for a prober that may be cancelled meanwhile.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::{
    diagnostics::humanize::count,
    net::{
        http::tail::Tail,
        wire::{Lap, WireClock},
    },
};

/// The arrival of the final response of an [`Http1`](super::Http1), shared with a prober.
#[derive(Debug, Clone, Default)]
pub(crate) struct HeadWatch(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// The account of the connection at the first read. It is taken above TLS: below it, the first
    /// bytes after a request may be session tickets, which are no answer.
    first_read: Option<Lap>,
    /// True if the next read counts as the first.
    again: bool,
    /// Number of interim responses (1xx) that arrived.
    interim: u32,
    tail: Tail,
}

impl HeadWatch {
    /// Notes bytes of a head that were read just now.
    pub(super) fn note_read(&self, clock: &WireClock, piece: &[u8]) {
        let mut state = self.state();
        if state.first_read.is_none() || state.again {
            state.first_read = Some(clock.so_far());
            state.again = false;
        }
        state.tail.note(piece);
    }

    /// Notes an interim response, and says how many there were: the next read counts as the first
    /// one.
    ///
    /// Unlike upstream, where the time until the final response counts as transfer. When both came
    /// in one read, the first byte is still that of the interim one.
    pub(super) fn note_interim(&self) -> u32 {
        let mut state = self.state();
        state.again = true;
        state.interim += 1;
        state.interim
    }

    /// Returns the account of the connection at the first read of the final response.
    pub(crate) fn first_read(&self) -> Option<Lap> {
        self.state().first_read
    }

    /// Describes the wait for a head that is not complete; the request was sent.
    pub(crate) fn describe_wait(&self) -> String {
        let state = self.state();
        let interim = match state.interim {
            0 => String::new(),
            interim => format!(" after {}", count(interim, "interim response")),
        };
        if state.again || state.first_read.is_none() {
            return format!("request sent, no response header{interim}");
        }
        format!("response header incomplete{interim}: {}", state.tail)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
