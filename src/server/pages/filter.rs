//! Filter of the recent probes.

use maud::{Markup, html};

use crate::{
    probe::{ProbeReport, Query},
    server::pages::form_fields,
    settings::redact,
};

/// A filter. All of its conditions must be met.
#[derive(Debug, Default)]
pub(super) struct Filter {
    pub(super) module: Option<String>,
    /// A part of the target, case-insensitive.
    pub(super) target: Option<String>,
    pub(super) only_failures: bool,
}

const ONLY_FAILURES: &str = "failures";

impl Filter {
    pub(super) fn of(query: &Query<'_>) -> Self {
        let text = |name| query.first(name).map(|value| value.trim().to_owned());
        Self {
            module: text("module"),
            // Masked like the targets of reports, so that no page contains a password.
            target: text("target")
                .filter(|part| !part.is_empty())
                .map(|part| redact::url(&part).into_owned()),
            only_failures: query.first(ONLY_FAILURES).is_some_and(|value| value == "true"),
        }
    }

    pub(super) fn is_set(&self) -> bool {
        self.module.is_some() || self.target.is_some() || self.only_failures
    }

    pub(super) fn matches(&self, report: &ProbeReport) -> bool {
        !(self.only_failures && report.verdict.is_ok())
            && self.matches_names(&report.module_name, &report.target)
    }

    /// Returns true for a probe of this module and target, whatever its result is.
    pub(super) fn matches_names(&self, module_name: &str, target_name: &str) -> bool {
        let Self { module, target, .. } = self;
        module.as_ref().is_none_or(|module| module == module_name)
            && target
                .as_ref()
                .is_none_or(|part| target_name.to_lowercase().contains(&part.to_lowercase()))
    }

    /// Renders the form of the filter. `view` is the fields that keep the view of the list.
    pub(super) fn form(&self, modules: &[&str], view: &Markup) -> Markup {
        html! {
            form.filter action="./" method="get" role="search" aria-label="Filter the recent probes" {
                (view)
                (form_fields::module(modules, self.module.as_deref(), Some("all")))
                label.wide {
                    "Target contains"
                    input name="target" value=[self.target.as_deref()] autocomplete="off"
                        autocapitalize="off" spellcheck="false";
                }
                label.tick {
                    input type="checkbox" name=(ONLY_FAILURES) value="true" checked[self.only_failures];
                    "only failures"
                }
                button.second { "Filter" }
            }
        }
    }
}
