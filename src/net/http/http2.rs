//! An HTTP/2 exchange as its frames pass: when its request was sent, and when its response came.
//!
//! The wire alone does not tell: both sides also send frames about the connection, and what hyper
//! has noticed by some moment may have arrived long before it.

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::{
    evidence::{Failure, Reason, Stage},
    net::{
        http::{
            frames::{DATA, END_STREAM, Frame, Frames, HEADERS},
            head::{MOST_INTERIM, spend_turn, too_many_interim},
        },
        wire::{Mark, WireClock},
    },
};

/// What a [`Framed`] connection tells of its only exchange.
#[derive(Debug, Clone, Default)]
pub(crate) struct FrameWatch(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    outgoing: Frames,
    incoming: Frames,
    /// Just before the last bytes of the request were sent.
    sent: Option<Mark>,
    heads: Heads,
    beginning: Beginning,
    /// When the final head arrived, once it is known which one that is.
    head: Option<Mark>,
    /// When the last bytes of the response arrived, those of its body included.
    last_byte: Option<Mark>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            outgoing: Frames::behind_preface(),
            incoming: Frames::default(),
            sent: None,
            heads: Heads::default(),
            beginning: Beginning::default(),
            head: None,
            last_byte: None,
        }
    }
}

impl FrameWatch {
    /// Just before the last bytes of the request were sent, or the last ones so far.
    pub(crate) fn sent(&self) -> Option<Mark> {
        self.state().sent
    }

    /// Notes that hyper has given the final response, and whether it ended with its head.
    pub(crate) fn note_head(&self, ended: bool) {
        let mut state = self.state();
        state.head = state.heads.last_one(ended);
    }

    /// When the head of the final response arrived.
    pub(crate) fn head(&self) -> Option<Mark> {
        self.state().head
    }

    /// When the last bytes of the response arrived.
    pub(crate) fn last_byte(&self) -> Option<Mark> {
        self.state().last_byte
    }

    /// Describes the wait for a response that is not complete; the request was sent.
    pub(crate) fn describe_wait(&self) -> String {
        let state = self.state();
        let last = match state.incoming.last_kind() {
            Some(kind) => format!("the last HTTP/2 frame that came is {kind}"),
            None => "no HTTP/2 frame came".to_owned(),
        };
        if state.head.is_some() {
            return format!("response header received, no end of the response; {last}");
        }
        let begun =
            if state.heads.count > 0 { "no final response header" } else { "no response header" };
        format!("request sent, {begun}; {last}")
    }

    /// Why there is no response, where the peer has not answered in frames.
    pub(crate) fn misunderstanding(&self) -> Option<Failure> {
        let Beginning(first, _) = self.state().beginning;
        let message = match first {
            [0, ..] => return None,
            [b'H', b'T', _] => "The peer answers in HTTP/1 and not in HTTP/2",
            _ => "The peer does not speak HTTP/2",
        };
        Some(Failure::new(Stage::Response, Reason::Protocol, message))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn note_sent(&mut self, bytes: &[u8], sent: Option<Mark>) {
        // What is sent behind the answer is nothing that it waited for.
        if self.outgoing.pass(bytes, |_| ()) && self.head.is_none() {
            self.sent = sent;
        }
    }

    fn note_received(&mut self, bytes: &[u8], arrival: Option<Mark>) -> io::Result<()> {
        let Self { incoming, heads, beginning, .. } = self;
        beginning.note(bytes);
        if incoming.pass(bytes, |frame| heads.note(frame, arrival)) {
            self.last_byte = arrival;
        }
        if heads.count > MOST_INTERIM + 1 { Err(too_many_interim()) } else { Ok(()) }
    }
}

/// The first bytes of a peer: those of frames are a length, which begins with 0, since the first
/// frame is a small one.
#[derive(Debug, Clone, Copy, Default)]
struct Beginning([u8; 3], usize);

impl Beginning {
    fn note(&mut self, bytes: &[u8]) {
        let Self(first, count) = self;
        for (slot, byte) in first.iter_mut().skip(*count).zip(bytes) {
            *slot = *byte;
            *count += 1;
        }
    }
}

/// The heads of a response: those of interim ones (1xx), the final one, and its trailers.
#[derive(Debug, Default)]
struct Heads {
    latest: Option<Head>,
    before: Option<Head>,
    body_begun: bool,
    count: u32,
}

#[derive(Debug, Clone, Copy)]
struct Head {
    arrival: Option<Mark>,
    ends: bool,
}

impl Heads {
    /// Notes a frame that begins.
    fn note(&mut self, frame: Frame, arrival: Option<Mark>) {
        self.body_begun |= frame.kind == DATA;
        if frame.kind == HEADERS && !self.body_begun {
            let head = Head { arrival, ends: frame.flags & END_STREAM != 0 };
            self.before = self.latest.replace(head);
            self.count += 1;
        }
    }

    /// The arrival of the final head; `ended` says whether nothing follows it. Only hyper can say
    /// which heads are interim ones, but one that ends the stream and is not final is a trailer.
    fn last_one(&self, ended: bool) -> Option<Mark> {
        let latest = self.latest?;
        let head = if latest.ends && !ended { self.before.unwrap_or(latest) } else { latest };
        head.arrival
    }
}

/// A connection that hyper makes one exchange on.
pub(crate) struct Framed<S> {
    stream: S,
    clock: WireClock,
    watch: FrameWatch,
}

impl<S> Framed<S> {
    pub(crate) fn new(stream: S, clock: WireClock, watch: FrameWatch) -> Self {
        Self { stream, clock, watch }
    }

    fn note_sent(&self, bytes: &[u8]) {
        self.watch.state().note_sent(bytes, self.clock.so_far().last_send);
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Framed<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        let bytes = buffer.filled().get(before..).unwrap_or_default();
        // TLS gives no more than one record at once. So no byte of these arrived after its end.
        self.watch.state().note_received(bytes, self.clock.last_arrival())?;
        spend_turn(context, bytes.len());
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Framed<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(context, bytes))?;
        self.note_sent(bytes.get(..written).unwrap_or_default());
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::net::http::frames::CONTINUATION;

    const END_HEADERS: u8 = 4;
    const SETTINGS: u8 = 4;
    const PUSH_PROMISE: u8 = 5;
    const PING: u8 = 6;
    const WINDOW_UPDATE: u8 = 8;

    fn frame(kind: u8, flags: u8, stream: u8, length: u8) -> Vec<u8> {
        let header = [0, 0, length, kind, flags, 0, 0, 0, stream];
        // What looks like the header of a final head is not one inside a frame.
        let payload = [0, 0, 0, HEADERS, END_STREAM, 0, 0, 0, 1].into_iter().cycle();
        header.into_iter().chain(payload.take(length.into())).collect()
    }

    /// The head of a response, an interim one as well.
    fn head() -> Vec<u8> {
        frame(HEADERS, END_HEADERS, 1, 40)
    }

    /// The head of a response without a body, or its trailers.
    fn end() -> Vec<u8> {
        frame(HEADERS, END_HEADERS | END_STREAM, 1, 40)
    }

    /// Has frames arrive one millisecond after the other; gives the milliseconds at which the final
    /// head and the last byte of the response came.
    fn received(frames: &[Vec<u8>], ended: bool, size: usize) -> (Option<u128>, Option<u128>) {
        let start = Mark::now();
        let watch = FrameWatch::default();
        for (millis, frame) in (0..).zip(frames) {
            let arrival = start.after(Duration::from_millis(millis));
            for piece in frame.chunks(size) {
                watch.state().note_received(piece, Some(arrival)).unwrap();
            }
        }
        watch.note_head(ended);
        let millis = |mark: Mark| mark.since(start).as_millis();
        (watch.head().map(millis), watch.last_byte().map(millis))
    }

    #[test]
    fn the_final_head_and_the_end_are_told_from_all_else() {
        let data = |flags| frame(DATA, flags, 1, 200);
        let about_the_connection = [
            frame(SETTINGS, 0, 0, 0),
            frame(PING, 0, 0, 8),
            frame(WINDOW_UPDATE, 0, 1, 4),
            frame(PUSH_PROMISE, END_HEADERS, 1, 20),
            frame(HEADERS, END_HEADERS, 3, 20),
        ];
        let others = || about_the_connection.concat();
        for (name, frames, ended, head_at, last_at) in [
            ("alone", vec![end()], true, Some(0), Some(0)),
            ("others around", vec![others(), end(), others()], true, Some(1), Some(1)),
            ("a body", vec![head(), data(0), data(END_STREAM), others()], false, Some(0), Some(2)),
            ("interim", vec![head(), head(), head(), data(1)], false, Some(2), Some(3)),
            ("interim, no body", vec![head(), end()], true, Some(1), Some(1)),
            ("trailers", vec![head(), data(0), end()], false, Some(0), Some(2)),
            ("trailers, no body", vec![head(), end()], false, Some(0), Some(1)),
            ("interim, trailers", vec![head(), head(), end()], false, Some(1), Some(2)),
            (
                "a long head",
                vec![frame(HEADERS, 0, 1, 40), frame(CONTINUATION, END_HEADERS, 1, 40), data(1)],
                false,
                Some(0),
                Some(2),
            ),
            ("in one piece", vec![[others(), head(), data(1)].concat()], false, Some(0), Some(0)),
            ("none", vec![others()], false, None, None),
        ] {
            for size in [1, 2, 8, 9, 10, 1000] {
                let found = received(&frames, ended, size);
                assert_eq!(found, (head_at, last_at), "{name} by {size}");
            }
        }
    }

    #[test]
    fn a_request_is_sent_with_the_last_byte_of_its_own() {
        let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        let settings = frame(SETTINGS, 0, 0, 6);
        let watch = FrameWatch::default();
        let start = Mark::now();
        let sent = |bytes: &[u8], millis| {
            let mark = start.after(Duration::from_millis(millis));
            for piece in bytes.chunks(5) {
                watch.state().note_sent(piece, Some(mark));
            }
            watch.sent().map(|sent| sent.since(start).as_millis())
        };
        assert_eq!(sent(&[preface, settings.clone()].concat(), 1), None);
        assert_eq!(sent(&[settings, head()].concat(), 2), Some(2));
        assert_eq!(sent(&frame(WINDOW_UPDATE, 0, 0, 4), 3), Some(2), "not part of it");
        assert_eq!(sent(&frame(DATA, END_STREAM, 1, 200), 4), Some(4));
        assert_eq!(sent(&frame(PING, 1, 0, 8), 5), Some(4), "not part of it");
        watch.state().note_received(&head(), Some(start)).unwrap();
        watch.note_head(false);
        assert_eq!(sent(&frame(DATA, END_STREAM, 1, 200), 6), Some(4), "behind the answer");
    }

    #[test]
    fn a_peer_of_something_else_is_told_by_how_it_begins() {
        let frames = frame(SETTINGS, 0, 0, 6);
        for (said, found) in [
            (&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], Some("answers in HTTP/1")),
            (b"HT", Some("answers in HTTP/1")),
            (b"220 mail.example\r\n", Some("does not speak HTTP/2")),
            (&[&frames, &b"HTTP"[..]].concat(), None),
            (b"", None),
        ] {
            for size in [1, 2, 1000] {
                let watch = FrameWatch::default();
                for piece in said.chunks(size) {
                    watch.state().note_received(piece, None).unwrap();
                }
                let failure = watch.misunderstanding().map(|failure| failure.message);
                let holds = match (&failure, found) {
                    (Some(message), Some(words)) => message.contains(words),
                    (failure, words) => failure.is_none() && words.is_none(),
                };
                assert!(holds, "{said:?} by {size}: {failure:?}");
            }
        }
    }

    #[test]
    fn interim_responses_without_end_are_refused() {
        let watch = FrameWatch::default();
        let heads = head().repeat(usize::try_from(MOST_INTERIM).unwrap() + 1);
        watch.state().note_received(&heads, None).unwrap();
        let error = watch.state().note_received(&head(), None).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }
}
