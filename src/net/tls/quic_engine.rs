//! The configuration of QUIC connections, made from a BoringSSL context.

use std::{
    fmt,
    net::SocketAddr,
    sync::{Mutex, PoisonError},
};

use boring::ssl::SslContextBuilder;

use crate::{
    diagnostics::Failure,
    net::tls::{client_identity::ClientIdentity, engine, failure},
    settings::tls::TlsSettings,
};

/// The configuration of QUIC connections, with the client certificate if there is one.
pub(super) struct QuicEngine {
    identity: Option<ClientIdentity>,
    config: Mutex<Option<quiche::Config>>,
}

/// A function that makes the configuration of a QUIC connection from a TLS context.
pub(in crate::net) type SetUp = fn(SslContextBuilder) -> quiche::Result<quiche::Config>;

impl QuicEngine {
    pub(super) fn new(identity: Option<ClientIdentity>) -> Self {
        Self { identity, config: Mutex::default() }
    }

    /// Creates a connection, without sending anything.
    pub(super) fn connect(
        &self,
        settings: &TlsSettings,
        (local, peer): (SocketAddr, SocketAddr),
        set_up: SetUp,
    ) -> Result<Box<quiche::Connection>, Failure> {
        let mut config = self.config.lock().unwrap_or_else(PoisonError::into_inner);
        let config = match &mut *config {
            Some(config) => config,
            empty => {
                let builder = engine::over_quic(settings, self.identity.as_ref())
                    .map_err(|error| failure::of_setup(&error))?;
                empty.insert(set_up(builder).map_err(|error| failure::of_setup(&error))?)
            }
        };
        let identifier: [u8; 16] = rand::random();
        let identifier = quiche::ConnectionId::from_ref(&identifier);
        quiche::connect(None, &identifier, local, peer, config)
            .map(Box::new)
            .map_err(|error| failure::of_setup(&error))
    }
}

impl fmt::Debug for QuicEngine {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("QuicEngine").field(&self.identity).finish()
    }
}
