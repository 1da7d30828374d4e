//! A connection for one request.

#[cfg(feature = "http3")]
use crate::net::quic::QuicConnection;
use crate::net::{http::send::Transport, wire::WireClock};

/// A connection on which one request is made.
pub(crate) struct Connection {
    pub(crate) protocol: Protocol,
    pub(crate) clock: WireClock,
}

/// The protocol that a connection speaks, and its stream.
pub(crate) enum Protocol {
    Http1(Box<dyn Transport>),
    Http2(Box<dyn Transport>),
    #[cfg(feature = "http3")]
    Http3(Box<QuicConnection>),
}

impl Connection {
    /// Returns a connection that speaks HTTP/1.1.
    pub(crate) fn http1(stream: Box<dyn Transport>, clock: WireClock) -> Self {
        Self { protocol: Protocol::Http1(stream), clock }
    }

    /// Returns a connection that speaks HTTP/2.
    pub(crate) fn http2(stream: Box<dyn Transport>, clock: WireClock) -> Self {
        Self { protocol: Protocol::Http2(stream), clock }
    }

    /// Returns a connection that speaks HTTP/3.
    #[cfg(feature = "http3")]
    pub(crate) fn http3(connection: QuicConnection) -> Self {
        let clock = connection.clock().clone();
        Self { protocol: Protocol::Http3(Box::new(connection)), clock }
    }

    /// Returns whether requests have pseudo-headers, as in HTTP/2 and HTTP/3.
    pub(crate) fn is_framed(&self) -> bool {
        !matches!(self.protocol, Protocol::Http1(_))
    }
}
