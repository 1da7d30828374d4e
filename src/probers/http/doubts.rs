//! What settings that can be used cannot have been meant to say.

use http::HeaderName;

use super::settings::{HeaderMatcher, HttpProber};
use crate::settings::{regexp::Subject, rule::Warning};

/// Headers that are about the transfer, and that rules never see, as in Go.
const NEVER_SEEN: [&str; 2] = ["Transfer-Encoding", "Trailer"];

/// Headers that the client sets itself, whatever a module says.
const NEVER_SENT: [&str; 3] = ["Content-Length", "Transfer-Encoding", "Trailer"];

/// Methods that servers know in capital letters only.
const METHODS: [&str; 8] = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"];

impl HttpProber {
    /// Why settings cannot mean what they say, each reason after the key that it is about.
    pub(super) fn doubts(&self) -> Vec<Warning> {
        let mut doubts = self.doubts_of_request();
        for (key, rules) in [
            ("fail_if_header_matches", &self.fail_if_header_matches),
            ("fail_if_header_not_matches", &self.fail_if_header_not_matches),
        ] {
            for (index, rule) in rules.iter().enumerate() {
                let of_rule = doubts_of_header_rule(rule).into_iter();
                doubts.extend(of_rule.map(|doubt| doubt.inside((key, index))));
            }
        }
        for (key, patterns, everything) in [
            (
                "fail_if_body_matches_regexp",
                &self.fail_if_body_matches_regexp,
                "it matches every body, so every probe fails",
            ),
            (
                "fail_if_body_not_matches_regexp",
                &self.fail_if_body_not_matches_regexp,
                "it matches every body, so it never fails",
            ),
        ] {
            for (index, pattern) in patterns.iter().enumerate() {
                let is_everything = pattern.matches_everything();
                let doubt = pattern.warning(Subject::Text);
                let doubt = doubt.or_else(|| is_everything.then(|| everything.to_owned()));
                doubts.extend(doubt.map(|doubt| Warning::at((key, index), doubt)));
            }
        }
        doubts
    }

    fn doubts_of_request(&self) -> Vec<Warning> {
        let mut doubts = Vec::new();
        let method = self.method.as_str();
        let upper = method.to_ascii_uppercase();
        if method != upper && METHODS.contains(&&*upper) {
            let message = format!("'{method}' is sent as it is, and servers know '{upper}'");
            doubts.push(Warning::at("method", message));
        }
        for code in self.valid_status_codes.iter() {
            if (100..200).contains(code) && *code != 101 {
                let message = format!(
                    "{code} is the code of an interim response, which is skipped, so no probe ends \
                     with it"
                );
                doubts.push(Warning::at("valid_status_codes", message));
            }
        }
        for (name, value) in self.headers.iter() {
            let mut doubt = |message: &str| doubts.push(Warning::at(["headers", name], message));
            if NEVER_SENT.iter().any(|known| known.eq_ignore_ascii_case(name)) {
                doubt("it is not sent, the client sets it itself");
            }
            if name.eq_ignore_ascii_case("Host")
                && let Some(what) = doubt_of_host(value)
            {
                doubt(&format!("'{value}' {what}"));
            }
            if name.eq_ignore_ascii_case("Accept-Encoding") && self.reads_compressed(value) {
                doubt(&format!(
                    "servers may compress the body for '{value}', and without the key compression \
                     the checks of the body see it compressed"
                ));
            }
        }
        doubts
    }

    /// Whether checks of the body would see what a server has compressed.
    fn reads_compressed(&self, accepted: &str) -> bool {
        let checks_body = !self.fail_if_body_matches_regexp.is_empty()
            || !self.fail_if_body_not_matches_regexp.is_empty()
            || self.fail_if_body_json_matches_cel.is_some()
            || self.fail_if_body_json_not_matches_cel.is_some();
        let asks = ["gzip", "br", "deflate", "zstd"].iter().any(|coding| accepted.contains(coding));
        checks_body && asks && self.compression.is_none()
    }
}

fn doubts_of_header_rule(rule: &HeaderMatcher) -> Vec<Warning> {
    let mut doubts = Vec::new();
    let name = rule.header.as_str();
    if HeaderName::from_bytes(name.as_bytes()).is_err() {
        let message = format!(
            "'{name}' is no name of a header, so none is found; write the name without a colon and \
             blanks"
        );
        doubts.push(Warning::at("header", message));
    } else if NEVER_SEEN.iter().any(|known| known.eq_ignore_ascii_case(name)) {
        let message = format!("'{name}' is about the transfer, and taken out before rules see it");
        doubts.push(Warning::at("header", message));
    }
    let warning = rule.regexp().and_then(|regexp| regexp.warning(Subject::Line));
    doubts.extend(warning.map(|warning| Warning::at("regexp", warning)));
    doubts
}

/// What is wrong with the value of `Host`, as the end of a sentence.
fn doubt_of_host(value: &str) -> Option<String> {
    let value = value.trim();
    if let Some((_, rest)) = value.split_once("://") {
        let host = rest.split('/').next().unwrap_or_default();
        return Some(format!("is a URL: write the host alone, as in '{host}'"));
    }
    if value.contains('/') {
        return Some("has a path: write the host alone".to_owned());
    }
    if value.contains(char::is_whitespace) {
        return Some("has a blank in it: write one host".to_owned());
    }
    None
}
