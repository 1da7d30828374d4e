//! A tunnel through a SOCKS5 proxy (RFC 1928), with a user's name and password (RFC 1929).

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

/// Ways to say who we are.
const ANYBODY: u8 = 0;
const USER: u8 = 2;
const NONE_OF_THEM: u8 = 0xff;

/// The version of the exchange of name and password.
const USER_VERSION: u8 = 1;

/// Kinds of addresses.
const IPV4: u8 = 1;
const NAME: u8 = 3;
const IPV6: u8 = 4;

/// Asks for a tunnel to `endpoint`.
pub(super) async fn connect(
    context: &Context,
    mut stream: Box<dyn Transport>,
    endpoint: Endpoint<'_>,
    user: Option<&User>,
) -> Result<Box<dyn Transport>, Failure> {
    let request = request(endpoint)?;
    introduce(context, &mut stream, user).await?;
    send(&mut stream, &request).await?;
    let awaited = (context, "reply to the SOCKS connection request");
    let [version, reply, _, kind] = receive(&mut stream, awaited).await?;
    check_version(version, VERSION)?;
    judge(reply)?;
    // Where the proxy connected from says nothing to us, but is to be read.
    match kind {
        IPV4 => drop(receive::<4>(&mut stream, awaited).await?),
        IPV6 => drop(receive::<16>(&mut stream, awaited).await?),
        NAME => {
            let [length] = receive(&mut stream, awaited).await?;
            for _ in 0..length {
                receive::<1>(&mut stream, awaited).await?;
            }
        }
        _ => return Err(bad_answer(&format!("the kind of address {kind}"))),
    }
    receive::<2>(&mut stream, awaited).await?;
    Ok(stream)
}

/// Agrees on how to say who we are, and says it.
async fn introduce(
    context: &Context,
    stream: &mut Box<dyn Transport>,
    user: Option<&User>,
) -> Result<(), Failure> {
    let offer: &[u8] = match user {
        Some(_) => &[VERSION, 2, ANYBODY, USER],
        None => &[VERSION, 1, ANYBODY],
    };
    send(stream, offer).await?;
    let [version, way] = receive(stream, (context, "reply to the SOCKS greeting")).await?;
    check_version(version, VERSION)?;
    match (way, user) {
        (ANYBODY, _) => Ok(()),
        (USER, Some(user)) => log_in(context, stream, user).await,
        (NONE_OF_THEM, Some(_)) => {
            let message = "it takes neither anybody nor a user with a password";
            Err(refusal(Reason::ProxyAuthentication, message))
        }
        (NONE_OF_THEM, None) => {
            let message = "it wants to know who asks, and proxy_url names no user";
            Err(refusal(Reason::ProxyAuthentication, message))
        }
        (other, _) => Err(bad_answer(&format!("the way to log in {other}"))),
    }
}

async fn log_in(
    context: &Context,
    stream: &mut Box<dyn Transport>,
    user: &User,
) -> Result<(), Failure> {
    let mut message = vec![USER_VERSION];
    for (what, text) in [("user's name", &user.name), ("password", &user.password)] {
        let bytes = text.expose().as_bytes();
        let length = u8::try_from(bytes.len()).map_err(|_| {
            let message = format!("a {what} for SOCKS has at most {} bytes", u8::MAX);
            refusal(Reason::InvalidRequest, message)
        })?;
        message.push(length);
        message.extend_from_slice(bytes);
    }
    send(stream, &message).await?;
    match receive(stream, (context, "reply to the SOCKS username and password")).await? {
        [USER_VERSION, 0] => Ok(()),
        [USER_VERSION, _] => {
            let message = "it does not take the user's name and password";
            Err(refusal(Reason::ProxyAuthentication, message))
        }
        [version, _] => Err(bad_answer(&format!("version {version} of logging in"))),
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
                refusal(Reason::InvalidRequest, "the target's name is too long for SOCKS")
            })?;
            message.extend([NAME, length]);
            message.extend_from_slice(host.as_bytes());
        }
    }
    message.extend(endpoint.port.to_be_bytes());
    Ok(message)
}

fn judge(reply: u8) -> Result<(), Failure> {
    let (reason, words) = match reply {
        0 => return Ok(()),
        1 => (Reason::ProxyFailure, "general failure"),
        2 => (Reason::ProxyDenied, "not allowed by its rules"),
        3 => (Reason::ProxyFailure, "network unreachable"),
        4 => (Reason::ProxyFailure, "host unreachable"),
        5 => (Reason::ProxyFailure, "connection refused"),
        6 => (Reason::ProxyFailure, "time to live exceeded"),
        7 => (Reason::Protocol, "command not supported"),
        8 => (Reason::Protocol, "kind of address not supported"),
        _ => (Reason::Protocol, "unknown"),
    };
    let message = format!("it did not connect to the target: {words} (SOCKS reply {reply})");
    Err(refusal(reason, message))
}

fn check_version(version: u8, expected: u8) -> Result<(), Failure> {
    if version == expected { Ok(()) } else { Err(bad_answer(&format!("version {version}"))) }
}

fn bad_answer(what: &str) -> Failure {
    refusal(Reason::Protocol, format!("it does not speak SOCKS5: it named {what}"))
}

async fn send(stream: &mut Box<dyn Transport>, bytes: &[u8]) -> Result<(), Failure> {
    let sent = async {
        stream.write_all(bytes).await?;
        stream.flush().await
    };
    sent.await.map_err(|error| Failure::io(Stage::Proxy, "asking it by SOCKS", &error))
}

/// Reads the next bytes of what is `awaited`.
async fn receive<const N: usize>(
    stream: &mut Box<dyn Transport>,
    (context, awaited): (&Context, &str),
) -> Result<[u8; N], Failure> {
    let _waiting = context.waiting_for(|| format!("no {awaited}"));
    let mut bytes = [0; N];
    let read = stream.read_exact(&mut bytes).await;
    read.map_err(|error| Failure::io(Stage::Proxy, "waiting for its SOCKS answer", &error))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use tokio::{io::duplex, time::Instant};

    use super::*;
    use crate::settings::secret::Secret;

    /// Asks a proxy that says this, whatever it is told; what it was told.
    async fn ask(said: &[u8], user: Option<(&str, &str)>) -> (Result<(), Failure>, Vec<u8>) {
        let (ours, mut theirs) = duplex(1024);
        theirs.write_all(said).await.unwrap();
        theirs.shutdown().await.unwrap();
        let user = user.map(|(name, password)| User {
            name: Secret::new(name),
            password: Secret::new(password),
        });
        let endpoint = Endpoint { host: "h.example", address: None, port: 443 };
        let deadline = Instant::now() + Duration::from_mins(1);
        let context = Context::new(deadline, Arc::default());
        let outcome = connect(&context, Box::new(ours), endpoint, user.as_ref()).await.map(drop);
        let mut told = Vec::new();
        theirs.read_to_end(&mut told).await.unwrap();
        (outcome, told)
    }

    #[tokio::test]
    async fn a_tunnel_is_asked_for_by_name() {
        let connected = b"\x05\x00\x05\x00\x00\x01\x7f\x00\x00\x01\x12\x34";
        let (outcome, told) = ask(connected, None).await;
        assert_eq!(outcome, Ok(()));
        assert_eq!(told, b"\x05\x01\x00\x05\x01\x00\x03\x09h.example\x01\xbb");
        let by_name = b"\x05\x02\x01\x00\x05\x00\x00\x03\x02me\x00\x00";
        let (outcome, told) = ask(by_name, Some(("u", "pw"))).await;
        assert_eq!(outcome, Ok(()));
        assert_eq!(told, b"\x05\x02\x00\x02\x01\x01u\x02pw\x05\x01\x00\x03\x09h.example\x01\xbb");
    }

    #[tokio::test]
    async fn refusals_say_why() {
        let long = "x".repeat(256);
        let user = Some(("u", "pw"));
        for (said, user, reason, words) in [
            (&b""[..], None, Reason::Closed, "SOCKS answer"),
            (b"HTTP/1.1 400", None, Reason::Protocol, "version 72"),
            (b"\x05\xff", None, Reason::ProxyAuthentication, "names no user"),
            (b"\x05\xff", user, Reason::ProxyAuthentication, "neither"),
            (b"\x05\x02", None, Reason::Protocol, "log in 2"),
            (b"\x05\x02\x01\x01", user, Reason::ProxyAuthentication, "does not take"),
            (b"\x05\x02\x05\x00", user, Reason::Protocol, "version 5 of"),
            (b"\x05\x02", Some((&long, "")), Reason::InvalidRequest, "at most 255"),
            (b"\x05\x00\x05\x01\x00\x01", None, Reason::ProxyFailure, "general"),
            (b"\x05\x00\x05\x02\x00\x01", None, Reason::ProxyDenied, "rules"),
            (b"\x05\x00\x05\x05\x00\x01", None, Reason::ProxyFailure, "connection refused"),
            (b"\x05\x00\x05\x07\x00\x01", None, Reason::Protocol, "command"),
            (b"\x05\x00\x05\x09\x00\x01", None, Reason::Protocol, "reply 9"),
            (b"\x05\x00\x05\x00\x00\x09", None, Reason::Protocol, "address 9"),
            (b"\x05\x00\x05\x00\x00\x01\x00", None, Reason::Closed, "SOCKS answer"),
        ] {
            let failure = ask(said, user).await.0.unwrap_err();
            assert_eq!((failure.stage, failure.reason), (Stage::Proxy, reason), "{failure}");
            assert!(failure.message.contains(words), "{failure}");
        }
    }
}
