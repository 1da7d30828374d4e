//! Current stage of a probe, which a timeout is attributed to.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use crate::diagnostics::reason::Stage;

/// Current stage of a probe.
#[derive(Debug, Default)]
pub struct CurrentStage {
    current: AtomicU8,
    held: AtomicBool,
}

/// Guard that keeps the current stage during work that would otherwise enter other stages; created by
/// [`CurrentStage::hold`].
#[derive(Debug)]
pub struct StageGuard<'m>(&'m CurrentStage);

impl CurrentStage {
    /// Enters a stage.
    pub fn enter(&self, stage: Stage) {
        if self.held.load(Ordering::Relaxed) {
            return;
        }
        let index = Stage::ALL.iter().position(|known| *known == stage).unwrap_or_default();
        self.current.store(u8::try_from(index).unwrap_or_default(), Ordering::Relaxed);
    }

    /// Enters a stage, and ignores other stages until the guard is dropped.
    pub fn hold(&self, stage: Stage) -> StageGuard<'_> {
        self.enter(stage);
        self.held.store(true, Ordering::Relaxed);
        StageGuard(self)
    }

    /// Returns the stage that was entered last.
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
    fn a_held_stage_ignores_other_stages() {
        let mark = CurrentStage::default();
        let held = mark.hold(Stage::Proxy);
        mark.enter(Stage::Connect);
        assert_eq!(mark.current(), Stage::Proxy);
        drop(held);
        assert_eq!(mark.current(), Stage::Proxy, "after the guard is dropped");
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
