//! The command `check`: validates configuration files, or describes a module.

mod excerpt;
mod explanation;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use anstream::ColorChoice;

use self::excerpt::{Lines, Severity};
use crate::{
    cli::{
        exit_code::ExitStatus,
        output::{BOLD, ERROR, Output, SUCCESS, WARNING, escaped, wrapped},
    },
    config::{Config, ConfigError, Diagnostic, NamedFile, Source, named_files},
    diagnostics::humanize,
    server::check_web_config,
    settings::file,
};

/// Files to check, and the output.
#[derive(Debug, PartialEq)]
pub struct Check {
    /// The configuration files. If empty, the default of the server is used.
    pub(super) files: Vec<PathBuf>,
    /// A web config file.
    pub(super) web: Option<PathBuf>,
    /// The module to describe.
    pub(super) explain: Option<String>,
    /// Seconds that the server subtracts from scrape timeouts.
    pub(super) timeout_offset: f64,
    /// Use of colours.
    pub(super) color: ColorChoice,
}

impl Check {
    /// Runs the command and returns its exit code.
    #[must_use]
    pub fn run(&self) -> ExitCode {
        let mut output = Output::new(self.color);
        let outcomes = if self.files.is_empty() && self.web.is_some() {
            Vec::new()
        } else if self.files.is_empty() {
            vec![self.modules(None, &mut output)]
        } else {
            self.files.iter().map(|file| self.modules(Some(file), &mut output)).collect()
        };
        let web = self.web.as_deref().map(|file| check_web(file, &mut output));
        outcomes.into_iter().chain(web).max().unwrap_or(ExitStatus::Success).into()
    }

    /// Checks a configuration file.
    fn modules(&self, file: Option<&Path>, output: &mut Output) -> ExitStatus {
        let source = match Source::read(file) {
            Ok(source) => source,
            Err(unreadable) => return cannot_read(&unreadable.file, &unreadable.error, output),
        };
        let lines = Lines::of(&source.name, &source.bytes);
        let config = match source.parse() {
            Ok(config) => config,
            Err(error) => return show_errors(&lines, &error, &source.name, output),
        };
        if let Some(module) = &self.explain {
            return self.explain(&config, module, &source.name, output);
        }
        let mut modules = humanize::count(config.modules().count(), "module");
        if let Some(replaced_file) = source.replaced_file() {
            modules = format!("{modules} ({replaced_file})");
        }
        // Relative to the working directory, like in a probe.
        let unreadable = unreadable_files(&source.bytes);
        let warnings = [config.warnings(), &unreadable].concat();
        let status = pass(&lines, &source.name, &modules, warnings, output);
        for note in notes(&config) {
            output.print(&wrapped(&escaped(&note), output.width(), "note: ", "      "));
        }
        status
    }

    /// Describes the module `name`.
    fn explain(&self, config: &Config, name: &str, file: &str, output: &mut Output) -> ExitStatus {
        let Some(module) = config.module(name) else {
            let names: Vec<_> = config.modules().map(|(name, _)| name).collect();
            let text = format!("{file} has no module {name}; its modules are {}", names.join(", "));
            output.print(&wrapped(
                &text,
                output.width(),
                &format!("{ERROR}error{ERROR:#}: "),
                "       ",
            ));
            return ExitStatus::Unusable;
        };
        output.print(&explanation::shown(
            name,
            &module,
            file,
            (self.timeout_offset, output.width()),
        ));
        ExitStatus::Success
    }
}

/// Maximum number of modules that a note names.
const MAX_NAMED: usize = 5;

/// Returns notes about what clients of the exporter can do. They are not warnings: whether it is
/// intended depends on who the clients are.
fn notes(config: &Config) -> Vec<String> {
    let mut notes = Vec::new();
    let exposed = config.modules().filter(|(_, module)| module.exposes_credentials());
    let exposed: Vec<_> = exposed.map(|(name, _)| name).collect();
    if let Some(named) = exposed.get(..exposed.len().min(MAX_NAMED)).filter(|it| !it.is_empty()) {
        let rest = exposed.len().saturating_sub(MAX_NAMED);
        let rest = if rest == 0 { String::new() } else { format!(" and {rest} more") };
        notes.push(format!(
            "credentials go to whatever target a client names, unless the module has a policy with \
             hosts or addresses: {}{rest}",
            named.join(", ")
        ));
    }
    let unexpanded = config.modules().filter(|(_, module)| {
        module.secrets().iter().any(|secret| names_environment_variable(secret))
    });
    let unexpanded: Vec<_> = unexpanded.map(|(name, _)| name).take(MAX_NAMED).collect();
    if !unexpanded.is_empty() {
        notes.push(format!(
            "credentials look like environment variables, which are not expanded; write the value, or \
             name a file, for example with password_file: {}",
            unexpanded.join(", ")
        ));
    }
    if !config.has_policy() {
        let message = "no policy: whoever reaches /probe can reach what the exporter reaches; see \
                       'policy' in docs/configuration.md";
        notes.push(message.to_owned());
    }
    notes
}

/// Returns whether a text contains `${NAME}` or is `$NAME`, with a name in capitals.
fn names_environment_variable(text: &str) -> bool {
    let is_name = |name: &str| {
        name.starts_with(|first: char| first.is_ascii_uppercase())
            && name
                .bytes()
                .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
    };
    let mut in_braces = text.split("${").skip(1).filter_map(|rest| rest.split_once('}'));
    in_braces.any(|(name, _)| is_name(name)) || text.strip_prefix('$').is_some_and(is_name)
}

/// Checks a web config file like a start of the exporter: the files that it names are read too.
fn check_web(path: &Path, output: &mut Output) -> ExitStatus {
    let bytes = match file::read(path, file::DEFAULT_MAX_MIB) {
        Ok(bytes) => bytes,
        Err(error) => return cannot_read(path, &error, output),
    };
    let name = path.display().to_string();
    let lines = Lines::of(&name, &bytes);
    match check_web_config(&bytes, path) {
        Ok(warnings) => pass(&lines, &name, "web config", warnings, output),
        Err(error) => show_errors(&lines, &error, &name, output),
    }
}

fn cannot_read(file: &Path, error: &std::io::Error, output: &mut Output) -> ExitStatus {
    let text = format!("cannot read {}: {error}", file.display());
    output.print(&wrapped(&text, output.width(), &format!("{ERROR}error{ERROR:#}: "), "       "));
    ExitStatus::Unusable
}

fn show_errors(
    lines: &Lines<'_>,
    error: &ConfigError,
    file: &str,
    output: &mut Output,
) -> ExitStatus {
    for diagnostic in &error.diagnostics {
        output.print(&lines.show(Severity::Error, diagnostic, output.width()));
    }
    let errors = humanize::count(error.diagnostics.len(), "error");
    output.print(&format!("{BOLD}{file}{BOLD:#}: {ERROR}{errors}{ERROR:#}\n"));
    ExitStatus::Failure
}

/// Prints the errors of a file, for a command that cannot run with them.
pub(super) fn show_errors_of(source: &Source, error: &ConfigError, output: &mut Output) {
    show_errors(&Lines::of(&source.name, &source.bytes), error, &source.name, output);
}

/// Returns warnings about files of modules that cannot be read. They are not errors: a file may be
/// created later, and the user may lack the permissions of the exporter.
fn unreadable_files(text: &[u8]) -> Vec<Diagnostic> {
    let warn = |NamedFile { location, name }: NamedFile| {
        let error = file::open(Path::new(&name)).err()?;
        let message = format!("cannot read {name}: {error}");
        Some(Diagnostic { location, message })
    };
    named_files(text).into_iter().filter_map(warn).collect()
}

/// Prints the warnings and the summary of a valid file.
fn pass(
    lines: &Lines<'_>,
    file: &str,
    what: &str,
    mut warnings: Vec<Diagnostic>,
    output: &mut Output,
) -> ExitStatus {
    warnings.sort();
    for warning in &warnings {
        output.print(&lines.show(Severity::Warning, warning, output.width()));
    }
    let rest = match warnings.len() {
        0 => String::new(),
        many => format!(", {WARNING}{}{WARNING:#}", humanize::count(many, "warning")),
    };
    output.print(&format!("{BOLD}{file}{BOLD:#}: {SUCCESS}OK{SUCCESS:#}, {what}{rest}\n"));
    ExitStatus::Success
}
