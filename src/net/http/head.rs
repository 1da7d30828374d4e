//! The head of an HTTP/1 response on its way to hyper: timed, bounded, and made palatable.

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    task::coop::poll_proceed,
};

use crate::{
    evidence::words::count,
    net::{
        http::{tail::Tail, version::HttpVersion},
        wire::{Lap, WireClock},
    },
};

/// What a [`Watched`] connection tells of the head of its response.
#[derive(Debug, Clone, Default)]
pub(crate) struct HeadWatch(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// The account of the connection at the first read. It is taken behind TLS: below it, the
    /// first bytes after a request may be session tickets, which are no answer.
    first_read: Option<Lap>,
    /// Whether the next read counts as the first.
    again: bool,
    /// How many interim responses (1xx) came.
    interim: u32,
    status_line: StatusLine,
    tail: Tail,
    complete: bool,
}

/// As many interim responses are skipped. A peer that sends them without end would keep hyper from
/// ever coming back from its loop.
pub(crate) const MOST_INTERIM: u32 = 20;

/// What hyper is told of more.
pub(super) fn too_many_interim() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "there are too many interim responses")
}

/// Until the head is complete, no more is read at once, for the same reason; behind it, more counts
/// as several reads.
const PIECE: usize = 4 << 10;

impl HeadWatch {
    /// Notes an interim response; the next read counts as the first one.
    ///
    /// Unlike upstream, where the time until the final response counts as transfer. When both came
    /// in one read, the first byte is still that of the interim one.
    pub(crate) fn note_interim(&self) {
        let mut state = self.state();
        state.again = true;
        state.interim += 1;
    }

    /// Notes that the head is complete; from here on nothing is looked at.
    pub(crate) fn note_complete(&self) {
        self.state().complete = true;
    }

    /// The account of the connection at the first read of the final response, if there was one.
    pub(crate) fn first_read(&self) -> Option<Lap> {
        self.state().first_read
    }

    /// The version that the status line named, if that is not what hyper was told.
    pub(crate) fn version(&self) -> Option<HttpVersion> {
        let state = self.state();
        state.status_line.version().filter(|_| state.interim == 0)
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

/// The first bytes of a response. Whatever version they name, hyper is told HTTP/1.1.
///
/// As upstream does it: the version of a response is reported and not enforced. Hyper refuses
/// versions that it does not know, and chunks in HTTP/1.0, which some servers send.
#[derive(Debug, Default)]
struct StatusLine {
    position: usize,
    major: u8,
    minor: u8,
}

/// The form of a version; the digits are read and then replaced by these.
const FORM: [u8; 8] = *b"HTTP/1.1";

impl StatusLine {
    fn pass(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            let Some(form) = FORM.get(self.position) else { return };
            match (*form, *byte) {
                (b'1', digit @ b'0'..=b'9') => {
                    let number = if self.position == 5 { &mut self.major } else { &mut self.minor };
                    *number = digit - b'0';
                    *byte = *form;
                }
                (form, found) if form == found => {}
                _ => {
                    // No status line at all; hyper will say so.
                    self.position = usize::MAX;
                    return;
                }
            }
            self.position += 1;
        }
    }

    fn version(&self) -> Option<HttpVersion> {
        let is_whole = self.position == FORM.len();
        is_whole.then_some(HttpVersion { major: self.major, minor: self.minor })
    }
}

/// A connection that hyper reads an HTTP/1 response from.
pub(crate) struct Watched<S> {
    stream: S,
    clock: WireClock,
    watch: HeadWatch,
    /// What went wrong behind bytes that were read; told at the next read.
    failed: Option<io::Error>,
}

impl<S> Watched<S> {
    pub(crate) fn new(stream: S, clock: WireClock, watch: HeadWatch) -> Self {
        Self { stream, clock, watch, failed: None }
    }
}

impl<S> Watched<S> {
    /// The connection itself, once it is no longer about HTTP.
    pub(crate) fn into_inner(self) -> S {
        self.stream
    }
}

impl<S: AsyncRead + Unpin> Watched<S> {
    /// Reads a piece of the head, and says how long it is.
    fn poll_piece(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<usize>> {
        let Self { stream, clock, watch, .. } = self;
        let mut room = [0; PIECE];
        let room = room.get_mut(..buffer.remaining().min(PIECE)).unwrap_or_default();
        let mut piece = ReadBuf::new(room);
        ready!(Pin::new(stream).poll_read(context, &mut piece))?;
        let piece = piece.filled_mut();
        if !piece.is_empty() {
            let mut state = watch.state();
            if state.first_read.is_none() || state.again {
                state.first_read = Some(clock.so_far());
                state.again = false;
            }
            state.tail.note(piece);
            state.status_line.pass(piece);
        }
        buffer.put_slice(piece);
        Poll::Ready(Ok(piece.len()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if let Some(error) = this.failed.take() {
            return Poll::Ready(Err(error));
        }
        {
            let state = this.watch.state();
            if state.complete {
                drop(state);
                let before = buffer.filled().len();
                ready!(Pin::new(&mut this.stream).poll_read(context, buffer))?;
                spend_turn(context, buffer.filled().len() - before);
                return Poll::Ready(Ok(()));
            }
            if state.interim > MOST_INTERIM {
                return Poll::Ready(Err(too_many_interim()));
            }
        }
        // The first byte comes alone, for the sake of its time. Hyper is to have it with what is
        // there behind it: each time that it looks at a head it makes room for all its headers.
        if ready!(this.poll_piece(context, buffer))? == 1
            && buffer.remaining() > 0
            && let Poll::Ready(Err(error)) = this.poll_piece(context, buffer)
        {
            this.failed = Some(error);
        }
        Poll::Ready(Ok(()))
    }
}

/// Shortens the task's turn by what hyper may make of so many bytes: it takes chunks apart byte by
/// byte, and others want to be served meanwhile.
pub(super) fn spend_turn(context: &mut Context<'_>, length: usize) {
    for _ in 0..length / PIECE {
        match poll_proceed(context) {
            Poll::Ready(step) => step.made_progress(),
            Poll::Pending => return,
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
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
    use std::collections::VecDeque;

    use tokio::io::AsyncReadExt as _;

    use super::*;

    /// What each read gives; nothing more is to come when none is left.
    struct Reads(VecDeque<io::Result<&'static str>>);

    impl AsyncRead for Reads {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buffer: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            let Some(read) = self.0.pop_front() else { return Poll::Pending };
            buffer.put_slice(read?.as_bytes());
            Poll::Ready(Ok(()))
        }
    }

    #[tokio::test]
    async fn what_is_there_behind_the_first_byte_comes_with_it() {
        let broken = || Err(io::ErrorKind::ConnectionReset.into());
        for (reads, expected) in [
            (vec![Ok("H"), Ok("TTP/1.0 200 OK\r\n"), broken()], "HTTP/1.1 200 OK\r\n"),
            (vec![Ok("H"), broken()], "H"),
            (vec![Ok("HT"), Ok("TP/1.1 200 OK\r\n")], "HT"),
            (vec![Ok("H")], "H"),
        ] {
            let breaks = reads.iter().any(Result::is_err);
            let (clock, watch) = (WireClock::of_nothing(), HeadWatch::default());
            let mut watched = Watched::new(Reads(reads.into()), clock, watch.clone());
            let mut buffer = [0; 100];
            let length = watched.read(&mut buffer).await.unwrap();
            assert_eq!(str::from_utf8(&buffer[..length]).unwrap(), expected);
            assert!(watch.first_read().is_some());
            if breaks {
                let error = watched.read(&mut buffer).await.unwrap_err();
                assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
            }
        }
    }

    #[test]
    fn the_version_is_noted_and_replaced() {
        for (text, seen, version) in [
            ("HTTP/1.1 200 OK", "HTTP/1.1 200 OK", Some((1, 1))),
            ("HTTP/1.0 200 OK", "HTTP/1.1 200 OK", Some((1, 0))),
            ("HTTP/2.0 200 OK", "HTTP/1.1 200 OK", Some((2, 0))),
            ("HTTP/1.10 200", "HTTP/1.10 200", Some((1, 1))),
            ("HTTP/2 200 OK", "HTTP/1 200 OK", None),
            ("ICY 200 OK", "ICY 200 OK", None),
            ("SSH-2.0-x", "SSH-2.0-x", None),
            ("HTTP/1.", "HTTP/1.", None),
            ("", "", None),
        ] {
            for size in [1, 3, 100] {
                let mut bytes = text.as_bytes().to_vec();
                let mut line = StatusLine::default();
                bytes.chunks_mut(size).for_each(|piece| line.pass(piece));
                assert_eq!(str::from_utf8(&bytes).unwrap(), seen, "{text} by {size}");
                let expected = version.map(|(major, minor)| HttpVersion { major, minor });
                assert_eq!(line.version(), expected, "{text} by {size}");
            }
        }
    }
}
