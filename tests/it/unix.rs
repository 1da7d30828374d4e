//! The unix prober against servers that follow a script.

use std::{fs, os::unix::fs::PermissionsExt as _, path::PathBuf};

use tempfile::TempDir;

use crate::{
    fixtures::{
        tcp::{TcpServer, tcp},
        tls,
    },
    probing::{failed, probe},
};

/// Returns a module with these steps and more keys of the section.
fn module(steps: &str, keys: &str) -> String {
    format!("{{prober: unix, unix: {{query_response: [{steps}]{keys}}}}}")
}

/// Returns a folder and the path of a socket in it.
fn place() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    (folder, path)
}

#[tokio::test]
async fn a_connection_is_enough_without_a_dialogue() {
    let (_folder, path) = place();
    let mut server = tcp().say("nobody reads this\n").start_at(&path);
    probe("{prober: unix}", path.display()).await.expect(&[
        "probe_success 1",
        "probe_failed_due_to_regex 0",
        "probe_failed_due_to_bytes 0",
        "probe_tcp_duration_seconds{phase=\"connect\"}",
        "!probe_tcp_duration_seconds{phase=\"resolve\"}",
        "!probe_ip_protocol",
        "!probe_dns_lookup_time_seconds",
        "!probe_tcp_rtt_seconds",
    ]);
    assert_eq!(server.heard().await, "");
}

#[tokio::test]
async fn a_dialogue_works_as_over_tcp() {
    let (_folder, path) = place();
    let mut server = tcp().say("OK version=3.1\n").line().say("BYE\n").start_at(&path);
    let steps = r#"{expect: "^OK version=(.+)$", send: "QUIT $1", labels: [{name: version, value: "$1"}]},
        {expect: "^BYE"}"#;
    probe(&module(steps, ""), path.display()).await.expect(&[
        "probe_success 1",
        "probe_expect_info{version=\"3.1\"} 1",
        "probe_tcp_duration_seconds{phase=\"query\"}",
    ]);
    assert_eq!(server.heard().await, "QUIT 3.1\n");
    let server = |server: TcpServer| {
        let (folder, path) = place();
        (server.start_at(&path), folder, path)
    };
    for (what, (_server, _folder, path), sample) in [
        ("an end", server(tcp().say("a\n").close()), "probe_failed_due_to_regex 1"),
        ("another line", server(tcp().say("OK version=x\n").close()), "probe_success 0"),
    ] {
        eprintln!("{what}");
        probe(&module(steps, ""), path.display()).await.expect(&["probe_success 0", sample]);
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn an_at_sign_marks_an_abstract_name() {
    let name = format!("probe_exporter-it-{}", std::process::id());
    let _server = tcp().say("hello\n").start_at(format!("\0{name}").as_ref());
    let probed = probe(&module("{expect: hello}", ""), format_args!("@{name}")).await;
    probed.expect(&["probe_success 1"]);
}

#[tokio::test]
async fn tls_verifies_the_server_name_of_the_module() {
    let pki = tls::pki(tls::leaf("db.example"));
    let (folder, path) = place();
    let ca = folder.path().join("ca.pem");
    fs::write(&ca, pki.root.pem()).unwrap();
    let keys = |name: &str| format!("tls_config: {{ca_file: '{}', {name}}}", ca.display());
    let _server = tcp().starttls(pki.server().context()).say("hello\n").start_at(&path);
    let at_once = |name| module("{expect: hello}", &format!(", tls: true, {}", keys(name)));
    probe(&at_once("server_name: db.example"), path.display()).await.expect(&[
        "probe_success 1",
        "probe_tls_version_info{version=\"TLS 1.3\"} 1",
        "probe_ssl_earliest_cert_expiry",
        "probe_tcp_duration_seconds{phase=\"tls\"}",
    ]);
    probe(&at_once("server_name: other.example"), path.display())
        .await
        .expect(&[&failed("tls", "certificate_wrong_host"), "probe_ssl_earliest_cert_expiry"]);
    probe(&at_once("insecure_skip_verify: true"), path.display())
        .await
        .expect(&["probe_success 1"]);

    let (_other_folder, path) = place();
    let _server = tcp().line().starttls(pki.server().context()).say("hello\n").start_at(&path);
    let steps = "{send: STARTTLS}, {starttls: true}, {expect: hello}";
    let keys = format!(", {}", keys("server_name: db.example"));
    probe(&module(steps, &keys), path.display()).await.expect(&["probe_success 1"]);
}

/// Upstream crashes: an empty response, no metrics, no entry in the history.
#[tokio::test]
async fn w6_a_tls_file_that_cannot_be_read_is_a_failed_probe() {
    let (_folder, path) = place();
    let mut server = tcp().start_at(&path);
    let keys = ", tls: true, tls_config: {ca_file: /nonexistent, server_name: x}";
    probe(&module("", keys), path.display())
        .await
        .expect(&["probe_success 0", &failed("tls", "unusable_file")]);
    // The failed probe did not connect: the only connection is this one.
    probe("{prober: unix}", path.display()).await.expect(&["probe_success 1"]);
    assert_eq!(server.heard().await, "");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_socket_without_write_permission_fails_with_an_explanation() {
    let (folder, path) = place();
    let _server = tcp().start_at(&path);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    // It applies to this thread only, on which the probe runs, and has no effect without root.
    let nobody = nix::unistd::setfsuid(65534.into());
    if !nobody.is_root() {
        fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
    }
    let probed = probe("{prober: unix}", path.display()).await;
    nix::unistd::setfsuid(nobody);
    probed.expect(&["probe_success 0", &failed("connect", "permission_denied")]);
    assert!(probed.failure().contains("write permission on the socket"), "{}", probed.failure());
}

#[tokio::test]
async fn a_missing_socket_is_named() {
    let (_folder, path) = place();
    let probed = probe("{prober: unix}", path.display()).await;
    probed.expect(&[&failed("connect", "refused"), "!probe_failed_due_to_regex"]);
    assert!(probed.failure().contains("no such socket"), "{}", probed.failure());
}

#[tokio::test]
async fn a_silent_peer_causes_a_timeout() {
    let (_folder, path) = place();
    let _server = tcp().start_at(&path);
    let module = module("{expect: hello}", "").replace("{prober", "{timeout: 1s, prober");
    probe(&module, path.display()).await.expect(&[
        "probe_success 0",
        &failed("response", "timeout"),
        "probe_tcp_duration_seconds{phase=\"query\"}",
    ]);
}
