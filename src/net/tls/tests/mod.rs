//! Tests of handshakes, with servers made for each.

mod certificate_labels;
mod certificate_reuse;
mod compatibility;
mod effort;
mod files;
mod handshake_failures;
mod revocation;
mod verification;
mod verify_messages;

use std::{net::SocketAddr, sync::Arc, thread, time::Duration};

use test_fixtures::ocsp;
pub(super) use test_fixtures::tls as fixtures;
use tokio::{net::TcpStream, time::Instant};

use super::{Handshake, TlsClient, TlsSession, TlsStream};
use crate::{
    diagnostics::{Failure, attempts::Peer},
    metrics::{Export as _, MetricSet},
    net::{Context, resolve::Resolver},
    settings::tls::TlsSettings,
};

fn context() -> Context {
    Context::new(Instant::now() + Duration::from_mins(1), Arc::new(Resolver::default()))
}

/// The outcome of one handshake.
struct Outcome {
    stream: Result<TlsStream<TcpStream>, Failure>,
    seen: Option<TlsSession>,
}

impl Outcome {
    /// Returns the session of a successful handshake.
    #[track_caller]
    fn session(&self) -> &TlsSession {
        if let Err(failure) = &self.stream {
            panic!("{:?}: {failure}", failure.reason);
        }
        self.seen.as_ref().unwrap()
    }

    #[track_caller]
    fn failure(&self) -> &Failure {
        self.stream.as_ref().unwrap_err()
    }
}

async fn connect(
    server: &fixtures::RunningTlsServer,
    settings: TlsSettings,
    host: &str,
) -> Outcome {
    let client = TlsClient::new(settings);
    connect_as(&client, server, host, &[]).await
}

async fn connect_as(
    client: &TlsClient,
    server: &fixtures::RunningTlsServer,
    host: &str,
    alpn: &[&[u8]],
) -> Outcome {
    connect_to(client, server.address, host, alpn).await
}

/// Returns a peer for a server of this test. The process caches peers that need the fallback engine,
/// and another test, which has a thread of its own, may get the same port.
fn peer(address: SocketAddr) -> Peer {
    Peer::Local(format!("{address} of {:?}", thread::current().id()))
}

#[expect(clippy::disallowed_methods, reason = "nothing of the connection itself is of interest")]
async fn connect_to(
    client: &TlsClient,
    address: SocketAddr,
    host: &str,
    alpn: &[&[u8]],
) -> Outcome {
    let context = context();
    let mut seen = None;
    loop {
        let stream = TcpStream::connect(address).await.unwrap();
        context.attempts.note(peer(address));
        let request = Handshake { server_name: host, alpn };
        let stream = client.handshake(&context, stream, request, &mut seen).await;
        if stream.is_ok() || !context.is_retried() {
            return Outcome { stream, seen };
        }
    }
}

/// Settings that trust `authority` and nobody else.
fn trusting(authority: &fixtures::Issued) -> TlsSettings {
    TlsSettings { ca: authority.pem(), ..TlsSettings::default() }
}

fn metrics(session: &TlsSession) -> String {
    let mut metrics = MetricSet::default();
    session.export(&mut metrics);
    metrics
        .render()
        .lines()
        .filter(|line| !line.starts_with('#'))
        .fold(String::new(), |text, line| text + line + "\n")
}
