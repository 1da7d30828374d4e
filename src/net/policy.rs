//! Applies the policy of a module to a probe, and remembers what it denied.

use std::{
    net::IpAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU8, Ordering},
    },
};

use crate::{
    diagnostics::{Failure, Reason, Refusal, Stage},
    policy::{Denial, Judgement, Mode, Policy, Question, Role, Scheme},
};

/// The policy of a probe, and what it denied. Without a policy, everything is allowed.
#[derive(Debug, Default)]
pub struct PolicyGuard(Option<Box<State>>);

#[derive(Debug)]
struct State {
    policy: Arc<Policy>,
    /// The first thing that was denied, or would have been.
    denial: Mutex<Option<Box<Denial>>>,
    has_denied: AtomicBool,
    redirects: AtomicU8,
}

/// The host that a name is resolved for, with what is known about the connection to it.
#[derive(Debug, Clone, Copy)]
pub struct Destination<'d> {
    /// The scheme of the request, if the protocol has schemes.
    pub scheme: Option<Scheme>,
    /// The host: a name or an address.
    pub host: &'d str,
    /// The port, if the protocol has ports and it is valid.
    pub port: Option<u16>,
}

impl<'d> Destination<'d> {
    /// Returns the destination of a connection to a port, for a protocol without schemes.
    #[must_use]
    pub const fn of_port(host: &'d str, port: u16) -> Self {
        Self { scheme: None, host, port: Some(port) }
    }
}

impl PolicyGuard {
    /// Creates the guard of a probe.
    #[must_use]
    pub fn new(policy: Option<Arc<Policy>>) -> Self {
        Self(policy.map(|policy| {
            Box::new(State {
                policy,
                denial: Mutex::new(None),
                has_denied: AtomicBool::new(false),
                redirects: AtomicU8::new(0),
            })
        }))
    }

    /// Asks the policy. Once something was denied, everything is: the probe must not learn from a
    /// second attempt what was denied at the first.
    ///
    /// # Errors
    /// The failure of a probe that must not connect.
    pub fn judge(&self, question: &Question<'_>) -> Result<(), Failure> {
        let Some(state) = &self.0 else { return Ok(()) };
        state.conclude(state.policy.judge(question))
    }

    /// Asks about the target or the host of a redirect, before its name is resolved.
    ///
    /// # Errors
    /// The failure of a probe that must not connect.
    pub fn judge_destination(&self, destination: Destination<'_>) -> Result<(), Failure> {
        let Destination { scheme, host, port } = destination;
        self.judge(&Question { scheme, host: Some(host), port, ..Question::default() })
    }

    /// Asks about an address that is about to be connected to.
    ///
    /// # Errors
    /// The failure of a probe that must not connect.
    pub fn judge_address(
        &self,
        role: Role,
        address: IpAddr,
        port: Option<u16>,
    ) -> Result<(), Failure> {
        self.judge(&Question { role, address: Some(address), port, ..Question::default() })
    }

    /// Asks about a unix socket whose real path is not known yet.
    ///
    /// # Errors
    /// The failure of a probe that must not connect to any socket.
    pub fn judge_any_path(&self, written: &str) -> Result<(), Failure> {
        let Some(state) = &self.0 else { return Ok(()) };
        state.conclude(state.policy.judge_any_path(written))
    }

    /// Returns true if there are rules about unix sockets.
    #[must_use]
    pub fn has_paths(&self) -> bool {
        self.0.as_ref().is_some_and(|state| state.policy.has_paths())
    }

    /// Returns true if there are rules about unix sockets that are enforced.
    #[must_use]
    pub fn enforces_paths(&self) -> bool {
        self.0.as_ref().is_some_and(|state| state.policy.enforces_paths())
    }

    /// Notes that the target was asked and a redirect is followed.
    pub fn follow_redirect(&self) {
        if let Some(state) = &self.0 {
            state.redirects.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Returns true if a redirect was followed.
    #[must_use]
    pub fn is_redirected(&self) -> bool {
        self.0.as_ref().is_some_and(|state| state.redirects.load(Ordering::Relaxed) > 0)
    }

    /// Returns true if something was denied.
    #[must_use]
    pub fn has_denied(&self) -> bool {
        self.0.as_ref().is_some_and(|state| state.has_denied.load(Ordering::Relaxed))
    }

    /// Returns what was denied, or else what would have been.
    pub fn take_denial(&self) -> Option<Box<Denial>> {
        self.0.as_ref()?.denial.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl State {
    fn conclude(&self, judged: Result<(), Judgement>) -> Result<(), Failure> {
        if self.has_denied.load(Ordering::Relaxed) {
            return Err(denied());
        }
        let Err(Judgement { mut denial, mode }) = judged else { return Ok(()) };
        denial.hop = self.redirects.load(Ordering::Relaxed);
        let mut first = self.denial.lock().unwrap_or_else(PoisonError::into_inner);
        match mode {
            Mode::Report => {
                first.get_or_insert_with(|| Box::new(denial));
                Ok(())
            }
            Mode::Enforce => {
                *first = Some(Box::new(denial));
                self.has_denied.store(true, Ordering::Relaxed);
                Err(denied())
            }
        }
    }
}

/// Returns the failure of a probe that was denied something. It does not say what or why.
fn denied() -> Failure {
    Failure::new(Stage::Connect, Reason::Denied, Refusal::denied().message)
}
