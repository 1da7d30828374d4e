//! The verdict on the final response: which checks are made, in which order, and on what.
//!
//! Order and exceptions are upstream's: a failed check keeps later ones from being made, but not
//! those of version and TLS, and the body is read in any case.

use std::sync::Arc;

use http::StatusCode;

use crate::{
    evidence::{Failure, ProbeLog, Reason, Stage},
    net::{Context, proxy::Proxy},
    probers::{
        MOST_INLINE, elsewhere,
        http::{
            body::{BodyError, Collector},
            buffers, checks,
            exchange::Response,
            measurements::{CheckState, HttpMeasurements},
            redirects::Final,
            settings::HttpProber,
        },
    },
};

/// Reads the body of the final response and judges it all.
pub(super) async fn judge(
    prober: &HttpProber,
    context: &Context,
    answer: Final,
    seen: &mut HttpMeasurements,
) -> Result<(), Failure> {
    let Final { mut response, limit_reached } = answer;
    let mut verdict = Verdict { log: &context.log, first: None };
    context.enter(Stage::Check);
    verdict.note(checks::status(prober, response.status).map_err(|failure| {
        match (&response.proxy, response.status) {
            (Some(proxy), StatusCode::PROXY_AUTHENTICATION_REQUIRED) => not_let_in(proxy, &failure),
            _ if limit_reached => too_many_redirects(&failure),
            _ => failure,
        }
    }));
    if verdict.is_good() && has_header_rules(prober) {
        seen.patterns = CheckState::Begun;
        if verdict.note(checks::headers(prober, &response.headers)) {
            seen.patterns = CheckState::Passed;
        }
    }
    judge_body(prober, context, &mut response, &mut verdict, seen).await;
    context.enter(Stage::Check);
    verdict.note(checks::version(prober, response.version));
    verdict.note(checks::tls(prober, response.over_tls));
    verdict.first.map_or(Ok(()), Err)
}

async fn judge_body(
    prober: &HttpProber,
    context: &Context,
    response: &mut Response,
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
    let keep = wants_patterns || wants_json;
    let collector = Collector::new(prober, keep, response.content_length);
    let body = match read(context, response, collector, seen).await {
        Ok(body) => Arc::new(body.unwrap_or_default()),
        Err(problem) => {
            if matches!(problem, Problem::Content(error) if error.is_bad_start()) {
                (seen.patterns, seen.json) = before;
            }
            verdict.note(Err(problem.into()));
            return;
        }
    };
    context.enter(Stage::Check);
    if wants_patterns && verdict.note(match_patterns(prober, &body).await) {
        seen.patterns = CheckState::Passed;
    }
    if wants_json && verdict.is_good() {
        seen.json = Some(CheckState::Begun);
        if verdict.note(match_json(prober, context, &body).await) {
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
    while !collector.is_complete() {
        let piece = response.next_piece().await;
        let Some(piece) =
            piece.inspect_err(|_| seen.break_transfer()).map_err(Problem::Connection)?
        else {
            break;
        };
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

async fn match_patterns(prober: &HttpProber, body: &Arc<Vec<u8>>) -> Result<(), Failure> {
    let unwanted = &prober.fail_if_body_matches_regexp;
    let wanted = &prober.fail_if_body_not_matches_regexp;
    if body.len() <= MOST_INLINE {
        return checks::body(unwanted, wanted, body);
    }
    let (unwanted, wanted, body) = (unwanted.clone(), wanted.clone(), Arc::clone(body));
    elsewhere(move || checks::body(&unwanted, &wanted, &body)).await
}

/// An expression may take its time over the smallest body.
async fn match_json(
    prober: &HttpProber,
    context: &Context,
    body: &Arc<Vec<u8>>,
) -> Result<(), Failure> {
    let unwanted = prober.fail_if_body_json_matches_cel.clone();
    let wanted = prober.fail_if_body_json_not_matches_cel.clone();
    let body = Arc::clone(body);
    let deadline = context.deadline.into_std();
    elsewhere(move || checks::json(unwanted.as_ref(), wanted.as_ref(), &body, deadline)).await
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

/// The first failure counts; the others are in the log.
struct Verdict<'c> {
    log: &'c ProbeLog,
    first: Option<Failure>,
}

impl Verdict<'_> {
    /// Takes in the outcome of a check; says whether it was good.
    fn note(&mut self, outcome: Result<(), Failure>) -> bool {
        match (outcome, &self.first) {
            (Ok(()), _) => true,
            (Err(failure), None) => {
                self.first = Some(failure);
                false
            }
            (Err(failure), Some(_)) => {
                self.log.error("Another check failed", &[("err", &failure)]);
                false
            }
        }
    }

    fn is_good(&self) -> bool {
        self.first.is_none()
    }
}
