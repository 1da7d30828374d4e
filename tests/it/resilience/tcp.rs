//! Hostile peers of dialogues.

use super::{Attack, withstand};
use crate::fixtures::{
    hostile::{
        Peer,
        Then::{Close, Drip, Repeat, Reset, Wait},
        greeting, peer,
    },
    tls::{self, leaf},
};

/// The `patient` modules must fail before their long timeout; the others time out.
const MODULES: &str = r"
modules:
  plain: {prober: tcp, timeout: 2s, tcp: {query_response: [{expect: never}]}}
  patient: {prober: tcp, timeout: 60s, tcp: {query_response: [{expect: never}]}}
  costly: {prober: tcp, timeout: 2s, tcp: {query_response: [{expect: '(x+x+)+never(.*)$'}]}}
  bytes: {prober: tcp, timeout: 2s, tcp: {query_response: [{expect_bytes: never}]}}
  upload:
    prober: tcp
    timeout: 60s
    tcp: {query_response: [{expect: '^(.*)$', send: '${1}${1}${1}${1}'}, {expect: never}]}
  starttls:
    prober: tcp
    timeout: 2s
    tcp:
      tls_config: {insecure_skip_verify: true}
      query_response: [{expect: ^220, send: STARTTLS}, {expect: ^220, starttls: true}, {expect: ^250}]
";

fn attack(name: &'static str, module: &'static str, reason: &'static str, peer: Peer) -> Attack {
    Attack { name, module, target: Box::new(peer), scheme: "", reason, requests: 0 }
}

fn repeat(text: &str) -> Peer {
    greeting("", Repeat(text.into()))
}

#[test]
fn peers_with_useless_responses_are_cut_off() {
    let long_line = "x".repeat(65_000) + "\r\n";
    let attacks = [
        attack("no word", "plain", "timeout", greeting("", Wait)),
        attack("a slow line", "plain", "timeout", greeting("", Drip(b"x".to_vec()))),
        attack("few bytes", "bytes", "timeout", greeting("neve", Wait)),
        attack("a line without end", "patient", "too_large", repeat("x")),
        attack("lines without end", "patient", "too_large", repeat("hello\r\n")),
        attack("empty lines without end", "plain", "timeout|too_large", repeat("\n")),
        attack("long lines without end", "patient", "too_large", repeat(&long_line)),
        attack(
            "bytes that are no text",
            "patient",
            "too_large",
            greeting("", Repeat(vec![0xff, 0])),
        ),
        attack("a close", "patient", "dialogue", greeting("", Close)),
        attack("a reset", "patient", "reset", greeting("", Reset)),
        attack("an echo that grows", "upload", "dialogue", greeting(long_line, Close)),
    ];
    withstand(MODULES, 16, &attacks);
}

#[test]
fn long_lines_do_not_block_a_costly_pattern() {
    let line = "x".repeat(65_000) + "\n";
    let attacks =
        [1, 2, 3, 4].map(|_| attack("long lines", "costly", "timeout|too_large", repeat(&line)));
    withstand(MODULES, 16, &attacks);
}

#[test]
fn plaintext_before_tls_is_ignored_after_the_handshake() {
    let context = tls::server(&leaf("127.0.0.1").self_signed()).context();
    let injecting = peer(move |mut visit| {
        let context = context.clone();
        async move {
            visit.say("220 hello\r\n220 go ahead\r\n250 injected\r\n").await?;
            let mut heard = [0; 9];
            tokio::io::AsyncReadExt::read_exact(&mut visit.stream, &mut heard).await?;
            visit.secure(&context).await?.until_gone().await
        }
    });
    let attacks = [attack("injection", "starttls", "timeout", injecting)];
    withstand(MODULES, 16, &attacks);
}
