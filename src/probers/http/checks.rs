//! What a module demands of a response: facts in, verdict out.
//!
//! The order in which these are made, and which of them are made after one has failed, is
//! upstream's; it is in the prober's `judge`.

use std::time::Instant;

use http::{HeaderMap, StatusCode};

use crate::{
    evidence::{Failure, Reason, Stage},
    net::http::version::HttpVersion,
    probers::http::settings::{HeaderMatcher, HttpProber},
    settings::{cel::CelProgram, regexp::Regexp},
};

/// Whether the status code is among the valid ones.
pub(super) fn status(prober: &HttpProber, status: StatusCode) -> Result<(), Failure> {
    let valid = if prober.valid_status_codes.is_empty() {
        status.is_success()
    } else {
        prober.valid_status_codes.contains(&i64::from(status.as_u16()))
    };
    if valid {
        return Ok(());
    }
    let wanted = if prober.valid_status_codes.is_empty() {
        "2xx".to_owned()
    } else {
        let codes: Vec<_> = prober.valid_status_codes.iter().map(i64::to_string).collect();
        codes.join(", ")
    };
    let message = format!("The status code is {}, wanted {wanted}", status.as_u16());
    Err(failure(Reason::Status, message))
}

/// Whether the headers are as the header rules want them.
pub(super) fn headers(prober: &HttpProber, headers: &HeaderMap) -> Result<(), Failure> {
    for rule in &prober.fail_if_header_matches {
        let matched = header_values(rule, headers)?;
        if matched.is_some_and(|mut values| values.any(|value| rule.regexp.is_match(value))) {
            return Err(failure(
                Reason::Header,
                format!("The header {} matches '{}'", rule.header, rule.regexp.as_str()),
            ));
        }
    }
    for rule in &prober.fail_if_header_not_matches {
        let matched = header_values(rule, headers)?;
        if matched.is_some_and(|mut values| !values.any(|value| rule.regexp.is_match(value))) {
            return Err(failure(
                Reason::Header,
                format!("The header {} does not match '{}'", rule.header, rule.regexp.as_str()),
            ));
        }
    }
    Ok(())
}

/// The values of the header that a rule is about; none when it may be missing and is.
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
    Err(failure(Reason::Header, format!("The header {} is missing", rule.header)))
}

/// Whether the body matches none of the unwanted patterns and all of the wanted ones.
pub(super) fn body(unwanted: &[Regexp], wanted: &[Regexp], body: &[u8]) -> Result<(), Failure> {
    if let Some(pattern) = unwanted.iter().find(|pattern| pattern.is_match(body)) {
        return Err(failure(Reason::Body, format!("The body matches '{}'", pattern.as_str())));
    }
    if let Some(pattern) = wanted.iter().find(|pattern| !pattern.is_match(body)) {
        let message = format!("The body does not match '{}'", pattern.as_str());
        return Err(failure(Reason::Body, message));
    }
    Ok(())
}

/// Whether the unwanted expression is false of the JSON body, and the wanted one true; may take until
/// the deadline.
pub(super) fn json(
    unwanted: Option<&CelProgram>,
    wanted: Option<&CelProgram>,
    body: &[u8],
    deadline: Instant,
) -> Result<(), Failure> {
    let rules = [unwanted.map(|rule| (rule, false)), wanted.map(|rule| (rule, true))];
    for (rule, good) in rules.into_iter().flatten() {
        let message = match rule.evaluate(body, deadline) {
            Ok(verdict) if verdict == good => continue,
            Ok(verdict) => format!("'{rule}' is {verdict} of the body"),
            Err(error) => format!("'{rule}' cannot be judged of the body: {error}"),
        };
        return Err(failure(Reason::Json, message));
    }
    Ok(())
}

/// Whether the HTTP version is among the valid ones.
pub(super) fn version(prober: &HttpProber, version: HttpVersion) -> Result<(), Failure> {
    let name = version.to_string();
    if prober.valid_http_versions.is_empty() || prober.valid_http_versions.contains(&name) {
        return Ok(());
    }
    let wanted = prober.valid_http_versions.join(", ");
    Err(failure(Reason::Version, format!("The version is {name}, wanted {wanted}")))
}

/// Whether TLS was spoken where it must be, and not where it must not.
pub(super) fn tls(prober: &HttpProber, over_tls: bool) -> Result<(), Failure> {
    if over_tls && prober.fail_if_ssl {
        return Err(failure(Reason::TlsPresence, "The final response came over TLS".to_owned()));
    }
    if !over_tls && prober.fail_if_not_ssl {
        let message = "The final response did not come over TLS".to_owned();
        return Err(failure(Reason::TlsPresence, message));
    }
    Ok(())
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

    fn reason(verdict: Result<(), Failure>) -> Option<Reason> {
        verdict.err().map(|failure| {
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
                reason(status(&prober(section.clone()), code)),
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
            assert_eq!(reason(headers(&prober(section.clone()), &map)), expected, "{section}");
        }
    }

    #[test]
    fn body_patterns() {
        let patterns = |texts: [&str; 2]| texts.map(|text| Regexp::new(text).unwrap());
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
        let unwanted = CelProgram::new("body.down == true").unwrap();
        let wanted = CelProgram::new("body.status == 'up'").unwrap();
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
