//! Redaction of URLs: passwords, and parameters that are likely to be secret.

use std::{borrow::Cow, fmt, ops::Range};

use crate::settings::secret::{self, is_secret_name};

/// The replacement of a secret in a URL, the same as in Go's `URL.Redacted`.
pub const MASK: &str = "xxxxx";

/// Names of URL parameters that are secret, in addition to those of [`is_secret_name`].
const PARAMETERS: [&str; 10] =
    ["auth", "code", "jwt", "pass", "pwd", "session", "sessionid", "sid", "sig", "signature"];

/// Replaces the secrets in `text`, which may also be a part of a URL: targets often are.
#[must_use]
pub fn url(text: &str) -> Cow<'_, str> {
    let mut shown = String::new();
    let mut from = 0;
    for Range { start, end } in secrets(text) {
        shown.push_str(text.get(from..start).unwrap_or_default());
        shown.push_str(MASK);
        from = end;
    }
    if from == 0 {
        return Cow::Borrowed(text);
    }
    shown.push_str(text.get(from..).unwrap_or_default());
    Cow::Owned(shown)
}

/// Returns the secrets of a URL, encoded and decoded.
#[must_use]
pub fn secrets_of(text: &str) -> Vec<String> {
    let written = secrets(text).into_iter().filter_map(|place| text.get(place));
    let both = written.flat_map(|written| [written.to_owned(), decoded(written)]);
    let mut all: Vec<_> = both.collect();
    all.dedup();
    all
}

/// Records the secrets of a URL that is serialised without them.
pub(super) fn collect_secrets_of(url: &str) {
    for secret in secrets_of(url) {
        secret::collect(&secret);
    }
}

/// A URL or a part of one that is displayed with its secrets replaced.
#[derive(Debug, Clone, Copy)]
pub struct Redacted<D>(pub D);

impl<D: fmt::Display> fmt::Display for Redacted<D> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&url(&self.0.to_string()))
    }
}

/// Returns the positions of the secrets in a URL, in order.
#[must_use]
pub fn secrets(text: &str) -> Vec<Range<usize>> {
    // Most targets contain none of these.
    if !text.contains(['@', '?', '#']) {
        return Vec::new();
    }
    let begin = text.find("://").map_or(0, |at| at + "://".len());
    let rest = text.get(begin..).unwrap_or_default();
    let end = begin + rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let mut found: Vec<_> = password(text, begin..end).into_iter().collect();
    if let Some(at) = rest.find(['?', '#']) {
        parameters(text, begin + at + 1, &mut found);
    }
    found
}

/// Returns the position of the password in an authority.
fn password(text: &str, authority: Range<usize>) -> Option<Range<usize>> {
    let begin = authority.start;
    let whole = text.get(authority.clone())?;
    let user = match whole.rsplit_once('@') {
        Some((user, _)) => user,
        None => with_slash(text, authority)?,
    };
    let (name, password) = user.split_once(':')?;
    let begin = begin + name.len() + 1;
    (!password.is_empty()).then_some(begin..begin + password.len())
}

/// Returns the user and the password if the password contains a character that seems to end the
/// authority. This is detected by letters in the port.
fn with_slash(text: &str, authority: Range<usize>) -> Option<&str> {
    let (name, port) = text.get(authority.clone())?.split_once(':')?;
    let is_host = name.starts_with('[') || port.bytes().all(|byte| byte.is_ascii_digit());
    let (user, _) = text.get(authority.start..)?.rsplit_once('@').filter(|_| !is_host)?;
    Some(user)
}

/// Adds the positions of the secret parameter values after `from` to `found`.
fn parameters(text: &str, from: usize, found: &mut Vec<Range<usize>>) {
    let mut at = from;
    for pair in text.get(from..).unwrap_or_default().split(['&', ';', '#', '?']) {
        if let Some((name, value)) = pair.split_once('=')
            && !value.is_empty()
            && is_secret_parameter(&decoded(name))
        {
            let begin = at + name.len() + 1;
            found.push(begin..begin + value.len());
        }
        at += pair.len() + 1;
    }
}

/// Returns true if a URL or form parameter of this name is likely to be secret.
#[must_use]
pub fn is_secret_parameter(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    PARAMETERS.contains(&lower.as_str())
        || lower.ends_with("signature")
        || lower.ends_with("assertion")
        || is_secret_name(name)
}

/// Decodes a percent-encoded text.
fn decoded(text: &str) -> String {
    if !text.contains(['%', '+']) {
        return text.to_owned();
    }
    let pair = format!("={}", text.replace('&', "%26"));
    let mut pairs = url::form_urlencoded::parse(pair.as_bytes());
    pairs.next().map(|(_, value)| value.into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redacts_passwords_and_secret_parameters() {
        for (text, shown) in [
            ("http://user:hunter2@h:80/p?a=b", "http://user:xxxxx@h:80/p?a=b"),
            ("user:hunter2@h", "user:xxxxx@h"),
            ("http://u:a@b@h/", "http://u:xxxxx@h/"),
            ("http://u:hun/ter2@h/", "http://u:xxxxx@h/"),
            ("u:hun?ter2@h:80", "u:xxxxx@h:80"),
            (
                "https://h/p?token=t&x=1&api_key=k#end",
                "https://h/p?token=xxxxx&x=1&api_key=xxxxx#end",
            ),
            ("https://h/#access_token=t", "https://h/#access_token=xxxxx"),
            (
                "https://h/?X-Amz-Signature=s&X-Amz-Date=d",
                "https://h/?X-Amz-Signature=xxxxx&X-Amz-Date=d",
            ),
            ("https://h/?Client%5FSecret=s;code=1", "https://h/?Client%5FSecret=xxxxx;code=xxxxx"),
            ("/next?sid=1", "/next?sid=xxxxx"),
        ] {
            assert_eq!(url(text), shown, "{text}");
            assert_eq!(Redacted(text).to_string(), shown);
        }
        for text in [
            "http://user@h/",
            "http://user:@h/a:b@c",
            "http://h/a@b:c?mail=a:b@c&tokens_url=x&key=",
            "[fe80::1%eth0]:80",
            "127.0.0.1:53",
            "@abstract",
            "/run/x.sock",
            "http://h?",
            "",
        ] {
            assert!(matches!(url(text), Cow::Borrowed(_)), "{text}: {}", url(text));
        }
    }

    #[test]
    fn returns_secrets_encoded_and_decoded() {
        assert_eq!(secrets_of("http://u:p%40ss@h/?key=a+b"), ["p%40ss", "p@ss", "a+b", "a b"]);
        assert_eq!(secrets_of("http://u:pass@h/"), ["pass"]);
        assert!(secrets_of("http://h/").is_empty());
    }
}
