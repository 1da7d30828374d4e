//! The command `modules`: lists the modules of a configuration, for people and for the completion of
//! shells.

use std::{path::PathBuf, process::ExitCode};

use anstream::ColorChoice;

use crate::{
    cli::{
        check::show_errors_of,
        exit_code::ExitStatus,
        output::{ERROR, Output, escaped, wrapped},
    },
    config::Source,
};

/// The command `modules`.
#[derive(Debug, PartialEq)]
pub struct Modules {
    /// Configuration file; without it, the default of the server is used.
    pub(super) config_file: Option<PathBuf>,
}

impl Modules {
    /// Returns the command for the completion of `line`, whose words can be split at equal signs.
    pub(super) fn for_completion(line: &[String]) -> Self {
        const FLAG: &str = "--config.file";
        let mut words = line.iter().filter(|word| *word != "=");
        let file = words.find_map(|word| Some(word.strip_prefix(FLAG)?.to_owned()));
        let file = match file {
            Some(file) if file.is_empty() => words.next().cloned(),
            file => file.map(|file| file.trim_start_matches('=').to_owned()),
        };
        Self { config_file: file.map(Into::into) }
    }

    /// Prints the names and returns the exit code.
    #[must_use]
    pub fn run(&self) -> ExitCode {
        let mut errors = Output::of_errors(ColorChoice::Auto);
        let source = match Source::read(self.config_file.as_deref()) {
            Ok(source) => source,
            Err(unreadable) => {
                let text =
                    format!("cannot read {}: {}", unreadable.file.display(), unreadable.error);
                let first = format!("{ERROR}error{ERROR:#}: ");
                errors.print(&wrapped(&text, errors.width(), &first, "       "));
                return ExitStatus::Unusable.into();
            }
        };
        match source.parse() {
            Ok(config) => {
                let names = config.modules().map(|(name, _)| escaped(name) + "\n");
                Output::new(ColorChoice::Auto).print(&names.collect::<String>());
                ExitStatus::Success.into()
            }
            Err(error) => {
                show_errors_of(&source, &error, &mut errors);
                ExitStatus::Unusable.into()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_file_of_an_incomplete_line_is_found() {
        for (line, expected) in [
            ("probe_exporter probe -m ", None),
            ("probe_exporter probe --config.file a.yml -m ", Some("a.yml")),
            ("probe_exporter probe --config.file=a.yml --module", Some("a.yml")),
            ("probe_exporter probe --config.file = a.yml --module", Some("a.yml")),
            ("probe_exporter probe --config.file", None),
        ] {
            let words: Vec<_> = line.split(' ').map(str::to_owned).collect();
            let file = Modules::for_completion(&words).config_file;
            assert_eq!(file, expected.map(Into::into), "{line}");
        }
    }
}
