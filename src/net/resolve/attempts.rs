//! What became of the name servers that one lookup turned to.

use std::{
    fmt::Write as _,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::time::Instant;

use super::{
    answer::NoAnswer,
    server::{Server, ServerError, in_parentheses},
};
use crate::diagnostics::Reason;

/// The servers that were asked, in order. It is shared by the questions of one lookup.
#[derive(Debug, Default)]
pub(super) struct Attempts(Mutex<Vec<Attempt>>);

#[derive(Debug)]
struct Attempt {
    server: Arc<str>,
    /// How many questions it has not answered yet, and since when.
    open: usize,
    since: Instant,
    /// What came of it last that is no answer.
    ignored: Option<NoAnswer>,
    /// Its last failure, and the name that was asked for.
    failure: Option<(ServerError, String)>,
}

impl Attempts {
    /// Notes that `server` is asked now.
    pub(super) fn begin(&self, server: &Server) -> usize {
        let mut attempts = self.lock();
        let name = server.name();
        let now = Instant::now();
        if let Some(index) = attempts.iter().position(|attempt| attempt.server == name)
            && let Some(attempt) = attempts.get_mut(index)
        {
            if attempt.open == 0 {
                attempt.since = now;
            }
            attempt.open += 1;
            return index;
        }
        attempts.push(Attempt { server: name, open: 1, since: now, ignored: None, failure: None });
        attempts.len() - 1
    }

    /// Notes that something came of the server that is no answer.
    pub(super) fn ignore(&self, index: usize, message: NoAnswer) {
        if let Some(attempt) = self.lock().get_mut(index) {
            attempt.ignored = Some(message);
        }
    }

    /// Notes that the server of an attempt has answered, or has failed to.
    pub(super) fn end(&self, index: usize, failure: Option<(ServerError, String)>) {
        if let Some(attempt) = self.lock().get_mut(index) {
            attempt.open = attempt.open.saturating_sub(1);
            attempt.failure = failure.or(attempt.failure.take());
        }
    }

    /// Why the lookup of `host` failed.
    pub(super) fn failure(&self, host: &str) -> (Reason, String) {
        let attempts = self.lock();
        let errors = attempts.iter().filter_map(|attempt| attempt.failure.as_ref());
        let reason = errors
            .map(|(error, _)| error.reason())
            .find(|reason| *reason != Reason::ResolverFailure)
            .unwrap_or(Reason::ResolverFailure);
        (reason, describe(host, &attempts))
    }

    /// What the lookup of `host` waits for.
    pub(super) fn waiting(&self, host: &str) -> String {
        describe(host, &self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Attempt>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The lookup of a name, server by server.
fn describe(host: &str, attempts: &[Attempt]) -> String {
    let mut text = format!("lookup {host}");
    for (number, attempt) in attempts.iter().enumerate() {
        let separator = if number == 0 { "" } else { ";" };
        let Attempt { server, open, since, ignored, failure } = attempt;
        // Writing to a String cannot fail.
        let _ = match failure {
            _ if *open > 0 => {
                let waited = since.elapsed().as_secs_f64();
                let ignored = in_parentheses(ignored.as_ref());
                write!(text, "{separator} on {server}: no answer for {waited:.1} s{ignored}")
            }
            Some((error, name)) if name.trim_end_matches('.') == host.trim_end_matches('.') => {
                write!(text, "{separator} on {server}: {error}")
            }
            Some((error, name)) => {
                write!(text, "{separator} on {server}: {error}, for {name}")
            }
            None => continue,
        };
    }
    text
}
