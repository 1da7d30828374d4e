//! The flags as a manual page, in the language of troff.

use std::fmt::Write as _;

use clap::Command;

use crate::version;

/// The page, in section 1.
pub(super) fn page(command: &Command) -> String {
    let program = version::PROGRAM;
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    let mut page = format!(
        ".TH {program} 1 \"\" \"{program} {}\"\n\
         .SH NAME\n{program} \\- probe targets for Prometheus\n\
         .SH SYNOPSIS\n\\fB{program}\\fR [<flags>]\n\
         .SH DESCRIPTION\n{}\n\
         .SH OPTIONS\n",
        version::VERSION,
        escaped(&about)
    );
    for argument in command.get_arguments().filter(|argument| !argument.is_hide_set()) {
        let Some(long) = argument.get_long() else { continue };
        let short = argument.get_short().map(|short| format!("-{short}, ")).unwrap_or_default();
        let value = argument
            .get_value_names()
            .filter(|_| argument.get_action().takes_values())
            .and_then(|names| names.first())
            .map(|name| format!("={name}"))
            .unwrap_or_default();
        let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
        let flag = escaped(&format!("{short}--{long}{value}"));
        // Writing to a String cannot fail.
        write!(page, ".TP\n\\fB{flag}\\fR\n{}\n", escaped(&help)).ok();
    }
    page
}

/// Text that troff takes for text: no control lines, no escapes, hyphens that can be copied.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\e").replace('-', "\\-").replace("\n.", "\n\\&.")
}
