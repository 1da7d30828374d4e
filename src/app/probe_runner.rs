//! Runs probes without a server, for the command line.

use std::{future::Future, sync::Arc};

use anyhow::Context as _;
use tokio::runtime::Runtime;

use crate::{
    app::ResolverChoice,
    net::{
        resolve::{Pin, Resolver},
        wire,
    },
    probe::{self, ProbeReport, ProbeRequest},
};

/// Runs probes like the server: on one thread, with kernel timestamps.
#[derive(Debug)]
pub struct ProbeRunner {
    runtime: Runtime,
    resolver: Arc<Resolver>,
}

impl ProbeRunner {
    /// Creates the runtime and the resolver, with addresses that replace those of names, and detects
    /// whether the kernel supports timestamps, which takes up to 200 ms.
    pub fn new(resolver: ResolverChoice, pins: Vec<Pin>) -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("Error starting the runtime")?;
        // Without kernel timestamps, the clock of the process is used.
        let _has_stamps = wire::prepare();
        Ok(Self { runtime, resolver: Arc::new(super::resolver(resolver).with_pins(pins)) })
    }

    /// Runs one probe. It is aborted when `cancelled` completes.
    pub async fn probe(
        &self,
        mut request: ProbeRequest,
        cancelled: impl Future<Output = ()> + Send,
    ) -> ProbeReport {
        // A repeated request shares the memory of the previous one otherwise.
        request.memory = Arc::default();
        probe::run_until(request, Arc::clone(&self.resolver), cancelled).await
    }

    /// Runs `work` to its end, then aborts the tasks that probes have left.
    pub fn run<T>(self, work: impl AsyncFnOnce(&Self) -> T) -> T {
        let result = self.runtime.block_on(work(&self));
        self.runtime.shutdown_background();
        result
    }
}
