//! What it means when a router or a host says that it did not deliver the request.

use std::{borrow::Cow, io};

use crate::{
    evidence::{Failure, Reason, Stage},
    net::wire::{IcmpNotice, Undelivered},
    probers::icmp::packet::Version,
};

/// The failure that this word means.
pub(super) fn failure(undelivered: &Undelivered, version: Version) -> Failure {
    let Some(notice) = undelivered.icmp else {
        let error = io::Error::from_raw_os_error(undelivered.errno);
        return Failure::io(Stage::Request, "sending the request", &error);
    };
    let (reason, what) = meaning(notice, version);
    let from = notice.from.map_or_else(|| "a router".to_owned(), |from| from.to_string());
    let message = match undelivered.path_mtu {
        Some(bytes) => format!("{from} says: {what}; the path carries {bytes} bytes"),
        None => format!("{from} says: {what}"),
    };
    Failure::new(Stage::Response, reason, message)
}

/// RFC 792, RFC 1122, RFC 1812 and RFC 4443.
fn meaning(notice: IcmpNotice, version: Version) -> (Reason, Cow<'static, str>) {
    let IcmpNotice { kind, code, from: _ } = notice;
    let (reason, text) = match (version, kind, code) {
        (Version::V4, 3, 0 | 6) => (Reason::Unreachable, "the network is unreachable"),
        (Version::V4, 3, 1 | 7 | 8) | (Version::V6, 1, 3) => {
            (Reason::Unreachable, "the host is unreachable")
        }
        (Version::V4, 3, 4) => {
            (Reason::MessageTooLong, "the packet is too large and must not be fragmented")
        }
        (Version::V4, 3, 9 | 10 | 13) | (Version::V6, 1, 1 | 5) => {
            (Reason::Unreachable, "a rule prohibits the way to the host")
        }
        (Version::V6, 1, 0 | 6) => (Reason::Unreachable, "there is no route to the host"),
        (Version::V6, 1, 2) => (Reason::Unreachable, "the host is beyond the scope of our address"),
        (Version::V6, 2, _) => (Reason::MessageTooLong, "the packet is too large"),
        (Version::V4, 11, 0) | (Version::V6, 3, 0) => {
            (Reason::TimeExceeded, "the time to live ran out on the way")
        }
        (Version::V4, 11, _) | (Version::V6, 3, _) => {
            (Reason::TimeExceeded, "the time to put fragments together ran out")
        }
        (Version::V4, 3, _) | (Version::V6, 1, _) => {
            return (Reason::Unreachable, format!("unreachable (code {code})").into());
        }
        _ => {
            let text = format!("ICMP message of type {kind} and code {code}");
            return (Reason::Protocol, text.into());
        }
    };
    (reason, text.into())
}

#[cfg(test)]
mod tests {
    use std::net::Ipv6Addr;

    use super::*;

    #[test]
    fn the_failure_names_who_says_what() {
        let says = |version, kind, code, path_mtu| {
            let from = match version {
                Version::V4 => [192, 0, 2, 1].into(),
                Version::V6 => Ipv6Addr::LOCALHOST.into(),
            };
            let icmp = Some(IcmpNotice { kind, code, from: Some(from) });
            let undelivered = Undelivered {
                errno: libc::EHOSTUNREACH,
                icmp,
                path_mtu,
                quoted: Default::default(),
            };
            failure(&undelivered, version)
        };
        for (failure, reason, message) in [
            (
                says(Version::V4, 11, 0, None),
                Reason::TimeExceeded,
                "192.0.2.1 says: the time to live ran out on the way",
            ),
            (
                says(Version::V6, 3, 0, None),
                Reason::TimeExceeded,
                "::1 says: the time to live ran out on the way",
            ),
            (
                says(Version::V4, 3, 1, None),
                Reason::Unreachable,
                "192.0.2.1 says: the host is unreachable",
            ),
            (
                says(Version::V4, 3, 4, Some(1400)),
                Reason::MessageTooLong,
                "192.0.2.1 says: the packet is too large and must not be fragmented; \
                 the path carries 1400 bytes",
            ),
            (
                says(Version::V6, 2, 0, Some(1280)),
                Reason::MessageTooLong,
                "::1 says: the packet is too large; the path carries 1280 bytes",
            ),
            (
                says(Version::V4, 3, 15, None),
                Reason::Unreachable,
                "192.0.2.1 says: unreachable (code 15)",
            ),
            (
                says(Version::V4, 12, 1, None),
                Reason::Protocol,
                "192.0.2.1 says: ICMP message of type 12 and code 1",
            ),
        ] {
            assert_eq!((failure.stage, failure.reason), (Stage::Response, reason), "{message}");
            assert_eq!(failure.message, message);
        }
    }
}
