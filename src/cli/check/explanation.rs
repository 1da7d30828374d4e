//! Description of a module as text.

use crate::{
    cli::output::{BOLD, DIM, WARNING, escaped, wrapped},
    config::Module,
    settings::explain::{Statement, Topic},
};

/// Column at which sentences begin.
const INDENT: usize = 11;

/// Renders the description of the module `name` of `file`. `offset` is subtracted from scrape
/// timeouts, in seconds; `width` is that of the terminal, if there is one.
pub(super) fn shown(
    name: &str,
    module: &Module,
    file: &str,
    (offset, width): (f64, Option<usize>),
) -> String {
    let prober = module.prober_name();
    let title = format!("{BOLD}{name}{BOLD:#} in {file}, prober {BOLD}{prober}{BOLD:#}");
    let mut page = wrapped(&title, width, "", "  ") + "\n";
    let words = module.explain(offset);
    for topic in Topic::ALL {
        for (index, statement) in words.about(topic).enumerate() {
            let label = if index == 0 { topic.label() } else { "" };
            let number = match topic {
                Topic::Checks if !statement.has_number => format!("{}. ", index + 1),
                _ => String::new(),
            };
            page.push_str(&line(statement, label, &number, width));
        }
    }
    for (index, warning) in module.warnings.iter().enumerate() {
        let label = if index == 0 { "Warnings" } else { "" };
        let gap = " ".repeat(INDENT - 2 - label.len());
        let first = format!("  {WARNING}{label}{WARNING:#}{gap}");
        page.push_str(&wrapped(&escaped(&warning.to_string()), width, &first, &" ".repeat(INDENT)));
    }
    page
}

fn line(statement: &Statement, label: &str, number: &str, width: Option<usize>) -> String {
    let Statement { text, is_default, .. } = statement;
    let mut text = escaped(text);
    if *is_default {
        text = format!("{text} {DIM}(default){DIM:#}");
    }
    let gap = " ".repeat(INDENT.saturating_sub(label.len() + 2));
    let first = format!("  {BOLD}{label}{BOLD:#}{gap}{number}");
    let rest = " ".repeat(INDENT + number.len());
    wrapped(&text, width, &first, &rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn long_names_stay_within_the_terminal() {
        let name = "a_module_".repeat(12);
        let yaml = format!("modules: {{{name}: {{prober: tcp, tcp: {{tls_config: {{}}}}}}}}");
        let module = Config::parse(&yaml, "a.yml").unwrap().module(&name).unwrap();
        for width in [60, 100, 160] {
            let page = shown(&name, &module, "a.yml", (0.5, Some(width)));
            let page = anstream::adapter::strip_str(&page).to_string();
            assert!(page.lines().all(|line| line.chars().count() <= width), "{page}");
            let title: String = page.lines().take(3).map(str::trim).collect();
            assert!(title.replace(' ', "").starts_with(&format!("{name}ina.yml,")), "{page}");
        }
    }
}
