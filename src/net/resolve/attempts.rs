//! The queries of one lookup, by name server.

use std::{
    fmt::Write as _,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

use super::{
    answer::NoAnswer,
    server::{Server, ServerError, in_parentheses},
};
use crate::{diagnostics::Reason, settings::ip::IpFamily};

/// The servers that were queried, in order. The queries of one lookup share it.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    list: Mutex<Vec<Attempt>>,
    /// Time in nanoseconds for which responses with IPv4 and with IPv6 addresses were not read.
    unread: [AtomicU64; 2],
}

#[derive(Debug)]
struct Attempt {
    server: Arc<str>,
    /// Number of unanswered queries, and the time of the first of them.
    open: usize,
    since: Instant,
    /// The latest message that was ignored.
    ignored: Option<NoAnswer>,
    /// The latest failure, and the name of the query.
    failure: Option<(ServerError, String)>,
}

impl Attempts {
    /// Notes that a query is sent to `server` now. Returns the index of its attempt.
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

    /// Notes that a message of the server was ignored.
    pub(super) fn ignore(&self, index: usize, message: NoAnswer) {
        if let Some(attempt) = self.lock().get_mut(index) {
            attempt.ignored = Some(message);
        }
    }

    /// Notes that a query was answered, or failed.
    pub(super) fn end(&self, index: usize, failure: Option<(ServerError, String)>) {
        if let Some(attempt) = self.lock().get_mut(index) {
            attempt.open = attempt.open.saturating_sub(1);
            attempt.failure = failure.or(attempt.failure.take());
        }
    }

    /// Notes that a response about addresses of this family had arrived some time before it was read.
    pub(super) fn add_unread(&self, family: IpFamily, time: Duration) {
        let time = u64::try_from(time.as_nanos()).unwrap_or_default();
        self.unread_of(family).fetch_add(time, Ordering::Relaxed);
    }

    /// Returns the time for which responses about addresses of this family were not read.
    pub(super) fn unread(&self, family: IpFamily) -> Duration {
        Duration::from_nanos(self.unread_of(family).load(Ordering::Relaxed))
    }

    /// Returns the longer of these times for the two families.
    pub(super) fn longest_unread(&self) -> Duration {
        self.unread(IpFamily::V4).max(self.unread(IpFamily::V6))
    }

    fn unread_of(&self, family: IpFamily) -> &AtomicU64 {
        let [v4, v6] = &self.unread;
        match family {
            IpFamily::V4 => v4,
            IpFamily::V6 => v6,
        }
    }

    /// Returns the reason and the message of the failed lookup of `host`.
    pub(super) fn failure(&self, host: &str) -> (Reason, String) {
        let attempts = self.lock();
        let errors = attempts.iter().filter_map(|attempt| attempt.failure.as_ref());
        let reason = errors
            .map(|(error, _)| error.reason())
            .find(|reason| *reason != Reason::ResolverFailure)
            .unwrap_or(Reason::ResolverFailure);
        (reason, describe(host, &attempts))
    }

    /// Describes the responses that the lookup of `host` is waiting for.
    pub(super) fn waiting(&self, host: &str) -> String {
        describe(host, &self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Attempt>> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Describes the lookup of a name, server by server.
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
                write!(text, "{separator} on {server}: no response for {waited:.1} s{ignored}")
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
