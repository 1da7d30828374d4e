//! Special files in place of regular ones: no probe, reload or signal waits for them.

use std::{
    fmt::Write as _,
    fs,
    os::unix::net::UnixListener,
    path::{Path, PathBuf},
    process::Command,
    thread,
};

use rustix::process::Signal;
use tempfile::TempDir;

use crate::{
    fixtures::hostile::{Then::Close, greeting},
    harness::{probe_path, request},
    running::{BINARY, Running},
};

const ANSWER: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

/// The sections of http modules, with each key that names a file.
const SECTIONS: &[(&str, &str)] = &[
    ("password_file", "basic_auth: {username: a, password_file: FILE}"),
    ("username_file", "basic_auth: {username_file: FILE, password: x}"),
    ("credentials_file", "authorization: {credentials_file: FILE}"),
    ("bearer_token_file", "bearer_token_file: FILE"),
    ("http_headers", "http_headers: {X-Y: {files: [FILE]}}"),
    ("body_file", "method: POST, body_file: FILE"),
    ("ca_file", "tls_config: {ca_file: FILE}"),
    ("cert_file", "tls_config: {cert_file: FILE, key_file: FILE}"),
    (
        "client_secret_file",
        "oauth2: {client_id: a, client_secret_file: FILE, token_url: 'http://127.0.0.1:1/'}",
    ),
];

fn fifo(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

/// A module for each section and kind of file, and the text that its failure contains.
fn modules(folder: &TempDir) -> (String, Vec<(String, String)>, UnixListener) {
    let place = |name: &str| folder.path().join(name);
    fifo(&place("fifo"));
    let socket = UnixListener::bind(place("socket")).unwrap();
    let kinds = [
        ("fifo", place("fifo"), "is a FIFO, not a regular file"),
        ("socket", place("socket"), "is a socket, not a regular file"),
        ("device", PathBuf::from("/dev/zero"), "is a device, not a regular file"),
        ("folder", folder.path().to_owned(), "Is a directory"),
    ];
    let mut yaml = "modules:\n  plain: {prober: http, timeout: 5s}\n".to_owned();
    let mut expected = Vec::new();
    for (name, section) in SECTIONS {
        for (kind, file, text) in &kinds {
            let section = section.replace("FILE", &file.display().to_string());
            let module = format!("{name}_{kind}");
            let settings = format!("{{prober: http, timeout: 20s, http: {{{section}}}}}");
            writeln!(yaml, "  {module}: {settings}").unwrap();
            expected.push((module, (*text).to_owned()));
        }
    }
    (yaml, expected, socket)
}

#[test]
fn other_files_than_regular_ones_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let (yaml, expected, _socket) = modules(&folder);
    let exporter = Running::start(&yaml, &[]);
    let target = greeting(ANSWER, Close);
    let url = format!("http://{}/", target.address);
    for (module, text) in expected {
        let path = format!("{}&debug=true", probe_path(&module, &url));
        let answer = request(exporter.address, "GET", &path, &[]).text();
        assert!(answer.contains("reason=\"unusable_file\"") && answer.contains(&text), "{answer}");
    }
    exporter.probe("plain", &url).metrics().expect(&["probe_success 1"]);
    let answer = request(exporter.address, "POST", "/-/reload", &[]);
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(exporter.stop().0, Some(0));
}

#[test]
fn a_configuration_that_became_a_fifo_delays_no_signal_and_no_later_reload() {
    const MODULES: &str = "modules: {plain: {prober: tcp}}";
    let mut exporter = Running::start(MODULES, &[]);
    fs::remove_file(exporter.config()).unwrap();
    fifo(&exporter.config());
    exporter.signal(Signal::HUP);
    let line = exporter.wait_for("Error reloading config");
    assert!(line.contains("is a FIFO, not a regular file"), "{line}");
    let answer = request(exporter.address, "POST", "/-/reload", &[]);
    assert_eq!(answer.status, 500, "{}", answer.text());
    fs::remove_file(exporter.config()).unwrap();
    fs::write(exporter.config(), MODULES).unwrap();
    let answer = request(exporter.address, "POST", "/-/reload", &[]);
    assert_eq!(answer.status, 200, "{}", answer.text());
    fs::remove_file(exporter.config()).unwrap();
    fifo(&exporter.config());
    exporter.signal(Signal::HUP);
    assert_eq!(exporter.stop().0, Some(0));
}

/// As with `--config.file=<(...)` of a shell.
#[test]
fn a_configuration_is_read_from_a_pipe_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    fifo(&pipe);
    for arguments in [&["--config.check", "--config.file"][..], &["check"]] {
        let written = pipe.clone();
        let writer =
            thread::spawn(move || fs::write(written, "modules: {piped: {prober: tcp}}").unwrap());
        let output = Command::new(BINARY).args(arguments).arg(&pipe).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        writer.join().unwrap();
    }
}
