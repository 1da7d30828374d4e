//! Connections of hops over HTTP/3.

use tokio::time::Instant;

use super::{Pinned, port_of, tls_of};
use crate::{
    diagnostics::{Failure, Reason, Stage},
    net::{
        Context,
        http::{connection::Connection, http3::APPLICATION},
        quic::QuicConnection,
        resolve::{self, Address},
        tls::Handshake,
    },
    policy::Role,
    probers::http::{
        measurements::HttpMeasurements, phases::HttpPhase, request::Hop, settings::HttpProber,
    },
    settings::ip::IpFamily,
};

/// The application protocol (ALPN).
const ALPN: &[&[u8]] = &[b"h3"];

/// Makes the QUIC connection for a hop. Its handshake is the phase `tls`; there is no phase `connect`.
///
/// Unlike upstream, which resolves every name anew, the target's own included, and asks each host
/// for the server name of the first.
pub(super) async fn connect(
    prober: &HttpProber,
    context: &Context,
    hop: &Hop,
    pinned: &Pinned,
    measurements: &mut HttpMeasurements,
) -> Result<Connection, Failure> {
    if hop.url.scheme != "https" {
        let message =
            format!("the redirect to '{}' does not use https, which HTTP/3 requires", hop.url);
        return Err(Failure::new(Stage::Response, Reason::InvalidRedirect, message));
    }
    let port = port_of(&hop.url)?;
    let address = if let Some(address) = pinned.address_of(&hop.url) {
        address
    } else {
        let found = resolve_redirect_host(context, (hop.url.hostname(), port), measurements).await;
        found.map_err(|failure| hop.blame(failure, pinned.is_host_of(&hop.url)))?
    };
    let (client, server_name) = tls_of(prober, hop, pinned.is_host_of(&hop.url));
    let request = (Handshake { server_name, alpn: ALPN }, APPLICATION);
    let address = address.with_port(port);
    let mut connection = QuicConnection::open(context, &client, address, request).await?;
    let clock = connection.clock().clone();
    measurements.connection.clock = Some(clock.clone());
    let stopwatch = measurements.connection.phases.stopwatch(HttpPhase::Tls);
    let secured = connection.handshake(context, &mut measurements.connection.tls).await;
    // Without a datagram from the peer there was no handshake, and the time is incomplete.
    if connection.arrival().is_some() {
        stopwatch.stop_at(clock.lap().waiting);
    } else {
        drop(stopwatch);
    }
    secured?;
    Ok(Connection::http3(connection))
}

/// Resolves the host of a redirect. As in upstream's HTTP/3 client, IPv4 is preferred, whatever the
/// module prefers for its target.
async fn resolve_redirect_host(
    context: &Context,
    host: (&str, u16),
    measurements: &mut HttpMeasurements,
) -> Result<Address, Failure> {
    let started_at = Instant::now();
    let found = match resolve::resolve_family(context, host, IpFamily::V4, Role::Target).await {
        Ok(address) => Ok(address),
        Err(failure) => resolve::resolve_family(context, host, IpFamily::V6, Role::Target)
            .await
            .map_err(|_| failure),
    };
    if found.is_ok() {
        measurements.connection.phases.add(HttpPhase::Resolve, started_at.elapsed());
    } else {
        measurements.connection.phases.add_incomplete(HttpPhase::Resolve, started_at.elapsed());
    }
    found
}
