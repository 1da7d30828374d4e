//! The checks of a response, one function each.
//!
//! The order of the checks, and those that are skipped after a failure, are upstream's; they are in
//! `evaluation.rs`.

use std::{sync::Arc, time::Instant};

use http::{HeaderMap, StatusCode};

use crate::{
    diagnostics::{Check, CheckName, Failure, Reason, Stage, humanize},
    net::http::version::HttpVersion,
    probers::http::{header_matcher::HeaderMatcher, settings::HttpProber},
    settings::{
        cel::{CelProgram, EvaluationError},
        named::Named,
        regexp::Regexp,
    },
};

impl HttpProber {
    /// Returns the names of the configured checks, in the order of their evaluation.
    pub(super) fn check_names(&self) -> Vec<CheckName> {
        let one = |key, name: Option<&Arc<str>>| [CheckName::of_key(key).or_given(name)];
        let codes = &self.valid_status_codes;
        let mut names = Vec::new();
        if !codes.is_empty() {
            names.extend(one("valid_status_codes", codes.name.as_ref()));
        }
        for (key, rules) in [
            ("fail_if_header_matches", &self.fail_if_header_matches),
            ("fail_if_header_not_matches", &self.fail_if_header_not_matches),
        ] {
            names.extend(CheckName::of_list(key, rules.iter().map(|rule| rule.name.as_ref())));
        }
        for (key, rules) in [
            ("fail_if_body_matches_regexp", &self.fail_if_body_matches_regexp),
            ("fail_if_body_not_matches_regexp", &self.fail_if_body_not_matches_regexp),
        ] {
            names.extend(CheckName::of_list(key, rules.iter().map(|rule| rule.name.as_ref())));
        }
        for (key, rule) in [
            ("fail_if_body_json_matches_cel", &self.fail_if_body_json_matches_cel),
            ("fail_if_body_json_not_matches_cel", &self.fail_if_body_json_not_matches_cel),
        ] {
            names.extend(rule.iter().flat_map(|rule| one(key, rule.name.as_ref())));
        }
        let versions = &self.valid_http_versions;
        if !versions.is_empty() {
            names.extend(one("valid_http_versions", versions.name.as_ref()));
        }
        for (key, rule) in
            [("fail_if_ssl", &self.fail_if_ssl), ("fail_if_not_ssl", &self.fail_if_not_ssl)]
        {
            if rule.check {
                names.extend(one(key, rule.name.as_ref()));
            }
        }
        names
    }
}

/// Checks `valid_status_codes`.
pub(super) fn status(prober: &HttpProber, status: StatusCode) -> Check {
    let codes = &prober.valid_status_codes;
    let valid = if codes.is_empty() {
        status.is_success()
    } else {
        codes.contains(&i64::from(status.as_u16()))
    };
    let outcome = outcome_of(valid, Reason::Status, || {
        let names: Vec<_> = codes.iter().map(i64::to_string).collect();
        let expected = if names.is_empty() { "2xx".to_owned() } else { names.join(", ") };
        format!("HTTP status {}, expected {expected}", status.as_u16())
    });
    Check::new(CheckName::of_key("valid_status_codes").or_given(codes.name.as_ref()), outcome)
}

/// Checks `fail_if_header_matches` and `fail_if_header_not_matches`; each rule is a check.
pub(super) fn headers(
    unwanted: &[HeaderMatcher],
    wanted: &[HeaderMatcher],
    headers: &HeaderMap,
) -> Vec<Check> {
    let unwanted = unwanted.iter().enumerate().map(|(index, rule)| {
        let name = CheckName::of_entry("fail_if_header_matches", index);
        Check::new(name.or_given(rule.name.as_ref()), header_is_not(rule, headers))
    });
    let wanted = wanted.iter().enumerate().map(|(index, rule)| {
        let name = CheckName::of_entry("fail_if_header_not_matches", index);
        Check::new(name.or_given(rule.name.as_ref()), header_is(rule, headers))
    });
    unwanted.chain(wanted).collect()
}

fn header_is_not(rule: &HeaderMatcher, headers: &HeaderMap) -> Result<(), Failure> {
    let Some(mut values) = header_values(rule, headers)? else { return Ok(()) };
    let matches = values.any(|value| rule.matches(value));
    let message = || format!("the header {} matches '{}'", rule.header, rule.pattern());
    outcome_of(!matches, Reason::Header, message)
}

fn header_is(rule: &HeaderMatcher, headers: &HeaderMap) -> Result<(), Failure> {
    let Some(mut values) = header_values(rule, headers)? else { return Ok(()) };
    let matches = values.any(|value| rule.matches(value));
    let message = || format!("the header {} does not match '{}'", rule.header, rule.pattern());
    outcome_of(matches, Reason::Header, message)
}

/// Returns the values of the header of a rule; `None` if it is missing and may be missing.
fn header_values<'h>(
    rule: &HeaderMatcher,
    headers: &'h HeaderMap,
) -> Result<Option<impl Iterator<Item = &'h [u8]>>, Failure> {
    let mut values = headers
        .get_all(rule.header.as_str())
        .into_iter()
        .map(http::HeaderValue::as_bytes)
        .peekable();
    if values.peek().is_some() {
        return Ok(Some(values));
    }
    if rule.allow_missing {
        return Ok(None);
    }
    Err(failure(Reason::Header, format!("the header {} is missing", rule.header)))
}

/// Checks that the body matches no unwanted pattern and every wanted one; each pattern is a check.
pub(super) fn body(
    unwanted: &[Named<Regexp>],
    wanted: &[Named<Regexp>],
    body: &[u8],
) -> Vec<Check> {
    let unwanted = unwanted.iter().enumerate().map(|(index, pattern)| {
        let message = || format!("the body matches '{}'", pattern.as_str());
        let outcome = outcome_of(!pattern.is_match(body), Reason::Body, message);
        let name = CheckName::of_entry("fail_if_body_matches_regexp", index);
        Check::new(name.or_given(pattern.name.as_ref()), outcome)
    });
    let wanted = wanted.iter().enumerate().map(|(index, pattern)| {
        let length = humanize::count(body.len(), "byte");
        let message = || format!("the body ({length}) does not match '{}'", pattern.as_str());
        let outcome = outcome_of(pattern.is_match(body), Reason::Body, message);
        let name = CheckName::of_entry("fail_if_body_not_matches_regexp", index);
        Check::new(name.or_given(pattern.name.as_ref()), outcome)
    });
    unwanted.chain(wanted).collect()
}

/// Checks that the unwanted expression is false for the JSON body, and the wanted one true. This may
/// take until the deadline, so that nothing is evaluated after a failed expression.
pub(super) fn json(
    unwanted: Option<&Named<CelProgram>>,
    wanted: Option<&Named<CelProgram>>,
    body: &[u8],
    deadline: Instant,
) -> Vec<Check> {
    let rules = [
        unwanted.map(|rule| ("fail_if_body_json_matches_cel", rule, false)),
        wanted.map(|rule| ("fail_if_body_json_not_matches_cel", rule, true)),
    ];
    let mut made = Vec::new();
    for (key, rule, good) in rules.into_iter().flatten() {
        let text = rule.as_str();
        let outcome = match rule.evaluate(body, deadline) {
            Ok(result) if result == good => Ok(()),
            Ok(result) => {
                let message = format!("'{text}' is {result} for the body, expected {good}");
                Err(failure(Reason::Json, message))
            }
            Err(EvaluationError::Failed(error)) => {
                let message = format!("'{text}' cannot be evaluated for the body: {error}");
                Err(failure(Reason::Json, message))
            }
            Err(EvaluationError::NoThread(error)) => {
                let doing = format!("evaluating '{text}'");
                Err(Failure::blocking(Stage::Check, &doing, error.into()))
            }
        };
        let check = Check::new(CheckName::of_key(key).or_given(rule.name.as_ref()), outcome);
        let is_good = check.is_good();
        made.push(check);
        if !is_good {
            break;
        }
    }
    made
}

/// Checks `valid_http_versions`, if it is set.
pub(super) fn version(prober: &HttpProber, version: HttpVersion) -> Option<Check> {
    let valid = &prober.valid_http_versions;
    let name = CheckName::of_key("valid_http_versions").or_given(valid.name.as_ref());
    let outcome = || {
        let found = version.to_string();
        let message = || format!("HTTP version {found}, expected {}", valid.join(", "));
        outcome_of(valid.contains(&found), Reason::Version, message)
    };
    (!valid.is_empty()).then(|| Check::new(name, outcome()))
}

/// Checks `fail_if_ssl` and `fail_if_not_ssl`.
pub(super) fn tls(prober: &HttpProber, over_tls: bool) -> impl Iterator<Item = Check> {
    let rules = [
        ("fail_if_ssl", &prober.fail_if_ssl, !over_tls, "the final response was received over TLS"),
        (
            "fail_if_not_ssl",
            &prober.fail_if_not_ssl,
            over_tls,
            "the final response was not received over TLS",
        ),
    ];
    rules.into_iter().filter(|(_, rule, _, _)| rule.check).map(|(key, rule, good, message)| {
        let outcome = outcome_of(good, Reason::TlsPresence, || message.to_owned());
        Check::new(CheckName::of_key(key).or_given(rule.name.as_ref()), outcome)
    })
}

fn outcome_of(good: bool, reason: Reason, message: impl FnOnce() -> String) -> Result<(), Failure> {
    if good { Ok(()) } else { Err(failure(reason, message())) }
}

fn failure(reason: Reason, message: String) -> Failure {
    Failure::new(Stage::Check, reason, message)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::{HeaderName, HeaderValue};
    use serde_json::{Value, json};

    use super::*;

    fn prober(section: Value) -> HttpProber {
        serde_json::from_value(section).unwrap()
    }

    /// The reason of the first check that failed.
    fn reason(checks: impl IntoIterator<Item = Check>) -> Option<Reason> {
        checks.into_iter().find_map(|check| check.failure).map(|failure| {
            assert_eq!(failure.stage, Stage::Check, "{failure}");
            failure.reason
        })
    }

    #[test]
    fn status_codes() {
        for (section, code, expected) in [
            (json!({}), 200, None),
            (json!({}), 299, None),
            (json!({}), 199, Some(Reason::Status)),
            (json!({}), 301, Some(Reason::Status)),
            (json!({"valid_status_codes": [404, 999]}), 404, None),
            (json!({"valid_status_codes": [404, 999]}), 999, None),
            (json!({"valid_status_codes": [404]}), 200, Some(Reason::Status)),
        ] {
            let code = StatusCode::from_u16(code).unwrap();
            assert_eq!(
                reason([status(&prober(section.clone()), code)]),
                expected,
                "{section} {code}"
            );
        }
    }

    #[test]
    fn header_rules() {
        let matches = |rule: Value| json!({"fail_if_header_matches": [rule]});
        let not_matches = |rule: Value| json!({"fail_if_header_not_matches": [rule]});
        let absent = json!({"header": "X-None", "regexp": "a"});
        let absent_allowed = json!({"header": "X-None", "regexp": "a", "allow_missing": true});
        for (section, expected) in [
            (matches(json!({"header": "content-type", "regexp": "^text"})), Some(Reason::Header)),
            (matches(json!({"header": "Content-Type", "regexp": "json"})), None),
            (matches(json!({"header": "Via", "regexp": "^b$"})), Some(Reason::Header)),
            (not_matches(json!({"header": "Via", "regexp": "^b$"})), None),
            (not_matches(json!({"header": "Via", "regexp": "c"})), Some(Reason::Header)),
            (matches(absent.clone()), Some(Reason::Header)),
            (matches(absent_allowed.clone()), None),
            (not_matches(absent), Some(Reason::Header)),
            (not_matches(absent_allowed), None),
            (matches(json!({"header": "not a name", "regexp": "a"})), Some(Reason::Header)),
        ] {
            let mut map = HeaderMap::new();
            for (name, value) in [("content-type", "text/html"), ("via", "a"), ("via", "b")] {
                map.append(HeaderName::from_static(name), HeaderValue::from_static(value));
            }
            let prober = prober(section.clone());
            let (unwanted, wanted) =
                (&prober.fail_if_header_matches, &prober.fail_if_header_not_matches);
            assert_eq!(reason(headers(unwanted, wanted, &map)), expected, "{section}");
        }
    }

    #[test]
    fn body_patterns() {
        let patterns =
            |texts: [&str; 2]| texts.map(|text| Named::unnamed(Regexp::new(text).unwrap()));
        let (unwanted, wanted) = (patterns(["error", "(?i)fatal"]), patterns(["ok", "fine"]));
        for (text, expected) in [
            ("ok and fine", None),
            ("ok only", Some(Reason::Body)),
            ("", Some(Reason::Body)),
            ("ok and fine, FATAL", Some(Reason::Body)),
        ] {
            let verdict = body(&unwanted, &wanted, text.as_bytes());
            assert_eq!(reason(verdict), expected, "{text}");
        }
    }

    #[test]
    fn expressions_over_json() {
        let named = |text| Named::unnamed(CelProgram::new(text).unwrap());
        let unwanted = named("body.down == true");
        let wanted = named("body.status == 'up'");
        let deadline = Instant::now() + Duration::from_mins(1);
        for (unwanted, wanted, text, expected) in [
            (Some(&unwanted), None, r#"{"down": true}"#, Some(Reason::Json)),
            (Some(&unwanted), None, r#"{"down": false}"#, None),
            (None, Some(&wanted), r#"{"status": "up"}"#, None),
            (None, Some(&wanted), r#"{"status": "down"}"#, Some(Reason::Json)),
            (None, Some(&wanted), r#"{"other": 1}"#, Some(Reason::Json)),
            (None, Some(&wanted), "no json", Some(Reason::Json)),
            (None, Some(&wanted), "", Some(Reason::Json)),
            (Some(&unwanted), Some(&wanted), r#"{"down": false, "status": "up"}"#, None),
            (
                Some(&unwanted),
                Some(&wanted),
                r#"{"down": true, "status": "up"}"#,
                Some(Reason::Json),
            ),
        ] {
            assert_eq!(
                reason(json(unwanted, wanted, text.as_bytes(), deadline)),
                expected,
                "{text}"
            );
        }
    }

    #[test]
    fn versions_and_tls() {
        let any = prober(json!({}));
        let one = prober(json!({"valid_http_versions": ["HTTP/1.1", "HTTP/2"]}));
        let http = |major, minor| HttpVersion { major, minor };
        assert_eq!(reason(version(&any, http(1, 0))), None);
        assert_eq!(reason(version(&one, http(1, 1))), None);
        assert_eq!(reason(version(&one, http(2, 0))), Some(Reason::Version));

        let plain_only = prober(json!({"fail_if_ssl": true}));
        let tls_only = prober(json!({"fail_if_not_ssl": true}));
        for (prober, over_tls, expected) in [
            (&any, true, None),
            (&any, false, None),
            (&plain_only, true, Some(Reason::TlsPresence)),
            (&plain_only, false, None),
            (&tls_only, true, None),
            (&tls_only, false, Some(Reason::TlsPresence)),
        ] {
            assert_eq!(reason(tls(prober, over_tls)), expected);
        }
    }
}
