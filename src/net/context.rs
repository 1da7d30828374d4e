//! What every part of one probe shares: its deadline, its log and other evidence, the resolver.

use std::sync::Arc;

use tokio::time::Instant;

use crate::{
    evidence::{
        Checks, Hidden, ProbeLog, Stage, Trail,
        stage_mark::{HeldStage, StageMark},
    },
    net::resolve::Resolver,
    settings::{redact, secret::HIDDEN},
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
    /// What it must not tell, whoever repeats it.
    pub hidden: Hidden,
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
            hidden: Hidden::default(),
            stage: StageMark::default(),
        }
    }

    /// Notes that the probe has met a secret, which is not to be told.
    pub fn hide(&self, secret: &str) {
        self.hidden.note(secret, HIDDEN);
    }

    /// Notes that the probe has met a URL, whose secrets are not to be told.
    pub fn hide_secrets_of(&self, url: &str) {
        let shown = redact::url(url);
        if shown != url {
            for secret in redact::secrets_of(url) {
                self.hidden.note(secret, redact::MASK);
            }
            self.hidden.note(url, shown);
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
