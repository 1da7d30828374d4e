//! The cache of one token.

use std::time::Duration;

use http::HeaderValue;
use tokio::time::Instant;

use super::{request::AuthStyle, token_response::Token};
use crate::{diagnostics::Failure, settings::secret::Secret};

/// The cached token and the results of the last request.
#[derive(Default)]
pub(super) struct Cache {
    token: Option<CachedToken>,
    /// The way in which the server accepts the client credentials, once it is known.
    pub(super) style: Option<AuthStyle>,
    /// The failure of the last fetch and its time, for the probes that waited for it.
    failed: Option<(Instant, Failure)>,
}

struct CachedToken {
    value: HeaderValue,
    /// The secret that the token was requested with. A new secret requires a new token.
    secret: Secret,
    usable_until: Instant,
}

/// Time before its expiry at which a token is no longer used; at most half of its lifetime.
const EXPIRY_MARGIN: Duration = Duration::from_secs(10);

impl Cache {
    /// Returns the token, if it was requested with this secret and has not expired.
    pub(super) fn valid(&self, secret: &Secret) -> Option<HeaderValue> {
        let token = self.token.as_ref()?;
        let is_valid = token.secret == *secret && Instant::now() < token.usable_until;
        is_valid.then(|| token.value.clone())
    }

    /// Replaces the token. Returns its value.
    pub(super) fn store(&mut self, token: Token, secret: Secret) -> HeaderValue {
        let Token { value, lifetime } = token;
        let usable = lifetime.saturating_sub(EXPIRY_MARGIN.min(lifetime / 2));
        let usable_until = Instant::now() + usable;
        self.token = Some(CachedToken { value: value.clone(), secret, usable_until });
        self.failed = None;
        value
    }

    /// Removes the token if it has this value.
    pub(super) fn remove(&mut self, value: &HeaderValue) {
        self.token.take_if(|token| token.value == *value);
    }

    /// Returns the failure of the last fetch, if it occurred after `time`.
    pub(super) fn failure_since(&self, time: Instant) -> Option<Failure> {
        let (at, failure) = self.failed.as_ref()?;
        (*at >= time).then(|| failure.clone())
    }

    /// Records the failure of a fetch.
    pub(super) fn note_failure(&mut self, failure: Failure) {
        self.failed = Some((Instant::now(), failure));
    }
}
