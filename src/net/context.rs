//! What every part of one probe shares: its deadline, its log and other diagnostics, the resolver.

use std::sync::{
    Arc,
    atomic::{AtomicU8, Ordering},
};

use tokio::time::Instant;

use crate::{
    diagnostics::{
        Attempts, Checks, Failure, ProbeLog, Secrets, Stage,
        attempts::Peer,
        current_stage::{CurrentStage, StageGuard},
        waiting::{Waiting, WaitingWithin, Waits},
    },
    net::{policy::Policy, resolve::Resolver},
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
    /// Decides which peers the probe may connect to.
    pub policy: Policy,
    /// The probe's own log.
    pub log: ProbeLog,
    /// The checks that were made.
    pub checks: Checks,
    /// The addresses that it turned to.
    pub attempts: Attempts,
    /// What it must not tell, whoever repeats it.
    pub secrets: Secrets,
    stage: CurrentStage,
    waits: Waits,
    repetition: AtomicU8,
}

// The states of `Context::repetition`.
const NOT_ASKED: u8 = 0;
const ASKED: u8 = 1;
const BEGUN_AGAIN: u8 = 2;

impl Context {
    /// The context of a probe that begins now.
    #[must_use]
    pub fn new(deadline: Instant, resolver: Arc<Resolver>) -> Self {
        Self {
            deadline,
            resolver,
            policy: Policy::default(),
            log: ProbeLog::default(),
            checks: Checks::default(),
            attempts: Attempts::default(),
            secrets: Secrets::default(),
            stage: CurrentStage::default(),
            waits: Waits::default(),
            repetition: AtomicU8::default(),
        }
    }

    /// Asks for the probe to begin again when it has failed, since the next attempt will take
    /// another way. That is possible once: returns whether it is.
    pub(in crate::net) fn ask_to_begin_again(&self) -> bool {
        let (from, to) = (NOT_ASKED, ASKED);
        let asked =
            self.repetition.compare_exchange(from, to, Ordering::Relaxed, Ordering::Relaxed);
        asked.is_ok()
    }

    /// Whether the probe that has failed is to begin again; what it has checked is forgotten then.
    #[must_use]
    pub fn begins_again(&self) -> bool {
        let (from, to) = (ASKED, BEGUN_AGAIN);
        let begun =
            self.repetition.compare_exchange(from, to, Ordering::Relaxed, Ordering::Relaxed);
        if begun.is_ok() {
            self.checks.clear();
        }
        begun.is_ok()
    }

    /// Notes that the probe has met a secret, which is not to be told.
    pub fn hide(&self, secret: &str) {
        self.secrets.note(secret, HIDDEN);
    }

    /// Notes that the probe has met a URL, whose secrets are not to be told.
    pub fn hide_secrets_of(&self, url: &str) {
        let shown = redact::url(url);
        if shown != url {
            for secret in redact::secrets_of(url) {
                self.secrets.note(secret, redact::MASK);
            }
            self.secrets.note(url, shown);
        }
    }

    /// Asks the policy about a peer that is about to be connected to, and notes the attempt.
    ///
    /// # Errors
    /// A failure of the policy, when it denies the peer.
    pub fn attempt(&self, peer: Peer) -> Result<(), Failure> {
        self.policy.check(&peer)?;
        self.attempts.note(peer);
        Ok(())
    }

    /// Notes that `stage` begins; a timeout is charged to the stage entered last.
    pub fn enter(&self, stage: Stage) {
        self.stage.enter(stage);
    }

    /// Notes that `stage` begins, and that what is entered until the guard is dropped is a part of
    /// it.
    #[must_use]
    pub fn hold(&self, stage: Stage) -> StageGuard<'_> {
        self.stage.hold(stage)
    }

    /// The stage entered last.
    #[must_use]
    pub fn stage(&self) -> Stage {
        self.stage.current()
    }

    /// Returns a guard that stands for a wait for a peer, and lives as long as the wait.
    ///
    /// `describe` says what is waited for and what came last, such as "no TCP handshake with
    /// 192.0.2.1:80". It is called only when the probe is cut off meanwhile, and its text is a part
    /// of the failure. A text of the peer is quoted with [`Quoted`](crate::diagnostics::log::Quoted).
    #[must_use]
    pub fn waiting_for<D: Fn() -> String>(&self, describe: D) -> Waiting<'_, D> {
        self.waits.wait(describe)
    }

    /// Returns a guard that names the place of all waits while it lives, such as "the proxy ...".
    #[must_use]
    pub fn waiting_within<P: Fn() -> String>(&self, place: P) -> WaitingWithin<'_, P> {
        self.waits.within(place)
    }

    /// Notes that the probe is cut off now: what drops next says what it was waiting for.
    pub fn cut_off(&self) {
        self.waits.cut_off();
    }

    /// The description of what the probe was waiting for when it was cut off.
    #[must_use]
    pub fn waited_for(&self) -> Option<String> {
        self.waits.description()
    }
}
