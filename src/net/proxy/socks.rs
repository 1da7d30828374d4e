//! Tunnels through a SOCKS5 proxy (RFC 1928), with username and password (RFC 1929).

use std::net::IpAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::{Endpoint, User, refusal};
use crate::{
    diagnostics::{Failure, Reason, Stage},
    net::{
        Context,
        http::{transport::Transport, url::hostname},
    },
};

const VERSION: u8 = 5;
const CONNECT: u8 = 1;

/// Authentication methods.
const NO_AUTHENTICATION: u8 = 0;
const PASSWORD: u8 = 2;
const NO_ACCEPTABLE_METHOD: u8 = 0xff;

/// The version of the username/password exchange.
const PASSWORD_VERSION: u8 = 1;

/// Address types.
const IPV4: u8 = 1;
const NAME: u8 = 3;
const IPV6: u8 = 4;

/// Requests a tunnel to `endpoint`.
pub(super) async fn connect(
    context: &Context,
    mut stream: Box<dyn Transport>,
    endpoint: Endpoint<'_>,
    user: Option<&User>,
) -> Result<Box<dyn Transport>, Failure> {
    let request = request(endpoint)?;
    authenticate(context, &mut stream, user).await?;
    send(&mut stream, &request).await?;
    let awaited = (context, "reply to the SOCKS connection request");
    let [version, reply, _, address_type] = receive(&mut stream, awaited).await?;
    check_version(version, VERSION)?;
    check_reply(reply)?;
    // The address from which the proxy connected is read and ignored.
    match address_type {
        IPV4 => drop(receive::<4>(&mut stream, awaited).await?),
        IPV6 => drop(receive::<16>(&mut stream, awaited).await?),
        NAME => {
            let [length] = receive(&mut stream, awaited).await?;
            for _ in 0..length {
                receive::<1>(&mut stream, awaited).await?;
            }
        }
        _ => return Err(bad_answer(&format!("address type {address_type}"))),
    }
    receive::<2>(&mut stream, awaited).await?;
    Ok(stream)
}

/// Negotiates the authentication method, and authenticates.
async fn authenticate(
    context: &Context,
    stream: &mut Box<dyn Transport>,
    user: Option<&User>,
) -> Result<(), Failure> {
    let offer: &[u8] = match user {
        Some(_) => &[VERSION, 2, NO_AUTHENTICATION, PASSWORD],
        None => &[VERSION, 1, NO_AUTHENTICATION],
    };
    send(stream, offer).await?;
    let [version, method] = receive(stream, (context, "reply to the SOCKS greeting")).await?;
    check_version(version, VERSION)?;
    match (method, user) {
        (NO_AUTHENTICATION, _) => Ok(()),
        (PASSWORD, Some(user)) => send_password(context, stream, user).await,
        (NO_ACCEPTABLE_METHOD, Some(_)) => {
            let message = "no acceptable authentication method: the proxy accepts neither \"no \
                           authentication\" nor username and password";
            Err(refusal(Reason::ProxyAuthentication, message))
        }
        (NO_ACCEPTABLE_METHOD, None) => {
            let message = "authentication required, but proxy_url has no user; add user and \
                           password";
            Err(refusal(Reason::ProxyAuthentication, message))
        }
        (other, _) => Err(bad_answer(&format!("authentication method {other}"))),
    }
}

async fn send_password(
    context: &Context,
    stream: &mut Box<dyn Transport>,
    user: &User,
) -> Result<(), Failure> {
    let mut message = vec![PASSWORD_VERSION];
    for (what, text) in [("username", &user.name), ("password", &user.password)] {
        let bytes = text.expose().as_bytes();
        let length = u8::try_from(bytes.len()).map_err(|_| {
            let message = format!("the {what} is too long: SOCKS allows {} bytes", u8::MAX);
            refusal(Reason::InvalidRequest, message)
        })?;
        message.push(length);
        message.extend_from_slice(bytes);
    }
    send(stream, &message).await?;
    match receive(stream, (context, "reply to the SOCKS username and password")).await? {
        [PASSWORD_VERSION, 0] => Ok(()),
        [PASSWORD_VERSION, _] => {
            let message = "username and password rejected";
            Err(refusal(Reason::ProxyAuthentication, message))
        }
        [version, _] => Err(bad_answer(&format!("version {version} of the authentication"))),
    }
}

fn request(endpoint: Endpoint<'_>) -> Result<Vec<u8>, Failure> {
    let mut message = vec![VERSION, CONNECT, 0];
    let named = endpoint.to_string();
    let host = hostname(&named);
    match host.parse() {
        Ok(IpAddr::V4(address)) => {
            message.push(IPV4);
            message.extend(address.octets());
        }
        Ok(IpAddr::V6(address)) => {
            message.push(IPV6);
            message.extend(address.octets());
        }
        Err(_) => {
            let length = u8::try_from(host.len()).map_err(|_| {
                refusal(Reason::InvalidRequest, "the host name of the target is too long for SOCKS")
            })?;
            message.extend([NAME, length]);
            message.extend_from_slice(host.as_bytes());
        }
    }
    message.extend(endpoint.port.to_be_bytes());
    Ok(message)
}

fn check_reply(reply: u8) -> Result<(), Failure> {
    let (reason, text) = match reply {
        0 => return Ok(()),
        1 => (Reason::ProxyFailure, "general failure"),
        2 => (Reason::ProxyDenied, "connection not allowed by the ruleset"),
        3 => (Reason::ProxyFailure, "network unreachable"),
        4 => (Reason::ProxyFailure, "host unreachable"),
        5 => (Reason::ProxyFailure, "connection refused"),
        6 => (Reason::ProxyFailure, "time to live exceeded"),
        7 => (Reason::Protocol, "command not supported"),
        8 => (Reason::Protocol, "address type not supported"),
        _ => (Reason::Protocol, "unknown reply"),
    };
    let message = format!("connection to the target failed: {text} (SOCKS reply {reply})");
    Err(refusal(reason, message))
}

fn check_version(version: u8, expected: u8) -> Result<(), Failure> {
    if version == expected { Ok(()) } else { Err(bad_answer(&format!("version {version}"))) }
}

fn bad_answer(what: &str) -> Failure {
    refusal(Reason::Protocol, format!("not a SOCKS5 response: {what}"))
}

async fn send(stream: &mut Box<dyn Transport>, bytes: &[u8]) -> Result<(), Failure> {
    let sent = async {
        stream.write_all(bytes).await?;
        stream.flush().await
    };
    sent.await.map_err(|error| Failure::io(Stage::Proxy, "sending the SOCKS request", &error))
}

/// Reads the next bytes of the message that is `awaited`.
async fn receive<const N: usize>(
    stream: &mut Box<dyn Transport>,
    (context, awaited): (&Context, &str),
) -> Result<[u8; N], Failure> {
    let _waiting = context.waiting_for(|| format!("no {awaited}"));
    let mut bytes = [0; N];
    let read = stream.read_exact(&mut bytes).await;
    read.map_err(|error| Failure::io(Stage::Proxy, "waiting for the SOCKS reply", &error))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use tokio::{io::duplex, time::Instant};

    use super::*;
    use crate::settings::secret::Secret;

    /// Requests a tunnel from a proxy that sends `replies`; returns the result and what was sent.
    async fn request_tunnel(
        replies: &[u8],
        user: Option<(&str, &str)>,
    ) -> (Result<(), Failure>, Vec<u8>) {
        let (ours, mut theirs) = duplex(1024);
        theirs.write_all(replies).await.unwrap();
        theirs.shutdown().await.unwrap();
        let user = user.map(|(name, password)| User {
            name: Secret::new(name),
            password: Secret::new(password),
        });
        let endpoint = Endpoint { host: "h.example", address: None, port: 443 };
        let deadline = Instant::now() + Duration::from_mins(1);
        let context = Context::new(deadline, Arc::default());
        let outcome = connect(&context, Box::new(ours), endpoint, user.as_ref()).await.map(drop);
        let mut sent = Vec::new();
        theirs.read_to_end(&mut sent).await.unwrap();
        (outcome, sent)
    }

    #[tokio::test]
    async fn a_tunnel_is_requested_by_host_name() {
        let connected = b"\x05\x00\x05\x00\x00\x01\x7f\x00\x00\x01\x12\x34";
        let (outcome, sent) = request_tunnel(connected, None).await;
        assert_eq!(outcome, Ok(()));
        assert_eq!(sent, b"\x05\x01\x00\x05\x01\x00\x03\x09h.example\x01\xbb");
        let by_name = b"\x05\x02\x01\x00\x05\x00\x00\x03\x02me\x00\x00";
        let (outcome, sent) = request_tunnel(by_name, Some(("u", "pw"))).await;
        assert_eq!(outcome, Ok(()));
        assert_eq!(sent, b"\x05\x02\x00\x02\x01\x01u\x02pw\x05\x01\x00\x03\x09h.example\x01\xbb");
    }

    #[tokio::test]
    async fn refusals_have_a_reason() {
        let long = "x".repeat(256);
        let user = Some(("u", "pw"));
        for (replies, user, reason, text) in [
            (&b""[..], None, Reason::Closed, "SOCKS reply"),
            (b"HTTP/1.1 400", None, Reason::Protocol, "version 72"),
            (b"\x05\xff", None, Reason::ProxyAuthentication, "has no user"),
            (b"\x05\xff", user, Reason::ProxyAuthentication, "accepts neither"),
            (b"\x05\x02", None, Reason::Protocol, "method 2"),
            (b"\x05\x02\x01\x01", user, Reason::ProxyAuthentication, "rejected"),
            (b"\x05\x02\x05\x00", user, Reason::Protocol, "version 5 of"),
            (b"\x05\x02", Some((&long, "")), Reason::InvalidRequest, "allows 255"),
            (b"\x05\x00\x05\x01\x00\x01", None, Reason::ProxyFailure, "general"),
            (b"\x05\x00\x05\x02\x00\x01", None, Reason::ProxyDenied, "ruleset"),
            (b"\x05\x00\x05\x05\x00\x01", None, Reason::ProxyFailure, "connection refused"),
            (b"\x05\x00\x05\x07\x00\x01", None, Reason::Protocol, "command"),
            (b"\x05\x00\x05\x09\x00\x01", None, Reason::Protocol, "reply 9"),
            (b"\x05\x00\x05\x00\x00\x09", None, Reason::Protocol, "type 9"),
            (b"\x05\x00\x05\x00\x00\x01\x00", None, Reason::Closed, "SOCKS reply"),
        ] {
            let failure = request_tunnel(replies, user).await.0.unwrap_err();
            assert_eq!((failure.stage, failure.reason), (Stage::Proxy, reason), "{failure}");
            assert!(failure.message.contains(text), "{failure}");
        }
    }
}
