//! The start page: a form to run a probe, and the recent probes.

use std::time::SystemTime;

use actix_web::{HttpRequest, HttpResponse, http::header, web::Data};
use maud::{Markup, html};

use crate::{
    config::Config,
    probe::{History, history::Extent, request::DEFAULT_MODULE},
    server::{
        exporter::Exporter,
        pages::{
            Page, filter::Filter, form_fields, layout, links, listing::Listing, nothing, recent,
            refused, targets,
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
    let Extent { reports: [recent, _], targets, .. } = exporter.history.extent();
    let is_long = recent.max(targets) > MAX_SMALL_LIST;
    let size = if is_long { Size::Large } else { Size::of_modules(&config) };
    let base_url = nothing::base_url(&request, &exporter);
    let content = move || {
        let page = Landing { config: &config, history: &exporter.history, base_url: &base_url };
        page.content(reload_error.as_deref(), &filter, listing, SystemTime::now())
    };
    let mut response =
        Page::answer_rendered(&request, size, "Probes".to_owned(), "./", content).await;
    if let Some(refresh) = refresh {
        response.headers_mut().insert(header::REFRESH, refresh.as_secs().into());
    }
    response
}

/// The state that the page shows.
struct Landing<'p> {
    config: &'p Config,
    history: &'p History,
    base_url: &'p str,
}

impl Landing<'_> {
    fn content(
        &self,
        reload_error: Option<&str>,
        filter: &Filter,
        listing: Listing,
        now: SystemTime,
    ) -> Markup {
        let (probes, targets) = (self.history.list(), self.history.targets());
        let listing = listing.with_default(targets::default_rows(&probes, &targets));
        let is_by_target = listing.is_by_target();
        let modules: Vec<_> = self.config.modules().map(|(name, _)| name).collect();
        html! {
            h1.hidden { (version::PROGRAM) }
            @if let Some(error) = reload_error { (layout::alarm(error)) }
            (form(&modules, filter))
            @if !filter.is_set() && !is_by_target { (targets::failing(&targets, now)) }
            section #recent {
                h2 { @if is_by_target { "Targets" } @else { "Recent Probes" } }
                (targets::summary(&targets, now))
                @if self.history.extent().limit == 0 {
                    (nothing::history_off())
                } @else if probes.is_empty() && targets.is_empty() {
                    (nothing::no_probe(self.config, self.base_url))
                } @else {
                    (listing.views(filter))
                    (filter.form(&modules, &listing.hidden_fields()))
                    @if is_by_target {
                        (targets::list(self.history, &targets, filter, &listing, now))
                    } @else {
                        (recent::recent(&probes, filter, &listing, now))
                    }
                }
            }
            (refused::refused(&self.history.refused(), filter, now))
            p.soft {
                "Scrape path for Prometheus: " code { "/probe?target=<target>&module=<module>" }
            }
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
                        @for (format, words) in links::FORMATS { option value=(format) { (words) } }
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
        let page = Landing { config: &config, history: &history, base_url: "http://h/" };
        let listing = Listing::default();
        let page = page.content(Some("<b>&\"'"), &filter, listing, SystemTime::now());
        let page = page.into_string();
        assert!(!page.contains("<b>") && page.contains("&lt;b&gt;&amp;"), "{page}");
        assert!(!page.contains("<i>"), "{page}");
    }
}
