//! `/config` and `/metrics` as pages. Both paths return the same text without markup to scrapers.

use std::{sync::Arc, time::SystemTime};

use actix_web::{HttpRequest, HttpResponse};
use maud::{Markup, html};

use crate::{
    config::Config,
    server::{
        exporter::Exporter,
        pages::{Page, form_fields, format, layout, links},
        query,
        response::Size,
    },
};

/// Maximum length of the text on a page in bytes.
const MAX_SHOWN_BYTES: usize = 128 << 10;

/// Link to the plain form of the page.
const PLAIN: &str = "?format=text";

/// Returns the page of the configuration.
pub(in crate::server) async fn config(
    request: &HttpRequest,
    exporter: &Exporter,
    config: Arc<Config>,
) -> HttpResponse {
    let (loaded, error) = (exporter.loaded_at(), exporter.last_reload_error());
    let size = Size::of_modules(&config);
    let content = move || config_content(&config, loaded, error.as_deref(), SystemTime::now());
    Page::answer_rendered(request, size, "Configuration".to_owned(), "config", content).await
}

/// Returns the page of the exporter's own metrics. The parameter `name` selects some of them.
pub(in crate::server) async fn metrics(
    request: &HttpRequest,
    size: Size,
    render: impl FnOnce() -> String + Send + 'static,
) -> HttpResponse {
    let wanted = query::parse(request).first("name").unwrap_or_default().trim().to_owned();
    let content = move || metrics_content(&render(), &wanted);
    Page::answer_rendered(request, size, "Metrics".to_owned(), "metrics", content).await
}

fn config_content(
    config: &Config,
    loaded: SystemTime,
    reload_error: Option<&str>,
    now: SystemTime,
) -> Markup {
    html! {
        h1 { "Configuration" }
        @if let Some(error) = reload_error { (layout::alarm(error)) }
        p.soft {
            "The active configuration with its secrets masked. "
            a href={ "config" (PLAIN) } { (links::TEXT) } ". "
            a href="modules" { "Descriptions of the modules" } "."
        }
        section {
            dl.facts {
                div { dt { "File" } dd.code { (format::untrusted(config.location())) } }
                div {
                    dt { "Loaded" }
                    dd { (format::timestamp(loaded)) " " span.soft { (format::age(loaded, now)) } }
                }
            }
        }
        (text(&config.to_yaml()))
    }
}

fn metrics_content(exposition: &str, wanted: &str) -> Markup {
    let families: Vec<_> = families(exposition).collect();
    let all = families.len();
    let found = families.into_iter().filter(|family| name(family).contains(wanted));
    let found: Vec<_> = found.collect();
    html! {
        h1 { "Metrics" }
        (form_fields::name_filter("metrics", "metrics", wanted))
        p.soft {
            (found.len()) " of " (format::count(all, "metric")) " of the exporter itself. "
            @if !wanted.is_empty() { a href="metrics" { (links::SHOW_ALL) } ". " }
            a href={ "metrics" (PLAIN) } { (links::TEXT) } "."
        }
        @if !found.is_empty() { (text(&found.concat())) }
    }
}

/// Splits the text format into families, each with its comments. No sample contains a line break.
fn families(exposition: &str) -> impl Iterator<Item = String> {
    let families = exposition.strip_prefix("# HELP ").into_iter();
    let families = families.flat_map(|rest| rest.split("\n# HELP "));
    families.map(|family| format!("# HELP {}\n", family.trim_end()))
}

/// Returns the name of a family.
fn name(family: &str) -> &str {
    family.split(' ').nth(2).unwrap_or_default()
}

/// Renders the whole lines of a text up to the maximum length.
fn text(text: &str) -> Markup {
    let shown = text.get(..text.floor_char_boundary(MAX_SHOWN_BYTES)).unwrap_or_default();
    let end = if shown.len() < text.len() {
        shown.rfind('\n').map_or(0, |at| at + 1)
    } else {
        text.len()
    };
    let (shown, rest) = text.split_at_checked(end).unwrap_or_default();
    html! {
        section { pre { (format::escaped_lines(shown)) } }
        @if !rest.is_empty() {
            p.soft { (format::count(rest.lines().count(), "more line")) " in the text." }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXPOSITION: &str = "# HELP a_total First.\n# TYPE a_total counter\na_total{m=\"# HELP x\"} 1\n\
                              # HELP b Second.\n# TYPE b gauge\nb 2\n";

    #[test]
    fn metrics_are_selected_by_name() {
        assert!(families(EXPOSITION).map(|it| name(&it).to_owned()).eq(["a_total", "b"]));
        assert_eq!(families(EXPOSITION).collect::<String>(), EXPOSITION);
        for (wanted, shown, hidden) in
            [("", "b 2", "none"), ("b", "b 2", "First"), ("a_", "First", "b 2")]
        {
            let page = metrics_content(EXPOSITION, wanted).into_string();
            assert!(page.contains(shown) && !page.contains(hidden), "{wanted}: {page}");
        }
        let nothing = metrics_content(EXPOSITION, "<none>").into_string();
        assert!(nothing.contains("0 of 2 metrics") && !nothing.contains("<pre>"), "{nothing}");
        assert!(families("").next().is_none());
    }

    #[test]
    fn a_long_text_is_cut_at_a_line() {
        let line = "é".repeat(50);
        let whole = format!("{line}\n").repeat(MAX_SHOWN_BYTES / 50);
        let page = text(&whole).into_string();
        assert!(page.len() < MAX_SHOWN_BYTES + 200, "{}", page.len());
        assert!(page.contains(&format!("{line}\n</pre>")), "the last line is whole");
        let shown = page.matches(&line).count();
        let told = format!("{} more lines in", whole.lines().count() - shown);
        assert!(page.contains(&told), "{told}");
        assert!(!text("a: 1\n").into_string().contains("more"));
        // A single line that is too long is not shown.
        assert!(text(&"x".repeat(MAX_SHOWN_BYTES + 1)).into_string().contains("1 more line in"));
    }
}
