//! The evaluation of the final response: its checks and their order.
//!
//! Order and exceptions are upstream's: after a failed check, later ones do not count in upstream's
//! metrics, except those of version and TLS, and the body is read in any case. Cheap checks are made
//! all the same, so that a report shows all failures.

use std::{future::pending, sync::Arc};

use http::{HeaderMap, HeaderValue, StatusCode};
use tokio::time::Instant;

use crate::{
    diagnostics::{Check, Failure, Reason, Stage, humanize::count},
    net::{
        Context,
        http::{error::ExchangeError, not_http::requires_tls},
        proxy::Proxy,
    },
    probers::{
        Hop, MAX_INLINE,
        http::{
            body::{Body, BodyError, Collector},
            checks,
            final_response::FinalResponse,
            header_matcher::HeaderMatcher,
            measurements::{CheckState, HttpMeasurements},
            redirects::{self, Final, MAX_REDIRECTS},
            settings::HttpProber,
        },
        is_quick, run_blocking,
    },
    scheduling::poll_times::section,
    settings::cel,
};

/// Reads the body of the final response, and makes all checks.
pub(super) async fn evaluate(
    prober: &HttpProber,
    context: &Context,
    last: &mut Final<'_>,
    measurements: &mut HttpMeasurements,
) -> Result<(), Failure> {
    let Final { answer, over_tls, proxy, limit_reached } = last;
    let (over_tls, limit_reached) = (*over_tls, *limit_reached);
    let response = &answer.response;
    let mut outcome = Outcome { context, first: None, status_is_good: false };
    context.enter(Stage::Check);
    let mut status = checks::status(prober, response.status);
    status.failure = status.failure.map(|failure| match (&*proxy, response.status) {
        (Some(proxy), StatusCode::PROXY_AUTHENTICATION_REQUIRED) => {
            rejected_by_proxy(proxy, &failure)
        }
        _ if limit_reached => too_many_redirects(&measurements.hops),
        _ => failure,
    });
    let status_is_good = outcome.take([status]);
    outcome.status_is_good = status_is_good;
    // The rules do not apply to a page of the proxy, or to a redirect beyond the limit.
    let is_proxy_response =
        proxy.is_some() && response.status == StatusCode::PROXY_AUTHENTICATION_REQUIRED;
    let is_target_response = !limit_reached && !is_proxy_response;
    if has_header_rules(prober) && (status_is_good || is_target_response) {
        let headers_are_good = outcome.take_or_fail(match_headers(prober, &response.headers).await);
        if status_is_good {
            measurements.patterns =
                if headers_are_good { CheckState::Passed } else { CheckState::Begun };
        }
    }
    let rest = (&mut *answer, over_tls, is_target_response);
    evaluate_body(prober, context, rest, &mut outcome, measurements).await;
    context.enter(Stage::Check);
    outcome.take(checks::version(prober, answer.response.version));
    outcome.take(checks::tls(prober, over_tls));
    answer.has_failed = !outcome.is_good();
    outcome.first.map_or(Ok(()), Err)
}

async fn evaluate_body(
    prober: &HttpProber,
    context: &Context,
    (answer, over_tls, is_target_response): (&mut FinalResponse<'_>, bool, bool),
    outcome: &mut Outcome<'_>,
    measurements: &mut HttpMeasurements,
) {
    let wants_patterns = outcome.is_good() && has_body_patterns(prober);
    let wants_json = outcome.is_good() && has_json_rules(prober);
    let before = (measurements.patterns, measurements.json);
    // A body that is incomplete or unreadable fails the check that needs it.
    if wants_patterns {
        measurements.patterns = CheckState::Begun;
    } else if wants_json {
        measurements.json = Some(CheckState::Begun);
    }
    // A small body is checked after a failure too, so that the report contains all failures.
    let length = answer.response.content_length;
    let is_small = length
        .is_some_and(|length| usize::try_from(length).is_ok_and(|length| length <= MAX_INLINE));
    let adds_patterns = is_target_response
        && is_small
        && prober.compression.is_none()
        && !wants_patterns
        && has_body_patterns(prober);
    let may_require_tls = !outcome.is_good()
        && answer.response.status == StatusCode::BAD_REQUEST
        && !over_tls
        && (is_small || length.is_none())
        && prober.compression.is_none();
    let keep = wants_patterns || wants_json || adds_patterns || may_require_tls;
    let mut later =
        checks::tls(prober, over_tls).chain(checks::version(prober, answer.response.version));
    let start = answer.awaited_start(outcome.is_good() && later.all(|check| check.is_good()));
    let collector = Collector::new(prober, keep, length, &context.memory, start);
    match read(answer, collector, measurements).await {
        Ok(body) => answer.body = body.map(Arc::new),
        Err(problem) => {
            if matches!(problem, ReadError::Content(error) if error.is_bad_start()) {
                (measurements.patterns, measurements.json) = before;
            }
            context.checks.skip_others("the body is incomplete or cannot be read");
            outcome.fail_to_read(problem);
            return;
        }
    }
    let Some(body) = &answer.body else { return };
    context.enter(Stage::Check);
    if may_require_tls && requires_tls(&body.bytes) {
        outcome.add("according to the server, this port uses TLS; probe it with https://");
    }
    if wants_patterns && outcome.take_or_fail(match_patterns(prober, context, body).await) {
        measurements.patterns = CheckState::Passed;
    }
    if adds_patterns && body.bytes.len() <= MAX_INLINE {
        outcome.take_or_fail(match_patterns(prober, context, body).await);
    }
    if wants_json && outcome.is_good() {
        measurements.json = Some(CheckState::Begun);
        if outcome.take_or_fail(match_json(prober, context, body).await) {
            measurements.json = Some(CheckState::Passed);
        }
    }
}

/// The reason why a body was not read to its end.
enum ReadError {
    Content(BodyError),
    Connection(Failure),
}

impl ReadError {
    /// Returns whether the response itself is broken, and not only longer than a limit.
    fn is_broken(&self) -> bool {
        match self {
            Self::Content(error) => error.is_broken(),
            Self::Connection(_) => true,
        }
    }
}

impl From<ReadError> for Failure {
    fn from(problem: ReadError) -> Self {
        match problem {
            ReadError::Content(error) => error.into(),
            ReadError::Connection(failure) => failure,
        }
    }
}

/// Reads the body, and returns what was kept of it.
async fn read(
    answer: &mut FinalResponse<'_>,
    collector: Collector,
    measurements: &mut HttpMeasurements,
) -> Result<Option<Body>, ReadError> {
    let (context, announced) = (answer.context, answer.response.content_length);
    context.enter(Stage::Response);
    let mut reading = Reading { answer, collector: Some(collector), announced, received: 0 };
    while let Reading { answer, collector: Some(collector), received, .. } = &mut reading
        && !collector.is_complete()
    {
        let response = &mut answer.response;
        if let Some(buffer) = collector.direct_buffer().map_err(ReadError::Content)? {
            let read = response.read_into(buffer).await;
            let length = read.map_err(|error| incomplete(error, measurements))?;
            if length == 0 {
                break;
            }
            *received += u64::try_from(length).unwrap_or_default();
            collector.note_direct(length);
            measurements.body_length = collector.length();
            continue;
        }
        let piece = response.next_piece().await;
        let Some(piece) = piece.map_err(|error| incomplete(error, measurements))? else { break };
        *received += u64::try_from(piece.len()).unwrap_or_default();
        let mut rest = Some(piece);
        while let Some(piece) = rest {
            let Some(collector) = reading.collector.take() else { break };
            let (next, fed) = collector.feed(piece, context.deadline).await;
            measurements.body_length = next.length();
            reading.collector = Some(next);
            rest = fed.inspect_err(|_| measurements.end_transfer()).map_err(ReadError::Content)?;
        }
    }
    measurements.end_transfer();
    let finished = reading.collector.as_mut().map_or(Ok(None), Collector::finish);
    finished.map_err(ReadError::Content)
}

/// Notes that the body is incomplete.
fn incomplete(error: ExchangeError, measurements: &mut HttpMeasurements) -> ReadError {
    measurements.break_transfer();
    ReadError::Connection(redirects::failure(error))
}

/// A body that is being read. If the probe is cancelled, its progress is described.
struct Reading<'r, 'c> {
    answer: &'r mut FinalResponse<'c>,
    collector: Option<Collector>,
    announced: Option<u64>,
    received: u64,
}

impl Drop for Reading<'_, '_> {
    fn drop(&mut self) {
        if let Some(collector) = &mut self.collector {
            self.answer.note_body(collector);
        }
        drop(self.answer.context.waiting_for(|| match self.announced {
            Some(announced) => format!(
                "response header received, body incomplete: received {} of {}",
                self.received,
                count(announced, "byte")
            ),
            None => format!(
                "response header received, no end of the body: received {}, without Content-Length",
                count(self.received, "byte")
            ),
        }));
    }
}

async fn match_headers(prober: &HttpProber, headers: &HeaderMap) -> Result<Vec<Check>, Failure> {
    let unwanted = &prober.fail_if_header_matches;
    let wanted = &prober.fail_if_header_not_matches;
    let length = headers.values().map(HeaderValue::len).sum();
    if is_quick(unwanted.iter().chain(wanted).filter_map(HeaderMatcher::regexp), length) {
        let work = || checks::headers(unwanted, wanted, headers);
        return Ok(section("patterns of headers", work));
    }
    let (unwanted, wanted, headers) = (unwanted.clone(), wanted.clone(), headers.clone());
    run_blocking(move || Ok(checks::headers(&unwanted, &wanted, &headers))).await
}

async fn match_patterns(
    prober: &HttpProber,
    context: &Context,
    body: &Arc<Body>,
) -> Result<Vec<Check>, Failure> {
    let _waiting = context.waiting_for(|| {
        let length = u64::try_from(body.bytes.len()).unwrap_or_default();
        format!("matching the patterns against a body of {}", count(length, "byte"))
    });
    let unwanted = &prober.fail_if_body_matches_regexp;
    let wanted = &prober.fail_if_body_not_matches_regexp;
    if is_quick(unwanted.iter().chain(wanted).map(|pattern| &**pattern), body.bytes.len()) {
        return Ok(section("patterns of the body", || checks::body(unwanted, wanted, &body.bytes)));
    }
    let (unwanted, wanted, body) = (unwanted.clone(), wanted.clone(), Arc::clone(body));
    run_blocking(move || {
        let checks = checks::body(&unwanted, &wanted, &body.bytes);
        // Before the probe goes on, so that it can keep the buffer.
        drop(body);
        Ok(checks)
    })
    .await
}

/// Evaluates the CEL expressions, which may take long over the smallest body.
async fn match_json(
    prober: &HttpProber,
    context: &Context,
    body: &Arc<Body>,
) -> Result<Vec<Check>, Failure> {
    let _waiting =
        context.waiting_for(|| "evaluating the CEL expressions over the body".to_owned());
    let unwanted = prober.fail_if_body_json_matches_cel.clone();
    let wanted = prober.fail_if_body_json_not_matches_cel.clone();
    let body = Arc::clone(body);
    let deadline = context.deadline.into_std();
    let mut held = context.memory.hold();
    let made = run_blocking(move || {
        let held = held.resize(cel::memory_for(&body.bytes));
        held.map_err(|error| Failure::exhausted(Stage::Check, error))?;
        Ok(checks::json(unwanted.as_ref(), wanted.as_ref(), &body.bytes, deadline))
    })
    .await;
    if Instant::now() >= context.deadline {
        // A cancelled evaluation says nothing about the body; the probe ends at its deadline now.
        return pending().await;
    }
    made
}

/// Returns the failure of a probe that ended at the limit of redirects. It names a loop.
fn too_many_redirects(hops: &[Hop]) -> Failure {
    let last = hops.last().and_then(|hop| hop.url.as_deref()).unwrap_or_default();
    let times = hops.iter().filter(|hop| hop.url.as_deref() == Some(last)).count();
    let path = if times > 1 {
        format!(": they form a loop, in which {last} was requested {times} times")
    } else {
        format!("; the last URL was {last}")
    };
    let message = format!("too many redirects (limit {MAX_REDIRECTS}){path}");
    Failure::new(Stage::Response, Reason::TooManyRedirects, message)
}

/// Returns the failure of a proxy that requires other credentials. It answers in place of the target.
fn rejected_by_proxy(proxy: &Proxy, failure: &Failure) -> Failure {
    let message = format!("the proxy {proxy} rejected the credentials: {failure}");
    Failure::new(Stage::Proxy, Reason::ProxyAuthentication, message)
}

fn has_header_rules(prober: &HttpProber) -> bool {
    !prober.fail_if_header_matches.is_empty() || !prober.fail_if_header_not_matches.is_empty()
}

fn has_body_patterns(prober: &HttpProber) -> bool {
    !prober.fail_if_body_matches_regexp.is_empty()
        || !prober.fail_if_body_not_matches_regexp.is_empty()
}

pub(super) fn has_json_rules(prober: &HttpProber) -> bool {
    prober.fail_if_body_json_matches_cel.is_some()
        || prober.fail_if_body_json_not_matches_cel.is_some()
}

/// The outcome of the checks: the first failure counts, the others are logged.
struct Outcome<'c> {
    context: &'c Context,
    first: Option<Failure>,
    status_is_good: bool,
}

impl Outcome<'_> {
    /// Adds checks, and returns whether all of them succeeded.
    fn take(&mut self, checks: impl IntoIterator<Item = Check>) -> bool {
        let mut all_good = true;
        for check in checks {
            if let Some(failure) = &check.failure {
                all_good = false;
                self.fail(failure.clone());
            }
            self.context.checks.add(check);
        }
        all_good
    }

    /// Adds checks that may have failed as a whole.
    fn take_or_fail(&mut self, checks: Result<Vec<Check>, Failure>) -> bool {
        match checks {
            Ok(checks) => self.take(checks),
            Err(failure) => {
                self.fail(failure);
                false
            }
        }
    }

    /// Adds a failure.
    fn fail(&mut self, failure: Failure) {
        if self.first.is_some() {
            self.context.log.error("Another check failed", &[("err", &failure)]);
        } else {
            self.first = Some(failure);
        }
    }

    /// Adds the failure of a body that was not read to its end. If the response broke off, that is the first
    /// failure, unless the status is invalid: a wrong header is then a consequence rather than the cause.
    fn fail_to_read(&mut self, problem: ReadError) {
        if !(problem.is_broken() && self.status_is_good) {
            self.fail(problem.into());
        } else if let Some(other) = self.first.replace(problem.into()) {
            self.fail(other);
        }
    }

    /// Adds a text to the first failure.
    fn add(&mut self, words: &str) {
        if let Some(Failure { message, .. }) = &mut self.first {
            *message = format!("{message}: {words}");
        }
    }

    fn is_good(&self) -> bool {
        self.first.is_none()
    }
}
