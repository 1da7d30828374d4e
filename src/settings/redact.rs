//! Redaction of URLs: passwords, and parameters that are likely to be secret.

use std::{borrow::Cow, fmt, ops::Range};

use crate::settings::secret::{self, is_secret_name};

/// The replacement of a secret in a URL, the same as in Go's `URL.Redacted`.
pub const MASK: &str = "xxxxx";

/// Maximum length of a URL of a peer that is searched for secrets, in bytes.
pub const MAX_URL: usize = 64 << 10;

/// Maximum length of a URL of a peer that is displayed, in bytes.
const MAX_SHOWN: usize = 4 << 10;

/// Names of URL parameters that are secret, in addition to those of [`is_secret_name`].
const PARAMETERS: [&str; 8] = ["auth", "code", "jwt", "pass", "pwd", "session", "sid", "sig"];

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

/// Records the secrets of a URL that is serialised without them.
pub(super) fn collect_secrets_of(url: &str) {
    for secret in secrets(url).into_iter().filter_map(|place| url.get(place)) {
        secret::collect(secret);
    }
}

/// A URL or a part of one that is displayed with its secrets replaced, and shortened if it is long.
#[derive(Debug, Clone, Copy)]
pub struct Redacted<D>(pub D);

impl<D: fmt::Display> fmt::Display for Redacted<D> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.to_string();
        if text.len() <= MAX_SHOWN {
            return formatter.write_str(&url(&text));
        }
        // The search for secrets ends there too, since a peer chooses redirects.
        let end = text.floor_char_boundary(MAX_SHOWN);
        let (mut shown, mut done) = (String::new(), 0);
        for Range { start, end: secret_end } in secrets_before(&text, end) {
            shown.push_str(text.get(done..start.min(end)).unwrap_or_default());
            shown.push_str(MASK);
            done = secret_end;
        }
        shown.push_str(text.get(done..end).unwrap_or_default());
        write!(formatter, "{shown}… ({} bytes)", text.len())
    }
}

/// Returns the positions of the secrets in a URL, in order.
#[must_use]
pub fn secrets(text: &str) -> Vec<Range<usize>> {
    secrets_before(text, text.len())
}

/// Returns the positions of the secrets that begin before `limit`. The last one may continue.
fn secrets_before(text: &str, limit: usize) -> Vec<Range<usize>> {
    // Most targets contain none of these.
    if !text.contains(['@', '?', '#']) {
        return Vec::new();
    }
    let begin = text.find("://").map_or(0, |at| at + "://".len());
    let rest = text.get(begin..).unwrap_or_default();
    let end = begin + rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let mut found: Vec<_> = password(text, begin..end).into_iter().collect();
    if let Some(at) = rest.find(['?', '#']) {
        parameters(text, begin + at + 1, limit, &mut found);
    }
    found.retain(|place| place.start < limit);
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

/// Adds the positions of the secret parameter values between `from` and `limit` to `found`.
fn parameters(text: &str, from: usize, limit: usize, found: &mut Vec<Range<usize>>) {
    let mut at = from;
    for pair in text.get(from..limit).unwrap_or_default().split(['&', ';', '#', '?']) {
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
        || lower.ends_with("sessionid")
        || lower.ends_with("sessid")
        || is_secret_name(name)
}

/// Decodes a percent-encoded text.
fn decoded(text: &str) -> Cow<'_, str> {
    if !text.contains(['%', '+']) {
        return Cow::Borrowed(text);
    }
    let pair = format!("={}", text.replace('&', "%26"));
    let mut pairs = url::form_urlencoded::parse(pair.as_bytes());
    pairs.next().map(|(_, value)| Cow::Owned(value.into_owned())).unwrap_or_default()
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
    fn secrets_are_returned_as_they_are_written() {
        let secrets_of =
            |url| secrets(url).into_iter().filter_map(|place| str::get(url, place)).collect();
        let found: Vec<_> = secrets_of("http://u:p%40ss@h/?key=a+b");
        assert_eq!(found, ["p%40ss", "a+b"]);
        assert!(secrets("http://h/").is_empty());
    }

    #[test]
    fn a_long_url_is_shortened_without_its_secrets() {
        let long = "x".repeat(MAX_SHOWN);
        for (text, start, length) in [
            (format!("http://h/{long}?token=t"), "http://h/xxx", MAX_SHOWN),
            (format!("http://u:{long}@h/a?b"), "http://u:xxxxx… (", 14),
            (format!("http://h/?token={long}&a=b"), "http://h/?token=xxxxx… (", 21),
            (format!("http://h/?token=t&a={long}"), "http://h/?token=xxxxx&a=xxx", MAX_SHOWN + 4),
        ] {
            let shown = Redacted(&text).to_string();
            assert!(shown.starts_with(start), "{shown}");
            assert_eq!(shown.find('…'), Some(length), "{shown}");
        }
    }
}
