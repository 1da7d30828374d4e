//! A log that nobody reads, and clients that would fill it.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::SocketAddr,
    process::{Child, ChildStderr, Command, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};

use crate::{
    harness::{connect, eventually, probe_path, request},
    running::{BINARY, Running},
};

const MODULES: &str = "modules: {connect: {prober: tcp}}";

/// An exporter whose log is read only on demand.
struct Unread {
    address: SocketAddr,
    child: Child,
    log: BufReader<ChildStderr>,
    _folder: tempfile::TempDir,
}

impl Unread {
    fn start(arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("blackbox.yml"), MODULES).unwrap();
        let mut child = Command::new(BINARY)
            .arg("--web.listen-address=127.0.0.1:0")
            .args(arguments)
            .current_dir(folder.path())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::with_capacity(1, child.stderr.take().unwrap());
        let line = line_with(&mut log, "TLS is disabled");
        let start = line.find("127.0.0.1:").unwrap();
        let address = line[start..].trim_end_matches(['"', '}', '\n']).parse().unwrap();
        Self { address, child, log, _folder: folder }
    }

    /// Fills the log until lines are dropped.
    fn fill(&self) {
        let before = self.dropped();
        // Every line about the probe repeats the invalid target.
        let path = probe_path("connect", &"x".repeat(30_000));
        eventually("lines are dropped", || {
            assert_eq!(request(self.address, "GET", &path, &[]).status, 200);
            self.dropped() > before
        });
    }

    fn dropped(&self) -> f64 {
        let metrics = request(self.address, "GET", "/metrics", &[]).metrics();
        metrics.value("probe_exporter_log_lines_dropped_total").unwrap()
    }
}

impl Drop for Unread {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Reads the log up to the line that contains `wanted`.
fn line_with(log: &mut BufReader<ChildStderr>, wanted: &str) -> String {
    loop {
        let mut line = String::new();
        assert!(log.read_line(&mut line).unwrap() > 0, "no {wanted:?}");
        if line.contains(wanted) {
            return line;
        }
    }
}

#[test]
fn nobody_waits_for_a_log_that_nobody_reads() {
    for format in ["--log.format=logfmt", "--log.format=json"] {
        let mut exporter = Unread::start(&["--log.prober=debug", format]);
        exporter.fill();
        assert_eq!(request(exporter.address, "GET", "/-/healthy", &[]).status, 200);
        let line = line_with(&mut exporter.log, "Log lines were dropped");
        assert!(line.contains("count"), "{line}");
        exporter.fill();
        let pid = Pid::from_raw(exporter.child.id().try_into().unwrap()).unwrap();
        kill_process(pid, Signal::TERM).unwrap();
        eventually("the process ends", || exporter.child.try_wait().unwrap().is_some());
        assert_eq!(exporter.child.wait().unwrap().code(), Some(0));
    }
}

#[test]
fn clients_that_do_not_speak_http_are_counted_and_not_logged() {
    let running = Running::start(MODULES, &[]);
    for _ in 0..20 {
        let mut stream = connect(running.address);
        stream.write_all(b"\x16\x03\x01\x00\x05hello\r\n\r\n").unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        assert!(answer.starts_with(b"HTTP/1.1 400 "), "{}", String::from_utf8_lossy(&answer));
    }
    let metrics = running.own_metrics();
    metrics.expect(&[
        r#"probe_exporter_client_errors_total{cause="bad_request"} 20"#,
        r#"probe_exporter_client_errors_total{cause="tls_handshake"} 0"#,
    ]);
    let (_, lines) = running.stop();
    let is_start = |line: &&String| line.contains("TLS is disabled");
    let start = lines.iter().position(|line| is_start(&line)).unwrap();
    let [line] = &lines[start + 1..] else { panic!("{:#?}", &lines[start..]) };
    assert!(line.contains("exiting gracefully"), "{line}");
}
