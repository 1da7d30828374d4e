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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// What comes: a datagram with some of the response at this millisecond, or what was found in
    /// those before.
    enum Come {
        Datagram(u64),
        Interim { more: bool },
        Head,
    }

    use Come::{Datagram, Head, Interim};

    #[test]
    fn the_head_that_counts_is_the_final_one() {
        for (name, come, head, last) in [
            ("at once", &[Datagram(1), Head][..], Some(1), Some(1)),
            ("in pieces", &[Datagram(1), Datagram(2), Head, Datagram(3)], Some(1), Some(3)),
            ("none", &[Datagram(1)], None, Some(1)),
            ("nothing", &[], None, None),
            (
                "interim",
                &[Datagram(1), Interim { more: false }, Datagram(5), Head, Datagram(6)],
                Some(5),
                Some(6),
            ),
            (
                "interim along with it",
                &[Datagram(1), Interim { more: true }, Head],
                Some(1),
                Some(1),
            ),
            ("interim alone", &[Datagram(1), Interim { more: false }], None, Some(1)),
        ] {
            let (watch, start) = (StreamWatch::default(), Mark::now());
            for come in come {
                match come {
                    Datagram(at) => {
                        watch.note_arrival(Some(start.after(Duration::from_millis(*at))));
                    }
                    Interim { more } => watch.note_interim(*more),
                    Head => watch.note_head(),
                }
            }
            let millis = |mark: Option<Mark>| mark.map(|mark| mark.since(start).as_millis());
            assert_eq!((millis(watch.head()), millis(watch.last_byte())), (head, last), "{name}");
        }
    }
}
