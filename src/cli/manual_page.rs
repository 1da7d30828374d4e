//! The manual page: flags of the server, the commands with their flags, and the sections that
//! `manual_page.man` contains.

use std::io;

use clap::{Arg, Command};
use clap_mangen::{
    Man,
    roff::{Roff, bold, roman},
};

use crate::version;

/// The sections after the commands.
const SECTIONS: &str = include_str!("manual_page.man");

/// Renders the manual page, in section 1.
pub(super) fn page(command: &mut Command) -> String {
    command.build();
    // Writing to memory cannot fail.
    rendered(command).unwrap_or_default()
}

fn rendered(command: &Command) -> io::Result<String> {
    let program = version::PROGRAM;
    let commands: Vec<_> = command.get_subcommands().filter(|it| it.get_name() != "help").collect();
    let man = Man::new(command.clone().mut_args(with_values));
    let man = man.source(format!("{program} {}", version::VERSION)).manual("User Commands");
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    let usages = commands.iter().map(|command| usage(command));
    page.extend(synopsis("SYNOPSIS", [format!("{program} [<flags>]")].into_iter().chain(usages)));
    man.render_description_section(&mut page)?;
    page.extend(
        b".PP\nWithout a command, the exporter starts its server, with the following options.\n",
    );
    man.render_options_section(&mut page)?;
    let mut extra = Vec::new();
    man.render_extra_section(&mut extra)?;
    let mut page = text(&page) + &text(&extra).replace(".SH EXTRA\n", ".PP\n");
    // Each command is a section.
    for command in commands {
        let name = command.get_name().to_uppercase();
        let mut section = synopsis(&format!("THE COMMAND {name}"), [usage(command)].into_iter());
        section.extend(b".PP\n");
        let man = Man::new(command.clone().mut_args(with_values));
        man.render_description_section(&mut section)?;
        man.render_options_section(&mut section)?;
        let section = text(&section).replace(".SH DESCRIPTION\n", "").replace(".SH OPTIONS\n", "");
        page.push_str(&section);
    }
    Ok(page + SECTIONS)
}

/// Returns the usage of a command in one line.
fn usage(command: &Command) -> String {
    let usage = command.clone().render_usage().to_string();
    usage.trim_start_matches("Usage: ").to_owned()
}

/// Renders a section that begins with usages, one a line.
fn synopsis(title: &str, usages: impl Iterator<Item = String>) -> Vec<u8> {
    let mut section = Roff::new();
    section.control("SH", [title]);
    for (index, usage) in usages.enumerate() {
        if index > 0 {
            section.control("br", []);
        }
        let end = [" [", " <"].iter().filter_map(|start| usage.find(start)).min();
        let (name, rest) = usage.split_at(end.unwrap_or(usage.len()));
        section.text([bold(name), roman(rest)]);
    }
    section.render().into_bytes()
}

/// Adds the possible values of a flag to its help, in place of a list of one line per value.
fn with_values(flag: Arg) -> Arg {
    let values: Vec<_> =
        flag.get_possible_values().iter().map(|it| it.get_name().to_owned()).collect();
    let help = flag.get_help().map(ToString::to_string).unwrap_or_default();
    let is_listed = values.iter().all(|value| help.contains(&**value));
    if is_listed || !flag.get_action().takes_values() {
        return flag.hide_possible_values(true);
    }
    flag.help(format!("{help} [possible values: {}]", values.join(", "))).hide_possible_values(true)
}

fn text(page: &[u8]) -> String {
    String::from_utf8_lossy(page).into_owned()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;
    use crate::cli::{arguments::Arguments, parse};

    #[test]
    fn examples_are_valid_command_lines_and_flags_of_the_text_exist() {
        let sections = SECTIONS.replace("\\-", "-").replace("\\e\n        ", "");
        let examples = sections.lines().filter_map(|line| line.strip_prefix("    "));
        let mut count = 0;
        for example in examples {
            let words = example.replace("'Accept: text/html'", "Accept:text/html");
            let line = words.split(' ').map(str::to_owned).collect::<Vec<_>>();
            assert!(parse(line).is_ok(), "{example}");
            count += 1;
        }
        assert!(count >= 9, "{count}");
        let page = page(&mut Arguments::command());
        let page = page.replace("\\-", "-");
        for flag in sections.split("fB--").skip(1) {
            let flag = flag.split(['\\', '=', ' ']).next().unwrap();
            assert!(page.contains(&format!("\\fB--{flag}\\fR")), "{flag}");
        }
    }

    #[test]
    fn each_command_has_its_usage() {
        let page = page(&mut Arguments::command()).replace("\\-", "-");
        for (usage, times) in [
            ("\\fBprobe_exporter\\fR [<flags>]\n", 1),
            ("\\fBprobe_exporter probe\\fR [OPTIONS] <TARGET>\n", 2),
            ("\\fBprobe_exporter check\\fR [OPTIONS] [FILE]...\n", 2),
            ("\\fBprobe_exporter modules\\fR [OPTIONS]\n", 2),
            ("\\fBprobe_exporter completions\\fR <SHELL>\n", 2),
        ] {
            assert_eq!(page.matches(usage).count(), times, "{usage}\n{page}");
        }
        for section in ["EXAMPLES", "FILES", "SIGNALS", "EXIT STATUS", "ENVIRONMENT"] {
            assert!(page.contains(&format!("\n.SH {section}\n")), "{section}");
        }
    }
}
