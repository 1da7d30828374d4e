//! The progress of a TLS handshake, and its description when the probe is cut off.

use std::{
    future::poll_fn,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{self, Poll},
};

use crate::{
    diagnostics::{humanize::count, log::Quoted},
    net::tls::{session::TlsSession, verdict::Verdict},
    scheduling::poll_times::section,
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
}

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

    /// Polls a handshake to its end. The result of the verification is moved to `seen` at once,
    /// since the future may be dropped before it is polled again.
    pub(super) async fn drive<T>(
        &self,
        verdict: &Verdict,
        seen: &mut Option<TlsSession>,
        mut handshake: impl FnMut(&mut task::Context<'_>) -> Poll<T>,
    ) -> T {
        poll_fn(|task| {
            loop {
                let done = section("step of the handshake", || handshake(task));
                if seen.is_none() {
                    *seen = verdict.take_session();
                    if seen.is_some() {
                        self.note_certificates();
                    }
                }
                if done.is_ready() || !verdict.goes_on(task) {
                    return done;
                }
            }
        })
        .await
    }

    /// Records that the server has sent its certificates.
    fn note_certificates(&self) {
        self.0.has_certificates.store(true, Ordering::Relaxed);
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
                progress.note_certificates();
            }
            let text = progress.describe();
            assert!(text.ends_with(expected), "{text}");
        }
    }
}
