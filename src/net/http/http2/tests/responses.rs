//! Responses that are taken, and what is said of those that are not.

use super::*;

/// A name, the bytes that a server sends after its settings, and the body and length of the response.
type Good<'g> = (&'g str, Vec<Vec<u8>>, &'g str, Option<u64>);

async fn take(cases: Vec<Good<'_>>) {
    for (name, said, body, length) in cases {
        let said = [settings(), said.concat()].concat();
        let found = exchange("GET", &said).await;
        let found = found.map(|found| (found.body, found.content_length));
        assert_eq!(found, Ok((body.to_owned(), length)), "{name}");
    }
}

#[tokio::test]
async fn complete_responses_are_taken_as_gos_client_takes_them() {
    let long = "x".repeat(60_000);
    take(vec![
        ("a head alone", vec![end(&[])], "", Some(0)),
        ("a body", vec![head(&[]), data("ab"), last("c")], "abc", None),
        ("an end of its own", vec![head(&[]), data("ab"), last("")], "ab", None),
        ("a length", vec![head(&[("content-length", "3")]), last("abc")], "abc", Some(3)),
        (
            "two lengths",
            vec![head(&[("content-length", "3"), ("content-length", "4")]), last("ab")],
            "ab",
            None,
        ),
        (
            "equal lengths",
            vec![head(&[("content-length", "2"), ("content-length", "2")]), last("ab")],
            "ab",
            None,
        ),
        ("no length at all", vec![head(&[("content-length", "many")]), last("ab")], "ab", None),
        ("a length with a sign", vec![head(&[("content-length", "+9")]), last("ab")], "ab", None),
        ("an empty length", vec![head(&[("content-length", "")]), last("ab")], "ab", None),
        ("a huge length", vec![end(&[("content-length", "99999999999999999999")])], "", None),
        (
            "connection headers",
            vec![end(&[
                ("connection", "keep-alive"),
                ("keep-alive", "timeout=5"),
                ("proxy-connection", "x"),
                ("transfer-encoding", "chunked"),
                ("upgrade", "h2,h2c"),
                ("te", "gzip"),
            ])],
            "",
            Some(0),
        ),
        ("empty frames", vec![head(&[]), data("").repeat(5000), last("a")], "a", None),
        ("small frames", vec![head(&[]), data("x").repeat(60_000), last("")], &long, None),
        ("a large frame", vec![head(&[]), last(&long)], &long, None),
        ("padding", vec![head(&[]), frame(DATA, PADDED | END_STREAM, b"\x03ab\0\0\0")], "ab", None),
        (
            "padding alone",
            vec![head(&[]), frame(DATA, PADDED, b"\x02\0\0").repeat(500), last("a")],
            "a",
            None,
        ),
    ])
    .await;
}

#[tokio::test]
async fn odd_heads_and_frames_are_taken_as_gos_client_takes_them() {
    let interim = || frame(HEADERS, END_HEADERS, b"\x08\x03103");
    take(vec![
        (
            "a padded head with a priority",
            vec![
                frame(HEADERS, END_HEADERS | PADDED | PRIORITY, b"\x02\0\0\0\x01\x10\x88\0\0"),
                last("a"),
            ],
            "a",
            None,
        ),
        (
            "a priority of itself",
            vec![frame(HEADERS, END_HEADERS | PRIORITY, b"\0\0\0\x01\x10\x88"), last("a")],
            "a",
            None,
        ),
        (
            "continuations",
            vec![
                frame(HEADERS, 0, b""),
                frame(CONTINUATION, 0, b"").repeat(300),
                frame(CONTINUATION, END_HEADERS, b"\x88"),
                last("a"),
            ],
            "a",
            None,
        ),
        ("interim heads", vec![interim().repeat(200), head(&[]), last("a")], "a", None),
        (
            "switching protocols",
            vec![frame(HEADERS, END_HEADERS, b"\x08\x03101"), end(&[])],
            "",
            Some(0),
        ),
        ("trailers", vec![head(&[]), data("a"), trailers(END_STREAM)], "a", None),
        (
            "unknown frames",
            vec![frame(0x42, 0xff, b"zzz"), head(&[]), frame_of(7, 0xfe, 1, b""), last("a")],
            "a",
            None,
        ),
        ("a malformed priority", vec![frame(2, 0, b"x"), end(&[])], "", Some(0)),
        (
            "another stream",
            vec![
                frame_of(3, HEADERS, END_HEADERS, b"\x40\x01x\x01y"),
                frame(HEADERS, END_HEADERS | END_STREAM, b"\x88\xbe"),
            ],
            "",
            Some(0),
        ),
        (
            "resets and windows of other streams",
            vec![
                frame_of(3, RST_STREAM, 0, &[0; 4]),
                frame_of(5, WINDOW_UPDATE, 0, &[0, 0, 0, 1]),
                end(&[]),
            ],
            "",
            Some(0),
        ),
        (
            "settings",
            vec![
                frame_of(
                    0,
                    SETTINGS,
                    0,
                    b"\0\x04\0\0\0\0\0\x03\0\0\0\0\0\x05\0\0\0\x01\0\x02\0\0\0\x09\x7f\xff\0\0\0\0",
                ),
                end(&[]),
            ],
            "",
            Some(0),
        ),
        (
            "a table without entries",
            vec![frame(HEADERS, END_HEADERS | END_STREAM, b"\x20\x88")],
            "",
            Some(0),
        ),
        ("a farewell first", vec![go_away(1, 0, b""), head(&[]), last("a")], "a", None),
        ("an angry farewell", vec![go_away(1, 11, b"calm"), head(&[]), last("a")], "a", None),
        ("a reset after the end", vec![head(&[]), last("a"), reset(0)], "a", None),
        ("a window of 0 elsewhere", vec![empty_window(3), head(&[]), last("a")], "a", None),
        (
            "204 with a length",
            vec![frame(HEADERS, END_HEADERS | END_STREAM, b"\x89\x00\x0econtent-length\x015")],
            "",
            Some(5),
        ),
        (
            "304 with a length",
            vec![frame(HEADERS, END_HEADERS | END_STREAM, b"\x8b\x00\x0econtent-length\x015")],
            "",
            Some(5),
        ),
    ])
    .await;
}

#[tokio::test]
async fn the_answer_to_head_is_over_with_its_stream() {
    for (name, said) in [
        ("at its end", end(&[("content-length", "5")])),
        ("closed", head(&[("content-length", "5")])),
        ("and a body", [head(&[("content-length", "5")]), data("hello")].concat()),
        ("reset", [head(&[("content-length", "5")]), reset(0)].concat()),
    ] {
        let found = exchange("HEAD", &[settings(), said].concat()).await;
        let found = found.map(|found| (found.body, found.content_length));
        assert_eq!(found, Ok((String::new(), Some(5))), "{name}");
    }
}

#[tokio::test]
async fn only_end_stream_completes_a_response() {
    use Reason::{Closed, Protocol};
    let of_5 = || head(&[("content-length", "5")]);
    let cases = [
        ("NO_ERROR", vec![of_5(), data("hel"), reset(0)], Closed, "NO_ERROR"),
        ("NO_ERROR at the full length", vec![of_5(), data("hello"), reset(0)], Closed, "NO_ERROR"),
        ("NO_ERROR without a length", vec![head(&[]), data("hel"), reset(0)], Closed, "NO_ERROR"),
        ("NO_ERROR after the head", vec![head(&[]), reset(0)], Closed, "NO_ERROR"),
        (
            "NO_ERROR before the trailers",
            vec![head(&[]), data("x"), frame(HEADERS, 0, b""), reset(0)],
            Protocol,
            "interrupts",
        ),
        ("NO_ERROR before the head", vec![reset(0)], Closed, "NO_ERROR"),
        ("CANCEL", vec![head(&[]), data("hel"), reset(8)], Closed, "CANCEL"),
        ("CANCEL before the head", vec![reset(8)], Closed, "CANCEL"),
        ("INTERNAL_ERROR", vec![head(&[]), reset(2)], Closed, "INTERNAL_ERROR"),
        ("closed", vec![head(&[]), data("hel")], Closed, "closed the connection before the end"),
        ("closed at the full length", vec![of_5(), data("hello")], Closed, "before the end"),
        ("closed after the head", vec![head(&[])], Closed, "before the end"),
        (
            "closed within a frame",
            vec![head(&[]), last("hello")[..11].to_vec()],
            Closed,
            "before the end",
        ),
        ("closed within a head", vec![head(&[])[..9].to_vec()], Closed, "before the head"),
        (
            "closed within a block",
            vec![frame(HEADERS, END_STREAM, b"\x88")],
            Closed,
            "before the head",
        ),
        ("closed", vec![], Closed, "before the head"),
        (
            "a farewell",
            vec![head(&[]), data("h"), go_away(1, 0, b"")],
            Closed,
            "GOAWAY with NO_ERROR",
        ),
        (
            "an angry farewell",
            vec![head(&[]), data("h"), go_away(1, 11, b"too many")],
            Closed,
            "ENHANCE_YOUR_CALM (0xb): the client causes too much load; message: \"too many\"",
        ),
        ("a farewell that leaves it out", vec![go_away(0, 0, b"bye")], Closed, "did not process"),
        ("an angry one that leaves it out", vec![go_away(0, 1, b"")], Protocol, "PROTOCOL_ERROR"),
        (
            "less than announced",
            vec![of_5(), last("hel")],
            Closed,
            "2 bytes shorter than its Content-Length",
        ),
        ("nothing of what was announced", vec![end(&[("content-length", "5")])], Closed, "5 bytes"),
        ("trailers too early", vec![of_5(), data("h"), trailers(END_STREAM)], Closed, "4 bytes"),
        (
            "more than announced",
            vec![of_5(), last("hello!")],
            Protocol,
            "longer than its Content-Length",
        ),
        (
            "trailers without an end",
            vec![head(&[]), data("h"), trailers(0)],
            Protocol,
            "trailers do not end",
        ),
    ];
    for (name, said, reason, words) in cases {
        let said = [settings(), said.concat()].concat();
        let failure = exchange("GET", &said).await.unwrap_err();
        assert_eq!(failure.reason, reason, "{name}: {failure}");
        assert!(failure.message.contains(words), "{name}: {failure}");
    }
}

#[tokio::test]
async fn what_breaks_the_protocol_is_named() {
    let settings_of = |payload: &[u8]| frame_of(0, SETTINGS, 0, payload);
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        (
            "a name in upper case",
            head(&[("X-Upper", "v")]),
            "\"X-Upper\": the name is not in lower",
        ),
        ("a value with a line", head(&[("x", "a\nb")]), "\"x\": the value"),
        ("no status", frame(HEADERS, END_HEADERS, b""), "no status"),
        ("an odd status", frame(HEADERS, END_HEADERS, b"\x08\x02no"), "\"no\""),
        ("an end with 103", frame(HEADERS, END_HEADERS | END_STREAM, b"\x08\x03103"), "103 ends"),
        ("a body without a head", data("x"), "DATA before HEADERS"),
        ("a status in trailers", [head(&[]), end(&[])].concat(), "trailers have a pseudo-header"),
        ("bad trailers", [head(&[]), frame(HEADERS, 5, b"\x00\x01T\x01v")].concat(), "\"T\""),
        ("a table size in the middle", frame(HEADERS, END_HEADERS, b"\x40\x01x\x01y\x20"), "HPACK"),
        ("an index of nothing", frame(HEADERS, END_HEADERS, b"\xff\x7f"), "HPACK"),
        ("data of another stream", frame_of(3, DATA, 0, b"x"), "stream 3"),
        ("data for all", frame_of(0, DATA, 0, b"x"), "stream 0"),
        ("empty data of another stream", frame_of(3, DATA, 0, b""), "stream 3"),
        ("empty data for all", frame_of(0, DATA, PADDED, b"\x01\0"), "stream 0"),
        ("empty data without a head", data(""), "DATA before HEADERS"),
        (
            "a head interrupted by empty data",
            [frame(HEADERS, 0, b"\x88"), data("")].concat(),
            "interrupts",
        ),
        ("a head for all", frame_of(0, HEADERS, END_HEADERS, b"\x88"), "HEADERS on stream 0"),
        ("a reset for all", frame_of(0, RST_STREAM, 0, &[0; 4]), "RST_STREAM on stream 0"),
        ("a short reset", frame(RST_STREAM, 0, &[0; 3]), "RST_STREAM frame has an invalid size"),
        ("an interrupted head", [frame(HEADERS, 0, b"\x88"), data("x")].concat(), "interrupts"),
        ("a continuation of nothing", frame(CONTINUATION, END_HEADERS, b"\x88"), "CONTINUATION"),
        ("too much padding", frame(HEADERS, END_HEADERS | PADDED, b"\x05\x88"), "padding"),
        ("a promise", frame(PUSH_PROMISE, END_HEADERS, b"\0\0\0\x02\x82"), "PUSH_PROMISE"),
        ("a window of 0", empty_window(1), "increment of 0"),
        ("a huge window", frame_of(0, WINDOW_UPDATE, 0, b"\x7f\xff\xff\xff"), "too large"),
        ("a huge window in settings", settings_of(b"\0\x04\xff\xff\xff\xff"), "too large"),
        ("settings of 5 bytes", settings_of(b"\0\x04\0\0\0"), "SETTINGS frame"),
        ("settings of a stream", frame(SETTINGS, 0, b""), "SETTINGS frame"),
        ("an answer with settings", frame_of(0, SETTINGS, ACK, &[0; 6]), "SETTINGS frame"),
        ("a short ping", frame_of(0, PING, 0, &[0; 7]), "PING frame"),
        ("a short farewell", frame_of(0, GOAWAY, 0, &[0; 7]), "GOAWAY frame"),
        ("a farewell of a stream", frame(GOAWAY, 0, &[0; 8]), "GOAWAY frame"),
    ];
    for (name, said, words) in cases {
        let failure = exchange("GET", &[settings(), said].concat()).await.unwrap_err();
        assert_eq!(failure.reason, Reason::Protocol, "{name}: {failure}");
        assert!(failure.message.contains(words), "{name}: {failure}");
    }
}

#[tokio::test]
async fn heads_are_bounded() {
    let interim = frame(HEADERS, END_HEADERS, b"\x08\x03103");
    let field = block(&[("x", &"y".repeat(100))])[1..].to_vec();
    // An entry of the table that takes three bytes to say again.
    let entry = [&b"\x40\x01x\x7f\x81\x0f"[..], &vec![b'y'; 2048]].concat();
    for (name, said) in [
        ("interim heads", interim.repeat(20_000)),
        (
            "empty continuations",
            [frame(HEADERS, 0, b"\x88"), frame(CONTINUATION, 0, b"").repeat(60_000)].concat(),
        ),
        (
            "many fields",
            [frame(HEADERS, 0, b"\x88"), frame(CONTINUATION, 0, &field.repeat(100)).repeat(60)]
                .concat(),
        ),
        ("a large frame", frame(HEADERS, 0, &vec![0; 600_000])),
        (
            "few bytes for many",
            frame(HEADERS, END_HEADERS, &[&[0x88], &entry[..], &[0xbe; 300]].concat()),
        ),
        ("a header of another stream", frame_of(3, HEADERS, END_HEADERS, &[0xa2; 15_000])),
    ] {
        let failure = exchange("GET", &[settings(), said].concat()).await.unwrap_err();
        assert_eq!(failure.reason, Reason::TooLarge, "{name}: {failure}");
    }
}
