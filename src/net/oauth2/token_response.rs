//! Responses of token servers.

use std::{collections::HashMap, fmt::Write as _, time::Duration};

use http::{HeaderValue, StatusCode};
use serde_json::{Map, Value, error::Category};

use crate::diagnostics::{Failure, Reason};

/// A valid token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token {
    /// The value of `Authorization`.
    pub(super) value: HeaderValue,
    /// Time until the token expires.
    pub(super) lifetime: Duration,
}

/// The failure of a request to which the server responded without a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal(pub(super) Failure);

impl From<Refusal> for Failure {
    fn from(Refusal(failure): Refusal) -> Self {
        failure
    }
}

/// Lifetime of a token if the response does not specify one.
const UNKNOWN_LIFETIME: Duration = Duration::from_mins(5);

/// Maximum lifetime of a token in seconds; longer ones are reduced to it.
const MAX_LIFETIME: i64 = 1 << 31;

/// The fields of a response that are used. JSON and form responses have the same fields.
#[derive(Debug, Default)]
struct Fields {
    access_token: Option<String>,
    token_type: Option<String>,
    /// A number or a string with a number; some servers send a string.
    expires_in: Option<Value>,
    error: Option<String>,
    error_description: Option<String>,
}

/// Parses a response with the rules of Go's client.
pub(super) fn read(status: StatusCode, content_type: &str, body: &[u8]) -> Result<Token, Refusal> {
    let refused = |reason, message: String| Refusal(Failure::of_request(reason, message));
    let fields = match fields(content_type, body) {
        Ok(fields) => fields,
        Err(_) if !status.is_success() => Fields::default(),
        Err(error) => {
            return Err(refused(Reason::Protocol, format!("invalid response: {error}")));
        }
    };
    if !status.is_success() || fields.error.as_ref().is_some_and(|error| !error.is_empty()) {
        let mut message = format!("token request failed: HTTP {}", status.as_u16());
        for text in [&fields.error, &fields.error_description].into_iter().flatten() {
            // Writing to a String cannot fail.
            let _ = write!(message, " {text:?}");
        }
        return Err(refused(Reason::TokenRefused, message));
    }
    let Some(token) = fields.access_token.filter(|token| !token.is_empty()) else {
        return Err(refused(Reason::Protocol, "the response has no access_token".to_owned()));
    };
    let scheme = scheme(fields.token_type.as_deref().unwrap_or_default());
    let mut value = HeaderValue::try_from(format!("{scheme} {token}")).map_err(|_| {
        refused(Reason::Protocol, "the token contains a control character".to_owned())
    })?;
    value.set_sensitive(true);
    let lifetime = lifetime(fields.expires_in.as_ref()).map_err(|()| {
        refused(Reason::Protocol, "expires_in of the response is not a number".to_owned())
    })?;
    Ok(Token { value, lifetime })
}

fn fields(content_type: &str, body: &[u8]) -> Result<Fields, String> {
    let media_type = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if !matches!(media_type.as_str(), "application/x-www-form-urlencoded" | "text/plain") {
        return json_fields(body);
    }
    let mut pairs: HashMap<_, _> = url::form_urlencoded::parse(body).into_owned().collect();
    Ok(Fields {
        access_token: pairs.remove("access_token"),
        token_type: pairs.remove("token_type"),
        expires_in: pairs.remove("expires_in").map(Value::String),
        error: pairs.remove("error"),
        error_description: pairs.remove("error_description"),
    })
}

/// Parses JSON like Go's client: names of fields are case-insensitive, the last of equal fields
/// wins, and invalid UTF-8 is replaced.
fn json_fields(body: &[u8]) -> Result<Fields, String> {
    let document: Map<String, Value> = serde_json::from_str(&String::from_utf8_lossy(body))
        .map_err(|error| describe_json_error(&error))?;
    let mut fields: Map<_, _> =
        document.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value)).collect();
    let mut text = |name: &str| match fields.remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(format!("{name} is not a string")),
    };
    Ok(Fields {
        access_token: text("access_token")?,
        token_type: text("token_type")?,
        error: text("error")?,
        error_description: text("error_description")?,
        expires_in: fields.remove("expires_in"),
    })
}

/// Describes a JSON error with its position. The message of the JSON library may quote the
/// document, which contains a token.
fn describe_json_error(error: &serde_json::Error) -> String {
    let what = match error.classify() {
        Category::Syntax => "invalid JSON",
        Category::Eof => "incomplete JSON",
        Category::Data => "unexpected JSON structure",
        Category::Io => "unreadable text",
    };
    format!("{what} at line {} column {}", error.line(), error.column())
}

/// Returns the authentication scheme before the token, in the spelling that servers expect.
fn scheme(given: &str) -> &str {
    let known = [("", "Bearer"), ("bearer", "Bearer"), ("mac", "MAC"), ("basic", "Basic")];
    let found = known.iter().find(|(name, _)| given.eq_ignore_ascii_case(name));
    found.map_or(given, |(_, usual)| usual)
}

fn lifetime(expires_in: Option<&Value>) -> Result<Duration, ()> {
    let seconds = match expires_in {
        None | Some(Value::Null) => 0,
        Some(Value::String(text)) if text.is_empty() => 0,
        Some(Value::String(text)) => text.parse().map_err(|_| ())?,
        Some(Value::Number(number)) => number.as_i64().ok_or(())?,
        Some(_) => return Err(()),
    };
    Ok(match u64::try_from(seconds.min(MAX_LIFETIME)) {
        Ok(0) => UNKNOWN_LIFETIME,
        Ok(seconds) => Duration::from_secs(seconds),
        // The token has expired already.
        Err(_) => Duration::ZERO,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORM: &str = "application/x-www-form-urlencoded; charset=utf-8";

    fn read_json(body: &str) -> Result<Token, Refusal> {
        read(StatusCode::OK, "application/json", body.as_bytes())
    }

    #[test]
    fn parses_json_and_form_responses() {
        for (content_type, body, value, seconds) in [
            ("application/json", r#"{"access_token": "t"}"#, "Bearer t", 300),
            ("", r#"{"access_token": "t", "expires_in": 0}"#, "Bearer t", 300),
            ("", r#"{"access_token": "t", "expires_in": null, "x": {}}"#, "Bearer t", 300),
            (
                "",
                r#"{"access_token": "t", "expires_in": 3600, "token_type": "bearer"}"#,
                "Bearer t",
                3600,
            ),
            ("", r#"{"access_token": "t", "expires_in": "60", "token_type": "mac"}"#, "MAC t", 60),
            ("", r#"{"Access_Token": "t", "EXPIRES_IN": 60}"#, "Bearer t", 60),
            ("", r#"{"access_token": "s", "access_token": "t"}"#, "Bearer t", 300),
            ("", r#"{"access_token": "t", "expires_in": -1, "token_type": "DPoP"}"#, "DPoP t", 0),
            ("", r#"{"access_token": "t", "expires_in": 99999999999}"#, "Bearer t", 1 << 31),
            (FORM, "access_token=a%2Bb&token_type=Bearer&expires_in=7", "Bearer a+b", 7),
            ("text/plain", "access_token=t", "Bearer t", 300),
        ] {
            let token = read(StatusCode::OK, content_type, body.as_bytes()).unwrap();
            assert_eq!(token.value, value, "{body}");
            assert_eq!(token.lifetime, Duration::from_secs(seconds), "{body}");
            assert!(token.value.is_sensitive());
        }
    }

    #[test]
    fn replaces_invalid_utf8() {
        let body = b"{\"access_token\": \"t\", \"scope\": \"caf\xe9\"}";
        assert_eq!(read(StatusCode::OK, "", body).unwrap().value, "Bearer t");
    }

    #[test]
    fn response_without_a_token_has_a_reason() {
        for (body, reason, words) in [
            ("{}", Reason::Protocol, "no access_token"),
            ("<html>", Reason::Protocol, "invalid JSON"),
            (r#"{"access_token": 271828}"#, Reason::Protocol, "access_token is not a string"),
            (r#""secret""#, Reason::Protocol, "unexpected JSON structure"),
            (r#"{"access_token": "secret"#, Reason::Protocol, "incomplete JSON"),
            (r#"{"access_token": "a\nb"}"#, Reason::Protocol, "control"),
            (r#"{"access_token": "secret", "expires_in": "soon"}"#, Reason::Protocol, "expires_in"),
            (r#"{"error": "invalid_scope"}"#, Reason::TokenRefused, "200 \"invalid_scope\""),
        ] {
            let Refusal(failure) = read_json(body).unwrap_err();
            assert_eq!(failure.reason, reason, "{body}");
            assert!(failure.message.contains(words), "{failure}");
            assert!(!failure.message.contains("secret"), "{failure}");
            assert!(!failure.message.contains("271828"), "{failure}");
        }
        let error = br#"{"error": "invalid_client", "error_description": "who?"}"#;
        let Refusal(failure) = read(StatusCode::UNAUTHORIZED, "", error).unwrap_err();
        assert_eq!(failure.reason, Reason::TokenRefused);
        assert!(failure.message.ends_with("401 \"invalid_client\" \"who?\""), "{failure}");
        let Refusal(failure) = read(StatusCode::BAD_GATEWAY, "", b"<html>").unwrap_err();
        assert!(failure.message.ends_with("502"), "{failure}");
    }
}
