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
    /// The last fetch, for the probes that waited for it. Its token may have expired already.
    last_fetch: Option<Fetch>,
}

/// A fetch that has ended.
struct Fetch {
    at: Instant,
    secret: Secret,
    result: Result<HeaderValue, Failure>,
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

    /// Returns the token if it is valid, or else the result of the last fetch if it ended after
    /// `time`.
    pub(super) fn result_since(
        &self,
        time: Instant,
        secret: &Secret,
    ) -> Option<Result<HeaderValue, Failure>> {
        let of_last = || {
            let last = self.last_fetch.as_ref()?;
            (last.at >= time && last.secret == *secret).then(|| last.result.clone())
        };
        self.valid(secret).map(Ok).or_else(of_last)
    }

    /// Replaces the token. Returns its value.
    pub(super) fn store(&mut self, token: Token, secret: Secret) -> HeaderValue {
        let Token { value, lifetime } = token;
        let usable = lifetime.saturating_sub(EXPIRY_MARGIN.min(lifetime / 2));
        let at = Instant::now();
        let result = Ok(value.clone());
        self.last_fetch = Some(Fetch { at, secret: secret.clone(), result });
        let usable_until = at + usable;
        self.token = Some(CachedToken { value: value.clone(), secret, usable_until });
        value
    }

    /// Removes the token if it has this value.
    pub(super) fn remove(&mut self, value: &HeaderValue) {
        self.token.take_if(|token| token.value == *value);
        self.last_fetch.take_if(|last| last.result.as_ref() == Ok(value));
    }

    /// Records the failure of a fetch.
    pub(super) fn note_failure(&mut self, failure: Failure, secret: Secret) {
        let (at, result) = (Instant::now(), Err(failure));
        self.last_fetch = Some(Fetch { at, secret, result });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostics::Reason;

    #[tokio::test(start_paused = true)]
    async fn the_result_of_a_fetch_is_for_those_who_waited_for_it() {
        let (mut cache, secret) = (Cache::default(), Secret::new("s"));
        let before = Instant::now();
        let expired = Token { value: HeaderValue::from_static("t"), lifetime: Duration::ZERO };
        let value = cache.store(expired, secret.clone());
        tokio::time::advance(Duration::from_millis(1)).await;
        let result = |cache: &Cache, time| cache.result_since(time, &secret);
        assert_eq!(cache.valid(&secret), None);
        assert_eq!(result(&cache, before), Some(Ok(value.clone())));
        assert_eq!(result(&cache, Instant::now()), None, "it began to wait afterwards");
        assert_eq!(cache.result_since(before, &Secret::new("other")), None);
        cache.remove(&value);
        assert_eq!(result(&cache, before), None, "a target rejected it");

        let failure = Failure::of_request(Reason::TokenRefused, "no");
        cache.note_failure(failure.clone(), secret.clone());
        assert_eq!(result(&cache, before), Some(Err(failure)));
        let valid = Token { value, lifetime: Duration::from_mins(1) };
        let value = cache.store(valid, secret.clone());
        assert_eq!(result(&cache, Instant::now()), Some(Ok(value)));
    }
}
