//! The way to where a hop of HTTP/3 leads.

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
    probers::http::{
        measurements::HttpMeasurements, phases::HttpPhase, request::Hop, settings::HttpProber,
    },
    settings::ip::IpFamily,
};

/// What is agreed on in the handshake.
const ALPN: &[&[u8]] = &[b"h3"];

/// Makes the QUIC connection for a hop. Its handshake is that of TLS; there is nothing that the
/// phase `connect` could be.
///
/// Unlike upstream, which resolves every name anew, the target's own included, and asks each host
/// for the server name of the first.
pub(super) async fn connect(
    prober: &HttpProber,
    context: &Context,
    hop: &Hop,
    pinned: &Pinned,
    seen: &mut HttpMeasurements,
) -> Result<Connection, Failure> {
    if hop.url.scheme != "https" {
        let message = format!("The redirect to '{}' leads out of TLS, and so of HTTP/3", hop.url);
        return Err(Failure::new(Stage::Response, Reason::InvalidRedirect, message));
    }
    let port = port_of(&hop.url)?;
    let address = if let Some(address) = pinned.address_of(&hop.url) {
        address
    } else {
        let found = resolve_elsewhere(context, hop.url.hostname(), seen).await;
        found.map_err(|failure| hop.blame(failure, pinned.is_host_of(&hop.url)))?
    };
    let (client, server_name) = tls_of(prober, hop, pinned.is_host_of(&hop.url));
    let request = (Handshake { server_name, alpn: ALPN }, APPLICATION);
    let address = address.with_port(port);
    let mut connection = QuicConnection::open(context, &client, address, request).await?;
    let clock = connection.clock().clone();
    seen.clock = Some(clock.clone());
    let securing = seen.phases.stopwatch(HttpPhase::Tls);
    let shaken = connection.handshake(context, &mut seen.tls).await;
    // Where nothing came, there was no handshake, and the wait was in vain.
    if connection.arrival().is_some() {
        securing.stop_at(clock.lap().waiting);
    } else {
        drop(securing);
    }
    shaken?;
    Ok(Connection::http3(connection))
}

/// The address of a host that a redirect named. Like upstream's HTTP/3 client, it goes by IPv4
/// where there is that, whatever the module says of the target.
async fn resolve_elsewhere(
    context: &Context,
    host: &str,
    seen: &mut HttpMeasurements,
) -> Result<Address, Failure> {
    let begun = Instant::now();
    let found = match resolve::resolve_family(context, host, IpFamily::V4).await {
        Ok(address) => Ok(address),
        Err(failure) => {
            resolve::resolve_family(context, host, IpFamily::V6).await.map_err(|_| failure)
        }
    };
    if found.is_ok() {
        seen.phases.add(HttpPhase::Resolve, begun.elapsed());
    } else {
        seen.phases.add_incomplete(HttpPhase::Resolve, begun.elapsed());
    }
    found
}
