//! A connection for one request.

use http::Request;

#[cfg(feature = "http3")]
use crate::net::quic::QuicConnection;
use crate::net::{
    http::{
        RequestBody, http1::HeadWatch, stream_watch::StreamWatch, timing::ExchangeTiming,
        transport::Transport,
    },
    wire::WireClock,
};

/// A connection on which one request is sent.
pub(crate) struct Connection {
    pub(super) protocol: Protocol,
    pub(super) clock: WireClock,
}

/// The protocol that a connection speaks, with the stream below it and the times of its response.
pub(super) enum Protocol {
    Http1(Box<dyn Transport>, HeadWatch),
    Http2(Box<dyn Transport>, StreamWatch),
    #[cfg(feature = "http3")]
    Http3(Box<QuicConnection>, StreamWatch),
}

impl Connection {
    /// Returns a connection that speaks HTTP/1.1.
    pub(crate) fn http1(stream: Box<dyn Transport>, clock: WireClock) -> Self {
        Self { protocol: Protocol::Http1(stream, HeadWatch::default()), clock }
    }

    /// Returns a connection that speaks HTTP/2.
    pub(crate) fn http2(stream: Box<dyn Transport>, clock: WireClock) -> Self {
        Self { protocol: Protocol::Http2(stream, StreamWatch::of_http2()), clock }
    }

    /// Returns a connection that speaks HTTP/3.
    #[cfg(feature = "http3")]
    pub(crate) fn http3(connection: QuicConnection) -> Self {
        let clock = connection.clock().clone();
        Self { protocol: Protocol::Http3(Box::new(connection), StreamWatch::default()), clock }
    }

    /// Returns whether requests have pseudo-headers, as in HTTP/2 and HTTP/3.
    pub(crate) fn is_framed(&self) -> bool {
        !matches!(self.protocol, Protocol::Http1(..))
    }

    /// Returns the times of the exchange that sends `request` on this connection.
    pub(super) fn timing(&self, request: &Request<RequestBody>) -> ExchangeTiming {
        let clock = self.clock.clone();
        match &self.protocol {
            Protocol::Http1(_, watch) => ExchangeTiming::of_http1(clock, watch.clone(), request),
            Protocol::Http2(_, watch) => ExchangeTiming::framed(clock, watch.clone(), request),
            #[cfg(feature = "http3")]
            Protocol::Http3(_, watch) => ExchangeTiming::framed(clock, watch.clone(), request),
        }
    }
}
