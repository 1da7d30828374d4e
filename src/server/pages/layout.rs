//! Layout of all pages: head, style, navigation, and security headers.

use std::{env, sync::LazyLock};

use actix_web::{
    HttpRequest, HttpResponse,
    http::{
        StatusCode,
        header::{self, HeaderValue},
    },
};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use rustix::system::uname;

use crate::{
    server::{
        pages::format,
        response::{self, Size},
    },
    version,
};

const STYLE: &str = include_str!("style.css");

/// A page.
pub(super) struct Page<'p> {
    /// The title; can be untrusted text.
    pub(super) title: &'p str,
    /// The link of this page in the navigation; empty if it has none.
    pub(super) current_link: &'static str,
    /// The content.
    pub(super) content: Markup,
}

/// Links and names of the navigation. The links are relative, so that they work under any prefix.
const NAVIGATION: [(&str, &str); 4] =
    [("./", "Probes"), ("modules", "Modules"), ("config", "Configuration"), ("metrics", "Metrics")];

/// Name of the host. Replicas do not share their history, and in Kubernetes this is the name of the
/// pod.
static HOST: LazyLock<String> = LazyLock::new(|| {
    let configured = env::var("HOSTNAME").ok().filter(|name| !name.is_empty());
    configured.unwrap_or_else(|| uname().nodename().to_string_lossy().into_owned())
});

/// Maximum length of the name of the host in bytes.
const MAX_HOST_BYTES: usize = 253;

/// Maximum length of a title in bytes.
const MAX_TITLE_BYTES: usize = 120;

fn nonce() -> String {
    format!("{:032x}", rand::random::<u128>())
}

impl Page<'_> {
    /// Returns the page as a response.
    ///
    /// The content security policy forbids scripts and external resources: texts of targets and
    /// servers are untrusted, and even unescaped markup could do no harm.
    pub(super) fn answer(&self, request: &HttpRequest, status: StatusCode) -> HttpResponse {
        let nonce = nonce();
        let text = self.render(&nonce).into_string();
        let mut response = response::ok(request, response::HTML, text);
        *response.status_mut() = status;
        Self::with_headers(response, &nonce)
    }

    /// Returns a page as a response. A large one is rendered on another thread.
    pub(super) async fn answer_rendered(
        request: &HttpRequest,
        size: Size,
        title: String,
        current_link: &'static str,
        content: impl FnOnce() -> Markup + Send + 'static,
    ) -> HttpResponse {
        let nonce = nonce();
        let used = nonce.clone();
        let render = move || {
            Page { title: &title, current_link, content: content() }.render(&used).into_string()
        };
        let response = response::ok_rendered(request, response::HTML, size, render).await;
        Self::with_headers(response, &nonce)
    }

    fn with_headers(mut response: HttpResponse, nonce: &str) -> HttpResponse {
        let policy = format!(
            "default-src 'none'; style-src 'nonce-{nonce}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        );
        let headers = response.headers_mut();
        if let Ok(policy) = HeaderValue::from_str(&policy) {
            headers.insert(header::CONTENT_SECURITY_POLICY, policy);
        }
        // Targets are not sent to other sites as referrer, and pages are not cached.
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
                                a href=(link) aria-current=[(link == self.current_link).then_some("page")] {
                                    (name)
                                }
                            }
                        }
                    }
                    main #content { (self.content) }
                    footer.soft { "Host " (format::escaped(&HOST, MAX_HOST_BYTES)) }
                }
            }
        }
    }
}
