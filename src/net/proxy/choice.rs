//! Selection of the proxy for a request, with the rules of Go's client.

use std::{borrow::Cow, env};

use percent_encoding::percent_decode_str;
use url::Url;

use super::{Kind, Proxy, User, refusal};
use crate::{
    diagnostics::{Failure, Reason},
    settings::{
        host_name::to_ascii,
        http_client::{Destination, NoProxy, ProxySettings, ProxyUrl},
        secret::Secret,
    },
};

impl Proxy {
    /// Returns the proxy for a request to `destination`, if the request goes through one. Without
    /// `no_proxy`, all requests go through `proxy_url`, including those to this host.
    ///
    /// # Errors
    /// A failure of the stage proxy if an environment variable is not the URL of a proxy.
    pub fn choose(
        settings: &ProxySettings,
        over_tls: bool,
        destination: Destination<'_>,
    ) -> Result<Option<Self>, Failure> {
        if settings.proxy_from_environment {
            return from_environment(over_tls, destination, |name| {
                env::var(name).ok().filter(|value| !value.is_empty())
            });
        }
        let Some(url) = &settings.proxy_url else { return Ok(None) };
        let direct = !settings.no_proxy.is_empty() && settings.no_proxy.matches(destination);
        Ok((!direct).then(|| Self::of(url)))
    }

    fn of(url: &ProxyUrl) -> Self {
        let url = url.expose();
        let (kind, default_port) = match url.scheme() {
            "http" => (Kind::Http, 80),
            "https" => (Kind::Https, 443),
            _ => (Kind::Socks, 1080),
        };
        let host = url.host_str().unwrap_or_default();
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        // The URL parser decodes hosts only for http and https.
        let host = percent_decode_str(host).decode_utf8_lossy();
        let host = to_ascii(&host).map_or_else(|_| host.to_string(), Cow::into_owned);
        Self { kind, host, port: url.port().unwrap_or(default_port), user: user_of(url) }
    }
}

fn user_of(url: &Url) -> Option<User> {
    let decoded = |text| Secret::new(percent_decode_str(text).decode_utf8_lossy());
    if url.username().is_empty() && url.password().is_none() {
        return None;
    }
    Some(User {
        name: decoded(url.username()),
        password: decoded(url.password().unwrap_or_default()),
    })
}

/// Returns the proxy from the environment variables, if one is set.
fn from_environment(
    over_tls: bool,
    destination: Destination<'_>,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Option<Proxy>, Failure> {
    let either = |upper: &'static str| {
        let names = [upper.to_owned(), upper.to_ascii_lowercase()];
        names.into_iter().find_map(|name| variable(&name))
    };
    let name = if over_tls { "HTTPS_PROXY" } else { "HTTP_PROXY" };
    let Some(text) = either(name) else { return Ok(None) };
    if NoProxy::parse(&either("NO_PROXY").unwrap_or_default()).matches(destination) {
        return Ok(None);
    }
    let with_scheme = || {
        let missing = !text.contains("://");
        missing.then(|| ProxyUrl::parse(&format!("http://{text}")).ok()).flatten()
    };
    match ProxyUrl::parse(&text) {
        Ok(url) => Ok(Some(Proxy::of(&url))),
        Err(error) => match with_scheme() {
            Some(url) => Ok(Some(Proxy::of(&url))),
            None => Err(refusal(
                Reason::InvalidRequest,
                format!("the environment variable {name}: {error}"),
            )),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to(host: &str) -> Destination<'_> {
        Destination { host, address: None, port: 80 }
    }

    fn settings(url: &str, no_proxy: &str) -> ProxySettings {
        ProxySettings {
            proxy_url: Some(ProxyUrl::parse(url).unwrap()),
            no_proxy: NoProxy::parse(no_proxy),
            ..ProxySettings::default()
        }
    }

    #[test]
    fn parses_the_url_of_a_proxy() {
        for (url, shown, name, password) in [
            ("http://proxy", "http://proxy:80", None, None),
            ("https://proxy", "https://proxy:443", None, None),
            ("socks5://proxy", "socks5://proxy:1080", None, None),
            ("socks5h://proxy:9050", "socks5://proxy:9050", None, None),
            ("http://[::1]:3128", "http://[::1]:3128", None, None),
            ("https://m\u{fc}nchen.test", "https://xn--mnchen-3ya.test:443", None, None),
            ("socks5://M\u{dc}NCHEN.test", "socks5://xn--mnchen-3ya.test:1080", None, None),
            ("http://us%40er:pa:ss@proxy:1", "http://proxy:1", Some("us@er"), Some("pa:ss")),
            ("socks5://user@proxy", "socks5://proxy:1080", Some("user"), Some("")),
        ] {
            let proxy = Proxy::choose(&settings(url, ""), false, to("h")).unwrap().unwrap();
            assert_eq!(proxy.to_string(), shown, "{url}");
            assert_eq!(format!("{proxy:?}"), shown);
            let user = proxy.user.as_ref();
            assert_eq!(user.map(|user| user.name.expose()), name, "{url}");
            assert_eq!(user.map(|user| user.password.expose()), password, "{url}");
        }
    }

    #[test]
    fn local_host_bypasses_the_proxy_only_with_no_proxy() {
        let chosen = |no_proxy, host| {
            Proxy::choose(&settings("http://proxy", no_proxy), false, to(host)).unwrap().is_some()
        };
        assert!(chosen("", "localhost"));
        assert!(chosen("", "127.0.0.1"));
        assert!(!chosen("elsewhere.example", "localhost"));
        assert!(chosen("elsewhere.example", "here.example"));
        assert!(!chosen("here.example", "here.example"));
    }

    #[test]
    fn environment_variables_select_a_proxy_by_scheme() {
        let environment = [
            ("HTTP_PROXY", "proxy:3128"),
            ("http_proxy", "http://other"),
            ("https_proxy", "socks5://secure"),
            ("NO_PROXY", "direct.example"),
        ];
        let variable = |name: &str| {
            let found = environment.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        for (over_tls, host, expected) in [
            (false, "h", Some("http://proxy:3128")),
            (true, "h", Some("socks5://secure:1080")),
            (false, "direct.example", None),
            (true, "localhost", None),
        ] {
            let proxy = from_environment(over_tls, to(host), variable).unwrap();
            assert_eq!(proxy.map(|proxy| proxy.to_string()).as_deref(), expected, "{host}");
        }
        assert_eq!(from_environment(false, to("h"), |_| None), Ok(None));
        for bad in ["ftp://proxy", "http://", "http://user:secret@[::1"] {
            let error = from_environment(false, to("h"), |_| Some(bad.to_owned())).unwrap_err();
            assert!(error.message.starts_with("the environment variable HTTP_PROXY"), "{error}");
            assert!(!error.message.contains("secret"), "{error}");
        }
    }
}
