//! The progress of a TLS handshake, and its description when the probe is cut off.

use std::{
    future::poll_fn,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::Poll,
};

use crate::{
    diagnostics::{Failure, Stage, humanize::count, log::Quoted},
    net::tls::{session::TlsSession, verdict::Verdict},
    scheduling::{
        poll_times::section,
        pool::{self, PoolError},
    },
};

/// The progress of a handshake, shared by the stream below TLS and the probe.
#[derive(Debug, Clone, Default)]
pub(super) struct HandshakeProgress(Arc<State>);

#[derive(Debug, Default)]
struct State {
    received: AtomicU64,
    /// The first eight bytes received, or fewer followed by zeros.
    beginning: AtomicU64,
    has_certificates: AtomicBool,
    is_done: AtomicBool,
}

/// Number of received bytes from which a handshake continues on another thread: the engine parses all
/// certificates at once. Most handshakes take 2 to 8 KiB.
const MAX_INLINE: u64 = 16 << 10;

/// The first byte of a TLS record with a handshake message, and the sixth where that is a
/// `ServerHello` (RFC 8446, sections 5.1 and 4).
const HANDSHAKE: u8 = 22;
const SERVER_HELLO: u8 = 2;

/// Length of a record's header, whose last two bytes are the length of the content.
const RECORD_HEADER: u64 = 5;

impl HandshakeProgress {
    /// Records received bytes; `beginning` is the start of all received bytes.
    pub(super) fn note(&self, length: usize, beginning: &[u8]) {
        let received = u64::try_from(length).unwrap_or_default();
        let before = self.0.received.fetch_add(received, Ordering::Relaxed);
        if before < 8 {
            let mut bytes = [0; 8];
            bytes.iter_mut().zip(beginning).for_each(|(slot, byte)| *slot = *byte);
            self.0.beginning.store(u64::from_be_bytes(bytes), Ordering::Relaxed);
        }
    }

    /// Polls a handshake to its end, on another thread once it is long. The result of the verification
    /// is moved to `seen` at once, since the future may be dropped before it is polled again.
    pub(super) async fn drive<F>(
        &self,
        verdict: &Verdict,
        seen: &mut Option<TlsSession>,
        mut handshake: Pin<Box<F>>,
    ) -> Result<F::Output, Failure>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        let done = match self.drive_inline(verdict, seen, handshake.as_mut()).await {
            Some(done) => Ok(done),
            None => self.drive_aside(verdict, seen, handshake).await,
        };
        self.0.is_done.store(true, Ordering::Relaxed);
        done
    }

    /// Polls a handshake on other threads to its end.
    pub(super) async fn drive_aside<F>(
        &self,
        verdict: &Verdict,
        seen: &mut Option<TlsSession>,
        mut handshake: Pin<Box<F>>,
    ) -> Result<F::Output, Failure>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        loop {
            let polled = pool::poll(handshake).await;
            let failed =
                |error: PoolError| Failure::blocking(Stage::Tls, "the TLS handshake", error.into());
            let polled = polled.map_err(failed)?;
            self.take_session(verdict, seen);
            match polled.output() {
                Ok(done) => {
                    self.0.is_done.store(true, Ordering::Relaxed);
                    return Ok(done);
                }
                Err(polled) => handshake = polled.woken().await,
            }
        }
    }

    /// Polls a handshake on this thread. Returns `None` once it is long.
    async fn drive_inline<F: Future>(
        &self,
        verdict: &Verdict,
        seen: &mut Option<TlsSession>,
        mut handshake: Pin<&mut F>,
    ) -> Option<F::Output> {
        poll_fn(|task| {
            loop {
                let done = section("step of the handshake", || handshake.as_mut().poll(task));
                self.take_session(verdict, seen);
                if let Poll::Ready(done) = done {
                    return Poll::Ready(Some(done));
                }
                if self.is_long() && !verdict.is_running() {
                    return Poll::Ready(None);
                }
                if !verdict.goes_on(task) {
                    return Poll::Pending;
                }
            }
        })
        .await
    }

    fn take_session(&self, verdict: &Verdict, seen: &mut Option<TlsSession>) {
        if seen.is_none() {
            *seen = verdict.take_session();
            if seen.is_some() {
                self.0.has_certificates.store(true, Ordering::Relaxed);
            }
        }
    }

    /// Returns whether the handshake is to continue on another thread.
    fn is_long(&self) -> bool {
        self.0.received.load(Ordering::Relaxed) > MAX_INLINE
            && !self.0.is_done.load(Ordering::Relaxed)
    }

    /// Returns whether no more is to be read on this thread.
    pub(super) fn is_to_move(&self) -> bool {
        self.is_long() && !pool::is_worker()
    }

    /// The first eight bytes received, or fewer followed by zeros.
    pub(super) fn beginning(&self) -> [u8; 8] {
        self.0.beginning.load(Ordering::Relaxed).to_be_bytes()
    }

    /// Describes the progress for the message of a timeout.
    pub(super) fn describe(&self) -> String {
        let received = self.0.received.load(Ordering::Relaxed);
        let bytes = count(received, "byte");
        let beginning = self.0.beginning.load(Ordering::Relaxed).to_be_bytes();
        match (received, beginning) {
            (0, _) => "ClientHello sent, no response".to_owned(),
            _ if self.0.has_certificates.load(Ordering::Relaxed) => format!(
                "server certificate received, TLS handshake not completed: received {bytes}"
            ),
            (6.., [HANDSHAKE, _, _, high, low, SERVER_HELLO, ..])
                if received >= RECORD_HEADER + u64::from(u16::from_be_bytes([high, low])) =>
            {
                format!("ServerHello received, no server certificate: received {bytes}")
            }
            (_, beginning) => {
                let length = beginning.len().min(usize::try_from(received).unwrap_or_default());
                let beginning = Quoted(beginning.get(..length).unwrap_or_default()).to_string();
                format!(
                    "ClientHello sent, no complete ServerHello: received {bytes}, beginning with \
                     {beginning}"
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_long_handshake_continues_on_another_thread() {
        for (received, moves) in [(1_000, false), (100_000, true)] {
            let progress = HandshakeProgress::default();
            let mut is_begun = false;
            let inner = progress.clone();
            // The second poll reads, as a stream does it.
            let handshake = poll_fn(move |task| {
                if !is_begun {
                    is_begun = true;
                    inner.note(received, &[]);
                }
                if inner.is_to_move() {
                    task.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Poll::Ready(pool::is_worker())
            });
            let handshake = Box::pin(handshake);
            let moved = progress.drive(&Verdict::default(), &mut None, handshake).await.unwrap();
            assert_eq!(moved, moves, "{received}");
            assert!(!progress.is_to_move(), "what follows is read on this thread");
        }
    }

    #[test]
    fn the_description_says_how_far_the_handshake_came() {
        let hello = [HANDSHAKE, 3, 3, 0, 6, SERVER_HELLO, 0, 0, 2, 3, 3];
        for (pieces, certificates, expected) in [
            (&[][..], false, "ClientHello sent, no response"),
            (
                &[&b"22"[..], b"0"],
                false,
                r#"no complete ServerHello: received 3 bytes, beginning with "220""#,
            ),
            (
                &[&hello[..5]],
                false,
                r#"received 5 bytes, beginning with "\u{16}\u{3}\u{3}\0\u{6}""#,
            ),
            (
                &[&hello[..1], &hello[1..]],
                false,
                "ServerHello received, no server certificate: received 11 bytes",
            ),
            (
                &[&hello[..]],
                true,
                "server certificate received, TLS handshake not completed: received 11 bytes",
            ),
        ] {
            let (progress, mut beginning) = (HandshakeProgress::default(), Vec::new());
            for piece in pieces {
                beginning.extend_from_slice(piece);
                progress.note(piece.len(), &beginning);
            }
            if certificates {
                progress.0.has_certificates.store(true, Ordering::Relaxed);
            }
            let text = progress.describe();
            assert!(text.ends_with(expected), "{text}");
        }
    }
}
