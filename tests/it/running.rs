//! The binary in a process of its own: its log, memory and open files.

use std::{
    env, fs,
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    path::PathBuf,
    process::{Child, ChildStderr, Command, Stdio},
    sync::mpsc,
    thread,
};

use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, prlimit};
use tempfile::TempDir;

use crate::{
    harness::{Answer, PATIENCE, eventually, probe_path, request},
    metric_text::Metrics,
};

pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_probe_exporter");

/// Environment variable with the path of another binary, for measurements of a release build.
const OTHER_BINARY: &str = "PROBE_EXPORTER_BINARY";

/// The binary to measure.
pub(crate) fn binary() -> PathBuf {
    env::var_os(OTHER_BINARY).map_or_else(|| BINARY.into(), PathBuf::from)
}

/// A running exporter; it stops when it is dropped.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    child: Child,
    log: mpsc::Receiver<String>,
    /// The lines logged so far.
    lines: Vec<String>,
    folder: TempDir,
}

impl Running {
    /// Starts one with this configuration and more arguments.
    pub(crate) fn start(yaml: &str, arguments: &[&str]) -> Self {
        Self::start_in(&[], yaml, arguments)
    }

    /// Starts one with more environment variables.
    pub(crate) fn start_in(environment: &[(&str, &str)], yaml: &str, arguments: &[&str]) -> Self {
        let mut command = Command::new(binary());
        command.envs(environment.iter().copied());
        Self::start_command(command, yaml, arguments)
    }

    /// Starts one in a shell that has run this script.
    pub(crate) fn start_after(script: &str, yaml: &str, arguments: &[&str]) -> Self {
        let mut command = Command::new("sh");
        command.args(["-c", &format!("{script} && exec \"$0\" \"$@\"")]).arg(binary());
        Self::start_command(command, yaml, arguments)
    }

    fn start_command(mut command: Command, yaml: &str, arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = config_path(&folder);
        fs::write(&config, yaml).unwrap();
        let mut child = command
            .arg("--web.listen-address=127.0.0.1:0")
            .arg(format!("--config.file={}", config.display()))
            .args(arguments)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = lines_of(child.stderr.take().unwrap());
        let address = SocketAddr::from(([0, 0, 0, 0], 0));
        let mut running = Self { address, child, log, lines: Vec::new(), folder };
        let line = running.wait_for("TLS is ");
        let start = line.find("127.0.0.1:").unwrap();
        let end = line[start..].find('"').map_or(line.len(), |length| start + length);
        running.address = line[start..end].parse().unwrap();
        running
    }

    /// The configuration file, to be changed before a reload.
    pub(crate) fn config(&self) -> PathBuf {
        config_path(&self.folder)
    }

    /// The answer to one probe.
    pub(crate) fn probe(&self, module: &str, target: &str) -> Answer {
        request(self.address, "GET", &probe_path(module, target), &[])
    }

    /// Reads the log up to the line that holds `wanted`.
    pub(crate) fn wait_for(&mut self, wanted: &str) -> String {
        loop {
            let line = self.log.recv_timeout(PATIENCE);
            let line = line.unwrap_or_else(|_| panic!("no {wanted:?} in {:#?}", self.lines));
            self.lines.push(line.clone());
            if line.contains(wanted) {
                return line;
            }
        }
    }

    /// The exporter's own metrics.
    pub(crate) fn own_metrics(&self) -> Metrics {
        request(self.address, "GET", "/metrics", &[]).metrics()
    }

    /// Returns the number of probes in flight.
    pub(crate) fn in_flight(&self) -> f64 {
        self.own_metrics().value("probe_exporter_probes_in_flight").unwrap()
    }

    /// Returns the number of open file descriptors.
    pub(crate) fn descriptors(&self) -> usize {
        fs::read_dir(self.proc("fd")).unwrap().count()
    }

    /// Returns the resident memory, in bytes.
    pub(crate) fn memory(&self) -> u64 {
        self.status("VmRSS:")
    }

    /// Returns the resident memory without pages of files, in bytes.
    pub(crate) fn anonymous_memory(&self) -> u64 {
        self.status("RssAnon:")
    }

    /// Returns the peak resident memory, in bytes.
    pub(crate) fn peak_memory(&self) -> u64 {
        self.status("VmHWM:")
    }

    fn status(&self, name: &str) -> u64 {
        let status = fs::read_to_string(self.proc("status")).unwrap();
        let value = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        value.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() * 1024
    }

    fn proc(&self, name: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/{name}", self.child.id()))
    }

    /// Waits until the process has ended.
    pub(crate) fn exit_code(&mut self) -> Option<i32> {
        eventually("the process ends", || self.child.try_wait().unwrap().is_some());
        self.child.wait().unwrap().code()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    /// Limits the address space to the present one and `more` bytes.
    pub(crate) fn limit_address_space(&self, more: u64) {
        let limit = Some(self.status("VmSize:") + more);
        let limit = Rlimit { current: limit, maximum: limit };
        prlimit(Some(self.pid()), Resource::As, limit).unwrap();
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().try_into().unwrap()).unwrap()
    }

    /// Stops it; returns its exit code and its log.
    pub(crate) fn stop(mut self) -> (Option<i32>, Vec<String>) {
        self.signal(Signal::TERM);
        let code = self.exit_code();
        self.lines.extend(self.log.iter());
        (code, std::mem::take(&mut self.lines))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn config_path(folder: &TempDir) -> PathBuf {
    folder.path().join("blackbox.yml")
}

/// Reads the lines of a log on a thread of its own, so that a wait for one can time out.
pub(crate) fn lines_of(log: ChildStderr) -> mpsc::Receiver<String> {
    let (sender, lines) = mpsc::channel();
    thread::spawn(move || {
        BufReader::new(log).lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
    });
    lines
}
