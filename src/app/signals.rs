//! Handling of SIGTERM, SIGINT and SIGHUP.

use std::{future::Future, io};

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
};

/// The handled signals. They are caught as soon as this value exists.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    /// Installs the signal handlers. Must be called inside a tokio runtime.
    pub(super) fn install() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    /// Counts SIGTERM and SIGINT in `stops` and calls `reload` on SIGHUP, until the task is aborted.
    ///
    /// A reload in progress delays the next one, but not the stop.
    pub(super) async fn watch<Reload: Future<Output = ()>>(
        self,
        stops: watch::Sender<u32>,
        reload: impl Fn() -> Reload,
    ) {
        let Self { mut terminate, mut interrupt, mut hang_up } = self;
        let stop = async {
            loop {
                tokio::select! {
                    _ = terminate.recv() => count(&stops, "SIGTERM"),
                    _ = interrupt.recv() => count(&stops, "SIGINT"),
                }
            }
        };
        let reload = async {
            while hang_up.recv().await.is_some() {
                reload().await;
            }
        };
        tokio::join!(stop, reload);
    }
}

/// Waits until a number of stop signals were received.
pub(super) async fn stopped(mut stops: watch::Receiver<u32>, times: u32) {
    // The sender is dropped only at the end of the process.
    stops.wait_for(|count| *count >= times).await.ok();
}

fn count(stops: &watch::Sender<u32>, name: &str) {
    stops.send_modify(|count| *count += 1);
    if *stops.borrow() == 1 {
        log::info!("Received {name}, exiting gracefully...");
    } else {
        log::warn!("Received {name} again, aborting running probes");
    }
}
