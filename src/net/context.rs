//! What every part of one probe shares: its deadline, its log and other evidence, the resolver.

use std::sync::Arc;

use tokio::time::Instant;

use crate::{
    evidence::{
        Checks, ProbeLog, Stage, Trail,
        stage_mark::{HeldStage, StageMark},
    },
    net::resolve::Resolver,
};

/// One per probe; whatever a probe does is handed a reference to it.
#[derive(Debug)]
pub struct Context {
    /// When the probe is cut off. Held by `probe::run`; here for those who must tell others, such
    /// as a computation that cannot be cancelled.
    pub deadline: Instant,
    /// Resolves the names that the probe meets.
    pub resolver: Arc<Resolver>,
    /// The probe's own log.
    pub log: ProbeLog,
    /// The checks that were made.
    pub checks: Checks,
    /// The addresses that it turned to.
    pub trail: Trail,
    stage: StageMark,
}

impl Context {
    /// The context of a probe that begins now.
    #[must_use]
    pub fn new(deadline: Instant, resolver: Arc<Resolver>) -> Self {
        Self {
            deadline,
            resolver,
            log: ProbeLog::default(),
            checks: Checks::default(),
            trail: Trail::default(),
            stage: StageMark::default(),
        }
    }

    /// Notes that `stage` begins; a timeout is charged to the stage entered last.
    pub fn enter(&self, stage: Stage) {
        self.stage.enter(stage);
    }

    /// Notes that `stage` begins, and that what is entered until the guard is dropped is a part of
    /// it.
    #[must_use]
    pub fn hold(&self, stage: Stage) -> HeldStage<'_> {
        self.stage.hold(stage)
    }

    /// The stage entered last.
    #[must_use]
    pub fn stage(&self) -> Stage {
        self.stage.current()
    }
}
