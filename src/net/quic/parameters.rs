//! Transport parameters of QUIC connections.

use boring::ssl::SslContextBuilder;

use crate::net::http::limits::READ_AHEAD;

/// Maximum number of bytes on a stream that the server opens, and maximum number of these streams.
/// HTTP/3 uses three.
const MAX_SERVER_STREAM_DATA: u64 = 64 << 10;
const MAX_SERVER_STREAMS: u64 = 8;

/// Maximum number of bytes that the peer can send before they are read.
pub(super) const MAX_AHEAD: usize = 1 << 20;

/// Maximum size of a received datagram in bytes: that of Ethernet.
pub(super) const MAX_DATAGRAM: usize = 1500;

/// Maximum size of a sent datagram in bytes, which every path for QUIC supports (RFC 9000, section 14).
pub(super) const MAX_SENT_DATAGRAM: usize = 1200;

/// Returns the configuration of a connection with this TLS context.
pub(super) fn set_up(tls: SslContextBuilder) -> quiche::Result<quiche::Config> {
    let mut config = quiche::Config::with_boring_ssl_ctx_builder(quiche::PROTOCOL_VERSION, tls)?;
    config.set_max_recv_udp_payload_size(MAX_DATAGRAM);
    config.set_max_send_udp_payload_size(MAX_SENT_DATAGRAM);
    let read_ahead = u64::from(READ_AHEAD);
    config.set_initial_max_data(read_ahead);
    config.set_max_connection_window(read_ahead);
    config.set_initial_max_stream_data_bidi_local(read_ahead);
    config.set_max_stream_window(read_ahead);
    config.set_initial_max_stream_data_uni(MAX_SERVER_STREAM_DATA);
    config.set_initial_max_streams_uni(MAX_SERVER_STREAMS);
    config.set_disable_active_migration(true);
    // No idle timeout, because the deadline of the probe applies. No pacing, because there is only
    // one request. No greasing, because some servers do not tolerate it.
    config.set_max_idle_timeout(0);
    config.enable_pacing(false);
    config.grease(false);
    Ok(config)
}
