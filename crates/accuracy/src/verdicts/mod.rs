//! Compares verdicts of exporters with the truth: an open loop of scrapes of targets that answer at
//! once, just in time, just too late or never.
//!
//! The truth is the kind of the target. The responders and the load have a high priority and are
//! outside the exporter's control group; a client of their own measures how late they are.

mod client;
mod closed_loop;
mod judge;
mod lateness;
mod open_loop;
mod tally;
mod target;
mod throttling;

use std::{fs, path::PathBuf, time::Duration};

use anyhow::{Context as _, Result};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

use self::{client::Client, lateness::Lateness, target::Target};
pub use self::{
    client::Connections,
    open_loop::{Disturbance, Load},
    tally::{Counts, Tally},
    target::{Kind, Prober},
};
use super::{
    burners::Burners,
    exporter::Exporter,
    namespace::{self, Obstacle},
    responders,
    tls::Identity,
};

/// Namespace, responders and load generator. They last as long as the process or test thread.
pub struct VerdictStage {
    runtime: Runtime,
    lateness: Lateness,
    scrape_timeout: Duration,
    folder: TempDir,
}

impl VerdictStage {
    /// Moves the calling thread into a network namespace and sets everything up there, for modules
    /// and scrapes with these timeouts.
    pub fn set(timeout: Duration, scrape_timeout: Duration) -> Result<Self, Obstacle> {
        namespace::enter()?;
        Self::furnish(timeout, scrape_timeout).map_err(|error| Obstacle(format!("{error:#}")))
    }

    fn furnish(timeout: Duration, scrape_timeout: Duration) -> Result<Self> {
        raise_file_limit();
        let identity = Identity::make()?;
        let folder = tempfile::tempdir()?;
        let authority = folder.path().join("authority.pem");
        fs::write(&authority, &identity.authority)?;
        fs::write(config_path(&folder), target::modules(&authority, timeout))?;
        let mut delays = Kind::ALL.map(|kind| kind.delay(timeout)).to_vec();
        delays.push(lateness::DELAY);
        responders::start(&delays, &identity).context("cannot start the responders")?;
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .on_thread_start(responders::be_eager)
            .build()?;
        Ok(Self { runtime, lateness: Lateness::watch(Kind::ALL.len())?, scrape_timeout, folder })
    }

    /// The configuration file of the exporters.
    pub fn config(&self) -> PathBuf {
        config_path(&self.folder)
    }

    /// Scrapes a healthy target of each prober, one after another. The first probe of a kind reads
    /// files and makes what later ones use again.
    pub fn warm_up(&self, exporter: &Exporter) {
        let client = Client::new(exporter.address(), Duration::from_mins(1), Connections::New);
        for prober in Prober::ALL {
            let target = Target { prober, kind: Kind::Healthy, number: 0 };
            self.runtime.block_on(client.scrape(&target.path())).ok();
        }
    }

    /// The largest rate of right answers, per second, in a closed loop with one of these numbers of
    /// concurrent scrapes, each for so long.
    pub fn capacity(
        &self,
        exporter: &Exporter,
        connections: Connections,
        concurrent: &[usize],
        time: Duration,
    ) -> f64 {
        let client = self.client(exporter, connections);
        let rate = |concurrent: &usize| {
            self.runtime.block_on(closed_loop::rate(&client, *concurrent, time))
        };
        concurrent.iter().map(rate).fold(0.0, f64::max)
    }

    /// Scrapes at a fixed rate, waits for the last answer, and judges the verdicts.
    pub fn run(&self, exporter: &Exporter, load: &Load) -> Result<Tally> {
        let client = self.client(exporter, load.connections);
        let has_burners = load.disturbance == Some(Disturbance::Burners);
        let burners = has_burners.then(Burners::start).transpose()?;
        let before = exporter.cpu_time()?;
        let run = self.runtime.block_on(open_loop::run(client, exporter, load))?;
        drop(burners);
        let used = exporter.cpu_time()?.saturating_sub(before);
        let late = self.lateness.periods();
        Ok(Tally::of(&run, &late, used))
    }

    fn client(&self, exporter: &Exporter, connections: Connections) -> Client {
        Client::new(exporter.address(), self.scrape_timeout, connections)
    }
}

fn config_path(folder: &TempDir) -> PathBuf {
    folder.path().join("modules.yml")
}

/// Allows for the connections of the load and of the responders. Without the permission, scrapes
/// above the limit count as unanswered.
fn raise_file_limit() {
    const FILES: u64 = 100_000;
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        let wanted = FILES.max(hard);
        if soft < wanted && setrlimit(Resource::RLIMIT_NOFILE, wanted, wanted).is_err() {
            setrlimit(Resource::RLIMIT_NOFILE, hard, hard).ok();
        }
    }
}
