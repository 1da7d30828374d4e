//! Completion scripts of shells.

use clap::Command;
use clap_complete::Shell;

use crate::version;

/// Completes the value of `--module` in bash, by the command `modules` and the words of the line.
const BASH: &str = r#"COMPREPLY=($(compgen -W "$("${COMP_WORDS[0]}" modules -- "${COMP_WORDS[@]}" 2>/dev/null)" -- "${cur}"))"#;

/// The same in zsh, as the action of a value.
const ZSH: &str = r#":MODULE:{compadd -- ${(f)"$($words[1] modules -- $words 2>/dev/null)"}}"#;

/// The same in fish.
const FISH: &str =
    r" -r -f -a '(set -l line (commandline -opc); $line[1] modules -- $line 2>/dev/null)'";

/// The search for the command of a line in fish. `argparse` rejects names of flags with a dot.
const FISH_COMMAND: &str =
    "    argparse -s (__fish_probe_exporter_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
";

/// Its replacement: flags of the server exclude commands.
const FISH_FIRST_WORD: &str = "    set -l argv $cmd
    if set -q argv[1]; and not string match -q -- '-*' $argv[1]
";

/// Generates the completion script for a shell. The values of `--module` are those of the
/// configuration of the line in bash, zsh and fish.
pub(super) fn script(shell: Shell, command: &mut Command) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, command, version::PROGRAM, &mut script);
    let script = String::from_utf8_lossy(&script);
    let mut after_flag = false;
    let line = |line: &str| {
        let is_value =
            std::mem::replace(&mut after_flag, matches!(line.trim(), "--module)" | "-m)"));
        match shell {
            Shell::Bash if is_value => line.replace(r#"COMPREPLY=($(compgen -f "${cur}"))"#, BASH),
            Shell::Zsh if line.starts_with("'-m+[") || line.starts_with("'--module=[") => {
                line.replace(":MODULE:_default", ZSH)
            }
            Shell::Fish if line.contains(" -l module ") => match line.strip_suffix(" -r") {
                Some(line) => [line, FISH].concat(),
                None => line.to_owned(),
            },
            _ => line.to_owned(),
        }
    };
    let lines = script.lines().map(line).map(|line| line + "\n");
    lines.collect::<String>().replace(FISH_COMMAND, FISH_FIRST_WORD)
}
