//! Measures by how much the threads that serve probes are late.

use std::{cell::Cell, sync::Arc, time::Duration};

use tokio::time::Instant;

use crate::{admission::Admission, scheduling::delay};

/// Time between two measurements.
const INTERVAL: Duration = Duration::from_millis(100);

thread_local! {
    static IS_WATCHED: Cell<bool> = const { Cell::new(false) };
}

/// Measures the delay of this thread while probes run: how much later than its time a timer runs. All
/// that is ready on the thread is done before, so that it is the delay of each step of a probe.
pub(super) fn watch(admission: &Arc<Admission>) {
    if IS_WATCHED.replace(true) {
        return;
    }
    let admission = Arc::clone(admission);
    actix_web::rt::spawn(async move {
        while !admission.is_idle() {
            let (before, due) = (delay::current(), Instant::now() + INTERVAL);
            tokio::time::sleep_until(due).await;
            // A process that was stopped is not short of CPU time.
            admission.observe_delay(delay::late_timer(due.elapsed(), before));
        }
        IS_WATCHED.set(false);
    });
}
