//! The stage that is running; what a timeout is charged to.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use crate::diagnostics::reason::Stage;

/// The stage that is running; what a timeout is charged to.
#[derive(Debug, Default)]
pub struct CurrentStage {
    current: AtomicU8,
    held: AtomicBool,
}

/// Keeps a stage while what is done has steps that are stages elsewhere; made by
/// [`CurrentStage::hold`].
#[derive(Debug)]
pub struct StageGuard<'m>(&'m CurrentStage);

impl CurrentStage {
    /// Notes that `stage` begins.
    pub fn enter(&self, stage: Stage) {
        if self.held.load(Ordering::Relaxed) {
            return;
        }
        let index = Stage::ALL.iter().position(|known| *known == stage).unwrap_or_default();
        self.current.store(u8::try_from(index).unwrap_or_default(), Ordering::Relaxed);
    }

    /// Notes that `stage` begins, and that no other does until what is given back is dropped.
    pub fn hold(&self, stage: Stage) -> StageGuard<'_> {
        self.enter(stage);
        self.held.store(true, Ordering::Relaxed);
        StageGuard(self)
    }

    /// The stage that began last.
    #[must_use]
    pub fn current(&self) -> Stage {
        let index = usize::from(self.current.load(Ordering::Relaxed));
        Stage::ALL.get(index).copied().unwrap_or(Stage::Target)
    }
}

impl Drop for StageGuard<'_> {
    fn drop(&mut self) {
        self.0.held.store(false, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_that_is_held_has_no_others_within() {
        let mark = CurrentStage::default();
        let held = mark.hold(Stage::Proxy);
        mark.enter(Stage::Connect);
        assert_eq!(mark.current(), Stage::Proxy);
        drop(held);
        assert_eq!(mark.current(), Stage::Proxy, "for whoever was cut off");
        mark.enter(Stage::Tls);
        assert_eq!(mark.current(), Stage::Tls);
    }

    #[test]
    fn every_stage_can_be_entered_and_read_back() {
        let mark = CurrentStage::default();
        for stage in Stage::ALL {
            mark.enter(*stage);
            assert_eq!(mark.current(), *stage);
        }
    }
}
