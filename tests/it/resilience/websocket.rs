//! Hostile websocket servers.

use std::sync::atomic::Ordering;

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use boring::sha::sha1;
use tokio::io::AsyncReadExt as _;

use super::{Attack, withstand};
use crate::fixtures::{
    hostile::{Peer, peer},
    websocket::{PING, PONG, TEXT, frame},
};

/// The `patient` module must fail before its long timeout; the other times out.
const MODULES: &str = r"
modules:
  plain: {prober: websocket, timeout: 2s, websocket: {query_response: [{expect: never}]}}
  patient: {prober: websocket, timeout: 60s, websocket: {query_response: [{expect: never}]}}
  groups: {prober: websocket, timeout: 2s, websocket: {query_response: [{expect: '(?s)(.*)(k+)never'}]}}
";

const UPGRADE: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Accept: ";

/// Starts a server that accepts the upgrade, sends `first`, and then `more` repeatedly.
fn saying(first: Vec<u8>, more: Vec<u8>) -> Peer {
    peer(move |mut visit| {
        let (first, more) = (first.clone(), more.clone());
        async move {
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                request.push(visit.stream.read_u8().await?);
            }
            visit.seen.requests.fetch_add(1, Ordering::Relaxed);
            let request = String::from_utf8_lossy(&request).into_owned();
            let key = request.lines().find_map(|line| line.strip_prefix("Sec-Websocket-Key: "));
            let key = format!("{}258EAFA5-E914-47DA-95CA-C5AB0DC85B11", key.unwrap());
            let accept = BASE64.encode(sha1(key.as_bytes()));
            visit.say(format!("{UPGRADE}{accept}\r\n\r\n")).await?;
            visit.say(first).await?;
            if more.is_empty() {
                return visit.until_gone().await;
            }
            visit.endlessly(more).await
        }
    })
}

#[test]
fn hostile_websockets_are_cut_off() {
    let nothing = Vec::new;
    let empty_fragment = frame(0, "");
    let announced = [&[TEXT, 127][..], &(1_u64 << 20).to_be_bytes()].concat();
    let large = frame(TEXT, vec![b'k'; 1 << 20]);
    let too_large = frame(TEXT, vec![b'k'; (1 << 20) + 1]);
    let attacks = [
        ("silence", "plain", "timeout", saying(nothing(), nothing())),
        ("half a frame", "plain", "timeout", saying(vec![TEXT], nothing())),
        ("much announced", "plain", "timeout", saying(announced, nothing())),
        ("empty fragments", "plain", "timeout|too_large", saying(frame(1, ""), empty_fragment)),
        ("pings", "patient", "protocol|too_large", saying(nothing(), frame(PING, [7; 125]))),
        ("pongs", "patient", "protocol", saying(nothing(), frame(PONG, ""))),
        ("fragments", "patient", "too_large", saying(frame(1, ""), frame(0, vec![b'x'; 60_000]))),
        ("a large message", "groups", "dialogue|timeout", saying(large, nothing())),
        ("a message that is too large", "patient", "too_large", saying(too_large, nothing())),
        ("unknown frames", "patient", "protocol", saying(nothing(), vec![0x83, 0])),
    ];
    let attacks = attacks.map(|(name, module, reason, peer)| Attack {
        name,
        module,
        target: Box::new(peer),
        scheme: "ws://",
        reason,
        requests: 1,
    });
    withstand(MODULES, 96, &attacks);
}
