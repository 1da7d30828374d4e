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
        pages::{format, links},
        response::{self, Size},
    },
    version,
};

const STYLE: &str = include_str!("style.css");

/// The icon of all pages. It is part of them, because `/favicon.ico` may belong to another server.
const ICON: &str = "data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'>\
                    <rect width='16' height='16' rx='4' fill='%23a83c18'/>\
                    <path d='M2 9h3l2-5 3 8 1.5-3H14' fill='none' stroke='%23fff' stroke-width='1.6'/>\
                    </svg>";

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
const NAVIGATION: [(&str, &str); 4] = [
    ("./", links::PROBES),
    ("modules", "Modules"),
    ("config", "Configuration"),
    ("metrics", "Metrics"),
];

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

/// Renders the error of the last reload.
pub(super) fn alarm(error: &str) -> Markup {
    html! {
        section.alarm role="alert" {
            strong {
                "Reloading the configuration failed. The previous configuration is still active."
            }
            pre { (format::escaped_lines(error)) }
        }
    }
}

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
            "default-src 'none'; style-src 'nonce-{nonce}'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
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
                    link rel="icon" href=(ICON);
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

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    /// The colours of a block of declarations, such as `--text: #1c2330;`.
    fn colors(block: &str) -> HashMap<&str, [u8; 3]> {
        let declarations =
            block.split(';').filter_map(|it| it.trim().strip_prefix("--")?.split_once(": #"));
        let color = |digits| {
            let [_, red, green, blue] = u32::from_str_radix(digits, 16).unwrap().to_be_bytes();
            [red, green, blue]
        };
        declarations.map(|(name, digits)| (name, color(digits))).collect()
    }

    /// The contrast of two colours by the definition of WCAG.
    fn contrast(one: [u8; 3], other: [u8; 3]) -> f64 {
        let linear = |component: u8| {
            let share = f64::from(component) / 255.0;
            if share <= 0.04045 { share / 12.92 } else { ((share + 0.055) / 1.055).powf(2.4) }
        };
        let luminance = |[red, green, blue]: [u8; 3]| {
            0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue)
        };
        let (one, other) = (luminance(one), luminance(other));
        (one.max(other) + 0.05) / (one.min(other) + 0.05)
    }

    /// The light and the dark palette of the style sheet.
    fn palettes() -> [HashMap<&'static str, [u8; 3]>; 2] {
        let mut blocks = STYLE.split(":root {").skip(1).map(|rest| rest.split('}').next().unwrap());
        let light = colors(blocks.next().unwrap());
        let mut dark = light.clone();
        dark.extend(colors(blocks.next().unwrap()));
        [light, dark]
    }

    #[test]
    fn phases_have_the_same_colours_in_the_picture_of_the_documents() {
        let picture = include_str!("../../../.github/images/times.svg");
        for (class, name) in [("c1", "connect"), ("c2", "tls"), ("c3", "wait"), ("c4", "transfer")]
        {
            for palette in palettes() {
                let [red, green, blue] = palette[name];
                let rule = format!(".{class}{{fill:#{red:02x}{green:02x}{blue:02x}}}");
                assert!(picture.contains(&rule), "{name}: no {rule}");
            }
        }
    }

    #[test]
    fn texts_and_bars_contrast_with_their_ground_in_both_palettes() {
        let [light, dark] = palettes();
        let grounds = ["ground", "sheet", "good-ground", "bad-ground", "soon-ground"];
        let mut pairs: Vec<_> = ["text", "accent"]
            .into_iter()
            .flat_map(|text| grounds.map(|ground| (text, ground, 4.5)))
            .chain(["good", "bad", "soon"].map(|text| (text, "sheet", 4.5)))
            .collect();
        pairs.extend([
            ("soft", "ground", 4.5),
            ("soft", "sheet", 4.5),
            ("accent-text", "accent", 4.5),
            ("good", "good-ground", 4.5),
            ("bad", "bad-ground", 4.5),
            ("soon", "soon-ground", 4.5),
            ("wait", "sheet", 4.5),
            ("edge", "sheet", 3.0),
            ("edge", "ground", 3.0),
        ]);
        let bars = ["resolve", "connect", "tls", "wait", "transfer", "aside"];
        pairs.extend(
            bars.into_iter().flat_map(|bar| ["sheet", "line"].map(|ground| (bar, ground, 3.0))),
        );
        pairs.push(("own", "sheet", 3.0));
        for (palette, name) in [(&light, "light"), (&dark, "dark")] {
            for (front, ground, least) in &pairs {
                let contrast = contrast(palette[front], palette[ground]);
                assert!(contrast >= *least, "{front} on {ground}, {name}: {contrast:.2}");
            }
        }
    }
}
