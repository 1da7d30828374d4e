//! The verdict on the final response: which checks are made, in which order, and on what.
//!
//! Order and exceptions are upstream's: a failed check keeps later ones from counting in upstream's
//! metrics, but not those of version and TLS, and the body is read in any case. Those that cost
//! next to nothing are made all the same, so that all that is wrong can be seen at once.

use std::{future::pending, sync::Arc};

use http::StatusCode;
use tokio::time::Instant;

use crate::{
    diagnostics::{Check, Failure, Reason, Stage, humanize::count},
    net::{
        Context,
        http::{error::ExchangeError, exchange::Response, not_http::wants_tls},
        proxy::Proxy,
    },
    probers::{
        MOST_INLINE,
        http::{
            body::{BodyError, Collector},
            buffers, checks,
            measurements::{CheckState, HttpMeasurements},
            redirects::{self, Final},
            settings::HttpProber,
        },
        run_blocking,
    },
};

/// Reads the body of the final response and judges it all.
pub(super) async fn judge(
    prober: &HttpProber,
    context: &Context,
    answer: Final,
    seen: &mut HttpMeasurements,
) -> Result<(), Failure> {
    let Final { mut response, over_tls, proxy, limit_reached } = answer;
    let mut verdict = Verdict { context, first: None };
    context.enter(Stage::Check);
    let mut status = checks::status(prober, response.status);
    status.failure = status.failure.map(|failure| match (&proxy, response.status) {
        (Some(proxy), StatusCode::PROXY_AUTHENTICATION_REQUIRED) => not_let_in(proxy, &failure),
        _ if limit_reached => too_many_redirects(&failure),
        _ => failure,
    });
    let status_is_good = verdict.take([status]);
    // What a proxy says of itself, and a redirect that leads on, are not what the rules are about.
    let is_proxys = proxy.is_some() && response.status == StatusCode::PROXY_AUTHENTICATION_REQUIRED;
    let is_answer = !limit_reached && !is_proxys;
    if has_header_rules(prober) && (status_is_good || is_answer) {
        let headers_are_good = verdict.take(checks::headers(prober, &response.headers));
        if status_is_good {
            seen.patterns = if headers_are_good { CheckState::Passed } else { CheckState::Begun };
        }
    }
    let rest = (&mut response, over_tls, is_answer);
    judge_body(prober, context, rest, &mut verdict, seen).await;
    context.enter(Stage::Check);
    verdict.take(checks::version(prober, response.version));
    verdict.take(checks::tls(prober, over_tls));
    verdict.first.map_or(Ok(()), Err)
}

async fn judge_body(
    prober: &HttpProber,
    context: &Context,
    (response, over_tls, is_answer): (&mut Response, bool, bool),
    verdict: &mut Verdict<'_>,
    seen: &mut HttpMeasurements,
) {
    let wants_patterns = verdict.is_good() && has_body_patterns(prober);
    let wants_json = verdict.is_good() && has_json_rules(prober);
    let before = (seen.patterns, seen.json);
    // What is cut off or cannot be read counts as failed by the check that needs it.
    if wants_patterns {
        seen.patterns = CheckState::Begun;
    } else if wants_json {
        seen.json = Some(CheckState::Begun);
    }
    // A small body is looked at even so, for whoever wants to know all that is wrong.
    let is_small = response
        .content_length
        .is_some_and(|length| usize::try_from(length).is_ok_and(|length| length <= MOST_INLINE));
    let adds_patterns = is_answer
        && is_small
        && prober.compression.is_none()
        && !wants_patterns
        && has_body_patterns(prober);
    let may_want_tls = !verdict.is_good()
        && response.status == StatusCode::BAD_REQUEST
        && !over_tls
        && (is_small || response.content_length.is_none())
        && prober.compression.is_none();
    let keep = wants_patterns || wants_json || adds_patterns || may_want_tls;
    let collector = Collector::new(prober, keep, response.content_length);
    let body = match read(context, response, collector, seen).await {
        Ok(body) => Arc::new(body.unwrap_or_default()),
        Err(problem) => {
            if matches!(problem, Problem::Content(error) if error.is_bad_start()) {
                (seen.patterns, seen.json) = before;
            }
            verdict.fail(problem.into());
            return;
        }
    };
    context.enter(Stage::Check);
    if may_want_tls && wants_tls(&body) {
        verdict.add("the server says that this port speaks TLS; probe it with https://");
    }
    if wants_patterns && verdict.take_or_fail(match_patterns(prober, context, &body).await) {
        seen.patterns = CheckState::Passed;
    }
    if adds_patterns && body.len() <= MOST_INLINE {
        verdict.take_or_fail(match_patterns(prober, context, &body).await);
    }
    if wants_json && verdict.is_good() {
        seen.json = Some(CheckState::Begun);
        if verdict.take_or_fail(match_json(prober, context, &body).await) {
            seen.json = Some(CheckState::Passed);
        }
    }
    if let Some(body) = Arc::into_inner(body) {
        buffers::give_back(body);
    }
}

/// Why a body was not read to its end.
enum Problem {
    Content(BodyError),
    Connection(Failure),
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        match problem {
            Problem::Content(error) => error.into(),
            Problem::Connection(failure) => failure,
        }
    }
}

/// Reads the body; what was kept of it.
async fn read(
    context: &Context,
    response: &mut Response,
    mut collector: Collector,
    seen: &mut HttpMeasurements,
) -> Result<Option<Vec<u8>>, Problem> {
    context.enter(Stage::Response);
    let mut reading = Reading { context, announced: response.content_length, received: 0 };
    while !collector.is_complete() {
        if let Some(buffer) = collector.direct_buffer() {
            let read = response.read_into(buffer).await;
            let length = read.map_err(|error| broken_off(error, seen))?;
            if length == 0 {
                break;
            }
            reading.received += u64::try_from(length).unwrap_or_default();
            collector.note_direct(length);
            seen.body_length = collector.length();
            continue;
        }
        let piece = response.next_piece().await;
        let Some(piece) = piece.map_err(|error| broken_off(error, seen))? else { break };
        reading.received += u64::try_from(piece.len()).unwrap_or_default();
        let mut rest = Some(piece);
        while let Some(piece) = rest {
            let (next, fed) = collector.feed(piece, context.deadline).await;
            collector = next;
            seen.body_length = collector.length();
            rest = fed.inspect_err(|_| seen.end_transfer()).map_err(Problem::Content)?;
        }
    }
    seen.end_transfer();
    collector.finish().map_err(Problem::Content)
}

/// Notes that the body is incomplete.
fn broken_off(error: ExchangeError, seen: &mut HttpMeasurements) -> Problem {
    seen.break_transfer();
    Problem::Connection(redirects::failure(error, "The body broke off"))
}

/// The progress of a body that is being read; one that is cut off says how much of it came.
struct Reading<'r> {
    context: &'r Context,
    announced: Option<u64>,
    received: u64,
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        drop(self.context.waiting_for(|| match self.announced {
            Some(announced) => format!(
                "response header received, body incomplete: {} of {} came",
                self.received,
                count(announced, "byte")
            ),
            None => format!(
                "response header received, no end of the body: {} came, and no length was announced",
                count(self.received, "byte")
            ),
        }));
    }
}

async fn match_patterns(
    prober: &HttpProber,
    context: &Context,
    body: &Arc<Vec<u8>>,
) -> Result<Vec<Check>, Failure> {
    let _waiting = context.waiting_for(|| {
        let length = u64::try_from(body.len()).unwrap_or_default();
        format!("matching the patterns against {} of body", count(length, "byte"))
    });
    let unwanted = &prober.fail_if_body_matches_regexp;
    let wanted = &prober.fail_if_body_not_matches_regexp;
    if body.len() <= MOST_INLINE {
        return Ok(checks::body(unwanted, wanted, body));
    }
    let (unwanted, wanted, body) = (unwanted.clone(), wanted.clone(), Arc::clone(body));
    run_blocking(move || Ok(checks::body(&unwanted, &wanted, &body))).await
}

/// An expression may take its time over the smallest body.
async fn match_json(
    prober: &HttpProber,
    context: &Context,
    body: &Arc<Vec<u8>>,
) -> Result<Vec<Check>, Failure> {
    let _waiting =
        context.waiting_for(|| "evaluating the CEL expressions over the body".to_owned());
    let unwanted = prober.fail_if_body_json_matches_cel.clone();
    let wanted = prober.fail_if_body_json_not_matches_cel.clone();
    let body = Arc::clone(body);
    let deadline = context.deadline.into_std();
    let made =
        run_blocking(move || Ok(checks::json(unwanted.as_ref(), wanted.as_ref(), &body, deadline)))
            .await;
    if Instant::now() >= context.deadline {
        // What was cut off says nothing of the body; the deadline is about to say so.
        return pending().await;
    }
    made
}

fn too_many_redirects(failure: &Failure) -> Failure {
    let message = format!("There are more redirects than are followed. {failure}");
    Failure::new(Stage::Response, Reason::TooManyRedirects, message)
}

/// Only a proxy answers so; without TLS it answers in the target's place.
fn not_let_in(proxy: &Proxy, failure: &Failure) -> Failure {
    let message = format!("the proxy {proxy} wants other credentials: {failure}");
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

/// The first failure counts; the others are in the log, and all checks in the report.
struct Verdict<'c> {
    context: &'c Context,
    first: Option<Failure>,
}

impl Verdict<'_> {
    /// Takes in checks that were made; says whether all of them were good.
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

    /// The same of checks that may not have come about.
    fn take_or_fail(&mut self, checks: Result<Vec<Check>, Failure>) -> bool {
        match checks {
            Ok(checks) => self.take(checks),
            Err(failure) => {
                self.fail(failure);
                false
            }
        }
    }

    /// Takes in what went wrong.
    fn fail(&mut self, failure: Failure) {
        if self.first.is_some() {
            self.context.log.error("Another check failed", &[("err", &failure)]);
        } else {
            self.first = Some(failure);
        }
    }

    /// Adds words to the first failure.
    fn add(&mut self, words: &str) {
        if let Some(Failure { message, .. }) = &mut self.first {
            *message = format!("{message}: {words}");
        }
    }

    fn is_good(&self) -> bool {
        self.first.is_none()
    }
}
