//! An exporter as a process: started, asked for its CPU time and its memory, ended.

use std::{
    fs::{self, File},
    io::{Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use nix::{
    time::{ClockId, clock_getcpuclockid, clock_gettime},
    unistd::Pid,
};

/// Maximum time that a start may take.
const PATIENCE: Duration = Duration::from_mins(1);

/// A running exporter; dropping it ends it.
pub(crate) struct Exporter {
    pub(crate) address: SocketAddr,
    /// From before the process was made to the first connection that was taken.
    pub(crate) listening: Duration,
    /// From before the process was made to the first answer that says it is healthy.
    pub(crate) healthy: Duration,
    child: Child,
    clock: ClockId,
}

impl Exporter {
    /// Starts `binary` with a configuration file, and waits until it answers. What it logs goes to
    /// a file, as in real life it goes somewhere.
    pub(crate) fn start(binary: &Path, config: &Path) -> Self {
        let address = free_port();
        let log = config.with_extension("log");
        let begun = Instant::now();
        let mut child = Command::new(binary)
            .arg(format!("--web.listen-address={address}"))
            .arg(format!("--config.file={}", config.display()))
            .stdout(Stdio::null())
            .stderr(File::create(&log).expect("a log file"))
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", binary.display()));
        let mut wait = |probe: &dyn Fn() -> bool| {
            while !probe() {
                if begun.elapsed() > PATIENCE || !matches!(child.try_wait(), Ok(None)) {
                    let log = fs::read_to_string(&log).unwrap_or_default();
                    child.kill().ok();
                    panic!("{} does not start:\n{log}", binary.display());
                }
                thread::sleep(Duration::from_micros(100));
            }
            begun.elapsed()
        };
        let listening = wait(&|| TcpStream::connect(address).is_ok());
        let healthy = wait(&|| is_healthy(address));
        let pid = Pid::from_raw(child.id().try_into().expect("a process id"));
        let clock = clock_getcpuclockid(pid).expect("the clock of a child");
        Self { address, listening, healthy, child, clock }
    }

    /// User and system time of all its threads, those that ended too. This is the scheduler's own
    /// account in nanoseconds; /proc/PID/stat has it rounded to ticks of 10 ms.
    pub(crate) fn cpu_time(&self) -> Duration {
        clock_gettime(self.clock).expect("the clock of a child").into()
    }

    /// Resident memory in bytes.
    pub(crate) fn resident(&self) -> f64 {
        self.status("VmRSS:")
    }

    /// The part of it that is no page of a file, such as the binary; in bytes.
    pub(crate) fn anonymous(&self) -> f64 {
        self.status("RssAnon:")
    }

    /// The most resident memory that it ever had, in bytes.
    pub(crate) fn peak(&self) -> f64 {
        self.status("VmHWM:")
    }

    fn status(&self, name: &str) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        let status = status.expect("the status of a child");
        let value = status.lines().find_map(|line| line.strip_prefix(name)).expect("memory");
        value.trim().trim_end_matches(" kB").parse::<f64>().expect("kilobytes") * 1024.0
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// A port that is free now. Both exporters are told theirs, as one of them does not say what it
/// chose in a way that is worth parsing.
fn free_port() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("its address")
}

fn is_healthy(address: SocketAddr) -> bool {
    let ask = || {
        let mut stream = TcpStream::connect(address)?;
        stream.write_all(b"GET /-/healthy HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")?;
        let mut status = [0; 12];
        stream.read_exact(&mut status)?;
        std::io::Result::Ok(status)
    };
    ask().is_ok_and(|status| status.ends_with(b" 200"))
}
