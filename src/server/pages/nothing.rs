//! The text in place of an empty list of recent probes.

use actix_web::HttpRequest;
use maud::{Markup, html};

use crate::{
    config::Config,
    probe::request::DEFAULT_MODULE,
    server::{exporter::Exporter, pages::format, query::link},
};

/// Targets for a first probe, by the prober of the module.
const EXAMPLES: [(&str, &str); 3] =
    [("http", "https://prometheus.io"), ("tcp", "prometheus.io:443"), ("icmp", "prometheus.io")];

/// Returns the URL of the start page as the client of this request knows it, for a command.
pub(super) fn base_url(request: &HttpRequest, exporter: &Exporter) -> String {
    let external = exporter.settings.external_url.as_ref().map(ToString::to_string);
    if let Some(url) = external.filter(|url| url.contains("://")) {
        return format!("{url}/");
    }
    let connection = request.connection_info();
    let is_plain =
        |character: char| character.is_ascii_alphanumeric() || ".-:[]".contains(character);
    let host = Some(connection.host()).filter(|host| host.chars().all(is_plain));
    let scheme = if connection.scheme() == "https" { "https" } else { "http" };
    format!(
        "{scheme}://{}{}",
        host.unwrap_or("<exporter>"),
        exporter.settings.route_prefix.as_str()
    )
}

/// Says that the history is off.
pub(super) fn history_off() -> Markup {
    html! {
        p {
            "The history is off, because the exporter runs with " code { "--history.limit=0" } ". "
            "Start it without this flag to see recent probes and failing targets here."
        }
    }
}

/// Says that no probe has run, and how to run one.
pub(super) fn no_probe(config: &Config, base_url: &str) -> Markup {
    html! {
        p {
            "No probe has run yet. "
            @if let Some((module, target)) = example(config) {
                "Enter a target above, or "
                a href=(probe(module, target, "html")) {
                    "probe " (format::untrusted(target)) " with the module " (format::untrusted(module))
                }
                ". The same from a shell:"
            } @else {
                "Enter a target above."
            }
        }
        @if let Some((module, target)) = example(config) {
            pre.copy { "curl '" (base_url) (probe(module, target, "debug")) "'" }
        }
    }
}

/// Returns a module and a target for a first probe: the default module, or another one whose targets have
/// an example.
fn example(config: &Config) -> Option<(&str, &'static str)> {
    let mut modules: Vec<_> = config.modules().collect();
    modules.sort_by_key(|(name, _)| *name != DEFAULT_MODULE);
    modules.into_iter().find_map(|(name, module)| {
        let example = EXAMPLES.into_iter().find(|(prober, _)| *prober == module.prober_name());
        example.map(|(_, target)| (name, target))
    })
}

fn probe(module: &str, target: &str, format: &str) -> String {
    link("probe", &[("module", module), ("target", target), ("format", format)])
}
