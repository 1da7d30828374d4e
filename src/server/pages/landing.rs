//! The start page: a form to run a probe, and the recent probes.

use std::time::SystemTime;

use actix_web::{HttpRequest, HttpResponse, web::Data};
use maud::{Markup, html};

use crate::{
    config::Config,
    probe::{history::HistoryEntry, refused::RefusedProbe, request::DEFAULT_MODULE},
    server::{
        exporter::Exporter,
        pages::{Page, filter::Filter, form_fields, format, recent, refused},
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
    let filter = Filter::of(&query::parse(&request));
    let is_long = exporter.history.count() > MAX_SMALL_LIST;
    let size = if is_long { Size::Large } else { Size::of_modules(&config) };
    let content = move || {
        let (probes, refused) = (exporter.history.list(), exporter.history.refused());
        content(&config, reload_error.as_deref(), (&probes, &refused), &filter, SystemTime::now())
    };
    Page::answer_rendered(&request, size, "Probes".to_owned(), "./", content).await
}

fn content(
    config: &Config,
    reload_error: Option<&str>,
    (probes, refused): (&[HistoryEntry], &[RefusedProbe]),
    filter: &Filter,
    now: SystemTime,
) -> Markup {
    let modules: Vec<_> = config.modules().map(|(name, _)| name).collect();
    html! {
        h1.hidden { (version::PROGRAM) }
        @if let Some(error) = reload_error { (alarm(error)) }
        (form(&modules, filter))
        (recent::recent(probes, &modules, filter, now))
        (refused::refused(refused, filter, now))
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
        let page = content(&config, Some("<b>&\"'"), (&[], &[]), &filter, SystemTime::now());
        let page = page.into_string();
        assert!(!page.contains("<b>") && page.contains("&lt;b&gt;&amp;"), "{page}");
        assert!(!page.contains("<i>"), "{page}");
    }
}
