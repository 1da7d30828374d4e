//! Echo requests and replies (RFC 792, RFC 4443).

use super::{IpVersion, QuotedPacket};

/// An echo request, and the reply that is expected.
///
/// ```
/// use socket_timestamps::{IpVersion, icmp::Echo};
///
/// let payload = b"ping".to_vec();
/// let echo = Echo { version: IpVersion::V6, identifier: Some(7), sequence: 1, payload };
/// let mut packet = echo.request();
/// assert!(!echo.is_answered_by(&packet));
/// packet[0] = 129;
/// assert!(echo.is_answered_by(&packet));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Echo {
    /// The version of ICMP.
    pub version: IpVersion,
    /// The identifier. `None` for an unprivileged socket, where the kernel chooses it and delivers
    /// only replies with it.
    pub identifier: Option<u16>,
    /// The sequence number.
    pub sequence: u16,
    /// The data, which the reply returns.
    pub payload: Vec<u8>,
}

/// Length of the header in bytes.
const HEADER: usize = 8;
const ECHO_REPLY: u8 = 0;
const ECHO_REQUEST: u8 = 8;
const ECHO_REQUEST_V6: u8 = 128;
const ECHO_REPLY_V6: u8 = 129;

impl Echo {
    /// Encodes the request.
    #[must_use]
    pub fn request(&self) -> Vec<u8> {
        let identifier = self.identifier.unwrap_or_default().to_be_bytes();
        let request = |checksum: [u8; 2]| {
            let head =
                [[self.request_type(), 0], checksum, identifier, self.sequence.to_be_bytes()];
            [head.as_flattened(), &self.payload].concat()
        };
        match self.version {
            IpVersion::V4 => request(checksum(&request([0, 0])).to_be_bytes()),
            // The checksum also covers the addresses. The kernel fills it in.
            IpVersion::V6 => request([0, 0]),
        }
    }

    /// Returns the maximum size of the reply in bytes, with the IPv4 header of a raw socket.
    #[must_use]
    pub fn max_reply_size(&self) -> usize {
        const MAX_IPV4_HEADER: usize = 60;
        MAX_IPV4_HEADER + HEADER + self.payload.len()
    }

    /// Returns true if `message` is the reply. The sender must be checked by the caller.
    ///
    /// The checksum is verified for IPv4. For IPv6 the kernel does it.
    #[must_use]
    pub fn is_answered_by(&self, message: &[u8]) -> bool {
        let Some((head, payload)) = message.split_first_chunk::<HEADER>() else { return false };
        let [kind, code, _, _, identifier @ .., number_high, number_low] = *head;
        let reply = match self.version {
            IpVersion::V4 => ECHO_REPLY,
            IpVersion::V6 => ECHO_REPLY_V6,
        };
        kind == reply
            && code == 0
            && self.identifier.is_none_or(|ours| ours.to_be_bytes() == identifier)
            && self.sequence.to_be_bytes() == [number_high, number_low]
            && self.payload == payload
            && (self.version == IpVersion::V6 || checksum(message) == 0)
    }

    /// Returns true if the packet that an ICMP error quotes is this request.
    #[must_use]
    pub fn is_quoted_by(&self, quoted: QuotedPacket) -> bool {
        let [kind, _, _, _, identifier @ .., number_high, number_low] = quoted;
        kind == self.request_type()
            && self.identifier.is_none_or(|ours| ours.to_be_bytes() == identifier)
            && self.sequence.to_be_bytes() == [number_high, number_low]
    }

    fn request_type(&self) -> u8 {
        match self.version {
            IpVersion::V4 => ECHO_REQUEST,
            IpVersion::V6 => ECHO_REQUEST_V6,
        }
    }
}

/// Returns the payload of an IPv4 packet. `None` if it is not one.
#[must_use]
pub fn ipv4_payload(packet: &[u8]) -> Option<&[u8]> {
    let first = *packet.first()?;
    let header = usize::from(first & 0x0f) * 4;
    let long_enough = header >= 20;
    (first >> 4 == 4 && long_enough).then(|| packet.get(header..)).flatten()
}

/// Returns the Internet checksum (RFC 1071). Zero for a message that contains its own.
fn checksum(message: &[u8]) -> u16 {
    let (pairs, rest) = message.as_chunks::<2>();
    let last = rest.first().map(|byte| u16::from_be_bytes([*byte, 0]));
    let words = pairs.iter().map(|pair| u16::from_be_bytes(*pair)).chain(last);
    let sum = words.fold(0_u16, |sum, word| {
        // In one's complement the carry is added at the low end.
        let (sum, carry) = sum.overflowing_add(word);
        sum + u16::from(carry)
    });
    !sum
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn echo(version: IpVersion) -> Echo {
        Echo { version, identifier: Some(0x1234), sequence: 0x0a0b, payload: b"abcde".to_vec() }
    }

    /// Returns the correct reply to a request, which has another type and checksum.
    fn reply(echo: &Echo) -> Vec<u8> {
        let mut reply = echo.request();
        reply[0] = if echo.version == IpVersion::V4 { 0 } else { 129 };
        reply[2..4].fill(0);
        let sum = checksum(&reply);
        reply[2..4].copy_from_slice(&sum.to_be_bytes());
        reply
    }

    #[test]
    fn requests_are_encoded() {
        assert_eq!(
            echo(IpVersion::V4).request(),
            [8, 0, 0xb1, 0xf9, 0x12, 0x34, 0x0a, 0x0b, b'a', b'b', b'c', b'd', b'e']
        );
        assert_eq!(
            echo(IpVersion::V6).request(),
            [128, 0, 0, 0, 0x12, 0x34, 0x0a, 0x0b, b'a', b'b', b'c', b'd', b'e']
        );
        let unprivileged = Echo { identifier: None, ..echo(IpVersion::V6) };
        assert_eq!(unprivileged.request()[4..6], [0, 0]);
    }

    #[test]
    fn only_the_right_reply_answers() {
        for version in [IpVersion::V4, IpVersion::V6] {
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
        let mut spoiled = reply(&echo(IpVersion::V4));
        spoiled[3] ^= 1;
        assert!(!echo(IpVersion::V4).is_answered_by(&spoiled), "a wrong checksum");
    }

    #[test]
    fn only_errors_about_this_request_match() {
        let echo = echo(IpVersion::V4);
        let quoted = |echo: &Echo| echo.request()[..8].try_into().expect("a header");
        assert!(echo.is_quoted_by(quoted(&echo)));
        assert!(Echo { identifier: None, ..echo.clone() }.is_quoted_by(quoted(&echo)));
        let other = Echo { identifier: Some(1), ..echo.clone() };
        assert!(!echo.is_quoted_by(quoted(&other)));
        assert!(!echo.is_quoted_by(quoted(&Echo { sequence: 1, ..echo.clone() })));
        assert!(!echo.is_quoted_by(quoted(&Echo { version: IpVersion::V6, ..echo.clone() })));
        assert!(!echo.is_quoted_by(QuotedPacket::default()));
    }

    #[test]
    fn the_ipv4_header_is_removed() {
        let packet = |first: u8, length: usize| [vec![first; 1], vec![7; length - 1]].concat();
        assert_eq!(ipv4_payload(&packet(0x45, 28)), Some(&[7; 8][..]));
        assert_eq!(ipv4_payload(&packet(0x46, 28)), Some(&[7; 4][..]), "with options");
        assert_eq!(ipv4_payload(&packet(0x45, 19)), None, "cut off");
        assert_eq!(ipv4_payload(&packet(0x44, 28)), None, "too short a header");
        assert_eq!(ipv4_payload(&packet(0x60, 40)), None, "IPv6");
        assert_eq!(ipv4_payload(&[]), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes: Vec<u8>, v6: bool, identifier: Option<u16>) {
            let version = if v6 { IpVersion::V6 } else { IpVersion::V4 };
            let echo = Echo { version, identifier, sequence: 0, payload: Vec::new() };
            let _answered = echo.is_answered_by(&bytes);
            let _content = ipv4_payload(&bytes).map(|content| echo.is_answered_by(content));
        }

        #[test]
        fn a_reply_answers_its_own_request_alone(
            sequences: (u16, u16), identifiers: (u16, u16), payload: Vec<u8>, v6: bool,
        ) {
            let version = if v6 { IpVersion::V6 } else { IpVersion::V4 };
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
            let echo = Echo { payload, ..echo(IpVersion::V4) };
            prop_assert_eq!(checksum(&echo.request()), 0);
        }
    }
}
