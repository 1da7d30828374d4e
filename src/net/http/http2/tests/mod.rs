//! Responses of servers that write their frames by hand, on a connection that is never on the wire.

mod responses;
mod windows;

use std::{sync::Arc, time::Duration};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};

use super::{
    frames::{
        ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PADDED, PING, PRIORITY,
        PUSH_PROMISE, RST_STREAM, SETTINGS, WINDOW_UPDATE, put_frame,
    },
    *,
};
use crate::{
    diagnostics::{Failure, Reason},
    memory::ProbeMemory,
    net::{
        http::{empty_body, full_body},
        wire::Timestamp,
    },
    scheduling::turn::busy_peer::{BusyPeer, assert_takes_turns},
};

fn frame_of(stream: u32, kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = BytesMut::new();
    put_frame(&mut out, kind, flags, stream, payload);
    out.to_vec()
}

fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
    frame_of(1, kind, flags, payload)
}

fn settings() -> Vec<u8> {
    frame_of(0, SETTINGS, 0, &[])
}

/// A header block with status 200 and these fields.
fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let text = |text: &str| [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
    let fields = fields.iter().map(|(name, value)| [vec![0], text(name), text(value)].concat());
    [vec![0x88], fields.collect::<Vec<_>>().concat()].concat()
}

fn head(fields: &[(&str, &str)]) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, &block(fields))
}

fn end(fields: &[(&str, &str)]) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | END_STREAM, &block(fields))
}

fn trailers(flags: u8) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | flags, b"\x00\x01t\x01v")
}

fn go_away(last_stream: u8, code: u8, debug_data: &[u8]) -> Vec<u8> {
    frame_of(0, GOAWAY, 0, &[&[0, 0, 0, last_stream, 0, 0, 0, code], debug_data].concat())
}

fn reset(code: u8) -> Vec<u8> {
    frame(RST_STREAM, 0, &[0, 0, 0, code])
}

/// A `WINDOW_UPDATE` that adds nothing.
fn empty_window(stream: u32) -> Vec<u8> {
    frame_of(stream, WINDOW_UPDATE, 0, &[0; 4])
}

fn data(payload: &str) -> Vec<u8> {
    frame(DATA, 0, payload.as_bytes())
}

fn last(payload: &str) -> Vec<u8> {
    frame(DATA, END_STREAM, payload.as_bytes())
}

fn held() -> Held {
    Arc::new(ProbeMemory::default()).hold()
}

/// A request without a body.
fn request(method: &str) -> Request<RequestBody> {
    Request::builder().method(method).uri("https://h.example/").body(empty_body()).unwrap()
}

/// Sends a request, and waits for the head of the response.
async fn send(
    stream: DuplexStream,
    request: Request<RequestBody>,
) -> Result<(FramedHead, Http2), ExchangeError> {
    let (clock, watch) = (WireClock::manual(Timestamp::now()), StreamWatch::default());
    let mut exchange = Http2::new(Box::new(stream), clock, watch, (request, held()));
    Ok((exchange.head().await?, exchange))
}

/// A whole response.
#[derive(Debug, PartialEq, Eq)]
struct Received {
    head: FramedHead,
    content_length: Option<u64>,
    body: String,
}

/// Sends the request to a server that sends these bytes and closes the connection.
async fn exchange(method: &str, said: &[u8]) -> Result<Received, Failure> {
    let (ours, mut theirs) = duplex(1 << 20);
    let said = said.to_vec();
    let server = async move {
        theirs.write_all(&said).await.unwrap();
        theirs.shutdown().await.unwrap();
        let mut heard = Vec::new();
        theirs.read_to_end(&mut heard).await.unwrap();
    };
    let client = async move {
        let sent = send(ours, request(method)).await;
        let (head, mut exchange) = sent.map_err(|error| error.failure("head"))?;
        let mut body = Vec::new();
        while let Some(piece) =
            exchange.next_piece().await.map_err(|error| error.failure("body"))?
        {
            body.extend_from_slice(&piece);
        }
        let content_length = exchange.content_length();
        Ok(Received { head, content_length, body: String::from_utf8(body).unwrap() })
    };
    tokio::join!(server, client).1
}

#[test]
fn a_busy_server_is_read_in_turns() {
    let first = [settings(), head(&[])].concat();
    for (name, first, more) in [
        ("frames without content", settings(), frame(WINDOW_UPDATE, 0, &[0, 0, 0, 1])),
        ("small pieces", first, data("x")),
    ] {
        let peer = BusyPeer::new(&first, &more);
        let reads = Arc::clone(&peer.reads);
        let (clock, watch) = (WireClock::manual(Timestamp::now()), StreamWatch::default());
        let mut exchange = Http2::new(Box::new(peer), clock, watch, (request("GET"), held()));
        eprintln!("{name}");
        assert_takes_turns(&reads, async {
            exchange.head().await.unwrap();
            while exchange.next_piece().await.unwrap().is_some() {}
        });
    }
}
