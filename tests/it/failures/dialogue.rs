//! Failing dialogues over TCP and unix sockets.

use std::{fs, os::unix::net::UnixDatagram, path::PathBuf};

use probe_exporter::diagnostics::{Reason, Stage};

use super::{
    formats::check,
    row::{Row, Target, module, row, scripted, served},
};
use crate::fixtures::{
    hostile::RUNTIME,
    tcp::{TcpServer, tcp},
};

#[test]
fn failing_dialogues_are_reported() {
    check(&rows());
}

const MISMATCH: (Stage, Reason) = (Stage::Check, Reason::Dialogue);

pub(super) fn rows() -> Vec<Row> {
    let mut rows = over_tcp();
    rows.extend(over_unix_sockets());
    rows
}

fn over_tcp() -> Vec<Row> {
    let closed = (Stage::Response, Reason::Closed);
    let talk = |what, steps: &str, script, expected, words| {
        let module = module("tcp", &format!("query_response: [{steps}]"));
        row(what, module, scripted("", script), expected, words)
    };
    vec![
        talk(
            "another line and then the end",
            "{expect: hello}",
            tcp().say("good day\n").close(),
            MISMATCH,
            "after \"good day\"; no line matched \"hello\"",
        )
        .with("probe_failed_due_to_regex 1"),
        talk(
            "the end without a line",
            "{expect: hello}",
            tcp().close(),
            MISMATCH,
            "before it sent a line",
        ),
        talk(
            "other bytes",
            "{expect_bytes: ok}",
            tcp().say("no thanks"),
            MISMATCH,
            "expected the bytes \"ok\", received \"no\" (the first 2 of 9 received bytes)",
        )
        .with("probe_failed_due_to_bytes 1"),
        talk(
            "too few bytes",
            "{expect_bytes: abc}",
            tcp().say("ab").close(),
            closed,
            "2 of 3 expected bytes",
        ),
        talk(
            "a second step",
            "{expect: hello, send: bye}, {expect: never}",
            tcp().say("hello\n").line().close(),
            MISMATCH,
            "query_response[1]",
        ),
        talk(
            "a reset within the dialogue",
            "{send: ping}, {expect: pong}",
            tcp().line().reset(),
            (Stage::Response, Reason::Reset),
            "reading",
        ),
        talk(
            "silence within the dialogue",
            "{send: ping}, {expect: pong}",
            tcp().line(),
            (Stage::Response, Reason::Timeout),
            "query_response[1]: received nothing; expected a line that matches \"pong\"",
        )
        .soon(),
        talk(
            "a line without end",
            "{expect: hello}",
            tcp().say("x".repeat(1 << 20)),
            (Stage::Response, Reason::TooLarge),
            "line",
        ),
        talk(
            "STARTTLS refused",
            "{expect: '^220', send: STARTTLS}, {expect: '^220', starttls: true}",
            tcp().say("220 hello\n").line().say("454 not now\n").close(),
            MISMATCH,
            "454 not now",
        ),
        talk(
            "no TLS after STARTTLS",
            "{expect: '^220', starttls: true}",
            tcp().say("220 hello\n").bytes(10).say("220 what?\n"),
            (Stage::Tls, Reason::NotTls),
            "220 what?",
        ),
    ]
}

fn over_unix_sockets() -> Vec<Row> {
    let unix = |steps: &str| module("unix", &format!("query_response: [{steps}]"));
    let refused = (Stage::Connect, Reason::Refused);
    let invalid = (Stage::Target, Reason::InvalidTarget);
    let long = format!("/{}", "x".repeat(200));
    let datagrams = place("datagrams");
    let abandoned = place("abandoned");
    drop(std::os::unix::net::UnixListener::bind(&abandoned.1).unwrap());
    vec![
        row("no such socket", unix(""), "/nonexistent/socket", refused, "no such socket"),
        row("a name that is too long", unix(""), long, invalid, "107 bytes"),
        row(
            "a socket that nobody listens on",
            unix(""),
            served(abandoned.1.display(), abandoned.0),
            refused,
            "no process listens",
        ),
        row(
            "a socket of datagrams",
            unix(""),
            served(datagrams.1.display(), (UnixDatagram::bind(&datagrams.1).unwrap(), datagrams.0)),
            (Stage::Connect, Reason::Protocol),
            "datagrams",
        ),
        row(
            "another greeting",
            unix("{expect: hello}"),
            socket(tcp().say("no\n").close()),
            MISMATCH,
            "no",
        ),
        row(
            "a socket that keeps silent",
            unix("{expect: hello}"),
            socket(tcp()),
            (Stage::Response, Reason::Timeout),
            "query_response[0]: received nothing; expected a line that matches \"hello\"",
        )
        .soon(),
        row(
            "a unix socket without its authority's file",
            module("unix", "tls: true, tls_config: {server_name: x, ca_file: /nonexistent.pem}"),
            socket(tcp()),
            (Stage::Tls, Reason::UnusableFile),
            "/nonexistent.pem",
        ),
    ]
}

/// Returns a folder and a path in it.
fn place(name: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = fs::canonicalize(folder.path()).unwrap().join(name);
    (folder, path)
}

/// A server on a unix socket.
fn socket(script: TcpServer) -> Target {
    let (folder, path) = place("socket");
    let _inside = RUNTIME.enter();
    let server = script.start_at(&path);
    served(path.display(), (server, folder))
}
