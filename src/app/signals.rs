//! Handling of SIGTERM, SIGINT and SIGHUP.

use std::{future::Future, io};

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::mpsc::UnboundedSender,
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

    /// Sends the names of SIGTERM and SIGINT to `stops` and calls `reload` on SIGHUP, until the task
    /// is aborted.
    ///
    /// A reload in progress delays the next one, but not the stop.
    pub(super) async fn watch<Reload: Future<Output = ()>>(
        self,
        stops: UnboundedSender<&'static str>,
        reload: impl Fn() -> Reload,
    ) {
        let Self { mut terminate, mut interrupt, mut hang_up } = self;
        let stop = async {
            loop {
                tokio::select! {
                    _ = terminate.recv() => stops.send("SIGTERM"),
                    _ = interrupt.recv() => stops.send("SIGINT"),
                }
                // The receiver is dropped only at the end of the process.
                .ok();
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
