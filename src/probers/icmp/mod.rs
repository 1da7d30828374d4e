//! The icmp prober: one echo request and its reply.

mod measurements;
mod settings;
mod socket;

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    sync::{
        LazyLock,
        atomic::{AtomicU16, AtomicU32, Ordering},
    },
};

use socket_timestamps::icmp::{Access, Echo, is_icmp_error};
use tokio::time::Instant;

use crate::{
    diagnostics::{Call, Failure, Stage, attempts::Peer, humanize::count},
    net::{
        Context, connect, icmp_error,
        policy::Destination,
        resolve::resolve,
        wire::{Arrival, Event, IpVersion},
    },
    policy::Role,
    probers::{Prober, Target, icmp::socket::IcmpSocket},
    scheduling::turn,
};

pub use measurements::{IcmpMeasurements, IcmpPhase, METRICS};
pub use settings::IcmpProber;
pub use socket::{permitted_access, ping_group_range};

impl Prober for IcmpProber {
    type Measurements = IcmpMeasurements;

    async fn probe(
        &self,
        context: &Context,
        target: &Target,
        measurements: &mut IcmpMeasurements,
    ) -> Result<(), Failure> {
        let destination = Destination { scheme: None, host: &target.name, port: None };
        let resolving = measurements.phases.stopwatch(IcmpPhase::Resolve);
        let address = resolve(context, destination, &self.ip, &mut measurements.resolution).await?;
        drop(resolving);

        context.enter(Stage::Connect);
        context.attempt(Peer::Host(address.ip()), Role::Target)?;
        let started_at = Instant::now();
        let (socket, echo) = self.set_up(address.with_port(0))?;
        let request = echo.request();
        measurements.phases.add(IcmpPhase::Setup, started_at.elapsed());
        context.log.debug(
            "Sending the request",
            &[("socket", &socket.access), ("sequence", &echo.sequence), ("bytes", &request.len())],
        );

        context.enter(Stage::Request);
        socket.datagrams.send(&request).await.map_err(|error| {
            let doing = format!("sending {} bytes to {}", request.len(), address.ip());
            connect::failure(Call::Exchange, address.with_port(0), &doing, &error)
                .in_stage(Stage::Request)
        })?;

        context.enter(Stage::Response);
        let waiting = measurements.phases.stopwatch(IcmpPhase::Rtt);
        let arrival = wait_for_reply(context, &socket, &echo, address.ip()).await?;
        let sent = arrival.sent.unwrap_or(arrival.at);
        waiting.stop_at(arrival.at.since(sent));
        measurements.reply_hop_limit = arrival.hop_limit;
        context.log.debug(
            "Received the reply",
            &[
                ("sent_by_kernel_clock", &sent.is_from_kernel()),
                ("received_by_kernel_clock", &arrival.at.is_from_kernel()),
            ],
        );
        Ok(())
    }
}

impl IcmpProber {
    fn set_up(&self, address: SocketAddr) -> Result<(IcmpSocket, Echo), Failure> {
        let version = IpVersion::of(address.ip());
        let identifier = rand::random();
        let socket = IcmpSocket::open(self, address, version, identifier)?;
        let identifier = (socket.access == Access::Raw).then_some(identifier);
        let payload = payload(self.payload_size);
        Ok((socket, Echo { version, identifier, sequence: next_sequence(), payload }))
    }
}

/// Waits for the reply and ignores all other packets.
///
/// Unlike upstream, an ICMP error about the request ends the probe at once, and its sender is named.
/// Upstream waits for the deadline.
async fn wait_for_reply(
    context: &Context,
    socket: &IcmpSocket,
    echo: &Echo,
    target: IpAddr,
) -> Result<Arrival, Failure> {
    let mut buffer = vec![0; echo.max_reply_size()];
    let ignored = Ignored::default();
    let _waiting = context.waiting_for(|| format!("no echo reply from {target}{ignored}"));
    loop {
        turn::proceed().await;
        match socket.datagrams.event(&mut buffer).await {
            Ok(Event::Arrival(arrival)) => {
                let packet = buffer.get(..arrival.length).unwrap_or_default();
                let message = socket.access.message(echo.version, packet);
                let is_reply = message.is_some_and(|message| echo.is_answered_by(message));
                if arrival.from == Some(target) && is_reply {
                    return Ok(arrival);
                }
                let from = arrival.from.unwrap_or(target);
                ignored.packets.fetch_add(1, Ordering::Relaxed);
                context.log.debug("Ignored a packet", &[("from", &from), ("bytes", &packet.len())]);
            }
            Ok(Event::Undelivered(error)) => {
                if echo.is_quoted_by(error.quoted) {
                    let stage = match error.icmp {
                        Some(_) => Stage::Response,
                        None => Stage::Request,
                    };
                    let socket = &socket.datagrams;
                    return Err(icmp_error::failure(socket, &error, stage, "", target));
                }
                ignored.notices.fetch_add(1, Ordering::Relaxed);
            }
            Err(error) if is_icmp_error(&error) => {}
            Err(error) => {
                let doing = format!("waiting for the reply from {target}");
                return Err(Failure::io(Stage::Response, &doing, &error));
            }
        }
    }
}

/// Numbers of packets that arrived before the reply and were ignored.
#[derive(Debug, Default)]
struct Ignored {
    packets: AtomicU32,
    /// ICMP errors about other packets than the request.
    notices: AtomicU32,
}

impl fmt::Display for Ignored {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let packets = self.packets.load(Ordering::Relaxed);
        if packets > 0 {
            write!(
                formatter,
                "; ignored {} that did not match the request",
                count(packets, "packet")
            )?;
        }
        let notices = self.notices.load(Ordering::Relaxed);
        if notices > 0 {
            let notices = count(notices, "ICMP error");
            write!(formatter, "; ignored {notices} about other packets")?;
        }
        Ok(())
    }
}

/// Text at the start of a payload. It is the text of blackbox_exporter, because receivers may look
/// for it.
const PAYLOAD: &[u8] = b"Prometheus Blackbox Exporter";

/// Returns a payload of `size` bytes: the text, cut or padded with zeros. Without a size the text.
fn payload(size: Option<usize>) -> Vec<u8> {
    let mut payload = PAYLOAD.to_vec();
    payload.resize(size.unwrap_or(PAYLOAD.len()), 0);
    payload
}

/// Returns the sequence number of the next request. The first one is random.
fn next_sequence() -> u16 {
    static NEXT: LazyLock<AtomicU16> = LazyLock::new(|| AtomicU16::new(rand::random()));
    NEXT.fetch_add(1, Ordering::Relaxed)
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use std::net::UdpSocket;

    use test_fixtures::{Missing, skip};

    use super::*;
    use crate::{
        diagnostics::Reason,
        net::{
            policy::PolicyGuard,
            resolve::Resolver,
            wire::{SUPPORTED, SocketKind, kernel_timestamps_available},
        },
        policy::{Policy, PolicySettings, Preset},
    };

    fn context() -> Context {
        Context::new(Instant::now() + Duration::from_mins(1), Arc::new(Resolver::default()))
    }

    /// Probes `target`; `None` if this process may not send ICMP packets or the host has no IPv6.
    async fn probe(
        prober: &IcmpProber,
        target: &str,
    ) -> Option<(Result<(), Failure>, IcmpMeasurements)> {
        if target == "::1" && UdpSocket::bind("[::1]:0").is_err() {
            skip(Missing::Ipv6, "no ICMP over IPv6");
            return None;
        }
        let target = Target { name: target.to_owned(), hostname: None };
        let mut measurements = IcmpMeasurements::default();
        let result = prober.probe(&context(), &target, &mut measurements).await;
        if let Err(Failure { reason: Reason::PermissionDenied, message, .. }) = &result {
            skip(Missing::Icmp, message);
            return None;
        }
        Some((result, measurements))
    }

    #[tokio::test]
    async fn loopback_replies_over_both_versions() {
        for target in ["127.0.0.1", "::1"] {
            for (payload_size, dont_fragment) in
                [(None, false), (Some(1), true), (Some(9000), false)]
            {
                let prober =
                    IcmpProber { payload_size, dont_fragment, ttl: Some(7), ..Default::default() };
                let Some((result, measurements)) = probe(&prober, target).await else { continue };
                result.expect("loopback answers");
                let rtt = measurements.phases.spent(IcmpPhase::Rtt).expect("begun");
                assert!(rtt > Duration::ZERO && rtt < Duration::from_secs(30), "{rtt:?}");
                // The reply of loopback has the default hop limit of the system.
                let is_default = measurements.reply_hop_limit.is_some_and(|hops| hops > 7);
                assert_eq!(is_default, SUPPORTED, "{measurements:?}");
                assert!(kernel_timestamps_available(SocketKind::Icmp) || !SUPPORTED);
            }
        }
    }

    #[tokio::test]
    async fn many_probes_of_one_host_at_once_all_succeed() {
        for target in ["127.0.0.1", "::1"] {
            // Large enough that a socket without a filter would lose some replies.
            let prober = IcmpProber { payload_size: Some(4000), ..Default::default() };
            let all = (0..200).map(|_| probe(&prober, target));
            for outcome in futures_util::future::join_all(all).await {
                let Some((result, _)) = outcome else { return };
                result.expect("loopback answers");
            }
        }
    }

    #[tokio::test]
    async fn oversized_packets_fail_immediately() {
        let prober = IcmpProber { payload_size: Some(65_527), ..Default::default() };
        let Some((result, _)) = probe(&prober, "127.0.0.1").await else { return };
        let failure = result.expect_err("IPv4 carries 65,507 bytes");
        assert_eq!((failure.stage, failure.reason), (Stage::Request, Reason::MessageTooLong));
    }

    #[tokio::test]
    async fn the_source_address_must_have_the_family_of_the_target() {
        let source = Some("::1".parse().expect("an address"));
        let prober = IcmpProber { source_ip_address: source, ..Default::default() };
        let Some((result, measurements)) = probe(&prober, "127.0.0.1").await else { return };
        assert_eq!(result.expect_err("wrong family").reason, Reason::InvalidRequest);
        assert!(measurements.resolution.is_some(), "the address is reported all the same");
    }

    #[tokio::test]
    async fn the_policy_is_checked_before_a_socket_is_opened() {
        let mut context = context();
        let rules = Preset::Internal.rule_set();
        let policy = Policy::of_module("m", &PolicySettings::default(), rules.as_ref(), None);
        context.policy = PolicyGuard::new(policy.map(Arc::new));
        let target = Target { name: "localhost".to_owned(), hostname: None };
        let mut measurements = IcmpMeasurements::default();
        let prober = IcmpProber::default();
        let failure = prober.probe(&context, &target, &mut measurements).await.expect_err("denied");
        assert_eq!(failure.reason, Reason::Denied);
        assert_eq!(measurements.phases.spent(IcmpPhase::Setup), Some(Duration::ZERO));
    }

    #[test]
    fn the_payload_is_the_text_cut_or_padded() {
        assert_eq!(payload(None), b"Prometheus Blackbox Exporter");
        assert_eq!(payload(Some(10)), b"Prometheus");
        assert_eq!(payload(Some(30)), b"Prometheus Blackbox Exporter\0\0");
        assert_eq!(payload(Some(65_507)).len(), 65_507);
    }

    #[test]
    fn ignored_packets_are_counted() {
        for (packets, notices, expected) in [
            (0, 0, ""),
            (1, 0, "; ignored 1 packet that did not match the request"),
            (
                2,
                3,
                "; ignored 2 packets that did not match the request; ignored 3 ICMP errors about \
                 other packets",
            ),
        ] {
            let ignored = Ignored { packets: packets.into(), notices: notices.into() };
            assert_eq!(ignored.to_string(), expected);
        }
    }

    #[test]
    fn sequence_numbers_differ() {
        assert_ne!(next_sequence(), next_sequence());
    }
}
