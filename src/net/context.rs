//! The context of one probe: deadline, resolver, policy, log and other diagnostics.

use std::{
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
};

use tokio::time::Instant;

use crate::{
    diagnostics::{
        Attempts, Checks, Failure, Part, ProbeLog, Recording, Secrets, Stage, Transcript,
        attempts::Peer,
        current_stage::{CurrentStage, StageGuard},
        redaction::MIN_SECRET,
        waiting::{Waiting, WaitingWithin, Waits},
    },
    memory::ProbeMemory,
    net::{http::loop_detection::ExporterChain, policy::PolicyGuard, resolve::Resolver},
    policy::Role,
    settings::{redact, secret::HIDDEN},
};

/// The context of one probe, shared by reference.
#[derive(Debug)]
pub struct Context {
    /// The deadline of the probe. `probe::run` enforces it; it is here for work that cannot be
    /// cancelled and has to stop by itself.
    pub deadline: Instant,
    /// Resolves the names that the probe meets.
    pub resolver: Arc<Resolver>,
    /// Decides which peers the probe may connect to.
    pub policy: PolicyGuard,
    /// The exporters that led to the probe, for its requests.
    pub exporters: ExporterChain,
    /// The log of the probe.
    pub log: ProbeLog,
    /// The results of the module's checks.
    pub checks: Checks,
    /// The peers that the probe connected to.
    pub attempts: Attempts,
    /// Excerpts of the response; lines and messages of dialogues are in the log.
    pub transcript: Transcript,
    /// The probes whose excerpts are recorded.
    pub recording: Recording,
    /// The secrets to redact from all texts of the probe.
    pub secrets: Secrets,
    /// The memory that peers make the probe hold.
    pub memory: Arc<ProbeMemory>,
    stage: CurrentStage,
    waits: Waits,
    retry: AtomicU8,
}

/// Maximum length of the text before a short secret that it is recognised by, in bytes.
const MAX_CONTEXT: usize = 32;

// The states of `Context::retry`.
const NO_RETRY: u8 = 0;
const REQUESTED: u8 = 1;
const RETRIED: u8 = 2;

impl Context {
    /// Creates the context of a probe.
    #[must_use]
    pub fn new(deadline: Instant, resolver: Arc<Resolver>) -> Self {
        Self {
            deadline,
            resolver,
            policy: PolicyGuard::default(),
            exporters: ExporterChain::default(),
            log: ProbeLog::default(),
            checks: Checks::default(),
            attempts: Attempts::default(),
            transcript: Transcript::default(),
            recording: Recording::default(),
            secrets: Secrets::default(),
            memory: Arc::default(),
            stage: CurrentStage::default(),
            waits: Waits::default(),
            retry: AtomicU8::default(),
        }
    }

    /// Requests that the probe is retried once it has failed, because the next attempt will be
    /// different. A probe is retried once at most: returns whether the request was accepted.
    pub(in crate::net) fn request_retry(&self) -> bool {
        self.advance_retry(NO_RETRY, REQUESTED)
    }

    /// Returns whether the failed probe is to be retried, and clears its checks and excerpts in that
    /// case.
    #[must_use]
    pub fn is_retried(&self) -> bool {
        let is_retried = self.advance_retry(REQUESTED, RETRIED);
        if is_retried {
            self.checks.clear();
            drop(self.transcript.take());
        }
        is_retried
    }

    fn advance_retry(&self, from: u8, to: u8) -> bool {
        self.retry.compare_exchange(from, to, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// Adds a secret to redact.
    pub fn hide(&self, secret: &str) {
        self.secrets.note(secret.as_bytes(), HIDDEN);
    }

    /// Adds a secret that a person wrote, such as a header or a step, and its words.
    pub fn hide_with_words(&self, secret: &[u8]) {
        self.secrets.note_with_words(secret, HIDDEN);
    }

    /// Adds the secrets of a URL to redact.
    pub fn hide_secrets_of(&self, url: &str) {
        if url.len() > redact::MAX_URL {
            self.secrets.note_omission();
            return;
        }
        for Range { start, end } in redact::secrets(url) {
            let (before, secret) = url.get(..end).unwrap_or_default().split_at(start);
            if secret.len() < MIN_SECRET {
                let from = before.ceil_char_boundary(start.saturating_sub(MAX_CONTEXT));
                self.secrets.note_after(before.split_at(from).1, secret, redact::MASK);
            }
            self.secrets.note(secret.as_bytes(), redact::MASK);
        }
    }

    /// Asks the policy about an address that is about to be connected to, and notes the attempt.
    ///
    /// # Errors
    /// A failure of the policy, when it denies the address.
    pub fn attempt(&self, peer: Peer, role: Role) -> Result<(), Failure> {
        #[cfg(fuzzing)]
        allow_loopback(&peer)?;
        match &peer {
            Peer::Host(address) => self.policy.judge_address(role, *address, None)?,
            Peer::Port(address) => {
                self.policy.judge_address(role, address.ip(), Some(address.port()))?;
            }
            // `unix_socket` asks about the real path.
            Peer::Local(_) => {}
        }
        self.attempts.note(peer);
        Ok(())
    }

    /// Notes that `stage` begins; a timeout is charged to the stage entered last.
    pub fn enter(&self, stage: Stage) {
        self.stage.enter(stage);
    }

    /// Notes that `stage` begins. Stages entered until the guard is dropped count as a part of it.
    #[must_use]
    pub fn hold(&self, stage: Stage) -> StageGuard<'_> {
        self.stage.hold(stage)
    }

    /// Returns the stage entered last.
    #[must_use]
    pub fn stage(&self) -> Stage {
        self.stage.current()
    }

    /// Returns a guard for a wait for a peer, to be kept until the wait is over.
    ///
    /// `describe` describes the wait, such as "no TCP handshake with 192.0.2.1:80". It is called only
    /// if the probe is cancelled during the wait; its text becomes a part of the failure. A text of
    /// the peer is quoted with [`Quoted`](crate::diagnostics::log::Quoted).
    #[must_use]
    pub fn waiting_for<D: Fn() -> String>(&self, describe: D) -> Waiting<'_, D> {
        self.waits.wait(describe)
    }

    /// Returns a guard that adds a place, such as "the proxy ...", to the waits during its lifetime.
    #[must_use]
    pub fn waiting_within<P: Fn() -> String>(&self, place: P) -> WaitingWithin<'_, P> {
        self.waits.within(place)
    }

    /// Notes that the probe is cancelled now: wait guards that are dropped from now on describe
    /// their waits.
    pub fn cut_off(&self) {
        self.waits.cut_off();
    }

    /// Returns whether excerpts of the response are recorded: the probe `has_failed` or is cancelled, or
    /// the client wants to see them in any case.
    #[must_use]
    pub fn records(&self, has_failed: bool) -> bool {
        match self.recording {
            Recording::Never => false,
            Recording::Failures => has_failed || self.waits.is_cut_off(),
            Recording::Always => true,
        }
    }

    /// Returns and removes the excerpts, if they are recorded.
    #[must_use]
    pub fn take_transcript(&self, has_failed: bool) -> Option<Vec<Part>> {
        self.records(has_failed).then(|| {
            let mut parts = self.log.dialogue();
            parts.extend(self.transcript.take());
            parts
        })
    }

    /// Returns the description of what the probe was waiting for when it was cancelled.
    #[must_use]
    pub fn waited_for(&self) -> Option<String> {
        self.waits.description()
    }
}

/// Allows only this host while fuzzing, because inputs contain arbitrary addresses.
#[cfg(fuzzing)]
fn allow_loopback(peer: &Peer) -> Result<(), Failure> {
    match peer {
        Peer::Port(address) if address.ip().is_loopback() => Ok(()),
        _ => {
            let message = format!("{peer} is not on this host");
            let reason = crate::diagnostics::Reason::PermissionDenied;
            Err(Failure::new(Stage::Connect, reason, message))
        }
    }
}
