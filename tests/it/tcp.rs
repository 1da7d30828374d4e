//! The tcp prober against servers that follow a script.

use std::time::Duration;

use crate::{
    fixtures::{
        ports::closed_port,
        tcp::{TcpServer, tcp},
        tls,
    },
    probing::{Probed, failed, probe, probe_with},
};

/// Returns a module with these steps and more keys of the section.
fn module(steps: &str, keys: &str) -> String {
    format!("{{prober: tcp, tcp: {{query_response: [{steps}]{keys}}}}}")
}

/// Starts a server and probes it with these steps.
async fn talk(server: TcpServer, steps: &str) -> Probed {
    let server = server.start().await;
    probe(&module(steps, ""), server.address).await
}

const NO_REGEX: &str = "probe_failed_due_to_regex 0";
const NO_BYTES: &str = "probe_failed_due_to_bytes 0";

#[tokio::test]
async fn a_connection_is_enough_without_a_dialogue() {
    let mut server = tcp().say("nobody reads this\n").start().await;
    let probed = probe("{prober: tcp}", server.address).await;
    probed.expect(&[
        "probe_success 1",
        NO_REGEX,
        NO_BYTES,
        "probe_ip_protocol 4",
        "probe_tcp_duration_seconds{phase=\"resolve\"}",
        "probe_tcp_duration_seconds{phase=\"connect\"}",
        "!probe_tcp_duration_seconds{phase=\"tls\"}",
        "!probe_tcp_duration_seconds{phase=\"query\"}",
    ]);
    assert_eq!(server.heard().await, "");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn kernel_statistics_are_extra_metrics() {
    let server = tcp().say("hello\n").start().await;
    let probed = probe(&module("{expect: hello}", ""), server.address).await;
    probed.expect(&["probe_tcp_rtt_seconds", "probe_tcp_retransmits 0"]);
    let probed = probe("{prober: tcp, extra_metrics: false}", server.address).await;
    probed.expect(&["probe_success 1", "!probe_tcp_rtt_seconds", "!probe_tcp_retransmits"]);
}

#[tokio::test]
async fn lines_are_matched_and_answered() {
    let mut server = tcp()
        .say("220-first\r\n220 mail.example ESMTP\r\n")
        .line()
        .say("250 you are prober\r\n")
        .line()
        .start()
        .await;
    let steps = r#"{expect: "^220 (?P<host>[^ ]+) ESMTP$", send: "HELO ${host} $1x $$"},
        {expect: "^250", send: "QUIT", labels: [{name: fixed, value: "a b"}]}"#;
    let probed = probe(&module(steps, ""), server.address).await;
    probed.expect(&[
        "probe_success 1",
        NO_REGEX,
        NO_BYTES,
        "probe_expect_info{fixed=\"a b\"} 1",
        "probe_tcp_duration_seconds{phase=\"query\"}",
    ]);
    assert_eq!(server.heard().await, "HELO mail.example  $\nQUIT\n");
}

#[tokio::test]
async fn labels_come_from_the_line_that_matched() {
    let steps = r#"{expect: "^SSH-([0-9.]+)-(?P<software>.+)$", labels: [
        {name: proto, value: "$1"}, {name: software, value: "<${software}>"}, {name: none, value: "$9"}]}"#;
    talk(tcp().say("SSH-2.0-Thing_1.0 \"x\"\r\n"), steps).await.expect(&[
        "probe_expect_info{none=\"\",proto=\"2.0\",software=\"<Thing_1.0 \\\"x\\\">\"} 1",
    ]);
    let steps = "{expect: nothing, labels: [{name: a, value: b}]}";
    talk(tcp().close(), steps).await.expect(&["probe_success 0", "!probe_expect_info"]);
}

#[tokio::test]
async fn only_an_end_without_a_match_is_a_mismatch() {
    let mismatch = "probe_failed_due_to_regex 1";
    let dialogue = failed("check", "dialogue");
    for (what, server, samples) in [
        ("other lines", tcp().say("a\nb\n").close(), [mismatch, &dialogue]),
        ("nothing", tcp().close(), [mismatch, &dialogue]),
        ("an end", tcp().say("a\nhello").close(), ["probe_success 1", NO_REGEX]),
        ("a reset", tcp().line().reset(), [NO_REGEX, &failed("response", "reset")]),
        (
            "a line without end",
            tcp().say(vec![b'x'; 65_536]),
            [NO_REGEX, &failed("response", "too_large")],
        ),
        (
            "a long line",
            tcp().say([vec![b'x'; 65_535], b"\nhello\n".to_vec()].concat()),
            ["probe_success 1", NO_REGEX],
        ),
    ] {
        eprintln!("{what}");
        talk(server, "{send: go}, {expect: '^hello$'}").await.expect(&samples);
    }
}

#[tokio::test]
async fn a_silent_peer_causes_a_timeout() {
    let server = tcp().start().await;
    let module = module("{expect: hello}", "").replace("{prober", "{timeout: 1s, prober");
    probe(&module, server.address).await.expect(&[
        "probe_success 0",
        NO_REGEX,
        NO_BYTES,
        &failed("response", "timeout"),
        "probe_tcp_duration_seconds{phase=\"query\"}",
    ]);
}

#[tokio::test]
async fn w8_bytes_are_read_until_all_have_come() {
    // Each part is sent after data of the client, so that no read returns two of them.
    let pieces = || tcp().bytes(1).say("HEL").bytes(1).say("LO");
    let sends = "{send: a, skip_newline_on_send: true}, {expect_bytes: HEL},
        {send: b, skip_newline_on_send: true}";
    let expecting = |bytes: &str| format!("{sends}, {{expect_bytes: {bytes}}}");
    talk(pieces(), &expecting("LO")).await.expect(&["probe_success 1", NO_BYTES]);
    talk(pieces(), &expecting("LA")).await.expect(&[
        "probe_success 0",
        "probe_failed_due_to_bytes 1",
        NO_REGEX,
        &failed("check", "dialogue"),
    ]);
    let short = tcp().say("HEL").close();
    let probed = talk(short, "{expect_bytes: HELLO}").await;
    probed.expect(&["probe_success 0", NO_BYTES, &failed("response", "closed")]);
}

#[tokio::test]
async fn w8_lines_and_bytes_come_from_one_buffer() {
    let steps = "{expect: '^line'}, {expect_bytes: ab}, {expect: '^c$'}, {expect_bytes: d}";
    talk(tcp().say("line\nabc\nd"), steps).await.expect(&["probe_success 1"]);
}

#[tokio::test]
async fn w8_a_line_feed_is_appended_unless_disabled() {
    for (step, heard) in [
        ("{send: text}", "text\n"),
        ("{send: text, skip_newline_on_send: true}", "text"),
        ("{send: '$1 $$'}", "$1 $$\n"),
        ("{send: !!binary AAE=, skip_newline_on_send: true}", "\0\u{1}"),
        ("{}", ""),
    ] {
        let mut server = tcp().start().await;
        probe(&module(step, ""), server.address).await.expect(&["probe_success 1"]);
        assert_eq!(server.heard().await, heard, "{step}");
    }
}

#[tokio::test]
async fn the_query_phase_is_the_time_of_the_dialogue() {
    let mut server = tcp().line().say("pong\n").start().await;
    let module = module("{send: ping}, {expect: pong}", "");
    let probed = probe(&module, server.address).await;
    probed.expect(&["probe_success 1"]);
    let phase = |name| probed.value(&format!("probe_tcp_duration_seconds{{phase=\"{name}\"}}"));
    let waited = phase("resolve") + phase("connect") + phase("query");
    assert!(waited <= probed.value("probe_duration_seconds"), "{waited}");
    assert!(Duration::from_secs_f64(phase("query")) > Duration::ZERO);
    assert_eq!(server.heard().await, "ping\n");
}

#[tokio::test]
async fn targets_need_a_port() {
    let invalid = failed("target", "invalid_target");
    for (target, samples) in [
        ("127.0.0.1", ["!probe_ip_protocol", invalid.as_str()]),
        ("::1", ["!probe_ip_protocol", &invalid]),
        ("127.0.0.1:65536", ["probe_ip_protocol 4", &invalid]),
        ("127.0.0.1:nonsense", ["probe_ip_protocol 4", &invalid]),
        (":80", ["probe_ip_protocol 0", &invalid]),
        ("https://127.0.0.1", ["probe_ip_protocol 0", &invalid]),
    ] {
        let probed = probe("{prober: tcp}", target).await;
        probed.expect(&samples).expect(&["probe_success 0", "!probe_failed_due_to_regex"]);
    }
}

#[tokio::test]
async fn a_refused_connection_has_no_dialogue() {
    let closed = closed_port();
    let probed = probe("{prober: tcp}", closed.address).await;
    probed.expect(&[
        "probe_success 0",
        &failed("connect", "refused"),
        "!probe_failed_due_to_regex",
        "!probe_failed_due_to_bytes",
    ]);
}

/// A TLS server's certificates for localhost and mail.example, and the keys that trust them.
struct Trust {
    pki: tls::Pki,
    keys: String,
    _folder: tempfile::TempDir,
}

fn trust() -> Trust {
    let pki = tls::pki(tls::leaf("mail.example").also("DNS:localhost").also("IP:127.0.0.1"));
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, pki.root.pem()).unwrap();
    Trust { pki, keys: format!("ca_file: '{}'", ca.display()), _folder: folder }
}

#[tokio::test]
async fn tls_comes_before_the_dialogue() {
    let trust = trust();
    let server = tcp().starttls(trust.pki.server().context()).say("hello\n").start().await;
    let keys = |tls: &str| format!(", tls: true, tls_config: {{{tls}}}");
    let steps = "{expect: hello}";
    let probed = probe(&module(steps, &keys(&trust.keys)), server.address).await;
    probed.expect(&[
        "probe_success 1",
        "probe_ssl_earliest_cert_expiry",
        "probe_ssl_last_chain_expiry_timestamp_seconds",
        "probe_tls_version_info{version=\"TLS 1.3\"} 1",
        "probe_tls_cipher_info{cipher=\"TLS_AES_128_GCM_SHA256\"} 1",
        "probe_tcp_duration_seconds{phase=\"tls\"}",
    ]);
    let upstreams =
        module(steps, &keys(&trust.keys)).replace("{prober", "{extra_metrics: false, prober");
    probe(&upstreams, server.address).await.expect(&[
        "probe_tls_version_info{version=\"TLS 1.3\"} 1",
        "!probe_tls_cipher_info{cipher=\"TLS_AES_128_GCM_SHA256\"}",
    ]);
    let probed = probe(&module(steps, &keys("")), server.address).await;
    probed.expect(&[
        "probe_success 0",
        &failed("tls", "certificate_unknown_authority"),
        "!probe_failed_due_to_regex",
        "probe_ssl_earliest_cert_expiry",
    ]);
}

/// Upstream exports an expiry in the year 1, which causes alerts.
#[tokio::test]
async fn w14_without_verification_the_chain_expiry_is_correct_or_absent() {
    let trust = trust();
    let server = tcp().starttls(trust.pki.server().context()).say("hello\n").start().await;
    let lenient = |keys: &str| {
        let keys = format!(", tls: true, tls_config: {{insecure_skip_verify: true, {keys}}}");
        module("{expect: hello}", &keys)
    };
    let probed = probe(&lenient(""), server.address).await;
    probed.expect(&["probe_success 1", "!probe_ssl_last_chain_expiry_timestamp_seconds"]);
    let earliest = probed.value("probe_ssl_earliest_cert_expiry");
    let probed = probe(&lenient(&trust.keys), server.address).await;
    probed.expect(&["probe_success 1"]);
    assert!(probed.value("probe_ssl_last_chain_expiry_timestamp_seconds") <= earliest);
}

#[tokio::test]
async fn the_hostname_of_the_request_is_the_server_name_unless_the_module_has_one() {
    let trust = trust();
    let server = tcp().starttls(trust.pki.server().context()).start().await;
    for (name, hostname, success) in [
        ("", "mail.example", true),
        ("", "other.example", false),
        ("server_name: mail.example", "other.example", true),
    ] {
        let keys = format!(", tls: true, tls_config: {{{}, {name}}}", trust.keys);
        let query = format!("&hostname={hostname}");
        let probed = probe_with(&module("", &keys), server.address, &query).await;
        probed.expect(&[if success { "probe_success 1" } else { "probe_success 0" }]);
    }
}

#[tokio::test]
async fn a_dialogue_continues_over_tls_after_starttls() {
    let trust = trust();
    let script = |after: &str| {
        tcp()
            .say("220 mail.example ESMTP\r\n")
            .line()
            .say(format!("220 ready\r\n{after}"))
            .starttls(trust.pki.server().context())
            .line()
            .say("250 hello\r\n")
    };
    let steps = "{expect: '^220', send: STARTTLS}, {expect: '^220', starttls: true},
        {send: 'EHLO prober'}, {expect: '^250'}";
    let keys = format!(", tls_config: {{{}}}", trust.keys);
    // Plaintext before TLS must not be used as data after the handshake.
    for before_tls in ["", "250 injected\r\n"] {
        let mut server = script(before_tls).start().await;
        let probed = probe(&module(steps, &keys), server.address).await;
        probed.expect(&[
            "probe_success 1",
            "probe_tls_version_info{version=\"TLS 1.3\"} 1",
            "probe_tcp_duration_seconds{phase=\"tls\"}",
            "probe_tcp_duration_seconds{phase=\"query\"}",
        ]);
        assert_eq!(server.heard().await, "STARTTLS\nEHLO prober\n");
    }
    let server = script("").start().await;
    probe(&module(steps, ""), server.address).await.expect(&[
        "probe_success 0",
        NO_REGEX,
        NO_BYTES,
        &failed("tls", "certificate_unknown_authority"),
    ]);
}

#[tokio::test]
async fn a_close_during_the_handshake_has_another_reason_than_no_tls() {
    for (server, reason) in [
        (tcp().bytes(10).close(), "closed"),
        (tcp().bytes(10).say("HTTP/1.1 400 Bad Request\r\n"), "not_tls"),
    ] {
        let server = server.start().await;
        let probed = probe(&module("", ", tls: true"), server.address).await;
        probed.expect(&["probe_success 0", &failed("tls", reason)]);
    }
}
