//! Rate limit of requests: a token bucket.

use std::{
    sync::{Mutex, PoisonError},
    time::Instant,
};

use crate::config::web::RateLimit;

/// The rate limiter. Without a limit, every request is admitted.
#[derive(Debug)]
pub(super) struct RateLimiter(Option<(RateLimit, Mutex<TokenBucket>)>);

#[derive(Debug)]
struct TokenBucket {
    tokens: f64,
    refilled_at: Instant,
}

impl RateLimiter {
    pub(super) fn new(limit: Option<RateLimit>) -> Self {
        let full = |limit: RateLimit| TokenBucket {
            tokens: limit.burst.into(),
            refilled_at: Instant::now(),
        };
        Self(limit.map(|limit| (limit, Mutex::new(full(limit)))))
    }

    /// Returns true if the other limiter has the same limit, regardless of the tokens left.
    pub(super) fn has_limit_of(&self, other: &Self) -> bool {
        let limit = |limiter: &Self| limiter.0.as_ref().map(|(limit, _)| *limit);
        limit(self) == limit(other)
    }

    /// Takes a token; returns false if there is none.
    pub(super) fn admits(&self) -> bool {
        self.admits_at(Instant::now())
    }

    fn admits_at(&self, now: Instant) -> bool {
        let Some((limit, bucket)) = &self.0 else { return true };
        let mut bucket = bucket.lock().unwrap_or_else(PoisonError::into_inner);
        let elapsed = now.saturating_duration_since(bucket.refilled_at);
        let gained = elapsed.as_secs_f64() / limit.interval.as_secs_f64();
        bucket.tokens = (bucket.tokens + gained).min(limit.burst.into());
        bucket.refilled_at = bucket.refilled_at.max(now);
        if bucket.tokens < 1.0 {
            return false;
        }
        bucket.tokens -= 1.0;
        true
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_burst_is_admitted_and_then_one_request_per_interval() {
        let interval = Duration::from_secs(10);
        let limiter = RateLimiter::new(Some(RateLimit { interval, burst: 3 }));
        let start = Instant::now();
        let taken = |after: u64| limiter.admits_at(start + Duration::from_secs(after));
        assert_eq!([0, 0, 0, 0, 9].map(taken), [true, true, true, false, false]);
        assert_eq!([11, 12, 22, 1000].map(taken), [true, false, true, true]);
        assert_eq!([1000; 3].map(taken), [true, true, false], "tokens are limited to the burst");
    }

    #[test]
    fn without_a_limit_everything_is_admitted() {
        let limiter = RateLimiter::new(None);
        assert!((0..1000).all(|_| limiter.admits()));
    }
}
