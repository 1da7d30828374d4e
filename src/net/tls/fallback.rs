//! The fallback TLS engine, rustls, for peers whose certificate BoringSSL refuses by itself.
//!
//! BoringSSL has conditions of its own for certificates, which it checks before our verification
//! sees them and which no setting lifts: above all, over TLS 1.3 the key usage must have
//! digitalSignature. Go's client has none of these, and printers, appliances and servers with old
//! certificates break them.
//!
//! A handshake that ended so cannot go on. The probe begins again, once, with a new connection and
//! this engine ([`Context::is_retried`]), so that every time it reports is of one connection. The
//! peer is remembered, so that the next probes use this engine from the start and make one
//! connection each. Patching BoringSSL would mean to keep the whole of its sources here.

use std::{
    collections::HashMap,
    future::Future as _,
    io,
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rustls::{client::Resumption, pki_types::ServerName};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::Instant,
};
use tokio_rustls::TlsConnector;

use crate::{
    diagnostics::{Failure, attempts::Peer},
    net::{
        Context,
        tls::{
            TlsClient, TlsSession, TlsStream, buffered_stream::BufferedStream, failure, follow,
            handshake_progress::HandshakeProgress, host, note, rustls_config,
            rustls_verifier::RustlsVerifier, verify::CertificateVerifier,
        },
    },
    settings::tls::TlsVersion,
};

/// A peer: where a probe connects to, and the host that it asks for.
pub(super) type Host = (Peer, String);

/// The peers that need this engine, each with the time when that was found out.
static PEERS: Mutex<Option<HashMap<Host, Instant>>> = Mutex::new(None);

/// More peers are not remembered at a time.
const MAX_PEERS: usize = 1024;

/// After this time the usual engine is tried again: the certificate may have been replaced.
const MAX_AGE: Duration = Duration::from_hours(1);

/// Whether `peer` needs the fallback engine, as far as is known.
pub(super) fn is_needed_by(peer: &Host) -> bool {
    let peers = PEERS.lock().unwrap_or_else(PoisonError::into_inner);
    peers.as_ref().and_then(|peers| peers.get(peer)).is_some_and(|since| since.elapsed() < MAX_AGE)
}

/// Remembers that `peer` needs the fallback engine, or that it does not.
pub(super) fn remember(peer: Host, is_needed: bool) {
    let mut peers = PEERS.lock().unwrap_or_else(PoisonError::into_inner);
    let peers = peers.get_or_insert_default();
    if !is_needed {
        peers.remove(&peer);
        return;
    }
    if peers.len() >= MAX_PEERS {
        peers.retain(|_, since| since.elapsed() < MAX_AGE);
    }
    if peers.len() < MAX_PEERS {
        peers.insert(peer, Instant::now());
    }
}

impl TlsClient {
    /// Makes a TLS connection as [`TlsClient::handshake`] does, by this engine.
    pub(super) async fn handshake_by_fallback<S>(
        &self,
        context: &Context,
        stream: S,
        alpn: &[&[u8]],
        verifier: CertificateVerifier,
        seen: &mut Option<TlsSession>,
    ) -> Result<TlsStream<S>, Failure>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        let verdict = Arc::clone(&verifier.verdict);
        let name = host::server_name_indication(&verifier.host).map(str::to_owned);
        let mut config = self.rustls_config(Arc::new(RustlsVerifier(verifier))).await?;
        config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
        config.resumption = Resumption::disabled();
        let name = name.and_then(|name| ServerName::try_from(name).ok());
        config.enable_sni = name.is_some();
        // Without a name this stands for one, and is neither sent nor checked.
        let name = name.unwrap_or_else(|| std::net::Ipv4Addr::UNSPECIFIED.into());
        let connector = TlsConnector::from(Arc::new(config));
        let progress = HandshakeProgress::default();
        let waiting = context.waiting_for(|| progress.describe());
        let stream = BufferedStream::new(stream, progress.clone());
        let mut handshake = pin!(connector.connect(name, stream));
        let done = follow(&verdict, seen, &progress, |task| handshake.as_mut().poll(task)).await;
        drop(waiting);
        match done {
            Ok(stream) => {
                if let Some(session) = seen {
                    complete(session, stream.get_ref().1);
                    note(session, context);
                }
                Ok(TlsStream::by_fallback(stream, Arc::clone(&self.settings)))
            }
            Err(error) => {
                let beginning = progress.beginning();
                Err(failure::of_fallback(&error, seen.as_ref(), &self.settings, beginning))
            }
        }
    }
}

/// Adds what is known once the handshake is complete.
fn complete(session: &mut TlsSession, connection: &rustls::ClientConnection) {
    session.version = match connection.protocol_version() {
        Some(rustls::ProtocolVersion::TLSv1_3) => Some(TlsVersion::Tls13),
        Some(rustls::ProtocolVersion::TLSv1_2) => Some(TlsVersion::Tls12),
        _ => None,
    };
    session.cipher = connection.negotiated_cipher_suite().map(|suite| {
        let name = suite.suite().as_str().unwrap_or_default();
        // The registry of IANA has no version in these names.
        name.replacen("TLS13_", "TLS_", 1)
    });
    session.alpn = connection.alpn_protocol().map(<[u8]>::to_vec);
}

/// The library's own error behind that of a connection.
pub(super) fn error_of(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}

/// Whether this engine speaks a version that the settings allow.
pub(super) fn is_possible(client: &TlsClient) -> bool {
    !rustls_config::versions(&client.settings).is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_peers_are_remembered_and_no_more() {
        let peer = |number: usize| (Peer::Local("fallback".to_owned()), number.to_string());
        assert!(!is_needed_by(&peer(0)));
        for number in 0..2 * MAX_PEERS {
            remember(peer(number), true);
        }
        assert!(is_needed_by(&peer(0)) && !is_needed_by(&peer(2 * MAX_PEERS - 1)));
        assert!(PEERS.lock().unwrap().as_ref().unwrap().len() <= MAX_PEERS);
        for number in 0..2 * MAX_PEERS {
            remember(peer(number), false);
        }
        assert!(!is_needed_by(&peer(0)));
    }
}
