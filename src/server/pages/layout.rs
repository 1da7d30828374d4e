//! What all pages have in common: head, style, navigation, and what browsers may do with them.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{
        StatusCode,
        header::{self, HeaderValue},
    },
};
use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::{
    server::{pages::format, response},
    version,
};

const STYLE: &str = include_str!("style.css");

/// A page in the making.
pub(super) struct Page<'p> {
    /// What it is about, which may be a stranger's words.
    pub(super) title: &'p str,
    /// Its entry in the navigation, by its link; empty where it has none.
    pub(super) here: &'static str,
    /// What it says.
    pub(super) content: Markup,
}

/// Pages beside each other, so that links hold under any prefix.
const NAVIGATION: [(&str, &str); 4] =
    [("./", "Probes"), ("modules", "Modules"), ("config", "Configuration"), ("metrics", "Metrics")];

/// Bytes of a title that a tab has room for, generously.
const MAX_TITLE_BYTES: usize = 120;

impl Page<'_> {
    /// Answers with the page.
    ///
    /// It works without scripts, and nothing on it comes from elsewhere. What targets and servers
    /// say comes from strangers: even if markup of theirs slipped through, it could do nothing.
    pub(super) fn answer(&self, request: &HttpRequest, status: StatusCode) -> HttpResponse {
        let nonce = format!("{:032x}", rand::random::<u128>());
        let mut response = response::ok(request, response::HTML, self.render(&nonce).into_string());
        *response.status_mut() = status;
        let policy = format!(
            "default-src 'none'; style-src 'nonce-{nonce}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        );
        let headers = response.headers_mut();
        if let Ok(policy) = HeaderValue::from_str(&policy) {
            headers.insert(header::CONTENT_SECURITY_POLICY, policy);
        }
        // A target may be a secret between its owner and the exporter, and a probe is of its moment.
        headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }

    pub(super) fn render(&self, nonce: &str) -> Markup {
        html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    title { (format::escaped(self.title, MAX_TITLE_BYTES)) " · " (version::PROGRAM) }
                    style nonce=(nonce) { (PreEscaped(STYLE)) }
                }
                body {
                    a.skip href="#content" { "Skip to the content" }
                    header {
                        a.brand href="./" { (version::PROGRAM) }
                        span.soft { (version::VERSION) }
                        nav aria-label="Pages" {
                            @for (link, name) in NAVIGATION {
                                a href=(link) aria-current=[(link == self.here).then_some("page")] {
                                    (name)
                                }
                            }
                        }
                    }
                    main #content { (self.content) }
                }
            }
        }
    }
}
