//! Compares readings and verdicts of exporters with the truth: a network namespace with responders, a
//! capture of every packet, and exporters, optionally with little CPU time.
//!
//! The program `accuracy` and a test of the exporter share it.

#![cfg(target_os = "linux")]
#![expect(
    clippy::must_use_candidate,
    missing_docs,
    reason = "only a program and a test of this workspace use it"
)]

mod burners;
mod capture;
mod exporter;
mod limit;
mod namespace;
pub mod packet;
mod reading;
mod responders;
mod scrape;
pub mod statistics;
mod tls;
mod truth;
pub mod verdicts;

use std::{fs, net::Ipv4Addr, path::PathBuf, time::Duration};

use anyhow::{Context as _, Result, bail};
use tempfile::TempDir;

pub use self::{
    burners::Burners,
    exporter::{Exporter, Program},
    limit::Group,
    namespace::Obstacle,
    reading::Reading,
};
use self::{capture::Capture, packet::Flow, reading::modules, scrape::value, tls::Identity};

/// The result of one scrape.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// A reading and the truth.
    Sample(Sample),
    /// The probe failed, or there is no reading; the reason.
    Failed(String),
    /// The capture is incomplete, so the truth is not known.
    Discarded,
}

/// A reading and the truth.
#[derive(Debug, Clone)]
pub struct Sample {
    /// The reading of the exporter, in seconds.
    pub reported: f64,
    /// The time according to the packets, in seconds.
    pub truth: f64,
    /// The packets.
    pub flow: Flow,
}

impl Sample {
    /// The error of the reading, in seconds; positive if it is too long.
    pub fn error(&self) -> f64 {
        self.reported - self.truth
    }
}

/// Namespace, responders and capture. They last as long as the process or test thread.
pub struct Stage {
    capture: Capture,
    delays: Vec<Duration>,
    addresses: u16,
    folder: TempDir,
}

impl Stage {
    /// Moves the calling thread into a network namespace and sets everything up there, with
    /// responders that answer after each of these delays.
    pub fn set(delays: &[Duration]) -> Result<Self, Obstacle> {
        namespace::enter()?;
        Self::furnish(delays).map_err(|error| Obstacle(format!("{error:#}")))
    }

    fn furnish(delays: &[Duration]) -> Result<Self> {
        let identity = Identity::make()?;
        let folder = tempfile::tempdir()?;
        let authority = folder.path().join("authority.pem");
        fs::write(&authority, &identity.authority)?;
        fs::write(config_path(&folder), modules(&authority))?;
        let capture = Capture::start().context("cannot capture packets")?;
        responders::start(delays, &identity).context("cannot start the responders")?;
        responders::start_by_hand(delays).context("cannot start the responder by hand")?;
        Ok(Self { capture, delays: delays.to_vec(), addresses: 0, folder })
    }

    /// The configuration file of the exporters.
    pub fn config(&self) -> PathBuf {
        config_path(&self.folder)
    }

    /// Takes these readings at once, each with the delay of that index.
    pub fn measure(
        &mut self,
        exporter: &mut Exporter,
        wanted: &[(Reading, usize)],
    ) -> Result<Vec<Outcome>> {
        let wanted: Vec<_> = wanted
            .iter()
            .map(|&(reading, delay)| Ok((reading, self.address(reading, delay)?)))
            .collect::<Result<_>>()?;
        let dropped = self.capture.catch_up()?;
        let paths: Vec<_> = wanted.iter().map(|(reading, peer)| reading.path(*peer)).collect();
        let answers = exporter.scrape(&paths);
        let whole = self.capture.catch_up()? == dropped;
        let outcome = |((reading, peer), answer): ((Reading, Ipv4Addr), Result<String>)| {
            let flow = self.capture.take(peer);
            match reported(reading, answer) {
                _ if !whole => Outcome::Discarded,
                Err(why) => Outcome::Failed(why),
                Ok(reported) => match reading.truth(&flow) {
                    Some(truth) => {
                        Outcome::Sample(Sample { reported, truth: truth.as_secs_f64(), flow })
                    }
                    None => Outcome::Failed(format!(
                        "these packets do not contain the start and end of {reading}: {flow}"
                    )),
                },
            }
        };
        Ok(wanted.into_iter().zip(answers).map(outcome).collect())
    }

    /// Returns an address that was not used recently, so that its packets can be told from others.
    fn address(&mut self, reading: Reading, delay: usize) -> Result<Ipv4Addr> {
        if delay >= self.delays.len() {
            bail!("no delay with index {delay}");
        }
        self.addresses = self.addresses.wrapping_add(1);
        let [high, low] = self.addresses.to_be_bytes();
        let second = responders::FIRST_NET + u8::try_from(delay)?;
        let peer = Ipv4Addr::new(reading.network(), second, high, low);
        // Packets that an earlier scrape sent after its answer.
        drop(self.capture.take(peer));
        Ok(peer)
    }
}

fn config_path(folder: &TempDir) -> PathBuf {
    folder.path().join("modules.yml")
}

/// Returns the reading in an answer, or the reason why there is none.
fn reported(reading: Reading, answer: Result<String>) -> Result<f64, String> {
    let metrics = answer.map_err(|error| format!("{error:#}"))?;
    match value(&metrics, "probe_success") {
        Some(1.0) => {}
        Some(_) => {
            let reason = metrics.lines().find(|line| line.starts_with("probe_failure_info"));
            return Err(format!("the probe failed: {}", reason.unwrap_or("without a reason")));
        }
        None => return Err("the response has no probe_success".to_owned()),
    }
    value(&metrics, reading.series()).ok_or_else(|| format!("no {}", reading.series()))
}
