//! URLs as Go parses them, because targets and redirects were written for upstream.
//!
//! The parser of browsers would take `127.1` for an address, drop a port of 80, cut `/./` out of a
//! target's path and read `\` as `/`; a target would then see another request than upstream's.

mod authority;
mod path;
mod scheme;

use std::fmt;

use self::{
    authority::{decoded_host, split_port, text_of},
    path::{normal_path, unescape, without_dots},
};
pub(crate) use self::{
    authority::{host_header, hostname, port_number},
    scheme::check_scheme,
};

/// A URL or a relative reference; parts that are missing in its text are empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Url {
    /// The scheme in lower case; empty for a reference such as `/path`.
    pub(crate) scheme: String,
    /// User and password, decoded.
    pub(crate) user: Option<User>,
    /// Host and port as they were written, with the brackets of an IPv6 address; an
    /// internationalised name is in its ASCII form.
    pub(crate) authority: String,
    path: String,
    query: Option<String>,
    /// The text after a scheme without a slash, as in `mailto:somebody`.
    opaque: String,
}

/// The user information of a URL.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct User {
    pub(crate) name: String,
    pub(crate) password: String,
}

impl fmt::Debug for User {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "User({}, <secret>)", self.name)
    }
}

impl Url {
    /// Reads a URL or a reference; what follows `#` is dropped.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let text = text.split_once('#').map_or(text, |(before, _)| before);
        if text.bytes().any(|byte| byte.is_ascii_control()) {
            return Err("it contains a control character".to_owned());
        }
        let (scheme, rest) = split_scheme(text)?;
        let mut url = Self { scheme: scheme.to_ascii_lowercase(), ..Self::default() };
        let mut rest = rest;
        if let Some((before, query)) = rest.split_once('?') {
            url.query = Some(query.to_owned());
            rest = before;
        }
        if !rest.starts_with('/') {
            if !url.scheme.is_empty() {
                rest.clone_into(&mut url.opaque);
                return Ok(url);
            }
            if rest.split('/').next().is_some_and(|segment| segment.contains(':')) {
                return Err("its first path segment contains a colon".to_owned());
            }
        }
        let has_authority = !url.scheme.is_empty() || !rest.starts_with("///");
        if let Some(after) = rest.strip_prefix("//").filter(|_| has_authority) {
            let end = after.find('/').unwrap_or(after.len());
            let (authority, path) = after.split_at(end);
            url.read_authority(authority)?;
            rest = path;
        }
        url.path = normal_path(rest)?;
        Ok(url)
    }

    /// The URL that `reference` means on a page of this one (RFC 3986, section 5.2).
    pub(crate) fn join(&self, reference: &str) -> Result<Self, String> {
        let mut url = Self::parse(reference)?;
        let complete = !url.scheme.is_empty() || !url.authority.is_empty() || url.user.is_some();
        if url.scheme.is_empty() {
            url.scheme.clone_from(&self.scheme);
        }
        if complete {
            url.path = without_dots("", &url.path);
        } else if url.opaque.is_empty() {
            if url.path.is_empty() && url.query.is_none() {
                url.query.clone_from(&self.query);
            }
            url.authority.clone_from(&self.authority);
            url.user.clone_from(&self.user);
            url.path = without_dots(&self.path, &url.path);
        }
        Ok(url)
    }

    /// Returns whether it was written with a scheme.
    pub(crate) fn is_absolute(&self) -> bool {
        !self.scheme.is_empty()
    }

    /// The host without port and brackets.
    pub(crate) fn hostname(&self) -> &str {
        hostname(&self.authority)
    }

    /// The port as it was written, if one was.
    pub(crate) fn port(&self) -> Option<&str> {
        split_port(&self.authority).1.filter(|port| !port.is_empty())
    }

    /// The port that it leads to, `usual` if none was written.
    pub(crate) fn port_or(&self, usual: u16) -> Result<u16, String> {
        self.port().map_or(Ok(usual), port_number)
    }

    /// The path as it goes into a request, at least `/`.
    pub(crate) fn path(&self) -> &str {
        if self.path.is_empty() { "/" } else { &self.path }
    }

    /// Path and query as they go into a request.
    ///
    /// Unlike upstream: what may not stand in the query of a request is escaped. Upstream sends a
    /// space as it is, which breaks the line.
    pub(crate) fn request_target(&self) -> String {
        let mut target = self.path().to_owned();
        if let Some(query) = &self.query {
            target.push('?');
            for character in query.chars() {
                match character {
                    ' ' => target.push_str("%20"),
                    '"' => target.push_str("%22"),
                    '<' => target.push_str("%3C"),
                    '>' => target.push_str("%3E"),
                    _ => target.push(character),
                }
            }
        }
        target
    }

    fn read_authority(&mut self, authority: &str) -> Result<(), String> {
        let Some((user, host)) = authority.rsplit_once('@') else {
            self.authority = decoded_host(authority)?;
            return Ok(());
        };
        self.authority = decoded_host(host)?;
        if !user.bytes().all(may_stand_in_user) {
            return Err("its user information contains an invalid character".to_owned());
        }
        let (name, password) = user.split_once(':').unwrap_or((user, ""));
        self.user = Some(User {
            name: text_of(unescape(name, |_| true)?)?,
            password: text_of(unescape(password, |_| true)?)?,
        });
        Ok(())
    }
}

impl fmt::Display for Url {
    /// The URL without its user information, which may be secret.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.scheme.is_empty() {
            write!(formatter, "{}:", self.scheme)?;
        }
        if !self.opaque.is_empty() {
            return formatter.write_str(&self.opaque);
        }
        if !self.authority.is_empty() {
            write!(formatter, "//{}", self.authority)?;
        }
        formatter.write_str(&self.path)?;
        match &self.query {
            Some(query) => write!(formatter, "?{query}"),
            None => Ok(()),
        }
    }
}

fn split_scheme(text: &str) -> Result<(&str, &str), String> {
    for (index, byte) in text.bytes().enumerate() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' => {}
            b'0'..=b'9' | b'+' | b'-' | b'.' if index > 0 => {}
            b':' if index == 0 => return Err("its scheme is missing".to_owned()),
            b':' => return Ok(text.split_once(':').unwrap_or(("", text))),
            _ => break,
        }
    }
    Ok(("", text))
}

fn may_stand_in_user(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._:~!$&'()*+,;=%@".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_taken_apart_as_it_was_written() {
        for (text, host, port, target) in [
            ("http://h", "h", None, "/"),
            ("HTTP://Example.Org:80/a/../b", "Example.Org", Some("80"), "/a/../b"),
            ("http://h:/", "h", None, "/"),
            ("http://h?q", "h", None, "/?q"),
            ("http://h/?", "h", None, "/?"),
            ("http://h/a%2Fb%20c", "h", None, "/a%2Fb%20c"),
            ("http://h/a b!", "h", None, "/a%20b%21"),
            ("http://h/caf\u{e9}", "h", None, "/caf%C3%A9"),
            ("http://h/a\\b", "h", None, "/a%5Cb"),
            ("http://h/x?a=%zz&b={\"c\"}", "h", None, "/x?a=%zz&b={%22c%22}"),
            ("http://h/x?a b", "h", None, "/x?a%20b"),
            ("http://h/x?caf\u{e9}", "h", None, "/x?caf\u{e9}"),
            ("http://h/#part", "h", None, "/"),
            ("http://[::1]:8080/x", "::1", Some("8080"), "/x"),
            ("http://[fe80::1%25eth0]/", "fe80::1%eth0", None, "/"),
            ("http://[fe80::1%eth0]:80/", "fe80::1%eth0", Some("80"), "/"),
            ("http://[fe80::1%bat0]/", "fe80::1%bat0", None, "/"),
            ("http://u:p@h:1/", "h", Some("1"), "/"),
            ("http://ftp://x", "ftp", None, "//x"),
            ("http://", "", None, "/"),
            ("http://127.1/", "127.1", None, "/"),
            ("http://::1/", ":", Some("1"), "/"),
            ("http://h:80:81/", "h:80", Some("81"), "/"),
            ("http://m\u{fc}nchen.test:81/", "xn--mnchen-3ya.test", Some("81"), "/"),
            ("http://M%C3%BCnchen\u{3002}test./", "xn--mnchen-3ya.test.", None, "/"),
            ("http://u:p@stra\u{df}e.test/", "xn--strae-oqa.test", None, "/"),
            ("http://[fe80::1%25\u{fc}0]/", "fe80::1%\u{fc}0", None, "/"),
        ] {
            let url = Url::parse(text).unwrap();
            assert_eq!(url.hostname(), host, "{text}");
            assert_eq!(url.port(), port, "{text}");
            assert_eq!(url.request_target(), target, "{text}");
        }
    }

    #[test]
    fn user_information_is_decoded_and_never_shown() {
        let url = Url::parse("http://a%40b:p%3Aw@h/x?y").unwrap();
        assert_eq!(url.user, Some(User { name: "a@b".into(), password: "p:w".into() }));
        assert_eq!(url.to_string(), "http://h/x?y");
        assert!(!format!("{url:?}").contains("p:w"));
    }

    #[test]
    fn what_go_refuses_is_refused() {
        for (text, complaint) in [
            ("http://h/%zz", "percent escape"),
            ("http://h/%2", "percent escape"),
            ("http://h:80a/", "not a port"),
            ("http://a b/", "' '"),
            ("http://a%41/", "percent escape"),
            ("http://[::1/", "']'"),
            ("http://[::1]x/", "not a port"),
            ("http://[127.0.0.1]/", "not an IPv6 address"),
            ("http://u ser@h/", "user information"),
            ("http://h/a\nb", "control character"),
            ("http://h/\u{7f}", "control character"),
            ("http://a\u{ff0f}b/", "internationalised"),
            (":h", "scheme"),
            ("1a:b", "colon"),
        ] {
            let error = Url::parse(text).unwrap_err();
            assert!(error.contains(complaint), "{text}: {error}");
        }
    }

    #[test]
    fn references_are_resolved() {
        let base = Url::parse("http://u:p@h:1/a/b?q").unwrap();
        for (reference, expected) in [
            ("c", "http://h:1/a/c"),
            ("/c", "http://h:1/c"),
            ("../c", "http://h:1/c"),
            ("../../../c", "http://h:1/c"),
            ("./", "http://h:1/a/"),
            (".", "http://h:1/a/"),
            ("..", "http://h:1/"),
            ("?r", "http://h:1/a/b?r"),
            ("?", "http://h:1/a/b?"),
            ("", "http://h:1/a/b?q"),
            ("//other/x", "http://other/x"),
            ("//m\u{fc}nchen.test/x", "http://xn--mnchen-3ya.test/x"),
            ("https://other", "https://other"),
            ("https://other/a/./b/../c", "https://other/a/c"),
            ("ftp://other/", "ftp://other/"),
            ("mailto:x", "mailto:x"),
        ] {
            assert_eq!(base.join(reference).unwrap().to_string(), expected, "{reference}");
        }
        assert_eq!(base.join("/c").unwrap().user, base.user);
        assert_eq!(base.join("//other/").unwrap().user, None);
        assert!(base.join("http://[::1").is_err());
    }
}
