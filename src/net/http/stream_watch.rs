//! The times of a request and its response over HTTP/2 or HTTP/3.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::{diagnostics::humanize::count, net::wire::Timestamp};

/// The times of an exchange. They can be read while another task owns the connection.
#[derive(Debug, Clone, Default)]
pub(crate) struct StreamWatch(Arc<Mutex<State>>);

#[derive(Debug, Clone, Copy, Default)]
struct State {
    /// The time of sending the last bytes of the request so far.
    sent: Option<Timestamp>,
    /// The arrival of the first byte of the head that is being read.
    head: Option<Timestamp>,
    /// True if that is the head of the final response.
    is_final: bool,
    /// The arrival of the last bytes of the response so far.
    last_byte: Option<Timestamp>,
    has_interim: bool,
    units: Units,
}

/// The units of a connection, for descriptions of a wait.
#[derive(Debug, Clone, Copy, Default)]
enum Units {
    /// Datagrams of HTTP/3.
    #[default]
    Datagrams,
    /// Frames of HTTP/2, of which the last one was of this type.
    Frames(Option<&'static str>),
}

impl StreamWatch {
    /// Returns one for an exchange over HTTP/2.
    pub(crate) fn of_http2() -> Self {
        Self(Arc::new(Mutex::new(State { units: Units::Frames(None), ..State::default() })))
    }

    /// Describes the wait for a response that is not complete; the request was sent, and so many bytes
    /// came in all.
    pub(crate) fn describe_wait(&self, received: u64) -> String {
        let state = self.state();
        let (over, last) = match state.units {
            Units::Datagrams => {
                (" over HTTP/3", format!("received {} in total", count(received, "byte")))
            }
            Units::Frames(Some(frame)) => {
                ("", format!("the last received HTTP/2 frame is {frame}"))
            }
            Units::Frames(None) => ("", "no HTTP/2 frame received".to_owned()),
        };
        if state.is_final {
            return format!("response header received, no end of the response; {last}");
        }
        let missing =
            if state.has_interim { "no final response header" } else { "no response header" };
        format!("request sent{over}, {missing}; {last}")
    }

    /// Notes the type of the last frame that came over HTTP/2.
    pub(crate) fn note_frame(&self, frame: &'static str) {
        self.state().units = Units::Frames(Some(frame));
    }

    /// The time of sending the last bytes of the request so far.
    pub(crate) fn sent(&self) -> Option<Timestamp> {
        self.state().sent
    }

    /// The arrival of the first byte of the final head.
    pub(crate) fn head(&self) -> Option<Timestamp> {
        let state = self.state();
        state.head.filter(|_| state.is_final)
    }

    /// The arrival of the last bytes of the response so far.
    pub(crate) fn last_byte(&self) -> Option<Timestamp> {
        self.state().last_byte
    }

    pub(crate) fn note_sent(&self, sent: Option<Timestamp>) {
        self.state().sent = sent;
    }

    /// Notes the arrival of some of the response.
    pub(crate) fn note_arrival(&self, arrival: Option<Timestamp>) {
        let mut state = self.state();
        state.head = state.head.or(arrival);
        state.last_byte = arrival;
    }

    /// Notes that the head which is there is an interim one; `more` says whether the next one has
    /// begun to arrive with it.
    pub(crate) fn note_interim(&self, more: bool) {
        let mut state = self.state();
        state.head = state.last_byte.filter(|_| more);
        state.has_interim = true;
    }

    /// Notes that the head which is there is the final one.
    pub(crate) fn note_head(&self) {
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

    /// A datagram with some of the response at this millisecond, or a part that was parsed.
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
            let (watch, start) = (StreamWatch::default(), Timestamp::now());
            for come in come {
                match come {
                    Datagram(at) => {
                        watch.note_arrival(Some(start + Duration::from_millis(*at)));
                    }
                    Interim { more } => watch.note_interim(*more),
                    Head => watch.note_head(),
                }
            }
            let millis = |mark: Option<Timestamp>| mark.map(|mark| mark.since(start).as_millis());
            assert_eq!((millis(watch.head()), millis(watch.last_byte())), (head, last), "{name}");
        }
    }
}
