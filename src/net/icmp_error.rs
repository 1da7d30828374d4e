//! ICMP messages about packets of ours: which of them mean that a packet was not delivered, and why.
//!
//! The only table of types and codes. Every socket that reads the kernel's error queue uses it.

use std::{borrow::Cow, io, net::IpAddr};

use crate::{
    diagnostics::{Call, Failure, Reason, Stage},
    settings::ip::IpFamily,
};

/// A packet that was not delivered, and who says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Undelivered {
    /// The error number that the kernel makes of it.
    pub errno: i32,
    /// The ICMP message; absent when this host itself refused the packet.
    pub icmp: Option<IcmpNotice>,
    /// The path's largest packet, when the packet was too large for it.
    pub path_mtu: Option<u32>,
    /// How the packet began, from its transport header on.
    pub quoted: Quoted,
}

/// The beginning of a packet: as much as every ICMP message about it quotes.
pub type Quoted = [u8; 8];

/// An ICMP message about a packet of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IcmpNotice {
    /// The version of IP, which has its own list of types.
    pub family: IpFamily,
    /// Type of the message.
    pub kind: u8,
    /// Code of the message.
    pub code: u8,
    /// The sender: a router, the peer, or this host.
    pub from: Option<IpAddr>,
}

/// The two ends of the packet, to tell the sender of a notice from routers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ends {
    /// Our own address, where it is known.
    pub own: Option<IpAddr>,
    /// The address that the packet was for.
    pub peer: IpAddr,
    /// Whether the packet was for a port, unlike an echo request.
    pub has_port: bool,
}

/// Whether an error of receiving comes of an ICMP message, which may be about the packet of another
/// process to the same host. The message itself is in the error queue and decides; only where there
/// is none, or where it is full, does the error come alone.
#[must_use]
pub fn is_about_a_packet(error: &io::Error) -> bool {
    #[cfg(target_os = "linux")]
    const OF_LINUX: [i32; 2] = [libc::ENONET, libc::EREMOTEIO];
    #[cfg(not(target_os = "linux"))]
    const OF_LINUX: [i32; 0] = [];
    const CAUSED_BY_ICMP: [i32; 9] = [
        libc::ECONNREFUSED,
        libc::EHOSTUNREACH,
        libc::ENETUNREACH,
        libc::EHOSTDOWN,
        libc::EACCES,
        libc::EPROTO,
        libc::ENOPROTOOPT,
        libc::EOPNOTSUPP,
        libc::EMSGSIZE,
    ];
    error
        .raw_os_error()
        .is_some_and(|errno| CAUSED_BY_ICMP.contains(&errno) || OF_LINUX.contains(&errno))
}

impl IcmpNotice {
    /// The reason and a description when the message means that the packet was not delivered.
    ///
    /// `None` for a notice that leaves the packet on its way: redirect (RFC 792, RFC 4861), source
    /// quench (deprecated by RFC 6633), a router's or host's information, and types that are
    /// unknown or reserved. Sources of the rest: RFC 792, 1122, 1812, 4443, 7112, 8754, 8883.
    #[must_use]
    pub fn meaning(self) -> Option<(Reason, Cow<'static, str>)> {
        use IpFamily::{V4, V6};
        use Reason::{MessageTooLong, Refused, TimeExceeded, Unreachable};
        let (reason, text) = match (self.family, self.kind, self.code) {
            (V4, 3, 0 | 6) => (Unreachable, "the network is unreachable"),
            (V4, 3, 1 | 7 | 8) | (V6, 1, 3) => (Unreachable, "the host is unreachable"),
            (V4, 3, 2) => (Refused, "the protocol is unreachable"),
            (V4, 3, 3) | (V6, 1, 4) => (Refused, "the port is unreachable"),
            (V4, 3, 4) => (MessageTooLong, "the packet is too large and must not be fragmented"),
            (V4, 3, 5) | (V6, 1, 7) => (Unreachable, "the source route failed"),
            (V4, 3, 9 | 10 | 13) | (V6, 1, 1 | 5) => {
                (Unreachable, "a rule prohibits the way to the host")
            }
            (V4, 3, 11 | 12) => (Unreachable, "there is no route for this type of service"),
            (V4, 3, 14 | 15) => (Unreachable, "the precedence of the packet is not accepted"),
            (V6, 1, 0 | 6) => (Unreachable, "there is no route to the host"),
            (V6, 1, 2) => (Unreachable, "the host is beyond the scope of our address"),
            (V6, 1, 8) | (V6, 4, 6..=10) => (Unreachable, "the packet's headers are too long"),
            (V6, 2, _) => (MessageTooLong, "the packet is too large"),
            (V4, 11, 0) | (V6, 3, 0) => (TimeExceeded, "the time to live ran out on the way"),
            (V4, 11, _) | (V6, 3, _) => {
                (TimeExceeded, "the time to put fragments together ran out")
            }
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
}

impl Undelivered {
    /// The failure of `stage` that this means; `doing` says what was tried, and is left out when
    /// empty.
    #[must_use]
    pub fn failure(&self, stage: Stage, doing: &str, ends: Ends) -> Failure {
        let Some((notice, (reason, what))) =
            self.icmp.and_then(|notice| Some((notice, notice.meaning()?)))
        else {
            let error = io::Error::from_raw_os_error(self.errno);
            let doing = if doing.is_empty() { "sending the request" } else { doing };
            return Failure::system(Call::Exchange, stage, doing, &error);
        };
        let from = match notice.from {
            Some(_) if ends.is_own(notice) => Cow::Borrowed("this host"),
            Some(from) => from.to_string().into(),
            None => "a router".into(),
        };
        let doing = if doing.is_empty() { String::new() } else { format!("{doing}: ") };
        let path = self.path_mtu.map(|bytes| format!("; the path carries {bytes} bytes"));
        let (path, hint) = (path.unwrap_or_default(), hint(reason, notice, ends));
        let message = format!("{doing}{from} says: {what}{path}{hint}");
        // A ping asks for no port, and nobody but a firewall of this host refuses what others get.
        let is_firewall = reason == Reason::Refused && (!ends.has_port || ends.is_own(notice));
        let reason = if is_firewall { Reason::Unreachable } else { reason };
        Failure::new(stage, reason, message)
    }
}

impl Ends {
    /// Whether this host sent the notice about a packet to another one.
    fn is_own(self, notice: IcmpNotice) -> bool {
        let is_local = self.peer.is_unspecified() || self.own == Some(self.peer);
        notice.from.is_some() && notice.from == self.own && !is_local
    }
}

/// An explanation that depends on who sent the notice.
fn hint(reason: Reason, notice: IcmpNotice, ends: Ends) -> &'static str {
    let by_us = ends.is_own(notice);
    let by_peer = notice.from == Some(ends.peer) || ends.peer.is_unspecified();
    match (notice.family, notice.kind, notice.code) {
        (IpFamily::V4, 3, 1) if by_us => "; nothing answers ARP requests for its address",
        (IpFamily::V6, 1, 3) if by_us => "; nothing answers neighbor discovery for its address",
        _ if reason != Reason::Refused => "",
        _ if by_us => "; a firewall of this host rejects the packet (OUTPUT chain)",
        _ if ends.has_port && by_peer => "; nothing listens there, or a firewall rejects it",
        _ => "; a firewall rejects the packet",
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::*;

    const OWN: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 9));
    const ROUTER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    const PEER: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);

    fn notice(family: IpFamily, kind: u8, code: u8, from: IpAddr) -> IcmpNotice {
        IcmpNotice { family, kind, code, from: Some(from) }
    }

    #[test]
    fn every_type_and_code_means_loss_or_nothing() {
        use IpFamily::{V4, V6};
        use Reason::{MessageTooLong, Refused, TimeExceeded, Unreachable};
        // (family, type, codes, reason); None for what leaves the packet on its way.
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
                    let meaning = notice(family, kind, code, ROUTER).meaning();
                    let reason = meaning.as_ref().map(|(reason, _)| *reason);
                    assert_eq!(reason, expected, "{family:?} {kind} {code}");
                    assert!(meaning.is_none_or(|(_, text)| text.len() > 10));
                }
            }
        }
    }

    #[test]
    fn notices_that_lose_no_packet_are_known_by_name() {
        for (name, family, kind) in [
            ("echo reply", IpFamily::V4, 0),
            ("source quench", IpFamily::V4, 4),
            ("redirect", IpFamily::V4, 5),
            ("echo request", IpFamily::V4, 8),
            ("router advertisement", IpFamily::V4, 9),
            ("router solicitation", IpFamily::V4, 10),
            ("time stamp reply", IpFamily::V4, 14),
            ("address mask reply", IpFamily::V4, 18),
            ("traceroute", IpFamily::V4, 30),
            ("photuris", IpFamily::V4, 40),
            ("unknown error", IpFamily::V6, 5),
            ("private experiment", IpFamily::V6, 100),
            ("echo reply over IPv6", IpFamily::V6, 129),
            ("router advertisement over IPv6", IpFamily::V6, 134),
            ("neighbor advertisement", IpFamily::V6, 136),
            ("redirect over IPv6", IpFamily::V6, 137),
        ] {
            assert_eq!(notice(family, kind, 0, ROUTER).meaning(), None, "{name}");
        }
    }

    #[test]
    fn the_failure_names_who_says_what() {
        use IpFamily::{V4, V6};
        let says = |notice, path_mtu, has_port, doing: &str| {
            let (errno, quoted) = (libc::EHOSTUNREACH, Quoted::default());
            let undelivered = Undelivered { errno, icmp: Some(notice), path_mtu, quoted };
            let ends = Ends { own: Some(OWN), peer: PEER, has_port };
            let failure = undelivered.failure(Stage::Response, doing, ends);
            assert_eq!(failure.stage, Stage::Response);
            (failure.reason, failure.message)
        };
        let router = |family, kind, code| notice(family, kind, code, ROUTER);
        for (found, reason, message) in [
            (
                says(router(V4, 11, 0), None, false, ""),
                Reason::TimeExceeded,
                "192.0.2.1 says: the time to live ran out on the way",
            ),
            (
                says(notice(V6, 3, 0, PEER), None, false, ""),
                Reason::TimeExceeded,
                "::1 says: the time to live ran out on the way",
            ),
            (
                says(router(V4, 3, 1), None, true, "connecting to x"),
                Reason::Unreachable,
                "connecting to x: 192.0.2.1 says: the host is unreachable",
            ),
            (
                says(notice(V4, 3, 1, OWN), None, true, "connecting to x"),
                Reason::Unreachable,
                "connecting to x: this host says: the host is unreachable; nothing answers ARP \
                 requests for its address",
            ),
            (
                says(router(V4, 3, 4), Some(1400), false, ""),
                Reason::MessageTooLong,
                "192.0.2.1 says: the packet is too large and must not be fragmented; \
                 the path carries 1400 bytes",
            ),
            (
                says(notice(V6, 2, 0, PEER), Some(1280), false, ""),
                Reason::MessageTooLong,
                "::1 says: the packet is too large; the path carries 1280 bytes",
            ),
            (
                says(router(V4, 3, 42), None, false, ""),
                Reason::Unreachable,
                "192.0.2.1 says: unreachable (code 42)",
            ),
            (
                says(router(V4, 3, 3), None, false, ""),
                Reason::Unreachable,
                "192.0.2.1 says: the port is unreachable; a firewall rejects the packet",
            ),
            (
                says(router(V4, 3, 3), None, true, "sending to x"),
                Reason::Refused,
                "sending to x: 192.0.2.1 says: the port is unreachable; a firewall rejects the \
                 packet",
            ),
            (
                says(notice(V4, 3, 3, OWN), None, true, "sending to x"),
                Reason::Unreachable,
                "sending to x: this host says: the port is unreachable; a firewall of this host \
                 rejects the packet (OUTPUT chain)",
            ),
            (
                says(notice(V6, 1, 4, PEER), None, true, "sending to x"),
                Reason::Refused,
                "sending to x: ::1 says: the port is unreachable; nothing listens there, or a \
                 firewall rejects it",
            ),
            (
                says(router(V4, 12, 1), None, false, ""),
                Reason::Unreachable,
                "192.0.2.1 says: a header of the packet cannot be processed (parameter problem)",
            ),
        ] {
            assert_eq!((found.0, &*found.1), (reason, message));
        }
    }
}
