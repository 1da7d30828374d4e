//! Socket activation by systemd: file descriptors from 3 on, and two environment variables.

use std::{
    fs,
    net::{SocketAddr, TcpListener, UdpSocket},
    os::fd::OwnedFd,
    process::{Command, Stdio},
    sync::mpsc::Receiver,
};

use tempfile::TempDir;

use crate::{
    harness::{PATIENCE, request},
    running::{BINARY, lines_of},
};

/// The binary with two file descriptors; it is killed when it is dropped.
struct Activated {
    child: std::process::Child,
    log: Receiver<String>,
    _folder: TempDir,
}

/// The environment variables for two file descriptors.
const BOTH: &str = "LISTEN_FDS=2 LISTEN_PID=$$";

impl Activated {
    fn start(first: OwnedFd, second: OwnedFd, said: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("blackbox.yml"), "modules: {connect: {prober: tcp}}").unwrap();
        // The shell gets them as stdin and stdout, and executes the exporter.
        let script = format!(
            "exec 3<&0 4<&1 0</dev/null 1>/dev/null; {said} exec {BINARY} --web.systemd-socket \
             --web.external-url=http://h/"
        );
        let mut child = Command::new("sh")
            .args(["-c", &script])
            .current_dir(folder.path())
            .stdin(Stdio::from(first))
            .stdout(Stdio::from(second))
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = lines_of(child.stderr.take().unwrap());
        Self { child, log, _folder: folder }
    }

    /// Reads the log up to the line that contains `wanted`.
    fn log_until(&self, wanted: &str) -> Vec<String> {
        let mut lines = Vec::new();
        while !lines.iter().any(|line: &String| line.contains(wanted)) {
            let line = self.log.recv_timeout(PATIENCE);
            lines.push(line.unwrap_or_else(|_| panic!("no {wanted:?} in {lines:#?}")));
        }
        lines
    }

    /// Waits for the end; returns the exit code.
    fn code(mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }
}

impl Drop for Activated {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

#[test]
fn all_sockets_from_systemd_accept_requests() {
    let ((first, one), (second, two)) = (listener(), listener());
    let exporter = Activated::start(first.into(), second.into(), BOTH);
    let log = exporter.log_until(&format!("msg=\"TLS is disabled.\" http2=false address={two}"));
    for address in [one, two] {
        let line = format!("msg=\"Listening on\" address={address}");
        assert!(log.iter().any(|said| said.contains(&line)), "{line} in {log:#?}");
        assert_eq!(request(address, "GET", "/-/healthy", &[]).status, 200);
    }
    assert!(!log.iter().any(|line| line.contains(":9115")), "{log:#?}");
}

#[test]
fn missing_or_unsuitable_sockets_from_systemd_are_a_start_error() {
    let refused = "no socket activation file descriptors found";
    for said in ["", "LISTEN_FDS=2 LISTEN_PID=1", "LISTEN_FDS=0 LISTEN_PID=$$"] {
        let ((first, _), (second, _)) = (listener(), listener());
        let exporter = Activated::start(first.into(), second.into(), said);
        exporter.log_until(refused);
        assert_eq!(exporter.code(), Some(1), "{said}");
    }
    let datagrams = UdpSocket::bind("127.0.0.1:0").unwrap();
    let exporter = Activated::start(listener().0.into(), datagrams.into(), BOTH);
    exporter.log_until("Error starting HTTP server: systemd socket");
    assert_eq!(exporter.code(), Some(1));
}
