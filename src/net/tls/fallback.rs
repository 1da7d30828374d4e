//! The fallback TLS engine, rustls, for peers whose certificate BoringSSL refuses itself.
//!
//! BoringSSL checks certificates before it calls our verification, and no setting disables this.
//! The main check is that over TLS 1.3 the key usage has digitalSignature. Go's client has no such
//! checks, and printers, appliances and servers with old certificates fail them.
//!
//! A failed handshake cannot continue. The probe restarts once, with a new connection and this
//! engine ([`Context::is_retried`]), so that all reported times are of one connection. The peer
//! is cached, so that the next probes use this engine from the start. The alternative is a patched
//! BoringSSL, whose sources would have to be kept here.

use std::{
    collections::HashMap,
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
    diagnostics::{Failure, Stage, attempts::Peer},
    net::{
        Context,
        tls::{
            buffered_stream::BufferedStream, client::TlsClient, failure,
            handshake_progress::HandshakeProgress, host, rustls_config,
            rustls_verifier::RustlsVerifier, session::TlsSession, stream::TlsStream,
            verify::CertificateVerifier,
        },
    },
    settings::tls::TlsVersion,
};

/// The address of a peer and the host of the handshake.
pub(super) type PeerKey = (Peer, String);

/// Peers that need this engine, each with the time of the failed handshake.
#[derive(Default)]
struct Peers(HashMap<PeerKey, Instant>);

static PEERS: Mutex<Option<Peers>> = Mutex::new(None);

/// Maximum number of cached peers.
const MAX_PEERS: usize = 1024;

/// Maximum age of a cached peer. BoringSSL is then tried again, since the certificate may have been
/// replaced.
const MAX_AGE: Duration = Duration::from_hours(1);

/// Returns whether `peer` is known to need the fallback engine.
pub(super) fn is_needed_by(peer: &PeerKey) -> bool {
    let peers = PEERS.lock().unwrap_or_else(PoisonError::into_inner);
    peers.as_ref().is_some_and(|peers| peers.contains(peer))
}

/// Records whether `peer` needs the fallback engine.
pub(super) fn remember(peer: PeerKey, is_needed: bool) {
    let mut peers = PEERS.lock().unwrap_or_else(PoisonError::into_inner);
    let peers = peers.get_or_insert_default();
    if is_needed {
        peers.insert(peer);
    } else {
        peers.0.remove(&peer);
    }
}

impl Peers {
    fn contains(&self, peer: &PeerKey) -> bool {
        self.0.get(peer).is_some_and(|since| since.elapsed() < MAX_AGE)
    }

    fn insert(&mut self, peer: PeerKey) {
        if self.0.len() >= MAX_PEERS {
            self.0.retain(|_, since| since.elapsed() < MAX_AGE);
        }
        if self.0.len() < MAX_PEERS {
            self.0.insert(peer, Instant::now());
        }
    }
}

impl TlsClient {
    /// Performs the handshake of [`TlsClient::handshake`] with this engine.
    pub(super) async fn handshake_by_fallback<S>(
        &self,
        context: &Context,
        stream: S,
        alpn: &[&[u8]],
        verifier: CertificateVerifier,
        seen: &mut Option<TlsSession>,
    ) -> Result<TlsStream<S>, Failure>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let verdict = Arc::clone(&verifier.verdict);
        let name = host::server_name_indication(&verifier.host).map(str::to_owned);
        let mut config = self.rustls_config(Arc::new(RustlsVerifier(verifier))).await?;
        config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
        config.resumption = Resumption::disabled();
        let name = name.and_then(|name| ServerName::try_from(name).ok());
        config.enable_sni = name.is_some();
        // A placeholder for a missing name, neither sent nor checked.
        let name = name.unwrap_or_else(|| std::net::Ipv4Addr::UNSPECIFIED.into());
        let connector = TlsConnector::from(Arc::new(config));
        let progress = HandshakeProgress::default();
        let waiting = context.waiting_for(|| progress.describe());
        let stream = BufferedStream::new(stream, progress.clone(), context.memory.hold());
        let handshake = connector.connect(name, stream);
        let done = progress.drive_aside(&verdict, seen, Box::pin(handshake)).await;
        drop(waiting);
        match done? {
            Ok(mut stream) => {
                stream.get_mut().0.end_handshake();
                if let Some(session) = seen {
                    complete(session, stream.get_ref().1);
                    session.log(context);
                }
                Ok(TlsStream::by_fallback(stream, Arc::clone(&self.settings)))
            }
            Err(error) => {
                if let Some(error) = context.memory.exhausted() {
                    return Err(Failure::exhausted(Stage::Tls, error));
                }
                let beginning = progress.beginning();
                Err(failure::of_fallback(&error, seen.as_ref(), &self.settings, beginning))
            }
        }
    }
}

/// Adds the results of a completed handshake.
fn complete(session: &mut TlsSession, connection: &rustls::ClientConnection) {
    session.version = match connection.protocol_version() {
        Some(rustls::ProtocolVersion::TLSv1_3) => Some(TlsVersion::Tls13),
        Some(rustls::ProtocolVersion::TLSv1_2) => Some(TlsVersion::Tls12),
        _ => None,
    };
    session.cipher = connection.negotiated_cipher_suite().map(|suite| {
        let name = suite.suite().as_str().unwrap_or_default();
        // The names in the IANA registry do not contain the version.
        name.replacen("TLS13_", "TLS_", 1)
    });
    session.alpn = connection.alpn_protocol().map(<[u8]>::to_vec);
}

/// Returns whether this engine supports a version that the settings allow.
pub(super) fn is_possible(client: &TlsClient) -> bool {
    !rustls_config::versions(&client.settings).is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_cached_peers_is_limited() {
        // Not the cache of the process: if it were full, handshakes of other tests would fail.
        let mut peers = Peers::default();
        let peer = |number: usize| (Peer::Local("fallback".to_owned()), number.to_string());
        assert!(!peers.contains(&peer(0)));
        for number in 0..2 * MAX_PEERS {
            peers.insert(peer(number));
        }
        assert!(peers.contains(&peer(0)) && !peers.contains(&peer(2 * MAX_PEERS - 1)));
        assert_eq!(peers.0.len(), MAX_PEERS);
    }

    #[test]
    fn a_peer_is_cached_until_it_no_longer_needs_the_engine() {
        let peer = (Peer::Local("fallback".to_owned()), "host.test".to_owned());
        for is_needed in [true, false] {
            remember(peer.clone(), is_needed);
            assert_eq!(is_needed_by(&peer), is_needed);
        }
    }
}
