//! QUIC connections (RFC 9000) over our own sockets, for kernel timestamps of datagrams.
//!
//! The protocol is implemented by quiche, which does no input or output. This module sends and
//! receives its datagrams and runs its timers, step by step, in the task of the probe.

mod failure;
mod parameters;

use std::{
    io,
    net::SocketAddr,
    pin::pin,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use tokio::{task::coop::consume_budget, time::Instant};

use crate::{
    diagnostics::{Failure, Reason, Stage, humanize::count},
    memory::Held,
    net::{
        Context,
        connect::{SocketOptions, dial},
        tls::{Handshake, QuicTls, TlsClient, TlsSession},
        wire::{Arrival, Event, Lap, Timestamp, WireClock, WireDatagram},
    },
    scheduling::{poll_times::section, turn},
};

/// A QUIC connection. Dropping it closes the connection.
pub struct QuicConnection {
    engine: Box<quiche::Connection>,
    tls: QuicTls,
    socket: WireDatagram,
    clock: WireClock,
    addresses: quiche::RecvInfo,
    buffer: Box<[u8]>,
    application: Application,
    /// Number of datagrams that were received since the last ones were sent.
    burst: u32,
    /// True if the next datagrams are retransmissions.
    repeating: bool,
    /// True if the clock has recorded the last sent datagram.
    last_send_noted: bool,
    sends: u64,
    arrival: Option<Timestamp>,
    broken: Option<Broken>,
    /// Number of bytes that were received, up to the window.
    received: usize,
    /// The memory of them.
    held: Held,
}

/// The application protocol of a connection.
#[derive(Debug, Clone, Copy)]
pub struct Application {
    /// The error code that is sent when the connection is closed without an error.
    pub no_error: u64,
    /// Describes an error code that the peer sends.
    pub describe: fn(u64) -> AppError,
}

/// An error code of an application protocol that the peer sent.
#[derive(Debug, Clone, Copy)]
pub struct AppError {
    /// Its name in the protocol.
    pub name: &'static str,
    /// The reason of the failure.
    pub reason: Reason,
    /// Its meaning.
    pub meaning: &'static str,
}

/// The reason why the engine failed.
#[derive(Debug)]
struct Broken {
    error: quiche::Error,
    /// The error of BoringSSL, if TLS failed.
    tls_error: Option<String>,
}

/// Maximum number of datagrams that are received before an acknowledgement is sent.
const MAX_BURST: u32 = 16;

impl QuicConnection {
    /// Prepares a connection to `address` for an application protocol. Sends nothing.
    ///
    /// # Errors
    /// A failure of the stage [`Stage::Connect`], or of [`Stage::Tls`] if the settings are
    /// unusable.
    pub async fn open(
        context: &Context,
        client: &TlsClient,
        address: SocketAddr,
        (request, application): (Handshake<'_>, Application),
    ) -> Result<Self, Failure> {
        let created_at = Timestamp::now();
        let socket = dial::udp(context, address, &SocketOptions::default())?;
        #[cfg(target_os = "linux")]
        drop(forbid_fragments(&socket, address));
        let local = socket
            .local_address()
            .map_err(|error| Failure::io(Stage::Connect, "opening a UDP socket", &error))?;
        let (engine, tls) =
            client.quic(context, request, (local, address), parameters::set_up).await?;
        Ok(Self {
            engine,
            tls,
            socket,
            clock: WireClock::manual(created_at),
            addresses: quiche::RecvInfo { from: address, to: local },
            buffer: vec![0; parameters::MAX_DATAGRAM].into_boxed_slice(),
            application,
            burst: 0,
            repeating: false,
            last_send_noted: false,
            sends: 0,
            arrival: None,
            received: 0,
            held: context.memory.hold(),
            broken: None,
        })
    }

    /// Performs the handshake. Its duration is in the first lap of the [clock](Self::clock).
    ///
    /// `seen` is cleared, and set as soon as the server has sent its certificates, also if the
    /// handshake then fails or is cancelled.
    ///
    /// # Errors
    /// A failure of the stage [`Stage::Connect`] until a datagram is received, then of
    /// [`Stage::Tls`].
    pub async fn handshake(
        &mut self,
        context: &Context,
        seen: &mut Option<TlsSession>,
    ) -> Result<(), Failure> {
        *seen = None;
        let (clock, peer) = (self.clock.clone(), self.addresses.from);
        let has_certificates = AtomicBool::new(false);
        let _waiting = context.waiting_for(|| {
            describe_handshake(peer, clock.so_far(), has_certificates.load(Ordering::Relaxed))
        });
        while !self.engine.is_established() {
            let stepped = self.step_on(seen.as_ref()).await;
            // Immediately, because this future may not be polled again.
            if seen.is_none() {
                *seen = self.tls.take_verdict();
                has_certificates.store(seen.is_some(), Ordering::Relaxed);
            }
            stepped?;
            if self.arrival().is_some() {
                context.enter(Stage::Tls);
            }
        }
        if let Some(session) = seen {
            QuicTls::complete(&mut self.engine, session, context);
        }
        Ok(())
    }

    /// The times of the connection.
    #[must_use]
    pub fn clock(&self) -> &WireClock {
        &self.clock
    }

    /// The protocol implementation. Its data is sent by the next [flush](Self::flush).
    pub fn engine(&mut self) -> &mut quiche::Connection {
        &mut self.engine
    }

    /// The time of the last received datagram.
    #[must_use]
    pub fn arrival(&self) -> Option<Timestamp> {
        self.arrival
    }

    /// The time of the last sent datagram: its kernel timestamp, if one was received.
    #[must_use]
    pub fn last_send(&self) -> Option<Timestamp> {
        self.socket.last_send()
    }

    /// Returns the number of datagrams that were sent.
    #[must_use]
    pub fn sends(&self) -> u64 {
        self.sends
    }

    /// Sends pending data, then waits for one datagram or timer and processes it. Cancellation
    /// loses no data.
    ///
    /// # Errors
    /// A failure if the connection has ended.
    pub async fn step(&mut self) -> Result<(), Failure> {
        self.step_on(None).await
    }

    async fn step_on(&mut self, seen: Option<&TlsSession>) -> Result<(), Failure> {
        consume_budget().await;
        turn::proceed().await;
        if self.burst > 0 && self.burst < MAX_BURST && !self.is_over() {
            match self.socket.try_event(&mut self.buffer) {
                Ok(Some(event)) => return self.receive(Ok(event)),
                Ok(None) => {}
                Err(error) => return self.receive(Err(error)),
            }
        }
        self.flush().await?;
        if self.is_over() {
            return Err(self.end_failure(seen));
        }
        let timer = self.engine.timeout_instant().map(Instant::from_std);
        let event = {
            let event = pin!(self.socket.event(&mut self.buffer));
            tokio::select! {
                event = self.clock.waiting(event) => Some(event),
                () = until(timer) => {
                    self.engine.on_timeout();
                    self.repeating = true;
                    None
                }
                // The next flush continues the handshake.
                () = self.tls.verified() => None,
            }
        };
        event.map_or(Ok(()), |event| self.receive(event))
    }

    /// Sends the pending data of the engine.
    ///
    /// # Errors
    /// A failure if the operating system does not send it.
    pub async fn flush(&mut self) -> Result<(), Failure> {
        self.burst = 0;
        let mut packet = [0; parameters::MAX_SENT_DATAGRAM];
        while let Some(length) = self.next_packet(&mut packet) {
            let packet = packet.get(..length).unwrap_or_default();
            let mark = match self.socket.send(packet).await {
                Ok(mark) => mark,
                // A datagram that a full queue of this host drops is retransmitted, like one lost
                // in the network.
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => continue,
                Err(error) => return Err(self.io_failure("sending to", &error)),
            };
            self.sends += 1;
            self.last_send_noted = !self.repeating;
            if self.last_send_noted {
                self.clock.note_send(mark, length);
            }
            turn::proceed().await;
        }
        self.repeating = false;
        Ok(())
    }

    fn next_packet(&mut self, packet: &mut [u8]) -> Option<usize> {
        match self.engine.send(packet) {
            Ok((length, _)) => Some(length),
            Err(quiche::Error::Done) => None,
            Err(error) => {
                self.note_broken(error);
                None
            }
        }
    }

    fn receive(&mut self, event: io::Result<Event>) -> Result<(), Failure> {
        let arrival = match event {
            Ok(Event::Arrival(arrival)) => arrival,
            Ok(Event::Undelivered(undelivered)) => {
                self.clock.note_end(Timestamp::now());
                return Err(self.undelivered(&undelivered));
            }
            Err(error) => return Err(self.io_failure("waiting for a response from", &error)),
        };
        self.burst += 1;
        self.note(&arrival);
        // The peer can send no more than the window before it is read.
        if self.received < parameters::MAX_AHEAD {
            self.received += arrival.length;
            let held = self.held.resize(self.received.min(parameters::MAX_AHEAD));
            held.map_err(|error| Failure::exhausted(Stage::Response, error))?;
        }
        // A datagram above the advertised maximum size was truncated and would be invalid.
        if !arrival.truncated {
            let datagram = self.buffer.get_mut(..arrival.length).unwrap_or_default();
            // QUIC has no empty datagrams.
            if !datagram.is_empty()
                && let Err(error) =
                    section("QUIC datagram", || self.engine.recv(datagram, self.addresses))
            {
                self.note_broken(error);
            }
        }
        if self.is_over() {
            self.clock.note_end(arrival.at);
        }
        Ok(())
    }

    fn note(&mut self, arrival: &Arrival) {
        if let Some(sent) = arrival.sent.filter(|_| self.last_send_noted) {
            self.clock.note_transmission(sent);
        }
        self.clock.note_arrival(arrival.at, arrival.length);
        self.arrival = self.clock.last_arrival();
    }

    fn note_broken(&mut self, error: quiche::Error) {
        let tls_error = QuicTls::take_tls_error();
        self.broken.get_or_insert(Broken { error, tls_error });
    }

    /// Returns true if the connection has ended. Received data may still be unread.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.broken.is_some()
            || self.engine.is_closed()
            || self.engine.is_draining()
            || self.engine.local_error().is_some()
    }
}

impl Drop for QuicConnection {
    /// Closes the connection, because the peer would otherwise keep its state until its idle timeout.
    fn drop(&mut self) {
        // Fails if the engine is already closed.
        let _ = self.engine.close(true, self.application.no_error, b"");
        let mut packet = [0; parameters::MAX_SENT_DATAGRAM];
        for _ in 0..MAX_BURST {
            let Some(length) = self.next_packet(&mut packet) else { break };
            if self.socket.try_send(packet.get(..length).unwrap_or_default()).is_err() {
                break;
            }
        }
    }
}

/// Disables fragmentation of sent datagrams, as QUIC requires (RFC 9000, section 14).
#[cfg(target_os = "linux")]
fn forbid_fragments(socket: &WireDatagram, peer: SocketAddr) -> io::Result<()> {
    use rustix::net::sockopt::{
        Ipv4PathMtuDiscovery, Ipv6PathMtuDiscovery, set_ip_mtu_discover, set_ipv6_mtu_discover,
    };

    let set = if peer.is_ipv6() {
        set_ipv6_mtu_discover(socket, Ipv6PathMtuDiscovery::DO)
    } else {
        set_ip_mtu_discover(socket, Ipv4PathMtuDiscovery::DO)
    };
    Ok(set?)
}

/// Describes the progress of an incomplete handshake.
fn describe_handshake(peer: SocketAddr, lap: Lap, has_certificates: bool) -> String {
    match lap.received {
        0 => format!("QUIC handshake with {peer} not completed: no response"),
        received => {
            let certificate = if has_certificates { "certificate" } else { "no certificate" };
            format!(
                "QUIC handshake with {peer} not completed: received {} and {certificate}",
                count(received, "byte")
            )
        }
    }
}

/// Waits until `timer`, or forever if there is none.
async fn until(timer: Option<Instant>) {
    // Timers of the runtime have a resolution of one millisecond and may be early; the engine then
    // does nothing.
    const COARSE: Duration = Duration::from_millis(1);
    match timer {
        Some(moment) => tokio::time::sleep_until(moment.max(Instant::now() + COARSE)).await,
        None => std::future::pending().await,
    }
}
