//! Rejected upgrades and websocket servers that violate the protocol.

use probe_exporter::diagnostics::{Reason, Stage};

use super::{
    formats::check,
    row::{Row, Target, module, row, scripted, served},
};
use crate::fixtures::{
    hostile::RUNTIME,
    tcp::tcp,
    websocket::{CLOSE, TEXT, WebsocketServer, answering, frame, websocket},
};

#[test]
fn failing_websockets_are_reported() {
    check(&rows());
}

pub(super) fn rows() -> Vec<Row> {
    let status = (Stage::Check, Reason::Status);
    let protocol = (Stage::Response, Reason::Protocol);
    let closed = (Stage::Response, Reason::Closed);
    let timeout = (Stage::Response, Reason::Timeout);
    let plain = || module("websocket", "");
    let expecting = || module("websocket", "query_response: [{expect: hello}]");
    let farewell = [&1001_u16.to_be_bytes()[..], b"going away"].concat();
    let mut masked = frame(TEXT, "hello");
    masked[1] |= 0x80;
    masked.splice(2..2, [0; 4]);
    let endless = [&[TEXT, 127][..], &(1_u64 << 40).to_be_bytes()].concat();
    vec![
        row("no upgrade", plain(), serving(answering("HTTP/1.1 200 OK\r\n\r\n")), status, "200"),
        row(
            "an upgrade for others",
            plain(),
            serving(answering("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n")),
            status,
            "401",
        ),
        row(
            "the answer to another key",
            plain(),
            serving(answering(
                "HTTP/1.1 101 OK\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                 Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
            )),
            protocol,
            "invalid WebSocket handshake",
        ),
        row(
            "a greeting of something else",
            plain(),
            scripted("ws://", tcp().say("SSH-2.0-x\r\n")),
            (Stage::Response, Reason::NotHttp),
            "upgrade request failed: the response is not HTTP but SSH; it begins with",
        ),
        row(
            "an end before the upgrade",
            plain(),
            scripted("ws://", tcp().close()),
            closed,
            "closed",
        ),
        row(
            "a reset before the upgrade",
            plain(),
            scripted("ws://", tcp().line().reset()),
            (Stage::Response, Reason::Reset),
            "reset",
        ),
        row(
            "silence before the upgrade",
            plain(),
            scripted("ws://", tcp()),
            timeout,
            "upgrade: request sent, no response header",
        )
        .soon(),
        row(
            "another message",
            expecting(),
            serving(websocket().say(frame(TEXT, "good day"))),
            (Stage::Check, Reason::Dialogue),
            "\"good day\" does not match \"hello\"",
        )
        .with("probe_websocket_failed_due_to_regex 1"),
        row(
            "a websocket that keeps silent",
            expecting(),
            serving(websocket()),
            timeout,
            "no message received",
        )
        .soon(),
        row(
            "a farewell in place of a message",
            expecting(),
            serving(websocket().say(frame(CLOSE, farewell))),
            closed,
            "going away",
        ),
        row(
            "an end in place of a message",
            expecting(),
            serving(websocket().close()),
            closed,
            "without a close frame",
        ),
        row("a frame with a mask", expecting(), serving(websocket().say(masked)), protocol, "mask"),
        row(
            "a message without measure",
            expecting(),
            serving(websocket().say(endless)),
            (Stage::Response, Reason::TooLarge),
            "too long",
        ),
    ]
}

fn serving(server: WebsocketServer) -> Target {
    let server = RUNTIME.block_on(server.start());
    served(format!("ws://{}/", server.address), server)
}
