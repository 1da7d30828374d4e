//! What was typed after the name of a command.

use std::path::PathBuf;

use anstream::ColorChoice;
use clap::{ArgAction, Args, Command, Subcommand, ValueEnum};
use clap_complete::Shell;

use crate::{cli::check::Check, version};

/// The commands, each with its flags.
#[derive(Debug, Subcommand)]
pub(super) enum CommandLine {
    /// Say what is wrong with a file of modules, or what a module does
    ///
    /// Exit code: 0 when every file can be used, 1 when one has errors, 2 when one cannot be read.
    Check(CheckArguments),

    /// Print what a shell needs to complete flags and commands
    Completions {
        /// The shell
        shell: Shell,

        #[command(flatten)]
        help: Help,
    },
}

#[derive(Debug, Args)]
pub(super) struct CheckArguments {
    /// Files of modules [default: that which a start without flags would take]
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,

    /// Say in words what this module does
    #[arg(long, value_name = "MODULE")]
    explain: Option<String>,

    /// Check this web config file too
    #[arg(long, value_name = "FILE")]
    web: Option<PathBuf>,

    #[command(flatten)]
    look: Look,
}

/// The flag that every command has. That of clap is switched off for the serving form, and with it
/// for all.
#[derive(Debug, Args)]
pub(super) struct Help {
    /// Show the flags of this command and what they do
    #[arg(short = 'h', long, action = ArgAction::Help)]
    help: Option<bool>,
}

#[derive(Debug, Args)]
pub(super) struct Look {
    #[command(flatten)]
    help: Help,

    /// When to use colours; auto means on terminals, unless `NO_COLOR` is set
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    color: Color,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Color {
    Auto,
    Always,
    Never,
}

/// The script that completes the command line of `command`.
pub(super) fn completions(shell: Shell, command: &mut Command) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, command, version::PROGRAM, &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

impl From<CheckArguments> for Check {
    fn from(arguments: CheckArguments) -> Self {
        let CheckArguments { files, explain, web, look } = arguments;
        Self { files, web, explain, color: look.color.into() }
    }
}

impl From<Color> for ColorChoice {
    fn from(color: Color) -> Self {
        match color {
            Color::Auto => Self::Auto,
            Color::Always => Self::Always,
            Color::Never => Self::Never,
        }
    }
}
