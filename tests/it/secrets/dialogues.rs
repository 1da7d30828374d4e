//! Secrets of dialogues: data that secret steps send, expect and insert.

use std::{cell::RefCell, rc::Rc};

use super::{Case, case, check, module, planted};
use crate::fixtures::{
    hostile::RUNTIME,
    tcp::{RunningServer, TcpServer, tcp},
    websocket::{CLOSE, TEXT, WebsocketServer, frame, websocket},
};

/// Returns the data that a server has received from all clients.
fn heard<A: 'static>(server: Rc<RefCell<RunningServer<A>>>) -> impl Fn() -> String {
    // One probe by the server, and three by the command.
    move || {
        let mut server = server.borrow_mut();
        (0..4).map(|_| RUNTIME.block_on(server.heard())).collect()
    }
}

pub(super) fn over_tcp(
    what: &'static str,
    steps: &str,
    script: TcpServer,
    success: bool,
    used: &str,
) -> Case {
    let server = RUNTIME.block_on(script.start());
    let target = server.address.to_string();
    let server = Rc::new(RefCell::new(server));
    let module = module("tcp", &format!("query_response: [{steps}]"));
    case(what, module, target, success, Rc::clone(&server)).used(used, heard(server))
}

#[test]
fn secrets_of_dialogues_that_time_out_are_redacted() {
    let password = planted("cut");
    let soon = |case: Case| Case { module: case.module.replace("20s", "700ms"), ..case };
    let (half, _) = password.split_at(password.len() - 2);
    let send = format!("{{expect: '^220', send: 'PASS {password}', secret: true}}");
    let login = || tcp().say("220 hello\r\n").line();
    let cut = |what, steps: &str, script| soon(over_tcp(what, steps, script, false, ""));
    let mut cases = vec![
        cut(
            "a password that is repeated without a line end",
            &format!("{send}, {{expect: '^230'}}"),
            login().say(format!("530 'PASS {password}'")),
        ),
        cut(
            "a part of a password that is repeated",
            &format!("{send}, {{expect: '^230'}}"),
            login().say(format!("530 {half}")),
        ),
        cut(
            "a password that is repeated in a line, and then nothing",
            &format!("{send}, {{expect: '^230'}}"),
            login().say(format!("530 {password}\r\n")),
        ),
        cut(
            "a secret line that does not end",
            &format!("{{expect: '^{password}$', secret: true}}"),
            tcp().say(half),
        ),
        cut(
            "secret bytes that do not all come",
            &format!("{{expect_bytes: '{password}', secret: true}}"),
            tcp().say(half),
        ),
    ];
    let secret = format!("{{expect: '{password}', secret: true, send: x}}");
    let server = websocket().say(frame(TEXT, &password)).say(frame(TEXT, &password));
    let server = RUNTIME.block_on(server.start());
    let steps = format!(
        "query_response: [{secret}, {{expect: '{password}', secret: true}}, {{expect: y}}]"
    );
    let target = format!("ws://{}/", server.address);
    let what = "a secret message, and then nothing";
    cases.push(soon(case(what, module("websocket", &steps), target, false, server)));
    check(&cases);
}

#[test]
fn secret_lines_and_bytes_are_redacted() {
    let password = planted("send");
    let expected = planted("expect");
    let bytes = planted("bytes");
    let challenge = planted("challenge");
    let backwards: String = bytes.chars().rev().collect();
    let login = || tcp().say("220 hello\r\n").line();
    let send = format!("{{expect: '^220', send: 'PASS {password}', secret: true}}");
    check(&[
        over_tcp(
            "a password that is sent",
            &format!("{send}, {{expect: '^230'}}"),
            login().say("230 welcome\r\n"),
            true,
            &password,
        ),
        over_tcp(
            "a password that is repeated",
            &format!("{send}, {{expect: '^230'}}"),
            login().say(format!("530 'PASS {password}' is wrong\r\n")).close(),
            false,
            &password,
        ),
        over_tcp(
            "a line that is expected",
            &format!("{{send: hi}}, {{expect: '^{expected}$', secret: true}}, {{send: bye}}"),
            tcp().line().say(format!("{expected}\r\n")).line(),
            true,
            "bye",
        ),
        over_tcp(
            "a line that does not come",
            &format!("{{expect: '^{expected}$', secret: true}}"),
            tcp().say(format!("almost {expected}x\r\n")).close(),
            false,
            "",
        ),
        over_tcp(
            "bytes that come",
            &format!("{{expect_bytes: '{bytes}', secret: true}}"),
            tcp().say(&bytes),
            true,
            "",
        ),
        over_tcp(
            "other bytes",
            &format!("{{expect_bytes: '{bytes}', secret: true}}"),
            tcp().say(&backwards).close(),
            false,
            "",
        )
        .derived(&backwards),
        over_tcp(
            "what is filled in",
            "{expect: '^challenge (.*)$', send: 'response $1', secret: true}, {expect: '^ok'}",
            tcp()
                .say(format!("challenge {challenge}\n"))
                .line()
                .say(format!("no {challenge}\n"))
                .close(),
            false,
            &format!("response {challenge}"),
        ),
    ]);
}

#[test]
fn secret_lines_on_a_unix_socket_are_redacted() {
    let password = planted("unix");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let inside = RUNTIME.enter();
    let script = tcp().line().say(format!("-ERR {password}\n")).close();
    let server = Rc::new(RefCell::new(script.start_at(&path)));
    let steps =
        format!("query_response: [{{send: 'AUTH {password}', secret: true}}, {{expect: OK}}]");
    let target = path.display().to_string();
    let case =
        case("a password", module("unix", &steps), target, false, (Rc::clone(&server), folder));
    drop(inside);
    check(&[case.used(&password, heard(server))]);
}

fn over_websocket(
    what: &'static str,
    keys: &str,
    script: WebsocketServer,
    success: bool,
    used: &str,
) -> Case {
    let server = Rc::new(RUNTIME.block_on(script.start()));
    let target = format!("ws://{}/", server.address);
    let heard = {
        let server = Rc::clone(&server);
        move || {
            let heard = RUNTIME.block_on(server.heard());
            let frames = heard.frames.iter().map(|(_, bytes)| String::from_utf8_lossy(bytes));
            heard.heads.concat() + &frames.collect::<String>()
        }
    };
    case(what, module("websocket", keys), target, success, server).used(used, heard)
}

#[test]
fn websocket_messages_are_redacted() {
    let message = planted("message");
    let key = planted("key");
    let password = planted("websocket");
    let farewell = [&1008_u16.to_be_bytes()[..], format!("not {message}").as_bytes()].concat();
    let steps = format!("query_response: [{{send: '{message}', secret: true}}, {{expect: ok}}]");
    let expecting = format!("query_response: [{{expect: '^{message}$', secret: true}}]");
    check(&[
        over_websocket(
            "a message",
            &steps,
            websocket().hear().say(frame(TEXT, "ok")),
            true,
            &message,
        ),
        over_websocket(
            "a message that is repeated at the end",
            &steps,
            websocket().hear().say(frame(CLOSE, farewell)),
            false,
            &message,
        ),
        over_websocket(
            "another message",
            &expecting,
            websocket().say(frame(TEXT, format!("almost {message}"))),
            false,
            "",
        ),
        over_websocket(
            "headers",
            &format!(
                "headers: {{X-Api-Key: {{values: [{key}]}}, X-Odd: {{secrets: [{key}2]}}}}, \
                 query_response: [{{expect: ok}}]"
            ),
            websocket().say(frame(TEXT, format!("I got {key} and {key}2"))),
            false,
            &key,
        ),
        over_websocket(
            "a password",
            &format!(
                "http_config: {{authorization: {{credentials: {password}}}}}, \
                 query_response: [{{expect: ok}}]"
            ),
            websocket().say(frame(TEXT, format!("I got {password}"))),
            false,
            &password,
        ),
    ]);
}
