//! The start page: a form to run a probe, and the recent probes.

use std::time::SystemTime;

use actix_web::{HttpRequest, HttpResponse, http::header, web::Data};
use maud::{Markup, html};

use crate::{
    config::Config,
    probe::{History, request::DEFAULT_MODULE},
    server::{
        exporter::Exporter,
        pages::{
            Page, filter::Filter, form_fields, format, listing::Listing, recent, refused, targets,
        },
        query,
        response::Size,
    },
    version,
};

/// Maximum number of probes in a list that is rendered on the thread that serves the client.
const MAX_SMALL_LIST: usize = 20;

/// Returns the page.
pub(in crate::server) async fn answer(
    request: HttpRequest,
    exporter: Data<Exporter>,
) -> HttpResponse {
    let config = exporter.config();
    let reload_error = exporter.last_reload_error();
    let query = query::parse(&request);
    let (filter, listing) = (Filter::of(&query), Listing::of(&query));
    let refresh = listing.refresh;
    let is_long = exporter.history.count() > MAX_SMALL_LIST;
    let size = if is_long { Size::Large } else { Size::of_modules(&config) };
    let content = move || {
        let view = (&filter, &listing);
        content(&config, reload_error.as_deref(), &exporter.history, view, SystemTime::now())
    };
    let mut response =
        Page::answer_rendered(&request, size, "Probes".to_owned(), "./", content).await;
    if let Some(refresh) = refresh {
        response.headers_mut().insert(header::REFRESH, refresh.as_secs().into());
    }
    response
}

fn content(
    config: &Config,
    reload_error: Option<&str>,
    history: &History,
    (filter, listing): (&Filter, &Listing),
    now: SystemTime,
) -> Markup {
    let (targets, refused) = (history.targets(), history.refused());
    let probes = history.list();
    let is_plain = !filter.is_set() && !listing.by_target;
    let modules: Vec<_> = config.modules().map(|(name, _)| name).collect();
    html! {
        h1.hidden { (version::PROGRAM) }
        @if let Some(error) = reload_error { (alarm(error)) }
        (form(&modules, filter))
        @if is_plain { (targets::failing(&targets, now)) }
        section #recent {
            h2 { @if listing.by_target { "Targets" } @else { "Recent Probes" } }
            (targets::summary(&targets, now))
            @if probes.is_empty() && targets.is_empty() {
                p.soft { "None yet." }
            } @else {
                (listing.views(filter))
                (filter.form(&modules, &listing.hidden_fields()))
                @if listing.by_target {
                    (targets::list(history, &targets, filter, listing, now))
                } @else {
                    (recent::recent(&probes, filter, listing, now))
                }
            }
        }
        (refused::refused(&refused, filter, now))
        p.soft {
            "Scrape path for Prometheus: " code { "/probe?target=<target>&module=<module>" }
        }
    }
}

fn alarm(error: &str) -> Markup {
    html! {
        section.alarm role="alert" {
            strong {
                "Reloading the configuration failed. The previous configuration is still active."
            }
            pre { (format::escaped_lines(error)) }
        }
    }
}

fn form(modules: &[&str], filter: &Filter) -> Markup {
    let offered = filter.module.as_deref().unwrap_or(DEFAULT_MODULE);
    html! {
        section #probe {
            h2 { "Probe a target" }
            form action="probe" method="get" {
                (form_fields::module(modules, Some(offered), None))
                label.wide {
                    "Target"
                    input name="target" placeholder="https://prometheus.io" required
                        autocomplete="off" autocapitalize="off" spellcheck="false";
                }
                label {
                    "Hostname (optional)"
                    input name="hostname" autocomplete="off" autocapitalize="off" spellcheck="false";
                }
                label {
                    "Show"
                    select name="format" {
                        option value="html" { "Page" }
                        option value="metrics" { "Metrics" }
                        option value="debug" { "Text" }
                        option value="json" { "JSON" }
                    }
                }
                button { "Probe" }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn untrusted_texts_are_not_markup() {
        let config = Config::default();
        let filter = Filter { target: Some("\"><i>".to_owned()), ..Filter::default() };
        let history = History::new(1);
        let view = (&filter, &Listing::default());
        let page = content(&config, Some("<b>&\"'"), &history, view, SystemTime::now());
        let page = page.into_string();
        assert!(!page.contains("<b>") && page.contains("&lt;b&gt;&amp;"), "{page}");
        assert!(!page.contains("<i>"), "{page}");
    }
}
