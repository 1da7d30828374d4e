//! Errors of the command line, with a hint for usual mistakes.

use std::{ffi::OsString, process::ExitCode};

use anstream::ColorChoice;
use clap::{
    Command,
    error::{ContextKind, ContextValue, ErrorKind},
};
use thiserror::Error;

use crate::{
    cli::output::{Output, escaped, wrapped},
    settings::{explain::any_of, redact},
    version,
};

/// An invalid command line.
#[derive(Debug, PartialEq, Eq, Error)]
#[error("{program}: error: {message}, try {help}", program = version::PROGRAM)]
pub struct UsageError {
    message: String,
    /// The flags that print the help.
    help: String,
    code: u8,
}

impl UsageError {
    /// An error in the flags of the server, with upstream's exit code.
    pub(super) fn of_flags(message: String) -> Self {
        Self { message, help: "--help".to_owned(), code: 1 }
    }

    /// Converts an error of clap about `line`.
    pub(super) fn of_clap(error: &clap::Error, command: &Command, line: &[OsString]) -> Self {
        let words: Vec<_> = line.iter().skip(1).map(|word| word.to_string_lossy()).collect();
        let named = words.first().and_then(|name| command.find_subcommand(&**name));
        let words: Vec<_> = words.iter().map(|word| &**word).collect();
        let hint = Hint { error, command, named, words: &words };
        let message = hint.message().unwrap_or_else(|| on_one_line(error));
        match named.map(Command::get_name) {
            Some(name) => Self { message, help: format!("{name} --help"), code: 2 },
            None => Self::of_flags(message),
        }
    }

    /// Prints the error to the standard error, wrapped if that is a terminal.
    pub fn print(&self) {
        let mut output = Output::of_errors(ColorChoice::Auto);
        output.print(&wrapped(&escaped(&self.to_string()), output.width(), "", "  "));
    }

    /// The exit code: 1 for the server, 2 for commands, whose code 1 means a failed probe or check.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.code)
    }
}

/// The first paragraph of an error of clap and its tip. A tip about `--` is left out: no target, file
/// or module begins with a dash.
fn on_one_line(error: &clap::Error) -> String {
    let text = error.to_string();
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    let paragraphs = text.split("\n\n").take_while(|part| !part.starts_with("Usage:"));
    let lines = paragraphs.flat_map(str::lines).map(str::trim).filter(|line| !line.is_empty());
    let is_noise =
        |line: &&str| line.starts_with("For more information") || line.contains("as a value, use");
    let message = lines.filter(|line| !is_noise(line)).collect::<Vec<_>>().join("; ");
    message.replace("invalid digit found in string", "not a whole number").replace(":; <", ": <")
}

/// Flags of curl and of upstream that no command has, and what to do instead.
const OTHER_FLAGS: [(&str, &str); 9] = [
    ("-L", "redirects are followed, unless the module has 'follow_redirects: false'"),
    ("-I", "write -X HEAD"),
    ("-u", "write -H 'Authorization: Basic …', or use a module with basic_auth"),
    ("-x", "use a module with proxy_url"),
    ("-f", "write --format json, prometheus or health; a failed probe has the exit code 1"),
    ("-c", "write --config.file FILE"),
    ("-V", "write probe_exporter --version"),
    ("--target", "write the target without a flag"),
    ("--max-time", "write --timeout 5s"),
];

/// The parts of a wrong line that a hint is made from.
struct Hint<'h> {
    error: &'h clap::Error,
    command: &'h Command,
    /// The command of the line, if it begins with one.
    named: Option<&'h Command>,
    words: &'h [&'h str],
}

impl Hint<'_> {
    /// The message for a usual mistake.
    fn message(&self) -> Option<String> {
        let context = |kind| match self.error.get(kind)? {
            ContextValue::String(text) => Some(text.as_str()),
            _ => None,
        };
        match self.error.kind() {
            ErrorKind::InvalidSubcommand => {
                self.unknown_command(context(ContextKind::InvalidSubcommand)?)
            }
            ErrorKind::UnknownArgument => {
                let argument = context(ContextKind::InvalidArg)?;
                self.unknown_argument(argument.split_once('=').map_or(argument, |(name, _)| name))
            }
            ErrorKind::ArgumentConflict if self.named.is_none() => {
                Some(self.flags_before_command())
            }
            ErrorKind::TooManyValues => {
                let flag = context(ContextKind::InvalidArg)?;
                let name = flag.trim_start_matches("--");
                Some(format!("'{flag}' has no value; write --{name} or --no-{name}"))
            }
            _ => None,
        }
    }

    fn unknown_command(&self, word: &str) -> Option<String> {
        let program = version::PROGRAM;
        if word.contains("://") || word.contains(['.', ':', '/']) {
            let target = redact::url(word);
            return Some(format!(
                "'{target}' is not a command; to probe it, write '{program} probe {target}'"
            ));
        }
        if self.command.get_arguments().any(|flag| flag.get_long() == Some(word)) {
            return Some(format!("unknown command '{word}'; did you mean --{word}?"));
        }
        if self.error.get(ContextKind::SuggestedSubcommand).is_some() {
            return None;
        }
        let names = self.command.get_subcommands().map(|command| command.get_name().to_owned());
        let names = any_of(&names.collect::<Vec<_>>());
        Some(format!("unknown command '{word}'; write {names}, or only flags to start the server"))
    }

    fn unknown_argument(&self, argument: &str) -> Option<String> {
        if let Some(name) = self.single_dash() {
            return Some(format!("flags have two dashes; write --{name}"));
        }
        let is_near = self.error.get(ContextKind::SuggestedArg).is_some();
        let Some(named) = self.named else {
            let mut commands = self.command.get_subcommands();
            let command = commands.find(|command| !is_near && has_flag(command, argument))?;
            let (program, name) = (version::PROGRAM, command.get_name());
            return Some(format!(
                "'{argument}' is a flag of the command {name}; write: {program} {name} {argument} …"
            ));
        };
        if !argument.starts_with('-') {
            if self.words.iter().any(|word| matches!(*word, "-w" | "--watch")) {
                return Some(format!(
                    "unexpected '{}'; an interval follows an equal sign: --watch=5s",
                    redact::url(argument)
                ));
            }
            // A word that the shell split off a header or a body can be a secret.
            if self.words.iter().any(|word| ["-H", "--header", "-d", "--data"].contains(word)) {
                let text = "a word is left after the target; quote values that contain spaces";
                return Some(text.to_owned());
            }
            let many = "the command takes one target; quote values that contain spaces";
            return Some(format!("unexpected '{}'; {many}", redact::url(argument)));
        }
        if named.get_name() == "check" && argument == "--config.file" {
            return Some("the command check takes files without a flag: check FILE".to_owned());
        }
        let known = OTHER_FLAGS.iter().find(|(flag, _)| *flag == argument);
        known.map(|(flag, instead)| format!("unknown flag '{flag}'; {instead}"))
    }

    /// The name of a long flag that is written with one dash.
    fn single_dash(&self) -> Option<&str> {
        let flags = self.named.unwrap_or(self.command);
        let mut names = self.words.iter().filter_map(|word| word.strip_prefix('-'));
        names.find_map(|word| {
            let name = word.split_once('=').map_or(word, |(name, _)| name);
            let is_long = |flag: &clap::Arg| flag.get_long() == Some(name);
            (!name.starts_with('-') && name.len() > 1).then_some(name)?;
            flags.get_arguments().any(is_long).then_some(name)
        })
    }

    fn flags_before_command(&self) -> String {
        let is_command = |word: &&&str| self.command.find_subcommand(**word).is_some();
        match self.words.iter().find(is_command) {
            Some(name) => {
                format!(
                    "the flags of a command follow its name; write: {} {name} …",
                    version::PROGRAM
                )
            }
            None => "unexpected word after a flag; repeat the flag for each value".to_owned(),
        }
    }
}

fn has_flag(command: &Command, argument: &str) -> bool {
    command.get_arguments().any(|flag| {
        let short = flag.get_short().map(|short| format!("-{short}"));
        let long = flag.get_long().map(|long| format!("--{long}"));
        [short, long].iter().flatten().any(|known| known == argument)
    })
}

#[cfg(test)]
mod tests {
    use crate::cli::parse;

    fn message(line: &str) -> String {
        let words = [&["probe_exporter"], &*line.split(' ').collect::<Vec<_>>()].concat();
        let text = parse(words).unwrap_err().to_string();
        let text = text.strip_prefix("probe_exporter: error: ").unwrap();
        text.rsplit_once(", try ").unwrap().0.to_owned()
    }

    #[test]
    fn usual_mistakes_have_a_hint() {
        for (line, expected) in [
            (
                "https://u:hunter2@example.org",
                "'https://u:xxxxx@example.org' is not a command; to probe it, write 'probe_exporter \
                 probe https://u:xxxxx@example.org'",
            ),
            (
                "example.org",
                "'example.org' is not a command; to probe it, write 'probe_exporter probe example.org'",
            ),
            ("version", "unknown command 'version'; did you mean --version?"),
            (
                "checks a.yml",
                "unrecognized subcommand 'checks'; tip: a similar subcommand exists: 'check'",
            ),
            ("-config.file=x.yml", "flags have two dashes; write --config.file"),
            (
                "-k https://example.org",
                "'-k' is a flag of the command probe; write: probe_exporter probe -k …",
            ),
            (
                "--module=http_2xx",
                "'--module' is a flag of the command probe; write: probe_exporter probe --module …",
            ),
            (
                "--web.listen-adress=:1",
                "unexpected argument '--web.listen-adress' found; tip: a similar argument exists: \
                 '--web.listen-address'",
            ),
            (
                "--config.file x.yml check",
                "the flags of a command follow its name; write: probe_exporter check …",
            ),
            (
                "--web.listen-address :1 :2",
                "unexpected word after a flag; repeat the flag for each value",
            ),
            (
                "--config.check=true",
                "'--config.check' has no value; write --config.check or --no-config.check",
            ),
            (
                "--history.limit=many",
                "invalid value 'many' for '--history.limit <COUNT>': not a whole number",
            ),
            ("probe", "the following required arguments were not provided: <TARGET>"),
            ("probe --bogus t", "unexpected argument '--bogus' found"),
            (
                "probe -L t",
                "unknown flag '-L'; redirects are followed, unless the module has \
                 'follow_redirects: false'",
            ),
            ("probe --target=t", "unknown flag '--target'; write the target without a flag"),
            (
                "probe t --watch 5s",
                "unexpected '5s'; an interval follows an equal sign: --watch=5s",
            ),
            (
                "probe -H Authorization: Bearer hunter2 t",
                "a word is left after the target; quote values that contain spaces",
            ),
            (
                "probe t u",
                "unexpected 'u'; the command takes one target; quote values that contain spaces",
            ),
            (
                "check --config.file x.yml",
                "the command check takes files without a flag: check FILE",
            ),
        ] {
            assert_eq!(message(line), expected, "{line}");
        }
        let text = message("serve");
        assert!(text.starts_with("unknown command 'serve'; write probe, check"), "{text}");
        assert!(text.ends_with(" or help, or only flags to start the server"), "{text}");
    }
}
