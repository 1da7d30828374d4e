//! Probes without a server, for the command line.

use std::{future::Future, sync::Arc};

use anyhow::Context as _;
use tokio::runtime::Runtime;

use crate::{
    app::ResolverChoice,
    net::{resolve::Resolver, wire},
    probe::{self, ProbeReport, ProbeRequest},
};

/// Runs probes as the server would: on one thread, with the kernel's time stamps.
#[derive(Debug)]
pub struct ProbeRunner {
    runtime: Runtime,
    resolver: Arc<Resolver>,
}

impl ProbeRunner {
    /// Prepares what probes need. Finding out whether the kernel stamps packets takes some
    /// milliseconds.
    pub fn new(resolver: ResolverChoice) -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("Error starting the runtime")?;
        // Without stamps, readings come from this process's clock.
        let _has_stamps = wire::prepare();
        Ok(Self { runtime, resolver: Arc::new(super::resolver(resolver)) })
    }

    /// Runs one probe, which ends too when it is `cut_off`.
    pub async fn probe(
        &self,
        request: ProbeRequest,
        cut_off: impl Future<Output = ()> + Send,
    ) -> ProbeReport {
        probe::run_until(request, Arc::clone(&self.resolver), cut_off).await
    }

    /// Runs `work` to its end; what probes have left behind by then is dropped.
    pub fn run<T>(self, work: impl AsyncFnOnce(&Self) -> T) -> T {
        let result = self.runtime.block_on(work(&self));
        self.runtime.shutdown_background();
        result
    }
}
