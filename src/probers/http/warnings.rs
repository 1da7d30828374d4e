//! Warnings about settings that are valid, but unlikely to do what they are meant to do.

use http::{HeaderName, Method};

use super::{
    header_matcher::HeaderMatcher,
    settings::{HTTP_1_1, HTTP_2, HttpProber},
};
use crate::settings::{regexp::Subject, rule::Warning};

/// Headers that are about the transfer, and that rules never see, as in Go.
const REMOVED_HEADERS: [&str; 2] = ["Transfer-Encoding", "Trailer"];

/// Headers that the client sets itself, whatever a module says.
const IGNORED_HEADERS: [&str; 3] = ["Content-Length", "Transfer-Encoding", "Trailer"];

/// Methods that servers know in capital letters only.
const UPPER_CASE_METHODS: [&str; 8] =
    ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"];

/// Status codes of redirects.
const REDIRECTS: [i64; 5] = [301, 302, 303, 307, 308];

impl HttpProber {
    /// All warnings.
    pub(super) fn find_warnings(&self) -> Vec<Warning> {
        let mut warnings: Vec<_> = self.ip.preferred_ip_protocol.warning().into_iter().collect();
        if self.has_deprecated_key {
            let message = "deprecated; use follow_redirects, which means the opposite";
            warnings.push(Warning::at("no_follow_redirects", message));
        }
        for version in self.valid_http_versions.iter() {
            if !is_version(version) {
                let message = format!(
                    "'{version}' matches no response; write versions like {HTTP_1_1} and {HTTP_2}"
                );
                warnings.push(Warning::at("valid_http_versions", message));
            }
        }
        for code in self.valid_status_codes.iter().filter(|code| !(100..=999).contains(*code)) {
            let message = format!("no response has the status code {code}; use 100 to 999");
            warnings.push(Warning::at("valid_status_codes", message));
        }
        for name in self.headers.repeated() {
            let message =
                format!("'{name}' is set twice with different spellings; the last value is used");
            warnings.push(Warning::at("headers", message));
        }
        if *self.fail_if_ssl && self.enable_http3 {
            let message = "fail_if_ssl with enable_http3 fails every probe: HTTP/3 always uses TLS";
            warnings.push(Warning::at("fail_if_ssl", message));
        }
        if *self.fail_if_ssl && *self.fail_if_not_ssl {
            let message = "fail_if_ssl and fail_if_not_ssl together fail every probe";
            warnings.push(Warning::at("fail_if_ssl", message));
        }
        warnings.extend(self.warnings_of_checks());
        warnings.extend(self.warnings_of_request());
        warnings.extend(self.warnings_of_body());
        let tls = self.tls_client.settings().warnings(None).into_iter();
        warnings.extend(tls.map(|warning| warning.inside("tls_config")));
        warnings
    }

    fn warnings_of_body(&self) -> Option<Warning> {
        let has_body = !self.body.is_empty() || !self.body_file.is_empty();
        if !has_body || !matches!(self.method, Method::GET | Method::HEAD) {
            return None;
        }
        let key = if self.body.is_empty() { "body_file" } else { "body" };
        let message = format!(
            "a request body is sent with the method {}, which few servers expect; set method: POST",
            self.method
        );
        Some(Warning::at(key, message))
    }

    fn warnings_of_checks(&self) -> Vec<Warning> {
        let mut warnings = Vec::new();
        let codes = &self.valid_status_codes;
        let only_redirects = !codes.is_empty() && codes.iter().all(|code| REDIRECTS.contains(code));
        if only_redirects && self.client.follow_redirects {
            let message = "only redirect codes, but redirects are followed; set follow_redirects: \
                           false";
            warnings.push(Warning::at("valid_status_codes", message));
        }
        for (key, rules) in [
            ("fail_if_header_matches", &self.fail_if_header_matches),
            ("fail_if_header_not_matches", &self.fail_if_header_not_matches),
        ] {
            for (index, rule) in rules.iter().enumerate() {
                let of_rule = warnings_of_header_rule(rule).into_iter();
                warnings.extend(of_rule.map(|warning| warning.inside((key, index))));
            }
        }
        for (key, patterns, everything) in [
            (
                "fail_if_body_matches_regexp",
                &self.fail_if_body_matches_regexp,
                "the pattern matches every body, so every probe fails",
            ),
            (
                "fail_if_body_not_matches_regexp",
                &self.fail_if_body_not_matches_regexp,
                "the pattern matches every body, so the check never fails",
            ),
        ] {
            for (index, pattern) in patterns.iter().enumerate() {
                let is_everything = pattern.matches_everything();
                let warning = pattern.warning(Subject::Text);
                let warning = warning.or_else(|| is_everything.then(|| everything.to_owned()));
                warnings.extend(warning.map(|warning| Warning::at((key, index), warning)));
            }
        }
        warnings
    }

    fn warnings_of_request(&self) -> Vec<Warning> {
        let mut warnings = Vec::new();
        let method = self.method.as_str();
        let upper = method.to_ascii_uppercase();
        if method != upper && UPPER_CASE_METHODS.contains(&&*upper) {
            let message = format!("'{method}' is sent as written, but servers expect '{upper}'");
            warnings.push(Warning::at("method", message));
        }
        for code in self.valid_status_codes.iter() {
            if (100..200).contains(code) && *code != 101 {
                let message = format!(
                    "{code} is the status code of interim responses, which are skipped; it never \
                     matches"
                );
                warnings.push(Warning::at("valid_status_codes", message));
            }
        }
        for (name, value) in self.headers.iter() {
            let mut doubt = |message: &str| warnings.push(Warning::at(["headers", name], message));
            if IGNORED_HEADERS.iter().any(|known| known.eq_ignore_ascii_case(name)) {
                doubt("no effect: the client sets this header itself");
            }
            if name.eq_ignore_ascii_case("Host")
                && let Some(what) = problem_of_host(value)
            {
                doubt(&format!("'{value}' {what}"));
            }
            if name.eq_ignore_ascii_case("Accept-Encoding") && self.reads_compressed(value) {
                doubt(&format!(
                    "servers may compress the body because of '{value}', and the checks of the \
                     body would see compressed data; set compression"
                ));
            }
        }
        warnings
    }

    /// Returns whether checks of the body would see a compressed body.
    fn reads_compressed(&self, accepted: &str) -> bool {
        let checks_body = !self.fail_if_body_matches_regexp.is_empty()
            || !self.fail_if_body_not_matches_regexp.is_empty()
            || self.fail_if_body_json_matches_cel.is_some()
            || self.fail_if_body_json_not_matches_cel.is_some();
        let asks = ["gzip", "br", "deflate", "zstd"].iter().any(|coding| accepted.contains(coding));
        checks_body && asks && self.compression.is_none()
    }
}

fn warnings_of_header_rule(rule: &HeaderMatcher) -> Vec<Warning> {
    let mut warnings = Vec::new();
    let name = rule.header.as_str();
    if HeaderName::from_bytes(name.as_bytes()).is_err() {
        let message =
            format!("'{name}' is not a valid header name; write the name without colon and spaces");
        warnings.push(Warning::at("header", message));
    } else if REMOVED_HEADERS.iter().any(|known| known.eq_ignore_ascii_case(name)) {
        let message =
            format!("'{name}' is removed before rules are checked, so this rule never finds it");
        warnings.push(Warning::at("header", message));
    }
    let warning = rule.regexp().and_then(|regexp| regexp.warning(Subject::Line));
    warnings.extend(warning.map(|warning| Warning::at("regexp", warning)));
    warnings
}

/// The problem of a value of `Host`, as the end of a sentence.
fn problem_of_host(value: &str) -> Option<String> {
    let value = value.trim();
    if let Some((_, rest)) = value.split_once("://") {
        let host = rest.split('/').next().unwrap_or_default();
        return Some(format!("is a URL; write only the host: '{host}'"));
    }
    if value.contains('/') {
        return Some("has a path; write only the host".to_owned());
    }
    if value.contains(char::is_whitespace) {
        return Some("contains a space; write one host".to_owned());
    }
    None
}

/// Returns whether a response can have this version.
fn is_version(text: &str) -> bool {
    let number = text.strip_prefix("HTTP/").and_then(|number| number.split_once('.'));
    number.is_some_and(|(major, minor)| major.parse::<u8>().is_ok() && minor.parse::<u8>().is_ok())
}
