//! Echo requests and replies as bytes, and which reply belongs to which request.

use crate::net::wire::Quoted;

/// The two versions of ICMP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    /// ICMP over IPv4.
    V4,
    /// ICMP over IPv6.
    V6,
}

/// One echo request and what its reply must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Echo {
    /// The version that it is sent with.
    pub(super) version: Version,
    /// Absent where the kernel chooses it, and passes on only replies that bear it.
    pub(super) identifier: Option<u16>,
    /// The number of this request.
    pub(super) sequence: u16,
    /// What the reply must bring back.
    pub(super) payload: Vec<u8>,
}

/// The text that a payload begins with; upstream's, since receivers may look for it.
pub(super) const TEXT: &[u8] = b"Prometheus Blackbox Exporter";

const HEADER: usize = 8;
const ECHO_REPLY: u8 = 0;
const ECHO_REQUEST: u8 = 8;
const ECHO_REQUEST_V6: u8 = 128;
const ECHO_REPLY_V6: u8 = 129;

/// A payload of `size` bytes: the text, cut or filled up with zeros. Without a size the text alone.
pub(super) fn payload(size: Option<usize>) -> Vec<u8> {
    let mut payload = TEXT.to_vec();
    payload.resize(size.unwrap_or(TEXT.len()), 0);
    payload
}

impl Echo {
    /// The request as it is sent.
    pub(super) fn request(&self) -> Vec<u8> {
        let identifier = self.identifier.unwrap_or_default().to_be_bytes();
        let request = |checksum: [u8; 2]| {
            let head =
                [[self.request_type(), 0], checksum, identifier, self.sequence.to_be_bytes()];
            [head.as_flattened(), &self.payload].concat()
        };
        match self.version {
            Version::V4 => request(checksum(&request([0, 0])).to_be_bytes()),
            // It also covers the addresses, so the kernel fills it in.
            Version::V6 => request([0, 0]),
        }
    }

    /// The largest reply that can be right, with room for the header of a raw IPv4 packet.
    pub(super) fn largest_reply(&self) -> usize {
        const LARGEST_IPV4_HEADER: usize = 60;
        LARGEST_IPV4_HEADER + HEADER + self.payload.len()
    }

    /// Whether this message is the reply; who sent it is not in it.
    ///
    /// The checksum is tested where the kernel has not done so.
    pub(super) fn is_answered_by(&self, message: &[u8]) -> bool {
        let Some((head, payload)) = message.split_first_chunk::<HEADER>() else { return false };
        let [kind, code, _, _, identifier @ .., number_high, number_low] = *head;
        let reply = match self.version {
            Version::V4 => ECHO_REPLY,
            Version::V6 => ECHO_REPLY_V6,
        };
        kind == reply
            && code == 0
            && self.identifier.is_none_or(|ours| ours.to_be_bytes() == identifier)
            && self.sequence.to_be_bytes() == [number_high, number_low]
            && self.payload == payload
            && (self.version == Version::V6 || checksum(message) == 0)
    }

    /// Whether an ICMP message about a packet means this request.
    pub(super) fn is_quoted_by(&self, quoted: Quoted) -> bool {
        let [kind, _, _, _, identifier @ .., number_high, number_low] = quoted;
        kind == self.request_type()
            && self.identifier.is_none_or(|ours| ours.to_be_bytes() == identifier)
            && self.sequence.to_be_bytes() == [number_high, number_low]
    }

    fn request_type(&self) -> u8 {
        match self.version {
            Version::V4 => ECHO_REQUEST,
            Version::V6 => ECHO_REQUEST_V6,
        }
    }
}

/// What follows the header of an IPv4 packet, if it is one.
pub(super) fn ipv4_content(packet: &[u8]) -> Option<&[u8]> {
    let first = *packet.first()?;
    let header = usize::from(first & 0x0f) * 4;
    let long_enough = header >= 20;
    (first >> 4 == 4 && long_enough).then(|| packet.get(header..)).flatten()
}

/// The Internet checksum (RFC 1071); zero over a message that bears its own.
fn checksum(message: &[u8]) -> u16 {
    let (pairs, rest) = message.as_chunks::<2>();
    let last = rest.first().map(|byte| u16::from_be_bytes([*byte, 0]));
    let words = pairs.iter().map(|pair| u16::from_be_bytes(*pair)).chain(last);
    let sum = words.fold(0_u16, |sum, word| {
        // In one's complement the carry comes back at the low end.
        let (sum, carry) = sum.overflowing_add(word);
        sum + u16::from(carry)
    });
    !sum
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn echo(version: Version) -> Echo {
        Echo { version, identifier: Some(0x1234), sequence: 0x0a0b, payload: b"abcde".to_vec() }
    }

    /// The right reply to a request: type and checksum change.
    fn reply(echo: &Echo) -> Vec<u8> {
        let mut reply = echo.request();
        reply[0] = if echo.version == Version::V4 { 0 } else { 129 };
        reply[2..4].fill(0);
        let sum = checksum(&reply);
        reply[2..4].copy_from_slice(&sum.to_be_bytes());
        reply
    }

    #[test]
    fn requests_are_what_goes_over_the_wire() {
        assert_eq!(
            echo(Version::V4).request(),
            [8, 0, 0xb1, 0xf9, 0x12, 0x34, 0x0a, 0x0b, b'a', b'b', b'c', b'd', b'e']
        );
        assert_eq!(
            echo(Version::V6).request(),
            [128, 0, 0, 0, 0x12, 0x34, 0x0a, 0x0b, b'a', b'b', b'c', b'd', b'e']
        );
        let unprivileged = Echo { identifier: None, ..echo(Version::V6) };
        assert_eq!(unprivileged.request()[4..6], [0, 0]);
    }

    #[test]
    fn the_payload_is_the_text_cut_or_filled_up() {
        assert_eq!(payload(None), b"Prometheus Blackbox Exporter");
        assert_eq!(payload(Some(10)), b"Prometheus");
        assert_eq!(payload(Some(30)), b"Prometheus Blackbox Exporter\0\0");
        assert_eq!(payload(Some(65_507)).len(), 65_507);
    }

    #[test]
    fn only_the_right_reply_answers() {
        for version in [Version::V4, Version::V6] {
            let echo = echo(version);
            assert!(echo.is_answered_by(&reply(&echo)), "{version:?}");
            assert!(!echo.is_answered_by(&echo.request()), "the request itself");
            let unprivileged = Echo { identifier: None, ..echo.clone() };
            let other = Echo { identifier: Some(0x4321), ..echo.clone() };
            assert!(unprivileged.is_answered_by(&reply(&other)), "the kernel chose the identifier");
            for (name, wrong) in [
                ("another identifier", other),
                ("another number", Echo { sequence: 0x0a0c, ..echo.clone() }),
                ("another payload", Echo { payload: b"abcdf".to_vec(), ..echo.clone() }),
                ("a shorter payload", Echo { payload: b"abcd".to_vec(), ..echo.clone() }),
                ("a longer payload", Echo { payload: b"abcdef".to_vec(), ..echo.clone() }),
            ] {
                assert!(!echo.is_answered_by(&reply(&wrong)), "{name}");
            }
            let mut code = reply(&echo);
            code[1] = 1;
            assert!(!echo.is_answered_by(&code), "another code");
            assert!(!echo.is_answered_by(&[]), "nothing");
        }
        let mut spoiled = reply(&echo(Version::V4));
        spoiled[3] ^= 1;
        assert!(!echo(Version::V4).is_answered_by(&spoiled), "a wrong checksum");
    }

    #[test]
    fn only_notices_about_this_request_are_ours() {
        let echo = echo(Version::V4);
        let quoted = |echo: &Echo| echo.request()[..8].try_into().expect("a header");
        assert!(echo.is_quoted_by(quoted(&echo)));
        assert!(Echo { identifier: None, ..echo.clone() }.is_quoted_by(quoted(&echo)));
        let other = Echo { identifier: Some(1), ..echo.clone() };
        assert!(!echo.is_quoted_by(quoted(&other)));
        assert!(!echo.is_quoted_by(quoted(&Echo { sequence: 1, ..echo.clone() })));
        assert!(!echo.is_quoted_by(quoted(&Echo { version: Version::V6, ..echo.clone() })));
        assert!(!echo.is_quoted_by(Quoted::default()));
    }

    #[test]
    fn the_ipv4_header_is_left_out() {
        let packet = |first: u8, length: usize| [vec![first; 1], vec![7; length - 1]].concat();
        assert_eq!(ipv4_content(&packet(0x45, 28)), Some(&[7; 8][..]));
        assert_eq!(ipv4_content(&packet(0x46, 28)), Some(&[7; 4][..]), "with options");
        assert_eq!(ipv4_content(&packet(0x45, 19)), None, "cut off");
        assert_eq!(ipv4_content(&packet(0x44, 28)), None, "too short a header");
        assert_eq!(ipv4_content(&packet(0x60, 40)), None, "IPv6");
        assert_eq!(ipv4_content(&[]), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken_without_panic(bytes: Vec<u8>, v6: bool, identifier: Option<u16>) {
            let version = if v6 { Version::V6 } else { Version::V4 };
            let echo = Echo { version, identifier, sequence: 0, payload: Vec::new() };
            let _answered = echo.is_answered_by(&bytes);
            let _content = ipv4_content(&bytes).map(|content| echo.is_answered_by(content));
        }

        #[test]
        fn a_reply_answers_its_own_request_alone(
            sequences: (u16, u16), identifiers: (u16, u16), payload: Vec<u8>, v6: bool,
        ) {
            let version = if v6 { Version::V6 } else { Version::V4 };
            let ours = Echo {
                version, identifier: Some(identifiers.0), sequence: sequences.0, payload,
            };
            let theirs = Echo {
                identifier: Some(identifiers.1), sequence: sequences.1, ..ours.clone()
            };
            prop_assert!(ours.is_answered_by(&reply(&ours)));
            prop_assert_eq!(ours.is_answered_by(&reply(&theirs)), ours == theirs);
        }

        #[test]
        fn a_message_with_its_checksum_sums_to_zero(payload: Vec<u8>) {
            let echo = Echo { payload, ..echo(Version::V4) };
            prop_assert_eq!(checksum(&echo.request()), 0);
        }
    }
}
