//! The result of the verification of one handshake, which may be made on another thread.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    task::{Context, Waker},
};

use crate::{
    memory::Held,
    net::tls::{session::TlsSession, verify_result::VerifyResult},
};

/// The result of a verification, for the engine and for the probe.
#[derive(Debug, Default)]
pub(super) struct Verdict(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    progress: Progress,
    session: Option<TlsSession>,
    /// The memory of the certificates.
    held: Option<Held>,
}

/// The progress of a verification.
#[derive(Debug, Default)]
enum Progress {
    #[default]
    NotBegun,
    /// It runs on another thread. The waker is that of the handshake.
    Running(Option<Waker>),
    /// It is done; the engine has not taken the result.
    Done(Result<(), VerifyResult>),
}

impl Verdict {
    /// Notes that the verification begins on another thread.
    pub(super) fn begin(&self) {
        self.state().progress = Progress::Running(None);
    }

    /// Returns whether the verification runs on another thread.
    pub(super) fn is_running(&self) -> bool {
        matches!(self.state().progress, Progress::Running(_))
    }

    /// Sets the session that the probe reports.
    pub(super) fn set_session(&self, session: TlsSession) {
        self.state().session = Some(session);
    }

    /// Sets the counter of the memory that the certificates take until the connection is closed.
    pub(super) fn set_held(&self, held: Held) {
        self.state().held = Some(held);
    }

    /// Takes the session once the certificates are verified.
    pub(super) fn take_session(&self) -> Option<TlsSession> {
        self.state().session.take()
    }

    /// Ends the verification on another thread, and wakes the handshake.
    pub(super) fn end(&self, result: Result<(), VerifyResult>) {
        let before = std::mem::replace(&mut self.state().progress, Progress::Done(result));
        if let Progress::Running(Some(waker)) = before {
            waker.wake();
        }
    }

    /// Takes the result of the other thread, if there is one.
    pub(super) fn take_result(&self) -> Option<Result<(), VerifyResult>> {
        let mut state = self.state();
        match &state.progress {
            Progress::Done(result) => {
                let result = *result;
                state.progress = Progress::NotBegun;
                Some(result)
            }
            _ => None,
        }
    }

    /// Returns whether the handshake is to go on, because the other thread is done. Otherwise wakes it
    /// then.
    pub(super) fn goes_on(&self, context: &Context<'_>) -> bool {
        match &mut self.state().progress {
            Progress::NotBegun => false,
            Progress::Running(waker) => {
                *waker = Some(context.waker().clone());
                false
            }
            Progress::Done(_) => true,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
