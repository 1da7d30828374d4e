//! Compares an answer about a target with the truth.

use super::{super::scrape::value, client::Response, target::Kind};

/// The result of a scrape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    Right,
    /// A target that answers in time is called down; the reason, if it is given.
    FalseFailure(String),
    /// A target that does not answer in time is called up.
    MissedFailure,
    /// A status without a verdict, and the first line of its body.
    Refused(String),
    /// No complete answer, or none that can be understood.
    Unanswered(String),
}

pub(super) fn judge(kind: Kind, answer: &Result<Response, String>) -> Verdict {
    let response = match answer {
        Ok(response) => response,
        Err(why) => return Verdict::Unanswered(why.clone()),
    };
    match (response.status, value(&response.body, "probe_success")) {
        (200, Some(success)) => {
            let is_called_up = success > 0.0;
            match (is_called_up, kind.is_up()) {
                (true, true) | (false, false) => Verdict::Right,
                (false, true) => Verdict::FalseFailure(failure(&response.body)),
                (true, false) => Verdict::MissedFailure,
            }
        }
        (403 | 429 | 503, None) => {
            Verdict::Refused(format!("{}: {}", response.status, first_line(&response.body)))
        }
        (status, _) => Verdict::Unanswered(format!("{status}: {}", first_line(&response.body))),
    }
}

/// The stage and reason of a failure, which blackbox_exporter does not export.
fn failure(body: &str) -> String {
    let line = body.lines().find(|line| line.starts_with("probe_failure_info"));
    line.unwrap_or("no reason").to_owned()
}

/// The first line, with a `#` in place of each number, so that equal causes can be counted.
fn first_line(body: &str) -> String {
    let line = body.lines().next().unwrap_or_default();
    let mut text = String::new();
    for letter in line.chars().take(150) {
        match (letter.is_ascii_digit() || letter == '.', text.ends_with('#')) {
            (true, true) => {}
            (true, false) => text.push('#'),
            (false, _) => text.push(letter),
        }
    }
    text
}
