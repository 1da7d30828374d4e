//! `/modules`: the modules with their descriptions and configuration.

use actix_web::{HttpRequest, HttpResponse, web::Data};
use maud::{Markup, html};

use crate::{
    config::{Config, Module},
    server::{
        exporter::Exporter,
        pages::{Page, form_fields, format, links},
        query::{self, link},
        response::Size,
    },
    settings::explain::Topic,
};

/// Maximum number of modules on the page. The others are found with the filter.
const MAX_MODULES: usize = 200;

/// Returns the page.
pub(in crate::server) async fn answer(
    request: HttpRequest,
    exporter: Data<Exporter>,
) -> HttpResponse {
    let query = query::parse(&request);
    let wanted = query.first("name").unwrap_or_default().trim().to_owned();
    let offset = exporter.settings.timeout_offset;
    let config = exporter.config();
    let size = Size::of_modules(&config);
    let content = move || content(&config, &wanted, offset);
    Page::answer_rendered(&request, size, "Modules".to_owned(), "modules", content).await
}

fn content(config: &Config, wanted: &str, offset: f64) -> Markup {
    let modules: Vec<_> = config.modules().filter(|(name, _)| name.contains(wanted)).collect();
    let is_alone = modules.len() == 1;
    let beyond = modules.len().saturating_sub(MAX_MODULES);
    html! {
        h1 { "Modules" }
        (form_fields::name_filter("modules", "modules", wanted))
        p.soft {
            (modules.len()) " of " (format::count(config.modules().count(), "module"))
            @if beyond > 0 { " (the first " (MAX_MODULES) " are shown)" }
            @if !wanted.is_empty() { ". " a href="modules" { (links::SHOW_ALL) } }
        }
        div.cards.alone[is_alone] {
            @for (name, module) in modules.into_iter().take(MAX_MODULES) {
                (card(name, module, offset, is_alone))
            }
        }
    }
}

/// Renders a module. If it is the only one on the page, its description is expanded.
fn card(name: &str, module: &Module, offset: f64, is_alone: bool) -> Markup {
    html! {
        section {
            h2 { (format::untrusted(name)) }
            p {
                "Prober " strong { (module.prober_name()) } ", "
                @match module.timeout {
                    Some(timeout) => { "timeout " (format::rounded_duration(timeout)) }
                    None => "timeout of the scrape",
                }
                ". "
                a href={ (link("./", &[("module", name)])) "#probe" } { "Probe with this module" }
            }
            @for warning in &module.warnings { p.warning { (format::untrusted(&warning.to_string())) } }
            details open[is_alone] {
                summary { "Description" }
                (explanation(module, offset))
            }
            pre { (format::escaped_lines(&module.to_yaml())) }
        }
    }
}

/// Renders the description of a module, which `check --explain` prints too.
fn explanation(module: &Module, offset: f64) -> Markup {
    let said = module.explain(offset);
    html! {
        dl.facts {
            @for topic in Topic::ALL {
                @let statements = said.about(topic).collect::<Vec<_>>();
                @if !statements.is_empty() {
                    div {
                        dt { (topic.label()) }
                        @for statement in statements {
                            dd.usual[statement.is_default] {
                                (format::untrusted(&statement.text))
                                @if statement.is_default { " (default)" }
                            }
                        }
                    }
                }
            }
        }
    }
}
