//! The measurements of a connection, and the steps that make one.

use std::{future::Future, net::SocketAddr};

use tokio::io::{AsyncRead, AsyncWrite};

use crate::{
    diagnostics::{Failure, Phase, Phases, Stage},
    metrics::{Export as _, MetricSet},
    net::{
        Context,
        connect::{
            SocketOptions, dial,
            happy_eyeballs::{self, Connected, Lookup},
        },
        policy::Destination,
        resolve::{Address, Resolution, resolve},
        tls::{Handshake, TlsClient, TlsSession, TlsStream},
        wire::{WireClock, WireStream},
    },
    settings::ip::IpSettings,
};

/// The phases of a prober into which the steps of making a connection go.
pub trait ConnectPhase: Phase {
    /// Resolving the name.
    const RESOLVE: Self;
    /// Connecting to the address.
    const CONNECT: Self;
    /// The TLS handshake.
    const TLS: Self;
}

/// The measurements of the connection to a target, a part of every prober's measurements.
///
/// Each method makes one step and notes its time and its result here, also when the step fails or
/// is cut off. The steps are apart because each prober has something to do between them.
#[derive(Debug)]
pub struct ConnectionMeasurements<P> {
    /// The lookup of the target's name, once it was begun.
    pub resolution: Option<Resolution>,
    /// Time by phase.
    pub phases: Phases<P>,
    /// The record of what was sent and received over the latest connection, once there was one.
    pub clock: Option<WireClock>,
    /// The session of the latest TLS handshake, once the certificates of the peer were received.
    pub tls: Option<TlsSession>,
}

impl<P> Default for ConnectionMeasurements<P> {
    fn default() -> Self {
        Self { resolution: None, phases: Phases::default(), clock: None, tls: None }
    }
}

impl<P> ConnectionMeasurements<P> {
    /// Adds the metrics of the resolution, the TLS session and the TCP connection; the prober adds
    /// those of its phases. Of the TLS metrics, upstream has those in `tls_of_upstream` for this
    /// prober.
    pub fn export(&self, tls_of_upstream: &[&str], metrics: &mut MetricSet) {
        if let Some(resolution) = &self.resolution {
            resolution.export(metrics);
        }
        if let Some(tls) = &self.tls {
            tls.export_as(tls_of_upstream, metrics);
        }
        if let Some(clock) = &self.clock {
            clock.export(metrics);
        }
    }
}

impl<P: ConnectPhase> ConnectionMeasurements<P> {
    /// Resolves the name of the target to the address that is probed.
    ///
    /// # Errors
    /// As of [`resolve`].
    pub async fn resolve(
        &mut self,
        context: &Context,
        destination: Destination<'_>,
        ip: &IpSettings,
    ) -> Result<Address, Failure> {
        let resolving = self.phases.stopwatch(P::RESOLVE);
        let address = resolve(context, destination, ip, &mut self.resolution).await?;
        resolving.stop_at(self.resolution.map(|known| known.lookup).unwrap_or_default());
        Ok(address)
    }

    /// Connects to a TCP port.
    ///
    /// # Errors
    /// As of [`dial::tcp`].
    pub async fn connect(
        &mut self,
        context: &Context,
        address: SocketAddr,
        options: &SocketOptions,
    ) -> Result<WireStream, Failure> {
        self.connect_with(dial::tcp(context, address, options)).await
    }

    /// Connects to a TCP port of a host by the first of its addresses that works. The time of the
    /// lookup is returned: it is not that of the target, and the caller knows its phase.
    ///
    /// # Errors
    /// As of [`happy_eyeballs::connect`].
    pub async fn connect_by_name(
        &mut self,
        context: &Context,
        host: &str,
        port: u16,
        options: &SocketOptions,
    ) -> Result<(WireStream, Lookup), Failure> {
        let stopwatch = self.phases.stopwatch(P::CONNECT);
        let connected = happy_eyeballs::connect(context, host, port, options).await?;
        let Connected { stream, lookup } = connected;
        stopwatch.stop_now(stream.connect_time());
        self.clock = Some(stream.clock());
        Ok((stream, lookup))
    }

    /// Connects by `connecting`, whose result says how long the connection itself took.
    ///
    /// # Errors
    /// As of `connecting`.
    pub async fn connect_with(
        &mut self,
        connecting: impl Future<Output = Result<WireStream, Failure>>,
    ) -> Result<WireStream, Failure> {
        let stopwatch = self.phases.stopwatch(P::CONNECT);
        let stream = connecting.await?;
        stopwatch.stop_now(stream.connect_time());
        self.clock = Some(stream.clock());
        Ok(stream)
    }

    /// Negotiates TLS over the latest connection, or over what goes through it.
    ///
    /// # Errors
    /// As of [`TlsClient::handshake`].
    pub async fn secure<S>(
        &mut self,
        context: &Context,
        stream: S,
        client: &TlsClient,
        handshake: Handshake<'_>,
    ) -> Result<TlsStream<S>, Failure>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let stopwatch = self.phases.resume(P::TLS);
        let secured = client.handshake(context, stream, handshake, &mut self.tls).await;
        // The report keeps the certificates of all hops.
        let sent = self.tls.as_ref().map_or(0, TlsSession::sent_bytes);
        let kept = context.memory.keep(sent);
        if let Some(clock) = &self.clock {
            stopwatch.stop_at(clock.lap().waiting);
        }
        kept.map_err(|error| Failure::exhausted(Stage::Tls, error)).and(secured)
    }
}
