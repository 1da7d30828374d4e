//! An exporter in a process of its own.

use std::{
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use nix::{
    sys::signal::{Signal, kill},
    time::ClockId,
    unistd::Pid,
};

use super::{
    limit::Group,
    scrape::{Scraper, value},
};

/// The program that an exporter runs.
#[derive(Debug, Clone)]
pub struct Program {
    pub binary: PathBuf,
    pub arguments: Vec<String>,
}

/// An exporter that serves until it is dropped.
pub struct Exporter {
    address: SocketAddr,
    scraper: Scraper,
    process: Process,
    /// Removed after the process, which is in it.
    group: Option<Group>,
}

struct Process(Child);

impl Exporter {
    /// Starts one with this configuration file, in this group if there is one, and waits until it
    /// can be connected to.
    pub fn start(config: &Path, program: &Program, group: Option<Group>) -> Result<Self> {
        const PATIENCE: Duration = Duration::from_mins(1);
        // blackbox_exporter cannot be told to take any free port and to say which.
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let mut process = Process::spawn(config, program, group.as_ref(), address)
            .with_context(|| format!("cannot start {}", program.binary.display()))?;
        let start = Instant::now();
        while TcpStream::connect(address).is_err() {
            if let Some(status) = process.0.try_wait()? {
                bail!("{} ended: {status}", program.binary.display());
            }
            if start.elapsed() > PATIENCE {
                bail!("{} does not listen on its port", program.binary.display());
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(Self { address, scraper: Scraper::new(address), process, group })
    }

    /// The group it is in.
    pub fn group(&self) -> Option<&Group> {
        self.group.as_ref()
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The CPU time that it used so far.
    pub(super) fn cpu_time(&self) -> Result<Duration> {
        Ok(ClockId::pid_cpu_clock_id(self.pid()?)?.now()?.into())
    }

    pub(super) fn signal(&self, signal: Signal) -> Result<()> {
        Ok(kill(self.pid()?, signal)?)
    }

    fn pid(&self) -> Result<Pid> {
        Ok(Pid::from_raw(self.process.0.id().try_into()?))
    }

    /// The number of arrivals timed by the kernel and by the exporter itself, if it exports them.
    pub fn timed_arrivals(&mut self) -> Option<(f64, f64)> {
        let own = self.scraper.scrape(&["/metrics".to_owned()]).pop()?.ok()?;
        let by = |clock: &str| {
            let of = |socket| {
                let labels = format!(r#"{{clock="{clock}",socket="{socket}"}}"#);
                value(&own, &format!("probe_exporter_timed_arrivals_total{labels}"))
            };
            ["icmp", "tcp", "udp"].into_iter().map(of).sum::<Option<f64>>()
        };
        by("kernel").zip(by("process"))
    }

    pub(super) fn scrape(&mut self, paths: &[String]) -> Vec<Result<String>> {
        self.scraper.scrape(paths)
    }
}

impl Process {
    fn spawn(
        config: &Path,
        program: &Program,
        group: Option<&Group>,
        address: SocketAddr,
    ) -> Result<Self> {
        // It is in the group from its first moment on, when it decides how many threads it needs.
        let mut command = match group {
            Some(group) => {
                let mut shell = Command::new("sh");
                shell.args(["-c", r#"echo $$ > "$0" && exec "$@""#]).arg(group.members());
                shell.arg(&program.binary);
                shell
            }
            None => Command::new(&program.binary),
        };
        let child = command
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--web.listen-address={address}"))
            .args(&program.arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        Ok(Self(child))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}
