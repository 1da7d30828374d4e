//! Failures that ICMP errors cause: the reason and the description of each type and code.

use std::{borrow::Cow, io, net::IpAddr};

use socket_timestamps::{
    IpVersion, SocketKind, WireDatagram,
    icmp::{DeliveryError, IcmpMessage},
};

use crate::diagnostics::{Call, Failure, Reason, Stage};

/// Returns the failure of `stage` when a datagram was not delivered. `action` says what was tried; it
/// is left out if it is empty.
#[must_use]
pub fn failure(
    socket: &WireDatagram,
    error: &DeliveryError,
    stage: Stage,
    action: &str,
    peer: IpAddr,
) -> Failure {
    let own = socket.local_address().ok().map(|address| address.ip());
    let ends = Ends { own, peer, has_port: socket.kind() != SocketKind::Icmp };
    ends.failure(error, stage, action)
}

/// The two ends of a packet. They tell whether the sender of an ICMP message is an end or a router.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ends {
    /// The address of this host, if it is known.
    pub(super) own: Option<IpAddr>,
    /// The destination of the packet.
    pub(super) peer: IpAddr,
    /// True if the packet was for a port; echo requests have none.
    pub(super) has_port: bool,
}

/// Returns the reason and the description of an ICMP error; `None` for a message that is not an error,
/// see [`IcmpMessage::is_error`].
///
/// Sources: RFC 792, 1122, 1812, 4443, 7112, 8754, 8883.
fn meaning(message: IcmpMessage) -> Option<(Reason, Cow<'static, str>)> {
    use IpVersion::{V4, V6};
    use Reason::{MessageTooLong, Refused, TimeExceeded, Unreachable};
    let (reason, text) = match (message.version, message.kind, message.code) {
        (V4, 3, 0 | 6) => (Unreachable, "the network is unreachable"),
        (V4, 3, 1 | 7 | 8) | (V6, 1, 3) => (Unreachable, "the host is unreachable"),
        (V4, 3, 2) => (Refused, "the protocol is unreachable"),
        (V4, 3, 3) | (V6, 1, 4) => (Refused, "the port is unreachable"),
        (V4, 3, 4) => (MessageTooLong, "the packet is too large and must not be fragmented"),
        (V4, 3, 5) | (V6, 1, 7) => (Unreachable, "the source route failed"),
        (V4, 3, 9 | 10 | 13) | (V6, 1, 1 | 5) => {
            (Unreachable, "communication is administratively prohibited")
        }
        (V4, 3, 11 | 12) => {
            (Unreachable, "the destination is unreachable for this type of service")
        }
        (V4, 3, 14 | 15) => (Unreachable, "communication is prohibited for this precedence"),
        (V6, 1, 0 | 6) => (Unreachable, "there is no route to the host"),
        (V6, 1, 2) => (Unreachable, "the destination is beyond the scope of the source address"),
        (V6, 1, 8) | (V6, 4, 6..=10) => (Unreachable, "the packet's headers are too long"),
        (V6, 2, _) => (MessageTooLong, "the packet is too large"),
        (V4, 11, 0) | (V6, 3, 0) => (TimeExceeded, "the TTL or hop limit was exceeded in transit"),
        (V4, 11, _) | (V6, 3, _) => (TimeExceeded, "the fragment reassembly time was exceeded"),
        (V4, 12, _) | (V6, 4, 0..=5) => {
            (Unreachable, "a header of the packet cannot be processed (parameter problem)")
        }
        (V4, 3, code) | (V6, 1 | 4, code) => {
            return Some((Unreachable, format!("unreachable (code {code})").into()));
        }
        _ => return None,
    };
    Some((reason, text.into()))
}

impl Ends {
    /// Returns the failure of `stage` when a packet was not delivered. `action` says what was tried; it
    /// is left out if it is empty.
    pub(super) fn failure(self, error: &DeliveryError, stage: Stage, action: &str) -> Failure {
        let Some((icmp, (reason, what))) =
            error.icmp.and_then(|message| Some((message, meaning(message)?)))
        else {
            let error = io::Error::from_raw_os_error(error.errno);
            let action = if action.is_empty() { "sending the request" } else { action };
            return Failure::system(Call::Exchange, stage, action, &error);
        };
        let from = match icmp.from {
            Some(_) if self.is_own(icmp) => Cow::Borrowed("this host"),
            Some(from) => from.to_string().into(),
            None => "a router".into(),
        };
        let action = if action.is_empty() { String::new() } else { format!("{action}: ") };
        let path = error.path_mtu.map(|bytes| format!("; the path MTU is {bytes} bytes"));
        let (path, hint) = (path.unwrap_or_default(), hint(reason, icmp, self));
        let message = format!("{action}{from} reports: {what}{path}{hint}");
        // A refusal comes from a firewall if the packet had no port (echo requests), or if this host
        // sent the refusal of a packet to another host.
        let is_firewall = reason == Reason::Refused && (!self.has_port || self.is_own(icmp));
        let reason = if is_firewall { Reason::Unreachable } else { reason };
        Failure::new(stage, reason, message)
    }

    /// Returns true if this host sent the message about a packet to another host.
    fn is_own(self, icmp: IcmpMessage) -> bool {
        let is_local = self.peer.is_unspecified() || self.own == Some(self.peer);
        icmp.from.is_some() && icmp.from == self.own && !is_local
    }
}

/// Returns an explanation that depends on the sender of the message.
fn hint(reason: Reason, icmp: IcmpMessage, ends: Ends) -> &'static str {
    let by_us = ends.is_own(icmp);
    let by_peer = icmp.from == Some(ends.peer) || ends.peer.is_unspecified();
    match (icmp.version, icmp.kind, icmp.code) {
        (IpVersion::V4, 3, 1) if by_us => "; there is no response to ARP requests for its address",
        (IpVersion::V6, 1, 3) if by_us => {
            "; there is no response to neighbor solicitations for its address"
        }
        _ if reason != Reason::Refused => "",
        _ if by_us => "; a firewall of this host rejects the packet (OUTPUT chain)",
        _ if ends.has_port && by_peer => {
            "; no process listens on it, or a firewall rejects the packet"
        }
        _ => "; a firewall rejects the packet",
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use socket_timestamps::icmp::QuotedPacket;

    use super::*;

    const OWN: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 9));
    const ROUTER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    const PEER: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);

    fn message(version: IpVersion, kind: u8, code: u8, from: IpAddr) -> IcmpMessage {
        IcmpMessage { version, kind, code, from: Some(from) }
    }

    #[test]
    fn each_type_and_code_has_a_reason_or_none() {
        use IpVersion::{V4, V6};
        use Reason::{MessageTooLong, Refused, TimeExceeded, Unreachable};
        // (family, type, codes, reason); `None` for messages that do not end the delivery of the
        // packet.
        let table = [
            (V4, 3, 0..=1, Some(Unreachable)),
            (V4, 3, 2..=3, Some(Refused)),
            (V4, 3, 4..=4, Some(MessageTooLong)),
            (V4, 3, 5..=255, Some(Unreachable)),
            (V4, 11, 0..=255, Some(TimeExceeded)),
            (V4, 12, 0..=255, Some(Unreachable)),
            (V6, 1, 0..=3, Some(Unreachable)),
            (V6, 1, 4..=4, Some(Refused)),
            (V6, 1, 5..=255, Some(Unreachable)),
            (V6, 2, 0..=255, Some(MessageTooLong)),
            (V6, 3, 0..=255, Some(TimeExceeded)),
            (V6, 4, 0..=255, Some(Unreachable)),
        ];
        for family in [V4, V6] {
            for kind in 0..=255 {
                for code in 0..=255 {
                    let row = table.iter().find(|(known, number, codes, _)| {
                        *known == family && *number == kind && codes.contains(&code)
                    });
                    let expected = row.and_then(|(.., reason)| *reason);
                    let message = message(family, kind, code, ROUTER);
                    let meaning = meaning(message);
                    assert_eq!(meaning.is_some(), message.is_error(), "{message:?}");
                    let reason = meaning.as_ref().map(|(reason, _)| *reason);
                    assert_eq!(reason, expected, "{family:?} {kind} {code}");
                    assert!(meaning.is_none_or(|(_, text)| text.len() > 10));
                }
            }
        }
    }

    #[test]
    fn other_messages_have_no_meaning() {
        for (name, family, kind) in [
            ("echo reply", IpVersion::V4, 0),
            ("source quench", IpVersion::V4, 4),
            ("redirect", IpVersion::V4, 5),
            ("echo request", IpVersion::V4, 8),
            ("router advertisement", IpVersion::V4, 9),
            ("router solicitation", IpVersion::V4, 10),
            ("time stamp reply", IpVersion::V4, 14),
            ("address mask reply", IpVersion::V4, 18),
            ("traceroute", IpVersion::V4, 30),
            ("photuris", IpVersion::V4, 40),
            ("unknown error", IpVersion::V6, 5),
            ("private experiment", IpVersion::V6, 100),
            ("echo reply over IPv6", IpVersion::V6, 129),
            ("router advertisement over IPv6", IpVersion::V6, 134),
            ("neighbor advertisement", IpVersion::V6, 136),
            ("redirect over IPv6", IpVersion::V6, 137),
        ] {
            assert_eq!(meaning(message(family, kind, 0, ROUTER)), None, "{name}");
        }
    }

    #[test]
    fn failure_contains_the_sender_and_the_meaning() {
        use IpVersion::{V4, V6};
        let says = |icmp, path_mtu, has_port, action: &str| {
            let (errno, quoted) = (libc::EHOSTUNREACH, QuotedPacket::default());
            let error = DeliveryError { errno, icmp: Some(icmp), path_mtu, quoted };
            let ends = Ends { own: Some(OWN), peer: PEER, has_port };
            let failure = ends.failure(&error, Stage::Response, action);
            assert_eq!(failure.stage, Stage::Response);
            (failure.reason, failure.message)
        };
        let router = |version, kind, code| message(version, kind, code, ROUTER);
        for (found, reason, message) in [
            (
                says(router(V4, 11, 0), None, false, ""),
                Reason::TimeExceeded,
                "192.0.2.1 reports: the TTL or hop limit was exceeded in transit",
            ),
            (
                says(message(V6, 3, 0, PEER), None, false, ""),
                Reason::TimeExceeded,
                "::1 reports: the TTL or hop limit was exceeded in transit",
            ),
            (
                says(router(V4, 3, 1), None, true, "connecting to x"),
                Reason::Unreachable,
                "connecting to x: 192.0.2.1 reports: the host is unreachable",
            ),
            (
                says(message(V4, 3, 1, OWN), None, true, "connecting to x"),
                Reason::Unreachable,
                "connecting to x: this host reports: the host is unreachable; there is no response \
                 to ARP requests for its address",
            ),
            (
                says(router(V4, 3, 4), Some(1400), false, ""),
                Reason::MessageTooLong,
                "192.0.2.1 reports: the packet is too large and must not be fragmented; the path \
                 MTU is 1400 bytes",
            ),
            (
                says(message(V6, 2, 0, PEER), Some(1280), false, ""),
                Reason::MessageTooLong,
                "::1 reports: the packet is too large; the path MTU is 1280 bytes",
            ),
            (
                says(router(V4, 3, 42), None, false, ""),
                Reason::Unreachable,
                "192.0.2.1 reports: unreachable (code 42)",
            ),
            (
                says(router(V4, 3, 3), None, false, ""),
                Reason::Unreachable,
                "192.0.2.1 reports: the port is unreachable; a firewall rejects the packet",
            ),
            (
                says(router(V4, 3, 3), None, true, "sending to x"),
                Reason::Refused,
                "sending to x: 192.0.2.1 reports: the port is unreachable; a firewall rejects the \
                 packet",
            ),
            (
                says(message(V4, 3, 3, OWN), None, true, "sending to x"),
                Reason::Unreachable,
                "sending to x: this host reports: the port is unreachable; a firewall of this host \
                 rejects the packet (OUTPUT chain)",
            ),
            (
                says(message(V6, 1, 4, PEER), None, true, "sending to x"),
                Reason::Refused,
                "sending to x: ::1 reports: the port is unreachable; no process listens on it, or \
                 a firewall rejects the packet",
            ),
            (
                says(router(V4, 12, 1), None, false, ""),
                Reason::Unreachable,
                "192.0.2.1 reports: a header of the packet cannot be processed (parameter problem)",
            ),
        ] {
            assert_eq!((found.0, &*found.1), (reason, message));
        }
    }
}
