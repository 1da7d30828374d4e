//! Cookies that one hop of a probe sets and the next hops send.

use cookie::Cookie;
use cookie_store::CookieStore;
use http::{HeaderMap, header};
use psl::Psl as _;
use url::Url as WebUrl;

use crate::net::http::url::Url;

/// The cookies of one probe; nothing of them outlives it.
#[derive(Default)]
pub(super) struct Jar {
    store: CookieStore,
    /// Number of cookies in responses so far, also of unacceptable ones.
    received: usize,
    /// The names of all cookies that were set so far.
    set: Vec<String>,
}

/// Maximum number of cookies that a probe accepts; browsers keep fewer for a site. Parsing them takes
/// less than a millisecond.
const MAX_COOKIES: usize = 300;

impl Jar {
    /// Stores the cookies of a response to a request for `url` that named `host`. Returns false if
    /// some are ignored because there are too many.
    pub(super) fn note(&mut self, url: &Url, host: &str, headers: &HeaderMap) -> bool {
        if !headers.contains_key(header::SET_COOKIE) {
            return true;
        }
        let Some(page) = page(url, host) else { return true };
        for value in headers.get_all(header::SET_COOKIE) {
            self.received += 1;
            if self.received > MAX_COOKIES {
                return false;
            }
            let text = str::from_utf8(value.as_bytes()).unwrap_or_default();
            let Ok(cookie) = Cookie::parse(text) else { continue };
            self.set.push(cookie.name().to_owned());
            if let Some(cookie) = acceptable(cookie, &page) {
                // What breaks another rule of RFC 6265 is not stored.
                let _ = self.store.insert_raw(&cookie, &page);
            }
        }
        true
    }

    /// The `Cookie` header of a request for `url` that names `host`: what the module says in
    /// `configured`, less what was set anew since, and then what belongs to the page.
    pub(super) fn header(&self, configured: Option<&str>, url: &Url, host: &str) -> Option<String> {
        let mut cookies: Vec<String> = Vec::new();
        match configured {
            Some(configured) if self.set.is_empty() => cookies.push(configured.to_owned()),
            Some(configured) => cookies.extend(self.unchanged(configured)),
            None => {}
        }
        if !self.set.is_empty()
            && let Some(page) = page(url, host)
        {
            let mut matching = self.store.matches(&page);
            matching.sort_by_key(|cookie| std::cmp::Reverse(cookie.path.len()));
            let pairs = matching.iter().map(|cookie| cookie.stripped().to_string());
            cookies.extend(pairs);
        }
        (!cookies.is_empty()).then(|| cookies.join("; "))
    }

    /// Those of the configured cookies that no response has set.
    fn unchanged<'c>(&self, configured: &'c str) -> impl Iterator<Item = String> + use<'_, 'c> {
        configured
            .split(';')
            .map(str::trim)
            .filter(|pair| {
                let name = pair.split_once('=').map_or(*pair, |(name, _)| name);
                !self.set.iter().any(|set| set == name)
            })
            .map(str::to_owned)
    }
}

/// Returns the page as a URL of the cookie library; `None` if that does not accept its host.
fn page(url: &Url, host: &str) -> Option<WebUrl> {
    WebUrl::parse(&format!("{}://{host}{}", url.scheme, url.path())).ok()
}

/// The cookie unless it is for a whole public suffix such as `co.uk`; where that is the page's own
/// host, it is for that host alone (RFC 6265, section 5.3).
fn acceptable<'c>(mut cookie: Cookie<'c>, page: &WebUrl) -> Option<Cookie<'c>> {
    let Some(domain) = cookie.domain().map(str::to_ascii_lowercase) else { return Some(cookie) };
    let is_suffix = psl::List
        .suffix(domain.as_bytes())
        .is_none_or(|suffix| suffix.as_bytes() == domain.as_bytes());
    if !is_suffix {
        return Some(cookie);
    }
    if page.host_str() != Some(domain.as_str()) {
        return None;
    }
    cookie.unset_domain();
    Some(cookie)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    /// Returns the cookies of a request for `asked` after a response of `from` has set `set`.
    fn sent(from: &str, set: &[&str], configured: Option<&str>, asked: &str) -> Option<String> {
        let mut headers = HeaderMap::new();
        for cookie in set {
            headers.append(header::SET_COOKIE, HeaderValue::from_str(cookie).unwrap());
        }
        let (from, asked) = (Url::parse(from).unwrap(), Url::parse(asked).unwrap());
        let mut jar = Jar::default();
        jar.note(&from, &from.authority, &headers);
        jar.header(configured, &asked, &asked.authority)
    }

    #[test]
    fn a_cookie_goes_where_it_belongs() {
        for (from, set, asked, expected) in [
            ("http://a.example/", "c=1", "http://a.example/x", Some("c=1")),
            ("http://a.example:81/", "c=1", "http://a.example:82/", Some("c=1")),
            ("http://a.example/", "c=1", "http://b.example/", None),
            ("http://a.example/", "c=1", "http://www.a.example/", None),
            ("http://a.example/", "c=1; Domain=a.example", "http://www.a.example/", Some("c=1")),
            ("http://www.a.example/", "c=1; Domain=.a.example", "http://a.example/", Some("c=1")),
            ("http://a.example/", "c=1; Domain=b.example", "http://b.example/", None),
            ("http://a.co.uk/", "c=1; Domain=co.uk", "http://a.co.uk/", None),
            ("http://a.example/", "c=1; Domain=example", "http://a.example/", None),
            ("http://localhost/", "c=1; Domain=localhost", "http://localhost/", Some("c=1")),
            ("http://127.0.0.1/", "c=1", "http://127.0.0.1:8080/", Some("c=1")),
            ("http://[::1]/", "c=1", "http://[::1]/", Some("c=1")),
            ("http://a.example/x/y", "c=1", "http://a.example/x/z", Some("c=1")),
            ("http://a.example/x/y", "c=1", "http://a.example/z", None),
            ("http://a.example/x", "c=1; Path=/", "http://a.example/z", Some("c=1")),
            ("https://a.example/", "c=1; Secure", "https://a.example/", Some("c=1")),
            ("https://a.example/", "c=1; Secure", "http://a.example/", None),
            ("http://a.example/", "c=1; HttpOnly", "http://a.example/", Some("c=1")),
            ("http://a.example/", "c=1; Max-Age=0", "http://a.example/", None),
            ("http://a.example/", "c=\"q\"", "http://a.example/", Some("c=\"q\"")),
            ("http://a.example/", "nonsense", "http://a.example/", None),
        ] {
            assert_eq!(sent(from, &[set], None, asked).as_deref(), expected, "{set} from {from}");
        }
    }

    #[test]
    fn cookies_are_joined_the_longest_path_first() {
        let set = ["a=1; Path=/", "b=2; Path=/x", "c=3; Path=/"];
        let joined = sent("http://h/x/", &set, Some("z=9; y=8"), "http://h/x/");
        assert_eq!(joined.as_deref(), Some("z=9; y=8; b=2; a=1; c=3"));
    }

    #[test]
    fn a_configured_cookie_that_was_set_anew_is_not_sent_twice() {
        let sent = sent("http://h/", &["y=new"], Some("z=9; y=8"), "http://h/");
        assert_eq!(sent.as_deref(), Some("z=9; y=new"));
    }

    #[test]
    fn cookies_beyond_the_limit_are_ignored() {
        let url = Url::parse("http://h/").unwrap();
        let cookies = |numbers: std::ops::Range<usize>| {
            let mut headers = HeaderMap::new();
            for number in numbers {
                let value = HeaderValue::from_str(&format!("c{number}=1")).unwrap();
                headers.append(header::SET_COOKIE, value);
            }
            headers
        };
        let mut jar = Jar::default();
        assert!(jar.note(&url, "h", &cookies(0..MAX_COOKIES)));
        assert!(!jar.note(&url, "h", &cookies(MAX_COOKIES..MAX_COOKIES + 1)));
        assert!(!jar.note(&url, "h", &cookies(0..1)));
        let sent = jar.header(None, &url, "h").unwrap();
        assert_eq!(sent.split("; ").count(), MAX_COOKIES);
    }
}
